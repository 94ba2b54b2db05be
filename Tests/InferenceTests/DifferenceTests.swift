import BNNDatasets
import BNNInference
import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport
import Foundation
import Testing

/// How far two posteriors are apart.
@Suite struct DifferenceTests {
  @Test(arguments: [Method.linear, .tangent, .lastLayer, .parallelBranch]) func nothingOnItself(method: Method) throws {
    var gen = Gen(seed: 2)
    let rows = NetworkData.rows(&gen, count: 30, inputs: 3, outputs: 2)
    let posterior =
      try method == .linear
      ? Posterior.linear(schema: rows.schema).updated(rows)
      : NetworkData.fit(method, rows, hidden: 4, seed: 2).posterior
    let difference = try PosteriorDifference(posterior, posterior)
    #expect(difference.maxAbsMean == 0 && difference.maxRelMean == 0 && difference.maxRelSd == 0)
    // P differences of logarithms and quadratic forms, each known to a few ε.
    #expect(try #require(difference.klForward) < 1e-10)
    #expect(try #require(difference.klBackward) < 1e-10)
    #expect(difference.isWithin(0))
  }

  /// Orders and cuts of the same rows are one posterior, though each read its normalisation off its own array.
  @Test(arguments: Gen.seeds(10), Priors.allCases) func sameUnionIsEqual(seed: UInt64, priors: Priors) throws {
    var gen = Gen(seed: seed)
    let rows = Design.twoTargets.rows(&gen)
    let prior = Posterior.linear(schema: rows.schema, prior: priors.settings)
    let union = try prior.updated(rows)
    let sequence = try prior.updated(rows, gen.batches(0..<rows.count, largest: 4)).posterior
    let difference = try PosteriorDifference(union, sequence)
    #expect(difference.isWithin(1e-9), "seed \(seed): \(difference)")
    #expect(try #require(difference.klForward) < 1e-9, "seed \(seed)")
    let less = try prior.updated(rows.picking(0..<(rows.count - 1)))
    #expect(try !PosteriorDifference(union, less).isWithin(1e-4), "seed \(seed): a row is missing")
  }

  /// KL of two normal–inverse-gamma posteriors of one weight against quadrature over σ² of the exact inner KL.
  @Test(arguments: Gen.seeds(10)) func klAgainstQuadrature(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    func draw() throws -> LinearPosterior {
      LinearPosterior(
        mean: [gen.normal()], factor: try TriangularFactor(upper: Matrix([[0.5 + abs(gen.normal())]])),
        noise: .inverseGamma(shape: 2 + abs(gen.normal()), rate: 0.5 + abs(gen.normal())))
    }
    let (p, q) = (try draw(), try draw())
    guard case .inverseGamma(let a1, let b1) = p.noise, case .inverseGamma(let a2, let b2) = q.noise else { return }
    let (l1, l2) = (pow(p.factor.upper[0, 0], 2), pow(q.factor.upper[0, 0], 2))
    let d = p.mean[0] - q.mean[0]
    // In t = log σ²: density of log σ² under p, times log p/q.
    let expected = try quadrature(-30, 30) { t in
      let v = exp(t)
      let logP = a1 * log(b1) - lgamma(a1) - a1 * t - b1 / v
      let logQ = a2 * log(b2) - lgamma(a2) - a2 * t - b2 / v
      return exp(logP) * (logP - logQ + 0.5 * (l2 * d * d / v + l2 / l1 - 1 - log(l2 / l1)))
    }
    let found = try #require(try kullbackLeibler(p, q))
    #expect(abs(found - expected) < 1e-8 * max(1, expected), "seed \(seed)")
  }

  /// With known noise the KL of two normals.
  @Test func klOfKnownNoise() throws {
    let p = LinearPosterior(
      mean: [1, 2], factor: try TriangularFactor(upper: .diagonal([2, 1])), noise: .known(variance: 4))
    let q = LinearPosterior(
      mean: [0, 2], factor: try TriangularFactor(upper: .diagonal([1, 3])), noise: .known(variance: 9))
    // Variances 1, 4 against 9, 1; means one apart in the first.
    let expected = 0.5 * ((1.0 / 9 + 1.0 / 9 - 1 + log(9.0)) + (4 - 1 - log(4.0)))
    #expect(try abs(#require(try kullbackLeibler(p, q)) - expected) < 1e-14)
    let unknown = LinearPosterior(mean: q.mean, factor: q.factor, noise: .inverseGamma(shape: 3, rate: 1))
    #expect(try kullbackLeibler(p, unknown) == nil)
  }

  @Test func refusedForDifferentModels() throws {
    var gen = Gen(seed: 5)
    let rows = NetworkData.rows(&gen, count: 30, inputs: 3, outputs: 1)
    let linear = try Posterior.linear(schema: rows.schema).updated(rows)
    let origin = try Posterior.linear(schema: rows.schema, intercept: false).updated(rows)
    let renamed = Schema(features: ["other"] + rows.schema.features.dropFirst(), targets: rows.schema.targets)
    let other = try Posterior.linear(schema: renamed).updated(rows)
    let tangent = try NetworkData.fit(.tangent, rows, hidden: 6, seed: 1).posterior
    let larger = try NetworkData.fit(.tangent, rows, hidden: 5, seed: 1).posterior
    let pair = try NetworkData.fit(.tangent, rows, hidden: 6, members: 2, seed: 1).posterior
    let elsewhere = try NetworkData.fit(.tangent, rows.picking(0..<20), hidden: 6, seed: 1).posterior
    let last = try NetworkData.fit(.lastLayer, rows, hidden: 6, seed: 1).posterior
    let lastToo = try NetworkData.fit(.lastLayer, rows, hidden: 6, seed: 2).posterior
    let open = Posterior.linear(schema: rows.schema, prior: PriorSettings(precision: .given(0)))
    let half = try open.updated(rows.picking(0..<2))
    for (a, b) in [
      (linear, origin), (linear, other), (linear, tangent), (tangent, larger), (tangent, pair), (tangent, elsewhere),
      (tangent, last), (last, lastToo), (linear, half), (linear, .linear(schema: rows.schema)),
    ] {
      #expect(throws: UpdateError.self) { try PosteriorDifference(a, b) }
      #expect(throws: UpdateError.self) { try PosteriorDifference(b, a) }
    }
    #expect(try PosteriorDifference(half, half).klForward == nil)
    let mixture = try PosteriorDifference(pair, pair)
    #expect(mixture.klForward == nil && mixture.klBackward == nil && mixture.maxRelMean == 0)
  }
}
