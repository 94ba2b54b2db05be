import BNNInference
import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport
import Testing

/// E5: a batch that was absorbed and forgotten leaves the posterior of the other rows.
///
/// By what was kept apart: the tolerance of the orthogonal updates. By subtraction: rounding c·ε‖R‖ of the array of all rows
/// (c = 10·K·√P) changes what stays by 2c·ε‖G‖ against λ_min(G₊ + κ), which is 2c times the bound that is reported.
@Suite struct ForgetTests {
  @Test(arguments: LinearSequenceTests.cases.filter { $0.design != .fewRows }, [true, false])
  func linearIsThatOfTheOthers(_ own: LinearSequenceTests.Case, keeping: Bool) throws {
    for seed in Gen.seeds(3) {
      var gen = Gen(seed: seed)
      let rows = own.design.rows(&gen)
      let empty = Posterior.linear(schema: rows.schema, intercept: own.intercept, prior: own.priors.settings)
      let batches = gen.batches(0..<rows.count, largest: 12)
      let all = try empty.absorbing(rows, batches, keeping: { _ in keeping })
      // Some of the batches, of which enough rows stay to identify the weights.
      var gone: [Int] = []
      for k in gen.permutation(batches.count) {
        let stays = batches.indices.filter { !gone.contains($0) && $0 != k }.reduce(0) { $0 + batches[$1].count }
        if stays >= 14, gone.count < 3 { gone.append(k) }
      }
      var left = all
      var bound = 0.0
      for k in gone {
        let (next, report) = try left.forgetting(rows.picking(batches[k]))
        left = next
        #expect((report.forgettingBound == nil) == keeping)
        bound += report.forgettingBound ?? 0
      }
      let kept = batches.indices.filter { !gone.contains($0) }.flatMap { batches[$0] }.sorted()
      let rest = rows.picking(kept)
      #expect(left.rows == kept.count && left.lineage.count == batches.count + gone.count)
      for c in 0..<rows.y.columns {
        let response = left.members[0].responses[c]
        let oracle = try LinearOracle(rest, target: c, intercept: own.intercept, response: response)
        let posterior = try #require(left.inDataUnits(response: c, of: left.members[0]), "seed \(seed)")
        let c10 = 10 * Double(batches.count + gone.count) * Double(posterior.mean.count).squareRoot()
        let tolerance = c10 * (epsilon * oracle.condition + 2 * bound)
        let ratio = oracle.disagreement(posterior, tolerance: tolerance)
        #expect(ratio < 1, "seed \(seed), \(gone.count) of \(batches.count) batches forgotten, bound \(bound)")
      }
    }
  }

  @Test(arguments: NetworkSequenceTests.cases, [true, false])
  func networkIsThatOfTheOthers(_ own: NetworkSequenceTests.Case, keeping: Bool) throws {
    let seed: UInt64 = 11
    var gen = Gen(seed: seed)
    let rows = NetworkData.rows(&gen, count: own.first + own.rest, inputs: own.inputs, outputs: own.outputs)
    let first = rows.picking(0..<own.first)
    let prior = try NetworkData.fit(
      own.method, first, hidden: own.hidden, prior: own.priors.settings, subspace: own.subspace, seed: seed
    ).posterior.recording(first, action: "fit")
    let oracle = NetworkOracle(prior, hidden: own.hidden)
    let batches = gen.batches(own.first..<rows.count, largest: 9)
    var left = try prior.absorbing(rows, batches, keeping: { _ in keeping })
    var stays = Array(0..<own.first)
    var bound = 0.0
    for (k, batch) in batches.enumerated() {
      if k % 3 == 1 {
        stays += batch
        continue
      }
      let (next, report) = try left.forgetting(rows.picking(batch))
      left = next
      bound += report.forgettingBound ?? 0
    }
    #expect((bound > 0) == !keeping && left.rows == stays.count)
    for c in left.members[0].responses.indices {
      let c10 = 10 * Double(2 * batches.count) * Double(left.members[0].statistics.weights).squareRoot()
      let (ratio, _) = try oracle.disagreement(
        left, rows.picking(stays), response: c, steps: 2 * batches.count, loss: 2 * c10 * bound)
      #expect(ratio < 1, "\(bound)")
    }
    // What was forgotten can come again, and everything is the union.
    let again = try left.absorbing(rows, batches.indices.filter { $0 % 3 != 1 }.map { batches[$0] })
    for c in again.members[0].responses.indices {
      let c10 = 10 * Double(4 * batches.count) * Double(left.members[0].statistics.weights).squareRoot()
      let (ratio, _) = try oracle.disagreement(
        again, rows, response: c, steps: 4 * batches.count, loss: 2 * c10 * bound)
      #expect(ratio < 1)
    }
  }

