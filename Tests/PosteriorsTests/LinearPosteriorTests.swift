import BNNLinearAlgebra
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@Suite struct LinearPosteriorTests {
  /// E over p of log p − log q, within 8 standard errors.
  @Test(arguments: Gen.seeds(3))
  func divergenceIsTheMonteCarloMean(_ seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let p = NormalInverseGamma.random(&gen, dimension: 3, shape: 6, rate: 4)
    let q = NormalInverseGamma.random(&gen, dimension: 3, shape: 4.5, rate: 7)
    let draws = try p.posterior().samples(10_000, from: RandomStream(seed: 100 + seed))
    let terms = (0..<draws.rows).map { i in
      let w = Array(draws.row(i).prefix(3))
      return p.logDensity(w, variance: draws[i, 3]) - q.logDensity(w, variance: draws[i, 3])
    }
    let count = Double(terms.count)
    let mean = terms.reduce(0, +) / count
    let variance = terms.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count - 1)
    let divergence = try #require(try kullbackLeibler(p.posterior(), q.posterior()))
    #expect((divergence - mean).magnitude <= 8 * (variance / count).squareRoot(), "seed \(seed)")
  }

  /// ∬ p log(p/q) dw dσ² with σ² = e^t and w standardised given t.
  @Test(arguments: [(3.0, 2.0, 5.0, 1.5), (2.5, 1, 2.5, 1), (8, 3, 1.2, 0.4)])
  func divergenceIsTheDoubleIntegral(_ a1: Double, _ b1: Double, _ a2: Double, _ b2: Double) throws {
    let p = NormalInverseGamma(mean: [0.7], precision: Matrix([[2.5]]), shape: a1, rate: b1)
    let q = NormalInverseGamma(mean: [-0.2], precision: Matrix([[0.9]]), shape: a2, rate: b2)
    let center = log(b1 / a1)
    let expected = integral(relativeError: 1e-9) { u in
      let variance = exp(center + u)
      // Far out the density underflows; so does its product with the logarithms.
      guard variance.isFinite, variance > 1e-200, p.logDensity(p.mean, variance: variance) > -600 else { return 0 }
      let scale = (variance / 2.5).squareRoot()
      return integral { x in
        let w = [0.7 + scale * x]
        let own = p.logDensity(w, variance: variance)
        return exp(own) * (own - q.logDensity(w, variance: variance)) * scale * variance
      }.value
    }
    let divergence = try #require(try kullbackLeibler(p.posterior(), q.posterior()))
    #expect(expected.error <= 1e-8)
    // The two relative errors asked of the quadratures, outer and inner.
    #expect((divergence - expected.value).magnitude <= 2e-9 * (1 + divergence))
  }

  @Test(arguments: Gen.seeds(30))
  func divergenceIsNotNegativeAndZeroOnItself(_ seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let p = NormalInverseGamma.random(&gen, dimension: 4, shape: 0.5 + 9 * gen.stream.uniform(), rate: 1)
    let q = NormalInverseGamma.random(&gen, dimension: 4, shape: 0.5 + 9 * gen.stream.uniform(), rate: 3)
    let forward = try #require(try kullbackLeibler(p.posterior(), q.posterior()))
    #expect(forward > 0, "seed \(seed)")
    let zero = try #require(try kullbackLeibler(p.posterior(), p.posterior()))
    #expect(zero.magnitude <= Naive.tolerance(p.precision) * 4, "seed \(seed)")
  }

  /// With known noise the Gaussians N(m, σ²Λ⁻¹) decide.
  @Test func divergenceOfKnownNoise() throws {
    var gen = Gen(seed: 31)
    let (m1, l1) = (gen.normals(3), FullPrecision.random(&gen, dimension: 3).dense)
    let (m2, l2) = (gen.normals(3), FullPrecision.random(&gen, dimension: 3).dense)
    let p = LinearPosterior(mean: m1, factor: try TriangularFactor(choleskyOf: l1), noise: .known(variance: 0.3))
    let q = LinearPosterior(mean: m2, factor: try TriangularFactor(choleskyOf: l2), noise: .known(variance: 2))
    let zero = Matrix(rows: 3, columns: 3)
    let expected = Naive.kullbackLeibler(
      (m1, Naive.sum(zero, l1, weight: 1 / 0.3)), (m2, Naive.sum(zero, l2, weight: 0.5)))
    let divergence = try #require(try kullbackLeibler(p, q))
    #expect((divergence - expected).magnitude <= Naive.tolerance(l1, l2) * (expected + 3))
  }

  @Test func unlikeOrImproperNoiseHasNoDivergence() throws {
    let factor = try TriangularFactor(upper: .identity(1))
    func posterior(_ noise: NoiseBelief) -> LinearPosterior { LinearPosterior(mean: [0], factor: factor, noise: noise) }
    let (known, unknown) = (posterior(.known(variance: 1)), posterior(.inverseGamma(shape: 2, rate: 1)))
    #expect(try kullbackLeibler(known, unknown) == nil)
    #expect(try kullbackLeibler(unknown, known) == nil)
    for (shape, rate) in [(-0.5, 1.0), (0, 1), (1, 0), (0, 0)] {
      let improper = posterior(.inverseGamma(shape: shape, rate: rate))
      #expect(try kullbackLeibler(improper, unknown) == nil)
      #expect(try kullbackLeibler(unknown, improper) == nil)
    }
    #expect(throws: LinearAlgebraError.self) { try kullbackLeibler(posterior(.known(variance: 0)), known) }
  }

  /// w ~ t with 2a degrees: covariance b/(a−1)·Λ⁻¹, E[x⁴] = 3 Var² (2a−2)/(2a−4). 1/σ² ~ Γ(a, b): mean a/b, variance
  /// a/b², fourth central moment (3 + 6/a) times the variance squared. All within 8 standard errors.
  @Test func samplesHaveTheMoments() throws {
    var gen = Gen(seed: 41)
    let (a, b) = (7.0, 3.0)
    let p = NormalInverseGamma.random(&gen, dimension: 3, shape: a, rate: b)
    let draws = try p.posterior().samples(20_000, from: RandomStream(seed: 8))
    #expect(draws.columns == 4)
    let covariance = Naive.inverse(p.precision).inverse
    let marginal = Matrix(rows: 3, columns: 3, storage: covariance.storage.map { b / (a - 1) * $0 })
    expectMoments(draws, mean: p.mean, covariance: marginal, fourth: (2 * a - 2) / (2 * a - 4), "marginal")

    let count = Double(draws.rows)
    let noise = draws.column(3)
    let (mean, variance) = (b / (a - 1), b * b / ((a - 1) * (a - 1) * (a - 2)))
    #expect((noise.reduce(0, +) / count - mean).magnitude <= 8 * (variance / count).squareRoot())
    let precisions = noise.map { 1 / $0 - a / b }
    let spread = a / (b * b)
    #expect((precisions.reduce(0, +) / count).magnitude <= 8 * (spread / count).squareRoot())
    let second = precisions.reduce(0) { $0 + $1 * $1 } / count
    #expect((second - spread).magnitude <= 8 * spread * ((2 + 6 / a) / count).squareRoot())

    // Divided by its own σ every draw is N(0, Λ⁻¹): w and σ² belong together.
    var standard = Matrix(rows: draws.rows, columns: 3)
    for i in 0..<draws.rows {
      for j in 0..<3 { standard[i, j] = (draws[i, j] - p.mean[j]) / noise[i].squareRoot() }
    }
    expectMoments(standard, mean: [0, 0, 0], covariance: covariance, "given σ²")
  }

  @Test func samplesOfKnownNoise() throws {
    var gen = Gen(seed: 42)
    let dense = FullPrecision.random(&gen, dimension: 2).dense
    let p = LinearPosterior(
      mean: gen.normals(2), factor: try TriangularFactor(choleskyOf: dense), noise: .known(variance: 0.4))
    let draws = p.samples(20_000, from: RandomStream(seed: 8))
    #expect(draws.column(2).allSatisfy { $0 == 0.4 })
    let covariance = Naive.inverse(dense).inverse.storage.map { 0.4 * $0 }
    expectMoments(draws, mean: p.mean, covariance: Matrix(rows: 2, columns: 2, storage: covariance), "known")
    #expect(p.samples(2, from: RandomStream(seed: 8)) == draws.rows(0..<2))
  }

  @Test func gaussianHasTheScale() throws {
    var gen = Gen(seed: 43)
    let nig = NormalInverseGamma.random(&gen, dimension: 4, shape: 3, rate: 1.5)
    let posterior = try nig.posterior()
    let x = gen.normals(4)
    let expected = Naive.times(nig.precision, x).map { $0 * 3 / 1.5 }
    #expect(posterior.gaussian.mean == nig.mean)
    #expect(relativeDifference(posterior.gaussian.precision.times(x), expected) <= Naive.tolerance(nig.precision))
    let scales = Naive.diagonal(of: Naive.inverse(nig.precision).inverse).map { ($0 * 1.5 / 3).squareRoot() }
    #expect(relativeDifference(posterior.marginalScales(), scales) <= Naive.tolerance(nig.precision))
    #expect(posterior.noise.degreesOfFreedom == 6 && posterior.noise.scaleSquared == 0.5)
    #expect(NoiseBelief.known(variance: 2).degreesOfFreedom == .infinity)
    #expect(NoiseBelief.known(variance: 2).scaleSquared == 2)
  }
}
