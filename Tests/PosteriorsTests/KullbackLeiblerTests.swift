import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport
import Foundation
import Testing

@Suite struct KullbackLeiblerTests {
  @Test(arguments: Gen.seeds(6))
  func isTheDenseFormula(_ seed: UInt64) throws {
    func check<P: TestedPrecision>(_: P.Type) throws {
      var gen = Gen(seed: seed)
      for p in [1, 3, 8] {
        let (a, denseA) = Gaussian<P>.random(&gen, dimension: p)
        let (b, denseB) = Gaussian<P>.random(&gen, dimension: p)
        let expected = Naive.kullbackLeibler((a.mean, denseA), (b.mean, denseB))
        let here: Comment = "\(P.structure), P = \(p), seed \(seed)"
        // The parts that cancel are of the size of the result plus P.
        let tolerance = Naive.tolerance(denseA, denseB) * (expected + Double(p))
        #expect(try (kullbackLeibler(a, b) - expected).magnitude <= tolerance, here)
        #expect(try kullbackLeibler(a, a).magnitude <= Naive.tolerance(denseA) * Double(p), here)
      }
    }
    try check(FullPrecision.self)
    try check(DiagonalPrecision.self)
  }

  /// ∫ p log(p/q), the logarithms from the definition.
  @Test(arguments: [(0.0, 1.0, 0.0, 1.0), (1, 2, -1, 0.5), (0.3, 10, 0.2, 9), (-4, 0.1, 3, 0.7)])
  func isTheIntegralInOneDimension(_ m1: Double, _ l1: Double, _ m2: Double, _ l2: Double) throws {
    let expected = integral { x in
      // Centred and scaled to p, so that the quadrature finds the mass.
      let w = m1 + x / l1.squareRoot()
      let p = Naive.logDensity([w], mean: [m1], precision: Matrix([[l1]]))
      let q = Naive.logDensity([w], mean: [m2], precision: Matrix([[l2]]))
      return exp(p) / l1.squareRoot() * (p - q)
    }
    let tolerance = expected.error + 64 * epsilon * (1 + expected.value.magnitude)
    let full = try kullbackLeibler(
      Gaussian(mean: [m1], precision: FullPrecision.isotropic(l1, dimension: 1)),
      Gaussian(mean: [m2], precision: FullPrecision.isotropic(l2, dimension: 1)))
    let diagonal = try kullbackLeibler(
      Gaussian(mean: [m1], precision: DiagonalPrecision([l1])),
      Gaussian(mean: [m2], precision: DiagonalPrecision([l2])))
    #expect((full - expected.value).magnitude <= tolerance)
    #expect((diagonal - expected.value).magnitude <= tolerance)
  }

  @Test(arguments: Gen.seeds(50))
  func isNotNegative(_ seed: UInt64) throws {
    func check<P: TestedPrecision>(_: P.Type) throws {
      var gen = Gen(seed: seed)
      let a = Gaussian<P>.random(&gen, dimension: 4).gaussian
      // A pair far apart and one close by, where rounding would show.
      var near = a
      near.mean[0] += 1e-3
      let far = Gaussian<P>.random(&gen, dimension: 4).gaussian
      for b in [far, near] {
        #expect(try kullbackLeibler(a, b) > 0 && kullbackLeibler(b, a) > 0, "\(P.structure), seed \(seed)")
      }
    }
    try check(FullPrecision.self)
    try check(DiagonalPrecision.self)
  }

  @Test func improperOnesThrow() {
    let proper = Gaussian(mean: [0, 0], precision: FullPrecision.isotropic(1, dimension: 2))
    let improper = Gaussian(mean: [0, 0], precision: FullPrecision.isotropic(0, dimension: 2))
    #expect(throws: LinearAlgebraError.self) { try kullbackLeibler(proper, improper) }
    #expect(throws: LinearAlgebraError.self) { try kullbackLeibler(improper, proper) }
    let half = Gaussian(mean: [0, 0], precision: DiagonalPrecision([1, 0]))
    #expect(throws: LinearAlgebraError.notPositiveDefinite(order: 2)) { try kullbackLeibler(half, half) }
    #expect(throws: LinearAlgebraError.notPositiveDefinite(order: 2)) { try half.logDensity(at: [0, 0]) }
  }
}
