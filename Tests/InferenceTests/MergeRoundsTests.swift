import BNNDatasets
import BNNInference
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNTestSupport
import Foundation
import Testing

/// Rounds over shards: their fixed point of a logistic regression is what training on all rows gives, written out by hand.
@Suite struct MergeRoundsTests {
  static let schema = Schema(
    featureColumns: ["a", "b"].map { FeatureColumn(name: $0) }, targets: ["y"], targetKind: .classes(["no", "yes"]))

  /// Rows of one shard, away from the others', with classes by chance.
  private static func rows(_ gen: inout Gen, count n: Int, at center: Double) -> Rows {
    var x = gen.matrix(rows: n, columns: 2)
    for i in 0..<n { x[i, 0] += center }
    let noise = gen.normals(n)
    return Rows(
      x: x,
      y: Matrix(rows: n, columns: 1, storage: (0..<n).map { x[$0, 0] - 2 * x[$0, 1] + 1.5 * noise[$0] > 0.5 ? 1 : 0 }))
  }

  private static func start(_ first: Rows, _ structure: CurvatureStructure) throws -> Posterior {
    try Posterior.laplace(
      NetworkSpec(inputs: 2, layers: [.dense(units: 1, activation: .identity)]),
      settings: LaplaceSettings(structure: structure), likelihood: .bernoulli, schema: schema, features: first.x,
      targets: first.y, normalisation: .identity(features: 2, targets: 1), prior: PriorSettings(precision: .given(0.5))
    ).posterior.recording(first, action: "fit")
  }

  private static func merged(
    _ shards: [Rows], _ prior: Posterior, rounds: Int
  ) throws -> (posterior: Posterior, report: UpdateReport, rounds: MergeRoundsReport) {
    let own = try shards.map { try prior.absorbing($0, [Array(0..<$0.count)]) }
    return try Posterior.merged(
      own, prior: prior, rounds: MergeRounds(rounds),
      absorbing: { k, update in try update.absorb(features: shards[k].x, targets: shards[k].y) })
  }

  /// −log of p₀(θ)∏ p(y|θ) up to a constant, its gradient and its curvature: p₀ = N(m₀, Λ₀⁻¹).
  private struct Logistic {
    var value = 0.0
    var gradient: [Double]
    var curvature: Matrix

    init(_ theta: [Double], _ rows: [Rows], mean: [Double], precision: Matrix) {
      let d = zip(theta, mean).map { $0 - $1 }
      gradient = precision.multiplied(by: d)
      value = 0.5 * dot(d, gradient)
      curvature = precision
      for own in rows {
        for i in 0..<own.count {
          let phi = [own.x[i, 0], own.x[i, 1], 1]
          let z = dot(phi, theta)
          let p = 1 / (1 + exp(-z))
          value += log(1 + exp(z)) - own.y[i, 0] * z
          for j in 0..<3 {
            gradient[j] += (p - own.y[i, 0]) * phi[j]
            for k in 0..<3 { curvature[j, k] += p * (1 - p) * phi[j] * phi[k] }
          }
        }
      }
    }
  }

  private static func precision(_ posterior: Posterior) throws -> Matrix {
    let state = try #require(posterior.members[0].laplace)
    return Matrix(
      rows: 3, columns: 3,
      storage: (0..<3).flatMap { k in state.precisionTimes((0..<3).map { $0 == k ? 1 : 0 }) })
  }

  /// At the fixed point the mean is the mode given all rows, the precision the curvature there and the evidence Laplace's. A round
  /// shrinks the error about fivefold here, and the local optima are to 1e-9; before the rounds all are far away.
  @Test func theFixedPointIsTheUnion() throws {
    var gen = Gen(seed: 31)
    let first = Self.rows(&gen, count: 15, at: 0)
    let shards = [-2.0, 0.5, 3].map { Self.rows(&gen, count: 25, at: $0) }
    let prior = try Self.start(first, .full)
    let before = try Self.precision(prior)
    func distance(_ rounds: Int) throws -> (mean: Double, precision: Double, evidence: Double) {
      let (posterior, report, done) = try Self.merged(shards, prior, rounds: rounds)
      #expect(done.shifts.count == rounds && done.skipped == 0 && done.unneeded == nil)
      let theta = posterior.members[0].theta
      let own = try Self.precision(posterior)
      let oracle = Logistic(theta, shards, mean: prior.members[0].theta, precision: before)
      // gᵀΛ⁻¹g: how far from the mode in standard deviations.
      let step = try TriangularFactor(choleskyOf: oracle.curvature).solve(oracle.gradient)
      let volumes =
        try TriangularFactor(choleskyOf: before).logDeterminant
        - TriangularFactor(choleskyOf: oracle.curvature).logDeterminant
      let evidence = 0.5 * volumes - oracle.value
      return (
        dot(step, oracle.gradient).squareRoot(), relativeDifference(own.storage, oracle.curvature.storage),
        abs(try #require(report.logEvidence) - evidence)
      )
    }
    let (none, some) = (try distance(0), try distance(25))
    #expect(none.mean > 0.05 && none.precision > 0.01 && none.evidence > 0.01, "\(none)")
    #expect(some.mean < 1e-6 && some.precision < 1e-6 && some.evidence < 1e-6, "\(some)")
  }

  /// Sites of a diagonal structure: their sum is the diagonal of the sum, and the gradients of sites and likelihoods agree at a fixed
  /// point whatever the structure, so that the mode is that of all rows.
  @Test func roundsOfDiagonalsComeNearer() throws {
    var gen = Gen(seed: 32)
    let first = Self.rows(&gen, count: 15, at: 0)
    let shards = [-2.0, 0.5, 3].map { Self.rows(&gen, count: 25, at: $0) }
    let prior = try Self.start(first, .diagonal)
    let all = Rows(
      x: Matrix(rows: 75, columns: 2, storage: shards.flatMap(\.x.storage)),
      y: Matrix(rows: 75, columns: 1, storage: shards.flatMap(\.y.storage)))
    let union = try prior.absorbing(all, [Array(0..<75)]).members[0].theta
    func miss(_ rounds: Int) throws -> Double {
      relativeDifference(try Self.merged(shards, prior, rounds: rounds).posterior.members[0].theta, union)
    }
    // The local optima are to 1e-9; 40 rounds leave less than that of the first distance.
    #expect(try miss(40) < 1e-5 && miss(0) > 1e-2)
  }

  /// Rows that are linear in the weights need no rounds, and shards of a filter have none.
  @Test func whatNeedsNone() throws {
    var gen = Gen(seed: 33)
    let rows = NetworkData.rows(&gen, count: 60, inputs: 2, outputs: 1)
    let prior = try NetworkData.fit(.tangent, rows.picking(0..<30), hidden: 3, seed: 1).posterior.recording(
      rows.picking(0..<30), action: "fit")
    let parts = [rows.picking(30..<45), rows.picking(45..<60)]
    let own = try parts.map { try prior.absorbing($0, [Array(0..<15)]) }
    let found = try Posterior.merged(
      own, prior: prior, rounds: MergeRounds(3), absorbing: { _, _ in Issue.record("no row is asked for") })
    #expect(found.rounds.unneeded == "the merge is exact" && found.rounds.shifts.isEmpty)
    #expect(try found.posterior == Posterior.merged(own, prior: prior).posterior)
  }
}
