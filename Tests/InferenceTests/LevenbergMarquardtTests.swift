import BNNLinearAlgebra
import BNNTestSupport
import Foundation
import Testing

@testable import BNNInference

/// Damped Gauss–Newton steps on problems with known minima.
@Suite struct LevenbergMarquardtTests {
  /// ½‖r(x)‖² from residuals and their Jacobian.
  struct LeastSquares: Sendable {
    let start: [Double]
    let minimum: [Double]
    let residuals: @Sendable ([Double]) -> [Double]
    let jacobian: @Sendable ([Double]) -> [[Double]]

    func evaluate(_ x: [Double]) -> (value: Double, gradient: [Double]) {
      let r = residuals(x)
      return (0.5 * r.reduce(0) { $0 + $1 * $1 }, Matrix(jacobian(x)).multiplied(by: r, transposed: true))
    }

    func minimise(_ optimiser: LevenbergMarquardt) -> LevenbergMarquardt.Result {
      optimiser.minimise(from: start, evaluate, curvature: { Matrix(jacobian($0)).gram })
    }
  }

  /// Moré, Garbow & Hillstrom 1981, problem 1.
  static let rosenbrock = LeastSquares(
    start: [-1.2, 1], minimum: [1, 1], residuals: { [10 * ($0[1] - $0[0] * $0[0]), 1 - $0[0]] },
    jacobian: { [[-20 * $0[0], 10], [-1, 0]] })

  /// Moré, Garbow & Hillstrom 1981, problem 13: the Jacobian is singular at the minimum.
  static let powell = LeastSquares(
    start: [3, -1, 0, 1], minimum: [0, 0, 0, 0],
    residuals: { x in
      let (a, b) = (x[1] - 2 * x[2], x[0] - x[3])
      return [x[0] + 10 * x[1], 5.0.squareRoot() * (x[2] - x[3]), a * a, 10.0.squareRoot() * b * b]
    },
    jacobian: { x in
      let (a, b) = (2 * (x[1] - 2 * x[2]), 2 * 10.0.squareRoot() * (x[0] - x[3]))
      let c = 5.0.squareRoot()
      return [[1, 10, 0, 0], [0, 0, c, -c], [0, a, -2 * a, 0], [b, 0, 0, -b]]
    })

  /// NIST StRD Misra1a: y = b₁(1 − exp(−b₂x)), 14 observations, first start; certified b and residual sum of squares.
  static let misra: LeastSquares = {
    let y = [
      10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78,
    ]
    let x: [Double] = [
      77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0,
    ]
    // In units of the certified values, as a network's weights are of order 1.
    let (one, two) = (2.389_421_291_8e2, 5.501_564_318_1e-4)
    return LeastSquares(
      start: [500 / one, 1e-4 / two], minimum: [1, 1],
      residuals: { b in zip(x, y).map { b[0] * one * (1 - exp(-b[1] * two * $0)) - $1 } },
      jacobian: { b in
        x.map { [one * (1 - exp(-b[1] * two * $0)), b[0] * one * two * $0 * exp(-b[1] * two * $0)] }
      })
  }()

  private static let patient = LevenbergMarquardt(maximumIterations: 200, valueTolerance: 0, absoluteTolerance: 0)

  @Test func rosenbrockIsSolved() {
    let result = Self.rosenbrock.minimise(Self.patient)
    // H's least eigenvalue at the minimum is 0.2 (0.3994 of the squares' ½): ‖x − x*‖ ≤ ‖∇‖/0.2, ∇ known to ε·100.
    #expect(result.theta.allSatisfy { abs($0 - 1) < 1e-11 }, "\(result)")
    #expect(result.value < 1e-24 && result.iterations < 50)
  }

  /// Singular at the minimum: convergence is linear, E ~ ‖x‖⁴.
  @Test func powellIsSolved() {
    let result = Self.powell.minimise(Self.patient)
    #expect(result.theta.allSatisfy { abs($0) < 1e-4 }, "\(result)")
    #expect(result.value < 1e-15)
  }