  /// Back to nothing at all, the same value as what no data were ever given to.
  @Test(arguments: Priors.allCases, [true, false]) func everythingForgottenIsThePrior(priors: Priors, keeping: Bool)
    throws
  {
    var gen = Gen(seed: 2)
    let rows = Design.plain.rows(&gen)
    let empty = Posterior.linear(schema: rows.schema, standardised: false, prior: priors.settings)
    let batches = gen.batches(0..<rows.count, largest: 20)
    var left = try empty.absorbing(rows, batches, keeping: { _ in keeping })
    // What stays after all but the last would not identify a flat prior's weights: all at once.
    var update = SequentialUpdate(left.forgettingData())
    try update.absorb(features: rows.x, targets: rows.y)
    left = try left.forgetting(update, absorbedAs: left.lineage.held).posterior
    #expect(left.members == empty.members && left.rows == 0 && left.normalisation == empty.normalisation)
    #expect(left.sites.isEmpty)
    let again = try left.updated(rows)
    #expect(try PosteriorDifference(again, empty.updated(rows)).isWithin(0))
  }

  @Test func flatPriorThatIsLeftWithTooFewRows() throws {
    var gen = Gen(seed: 2)
    let rows = Design.plain.rows(&gen)
    let empty = Posterior.linear(schema: rows.schema, prior: Priors.flat.settings)
    let all = try empty.absorbing(rows, [[0, 1], Array(2..<rows.count)])
    let error = #expect(throws: UpdateError.self) { try all.forgetting(rows.picking(2..<rows.count)) }
    guard case .notAPosterior(let why)? = error else { return #expect(Bool(false), "\(String(describing: error))") }
    #expect(why.contains("do not identify"))
  }

  /// Rows ten million times as large drown what the others said of a flat prior's weights; of weights that a prior holds they do
  /// not, and what was kept apart does not care.
  @Test func whatWouldDrownIsRefused() throws {
    var gen = Gen(seed: 4)
    var rows = Rows(x: gen.matrix(rows: 60, columns: 3), y: gen.matrix(rows: 60, columns: 1))
    for i in 40..<60 { for j in 0..<3 { rows.x[i, j] *= 1e7 } }
    let batches = [Array(0..<40), Array(40..<60)]
    let gone = rows.picking(40..<60)
    let empty = Posterior.linear(schema: rows.schema, standardised: false, prior: Priors.flat.settings)
    let error = #expect(throws: UpdateError.self) { try empty.absorbing(rows, batches).forgetting(gone) }
    #expect(error?.description.contains("drown") == true)
    let kept = try empty.absorbing(rows, batches, keeping: { _ in true }).forgetting(gone).posterior
    #expect(try PosteriorDifference(kept, empty.updated(rows.picking(0..<40))).isWithin(1e-12))
  }

  @Test func firstFit() throws {
    var gen = Gen(seed: 6)
    let rows = NetworkData.rows(&gen, count: 70, inputs: 3, outputs: 1)
    let first = rows.picking(0..<30)
    let prior = try NetworkData.fit(.tangent, first, hidden: 5, seed: 1).posterior.recording(first, action: "fit")
    let all = try prior.absorbing(rows, [Array(30..<70)])
    let error = #expect(throws: UpdateError.self) { try all.forgetting(first) }
    #expect(error?.description.contains("--linear-part-only") == true)
    let (left, report) = try all.forgetting(first, linearPartOnly: true)
    let oracle = NetworkOracle(prior, hidden: 5)
    let c10 = 30 * Double(left.members[0].statistics.weights).squareRoot()
    let loss = 2 * c10 * (report.forgettingBound ?? 0)
    #expect(try oracle.disagreement(left, rows.picking(30..<70), response: 0, steps: 3, loss: loss).ratio < 1)
    #expect(left.certificate.reasons.contains { $0.contains("still come from them") })
  }

  /// What shards kept apart is kept apart in their merge: forgotten there to rounding.
  @Test func fromAMerge() throws {
    var gen = Gen(seed: 8)
    let rows = NetworkData.rows(&gen, count: 90, inputs: 3, outputs: 1)
    let first = rows.picking(0..<30)
    let prior = try NetworkData.fit(.tangent, first, hidden: 5, seed: 1).posterior.recording(first, action: "fit")
    let oracle = NetworkOracle(prior, hidden: 5)
    let parts = [Array(30..<45), Array(45..<60), Array(60..<75), Array(75..<90)]
    for keeping in [true, false] {
      let shards = try [[0, 1], [2, 3]].map { own in
        try prior.absorbing(rows, own.map { parts[$0] }, keeping: { _ in keeping })
      }
      let merged = try Posterior.merged(shards, prior: prior).posterior
      #expect(merged.sites.map(\.number) == (keeping ? [0, 2, 3, 4, 5] : []))
      let (left, report) = try merged.forgetting(rows.picking(parts[2]))
      #expect((report.forgettingBound == nil) == keeping)
      let stays = rows.picking(Array(0..<60) + parts[3])
      let c10 = 100 * Double(left.members[0].statistics.weights).squareRoot()
      let loss = 2 * c10 * (report.forgettingBound ?? 0)
      #expect(try oracle.disagreement(left, stays, response: 0, steps: 10, loss: loss).ratio < 1)
      // A shard that forgets what the prior holds would take it from all.
      let torn = try merged.forgetting(rows.picking(parts[0])).posterior
      #expect(throws: UpdateError.self) { try Posterior.merged([torn], prior: merged) }
    }
  }

  /// Of a Gaussian over a network's weights by its site only: the last batch exactly, to the rounding of its solves.
  @Test(arguments: [CurvatureStructure.full, .block, .diagonal, .kronecker, .kroneckerEigenvalue]) func gaussiansBySite(
    _ structure: CurvatureStructure
  ) throws {
    var gen = Gen(seed: 3)
    let rows = NetworkData.rows(&gen, count: 90, inputs: 3, outputs: 1)
    let prior = try MergeTests.gaussian(rows.picking(0..<50), hidden: [5], structure: structure)
    let one = try prior.absorbing(rows, [Array(50..<70)], keeping: { _ in true })
    let two = try one.absorbing(rows, [Array(70..<90)], keeping: { _ in true })
    let back = try two.forgetting(rows.picking(70..<90)).posterior
    #expect(try PosteriorDifference(back, one).isWithin(1e-9))
    #expect(back.rows == 70 && back.sites.map(\.number) == [2])
    #expect(try PosteriorDifference(back.forgetting(rows.picking(50..<70)).posterior, prior).isWithin(1e-9))
    #expect(throws: UpdateError.self) {
      try prior.absorbing(rows, [Array(50..<70)]).forgetting(rows.picking(50..<70))
    }
    #expect(throws: UpdateError.self) { try two.forgetting(rows.picking(0..<50)) }
  }
}
