import BNNLinearAlgebra
import BNNModels
import BNNTestSupport
import Foundation
import Testing

@testable import BNNInference

/// Minimisation: known minima, and the objective's gradient.
@Suite struct OptimiserTests {
  /// Rosenbrock's valley in 10 dimensions; minimum 0 at (1, …, 1).
  @Test func rosenbrock() {
    let optimiser = LBFGS(maximumIterations: 500, gradientTolerance: 1e-9, valueTolerance: 0)
    let result = optimiser.minimise(from: [Double](repeating: -1.2, count: 10)) { x in
      var value = 0.0
      var gradient = [Double](repeating: 0, count: 10)
      for i in 0..<9 {
        let (a, b) = (x[i + 1] - x[i] * x[i], 1 - x[i])
        value += 100 * a * a + b * b
        gradient[i] += -400 * a * x[i] - 2 * b
        gradient[i + 1] += 200 * a
      }
      return (value, gradient)
    }
    // Curvature of about 1 along the valley (½ per unit²): ‖∇‖ < 1e-9 puts x within a few times that.
    #expect(result.theta.allSatisfy { abs($0 - 1) < 1e-7 } || result.theta[0] < -0.9, "\(result)")
    #expect(result.value < 1e-14, "\(result)")
  }

  /// ½(x − c)ᵀH(x − c) with condition number 1e6.
  @Test(arguments: Gen.seeds(5)) func illConditionedQuadratic(seed: UInt64) {
    var gen = Gen(seed: seed)
    let h = gen.positiveDefinite(20, condition: 1e6)
    let center = gen.normals(20)
    let optimiser = LBFGS(maximumIterations: 2000, gradientTolerance: 1e-11, valueTolerance: 0)
    let result = optimiser.minimise(from: [Double](repeating: 0, count: 20)) { x in
      let d = zip(x, center).map { $0 - $1 }
      let gradient = h.multiplied(by: d)
      return (0.5 * zip(d, gradient).reduce(0) { $0 + $1.0 * $1.1 }, gradient)
    }
    // ‖x − c‖ ≤ ‖∇‖/λmin, the gradient itself known to ε‖x‖.
    #expect(relativeDifference(result.theta, center) < 1e-4, "seed \(seed): \(result.iterations) iterations")
    #expect(result.value < 1e-13, "seed \(seed)")
  }

  private func objective(_ gen: inout Gen, rows: Int, threads: Int = 1) -> NetworkObjective {
    let network = Network(NetworkSpec(inputs: 3, hidden: [5, 4], outputs: 2, activation: .tanh))
    return NetworkObjective(
      network: network, x: gen.matrix(rows: rows, columns: 3), y: gen.matrix(rows: rows, columns: 2),
      noiseVariance: 0.3, priorPrecision: 0.7, threads: threads)
  }

  /// Central differences with step h: error h²|E‴|/6 and rounding εE/h, about 1e-6 of a gradient of size 10² here.
  @Test(arguments: Gen.seeds(5)) func gradientByFiniteDifferences(seed: UInt64) {
    var gen = Gen(seed: seed)
    var objective = objective(&gen, rows: 30)
    objective.priorMean = gen.normals(objective.network.parameterCount)
    let theta = gen.normals(objective.network.parameterCount)
    let gradient = objective.evaluate(theta).gradient
    let h = 1e-5
    for i in theta.indices {
      var (up, down) = (theta, theta)
      up[i] += h
      down[i] -= h
      let slope = (objective.evaluate(up).value - objective.evaluate(down).value) / (2 * h)
      #expect(abs(slope - gradient[i]) < 1e-5 * max(1, abs(slope)), "seed \(seed), weight \(i)")
    }
  }

  /// ½‖y − f‖²/σ² + ½α‖θ − μ‖², summed plainly.
  @Test func valueIsTheNegativeLogPosterior() {
    var gen = Gen(seed: 8)
    let objective = objective(&gen, rows: 1100)
    let theta = gen.normals(objective.network.parameterCount)
    var expected = 0.35 * theta.reduce(0) { $0 + $1 * $1 }
    for piece in objective.pieces {
      let f = objective.network.forward(piece.x, objective.network.parameters(theta))
      expected += zip(f.storage, piece.y.storage).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / 0.6
    }
    #expect(objective.pieces.map(\.x.rows) == [512, 512, 76])
    #expect(relativeDifference(objective.evaluate(theta).value, expected) < 1e-13)
  }

  @Test func threadsDoNotDecideBits() {
    var results: [[Double]] = []
    for threads in [1, 2, 3] {
      var gen = Gen(seed: 6)
      let objective = objective(&gen, rows: 1700, threads: threads)
      let theta = gen.normals(objective.network.parameterCount)
      let (value, gradient) = objective.evaluate(theta)
      results.append([value] + gradient)
    }
    #expect(results[0] == results[1] && results[0] == results[2])
  }

  /// Adam's first step has length `rate` in every coordinate, against the gradient's sign; many steps find a minimum.
  @Test func adam() {
    var theta = [3.0, -2]
    var adam = Adam<Double>(dimension: 2)
    adam.update(&theta, gradient: [40, -0.5], rate: 0.1)
    #expect(abs(theta[0] - 2.9) < 1e-7 && abs(theta[1] + 1.9) < 1e-7)
    for step in 0..<2000 {
      adam.update(&theta, gradient: [2 * (theta[0] - 1), 20 * (theta[1] - 1)], rate: 0.1 / (1 + 0.05 * Double(step)))
    }
    #expect(abs(theta[0] - 1) < 1e-3 && abs(theta[1] - 1) < 1e-3)
  }
}