  /// Certified to 11 digits; the last digits of b₁ and b₂ move together along the valley.
  @Test func misraIsCertified() {
    let result = Self.misra.minimise(Self.patient)
    #expect(digits(of: result.theta, against: [1, 1]) > 7, "\(result)")
    #expect(digits(of: 2 * result.value, against: 1.245_513_889_4e-1) > 9)
  }

  /// E = ½(x − c)ᵀH(x − c): the first step solves (H + μI)s = −g, μ = 1e-4 of H's largest diagonal entry.
  @Test(arguments: Gen.seeds(5)) func oneStepOfAQuadratic(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let h = gen.positiveDefinite(8, condition: 100)
    let centre = gen.normals(8)
    func evaluate(_ x: [Double]) -> (value: Double, gradient: [Double]) {
      let d = zip(x, centre).map { $0 - $1 }
      let gradient = h.multiplied(by: d)
      return (0.5 * zip(d, gradient).reduce(0) { $0 + $1.0 * $1.1 }, gradient)
    }
    let start = [Double](repeating: 0, count: 8)
    let result = LevenbergMarquardt(maximumIterations: 1).minimise(from: start, evaluate, curvature: { _ in h })
    #expect(result.iterations == 1)
    var damped = h
    let mu = 1e-4 * ((0..<8).map { h[$0, $0] }.max() ?? 0)
    for j in 0..<8 { damped[j, j] += mu }
    // A backward stable solve: some P·ε·cond.
    let left = zip(damped.multiplied(by: result.theta), evaluate(start).gradient).map { $0 + $1 }
    #expect(euclideanNorm(left) < 100 * epsilon * euclideanNorm(evaluate(start).gradient), "seed \(seed)")
    // μ shrinks by 3 with every step of a quadratic: the error falls by more each time, to the minimum.
    let patient = Self.patient.minimise(from: start, evaluate, curvature: { _ in h })
    #expect(relativeDifference(patient.theta, centre) < 1e-9 && patient.iterations < 20, "seed \(seed)")
  }

  /// At a minimum, on a plateau, where the curvature is 0, and where E is not finite nothing moves and nothing hangs.
  @Test func staysWhereNothingIsGained() {
    let quadratic = LevenbergMarquardt().minimise(
      from: [0, 0], { (1 + $0[0] * $0[0] + $0[1] * $0[1], $0.map { 2 * $0 }) }, curvature: { _ in .diagonal([2, 2]) })
    #expect(quadratic.theta == [0, 0] && quadratic.iterations == 0 && quadratic.value == 1)
    for value in [1.0, .infinity, .nan] {
      let flat = LevenbergMarquardt().minimise(
        from: [3, 4], { _ in (value, [0, 0]) }, curvature: { _ in Matrix(rows: 2, columns: 2) })
      #expect(flat.theta == [3, 4] && flat.iterations == 0)
      let broken = LevenbergMarquardt().minimise(
        from: [3, 4], { _ in (value, [.nan, 0]) }, curvature: { _ in .diagonal([1, .nan]) })
      #expect(broken.theta == [3, 4] && broken.iterations == 0)
    }
  }

  /// The value only ever falls, and an iteration that gains too little is the last.
  @Test func stopsWhenLittleIsGained() {
    var seen: [Double] = []
    let problem = Self.powell
    let result = LevenbergMarquardt(maximumIterations: 200, valueTolerance: 0.5, absoluteTolerance: 0).minimise(
      from: problem.start, problem.evaluate,
      curvature: { x in
        seen.append(problem.evaluate(x).value)
        return Matrix(problem.jacobian(x)).gram
      })
    #expect(zip(seen, seen.dropFirst()).allSatisfy { $0 > $1 })
    // All but the last iteration lowered E by more than half of what was left.
    #expect(zip(seen, seen.dropFirst()).allSatisfy { $0 > 1.5 * $1 } && result.iterations == seen.count)
    #expect(result.value < seen[seen.count - 1] && seen[seen.count - 1] <= 1.5 * result.value)
  }
}
