import BNNDatasets
import BNNInference
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNTestSupport
import Testing

/// E4: what shards add to one prior, merged, is the posterior of all rows at once.
///
/// Tolerance: that of as many orthogonal updates as there were batches and shards, times the shards from which the prior was
/// taken out again, since of K equal parts one stays (`InformationArray.removing`).
@Suite struct MergeTests {
  /// A prior of the first rows and shards of the rest, whose batches come in random sizes; some keep theirs apart.
  static func shards(
    _ gen: inout Gen, _ prior: Posterior, _ rows: Rows, rest: Range<Int>, count: Int
  ) throws -> (shards: [Posterior], batches: Int) {
    let order = gen.permutation(rest.count).map { $0 + rest.lowerBound }
    let cuts = [0] + (1..<count).map { $0 * rest.count / count } + [rest.count]
    var batches = 0
    let keeping = gen.integer(in: 0...2)
    let shards = try (0..<count).map { k in
      let own = Array(order[cuts[k]..<cuts[k + 1]])
      let parts = gen.partition(own.count, largest: 6).map { Array(own[$0]) }
      batches += parts.count
      // None, all, or every other shard's.
      return try prior.absorbing(rows, parts, keeping: { _ in keeping == 1 || keeping == 2 && k % 2 == 0 })
    }
    return (shards, batches)
  }

  static let cases = LinearSequenceTests.cases.filter { $0.design != .fewRows }

  @Test(arguments: cases) func linearShardsGiveTheUnion(_ own: LinearSequenceTests.Case) throws {
    for seed in Gen.seeds(4) {
      var gen = Gen(seed: seed)
      let rows = own.design.rows(&gen)
      let empty = Posterior.linear(schema: rows.schema, intercept: own.intercept, prior: own.priors.settings)
      let first = gen.integer(in: 0...10)
      let prior = first == 0 ? empty : try empty.absorbing(rows, [Array(0..<first)])
      let count = gen.integer(in: 1...5)
      let (shards, batches) = try Self.shards(&gen, prior, rows, rest: first..<rows.count, count: count)
      let merged = try Posterior.merged(shards, prior: first == 0 && seed % 2 == 0 ? nil : prior).posterior
      #expect(merged.rows == rows.count && merged.lineage.held.reduce(0) { $0 + $1.rows } == rows.count)
      #expect(merged.lineage.map(\.number) == Array(1...merged.lineage.count))
      let union = try empty.updated(rows)
      for c in 0..<rows.y.columns {
        let response = merged.members[0].responses[c]
        let oracle = try LinearOracle(rows, target: c, intercept: own.intercept, response: response)
        let posterior = try #require(merged.inDataUnits(response: c, of: merged.members[0]), "seed \(seed)")
        let p = Double(posterior.mean.count)
        let steps = Double((batches + count + 1) * count)
        let tolerance = 10 * steps * p.squareRoot() * epsilon * oracle.condition
        #expect(oracle.disagreement(posterior, tolerance: tolerance) < 1, "seed \(seed), \(count) shards")
        let kappa = union.members[0].responses[c].ratio
        #expect(relativeWorst([response.ratio], [kappa]) <= max(1e-10, tolerance), "seed \(seed)")
      }
    }
  }

  @Test(arguments: NetworkSequenceTests.cases) func networkShardsGiveTheUnion(_ own: NetworkSequenceTests.Case) throws {
    for seed in Gen.seeds(2) {
      var gen = Gen(seed: seed)
      let rows = NetworkData.rows(&gen, count: own.first + own.rest, inputs: own.inputs, outputs: own.outputs)
      let prior = try NetworkData.fit(
        own.method, rows.picking(0..<own.first), hidden: own.hidden, prior: own.priors.settings, subspace: own.subspace,
        seed: seed
      ).posterior.recording(rows.picking(0..<own.first), action: "fit")
      let oracle = NetworkOracle(prior, hidden: own.hidden)
      let count = gen.integer(in: 2...4)
      let (shards, batches) = try Self.shards(&gen, prior, rows, rest: own.first..<rows.count, count: count)
      let (merged, report) = try Posterior.merged(shards, prior: prior)
      #expect(report.rows == own.rest)
      for c in merged.members[0].responses.indices {
        let (ratio, _) = try oracle.disagreement(merged, rows, response: c, steps: (batches + count + 1) * count)
        #expect(ratio < 1, "seed \(seed), \(count) shards, response \(c)")
      }
      // The evidence of the shards' rows is that of one batch of them.
      let one = try prior.updated(rows, [Array(own.first..<rows.count)])
      let (a, b) = (try #require(report.logEvidence), try #require(one.reports[0].logEvidence))
      #expect(abs(a - b) < 1e-7 * max(1, abs(b)), "seed \(seed): \(a), \(b)")
    }
  }

  /// In any order and any grouping, to rounding.
  @Test(arguments: Gen.seeds(6)) func isAssociativeAndCommutative(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let rows = NetworkData.rows(&gen, count: 90, inputs: 3, outputs: 1)
    let prior = try NetworkData.fit(.tangent, rows.picking(0..<30), hidden: 6, seed: seed).posterior
      .recording(rows.picking(0..<30), action: "fit")
    let (shards, _) = try Self.shards(&gen, prior, rows, rest: 30..<90, count: 5)
    func merged(_ own: [Posterior]) throws -> Posterior {
      var result = try Posterior.merged(own, prior: prior).posterior
      result.lineage.append(
        LineageEntry(
          number: result.lineage.count + 1, action: "merge", rows: 0, rowDigest: RowDigest().description,
          method: "tangent", settings: [:], logEvidence: nil, seed: 0, version: "test", parent: nil, label: nil))
      return result
    }
    let all = try merged(shards)
    let turned = try merged(gen.permutation(5).map { shards[$0] })
    let grouped = try merged([merged([shards[0], shards[1]]), shards[2], merged([shards[3], shards[4]])])
    let nested = try merged([merged([merged([shards[4], shards[2]]), shards[0]]), merged([shards[1], shards[3]])])
    let oracle = NetworkOracle(prior, hidden: 6)
    for own in [all, turned, grouped, nested] {
      #expect(own.rows == 90)
      #expect(try oracle.disagreement(own, rows, response: 0, steps: 200).ratio < 1, "seed \(seed)")
    }
    #expect(throws: UpdateError.self) { try merged([grouped, shards[0]]) }
    // A shard that has seen nothing adds nothing.
    #expect(try oracle.disagreement(merged(shards + [prior]), rows, response: 0, steps: 200).ratio < 1)
    // What was merged is a prior like any other.
    let further = NetworkData.rows(&gen, count: 12, inputs: 3, outputs: 1)
    let later = try Posterior.merged(
      [all.absorbing(further, [[0, 1, 2, 3, 4]]), all.absorbing(further, [[5, 6, 7], [8, 9, 10, 11]])], prior: all
    ).posterior
    let together = Rows(
      x: Matrix(rows: 102, columns: 3, storage: rows.x.storage + further.x.storage),
      y: Matrix(rows: 102, columns: 1, storage: rows.y.storage + further.y.storage))
    #expect(try oracle.disagreement(later, together, response: 0, steps: 300).ratio < 1, "seed \(seed)")
  }

  /// Sixteen shards of 16 rows each and one sequence of updates.
  @Test func sixteenShardsAreOneProcess() throws {
    var gen = Gen(seed: 5)
    let rows = NetworkData.rows(&gen, count: 356, inputs: 3, outputs: 2)
    let prior = try NetworkData.fit(.tangent, rows.picking(0..<100), hidden: 8, seed: 5).posterior
      .recording(rows.picking(0..<100), action: "fit")
    let batches = (0..<16).map { k in Array((100 + 16 * k)..<(116 + 16 * k)) }
    let merged = try Posterior.merged(batches.map { try prior.absorbing(rows, [$0]) }, prior: prior).posterior
    let single = try prior.absorbing(rows, batches)
    let difference = try PosteriorDifference(merged, single)
    #expect(difference.maxRelMean < 1e-9 && difference.maxRelSd < 1e-9)
    #expect(merged.lineage.map(\.rowDigest) == single.lineage.map(\.rowDigest))
  }

  /// Rows with weights of their own: what shards said, and Σ log w, are those of one process.
  @Test(arguments: [true, false]) func weightedRows(keeping: Bool) throws {
    var gen = Gen(seed: 12)
    let rows = Design.plain.rows(&gen)
    let weights = gen.normals(rows.count).map { 0.5 + $0 * $0 }
    func absorbed(_ own: Posterior, _ part: Range<Int>) throws -> Posterior {
      var update = SequentialUpdate(own, keepingSite: keeping)
      let chosen = rows.picking(part)
      try update.absorb(features: chosen.x, targets: chosen.y, weights: Array(weights[part]))
      return try update.finish().posterior.recording(chosen, action: "update")
    }
    let prior = try absorbed(.linear(schema: rows.schema), 0..<8)
    let merged = try Posterior.merged([absorbed(prior, 8..<16), absorbed(prior, 16..<25)], prior: prior).posterior
    let single = try absorbed(absorbed(prior, 8..<16), 16..<25)
    #expect(try PosteriorDifference(merged, single).isWithin(1e-11))
    let (a, b) = (try #require(merged.logEvidence(ofMember: 0)), try #require(single.logEvidence(ofMember: 0)))
    #expect(abs(a - b) < 1e-10 * abs(b))
    var batch = SequentialUpdate(merged.forgettingData())
    let gone = rows.picking(8..<16)
    try batch.absorb(features: gone.x, targets: gone.y, weights: Array(weights[8..<16]))
    let entries = merged.lineage.filter { $0.rowDigest == gone.digest }
    let left = try merged.forgetting(batch, absorbedAs: entries).posterior
    let other = try absorbed(prior, 16..<25)
    #expect(try PosteriorDifference(left, other).isWithin(1e-9))
    let (c, d) = (try #require(left.logEvidence(ofMember: 0)), try #require(other.logEvidence(ofMember: 0)))
    #expect(abs(c - d) < 1e-9 * abs(d))
  }

  @Test func whatDoesNotFitIsRefused() throws {
    var gen = Gen(seed: 7)
    let rows = NetworkData.rows(&gen, count: 80, inputs: 3, outputs: 1)
    func fitted(_ method: BNNInference.Method = .tangent, _ own: Range<Int> = 0..<30, seed: UInt64 = 1) throws
      -> Posterior
    {
      try NetworkData.fit(method, rows.picking(own), hidden: 4, seed: seed).posterior.recording(
        rows.picking(own), action: "fit")
    }
    let prior = try fitted()
    let shard = try prior.absorbing(rows, [Array(30..<40)])
    func refused(_ shards: [Posterior], _ prior: Posterior?, _ words: String) {
      let error = #expect(throws: UpdateError.self) { try Posterior.merged(shards, prior: prior) }
      #expect(error?.description.contains(words) == true, "\(String(describing: error))")
    }
    refused([], prior, "nothing to merge")
    refused([shard], nil, "--prior")
    refused([shard, try fitted(.lastLayer)], prior, "method")
    refused([shard, try fitted(.tangent, 0..<31)], prior, "normalisation")
    refused([shard, try fitted(seed: 2).absorbing(rows, [[50]])], prior, "linearisation point")
    refused([shard, shard], prior, "the same rows (update 2 of the one, update 2 of the other)")
    refused([shard, try prior.absorbing(rows, [Array(40..<50), Array(30..<40)])], prior, "update 3 of the other")
    refused(
      [shard, try prior.absorbing(rows, [Array(30..<35), Array(35..<40)])], prior, "updates 2 to 3 of the other")
    refused([try prior.absorbing(rows, [[50]]), shard], try prior.absorbing(rows, [[51]]), "history")
    let error = #expect(throws: UpdateError.self) {
      var own = shard
      own.lineage[1].parent = "abc"
      _ = try Posterior.merged([own], prior: prior, priorDigest: "def")
    }
    #expect(error?.description.contains("abc") == true)
    #expect(throws: Never.self) { try Posterior.merged([shard, shard], prior: prior, allowsRepeatedData: true) }
  }

  /// A network without hidden layers is linear in its weights: precisions add exactly, and the merged mean is that of the
  /// sequence. Rounding of Λ⁻¹ (cond² of the rows, some hundreds) and the shards' own distance to their optimum.
  @Test(arguments: [BNNInference.Method.laplace, .kalman], Gen.seeds(3))
  func linearGaussianPrecisionsAdd(method: BNNInference.Method, seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let rows = NetworkData.rows(&gen, count: 120, inputs: 4, outputs: 1)
    let prior = try Self.gaussian(rows.picking(0..<40), hidden: [])
    let parts = (0..<4).map { k in Array((40 + 20 * k)..<(60 + 20 * k)) }
    func absorbed(_ own: Posterior, _ part: [Int]) throws -> Posterior {
      var update = try method == .kalman ? SequentialUpdate(filtering: own) : SequentialUpdate(own)
      let chosen = rows.picking(part)
      try update.absorb(features: chosen.x, targets: chosen.y)
      return try update.finish().posterior.recording(chosen, action: "update")
    }
    let (merged, report) = try Posterior.merged(parts.map { try absorbed(prior, $0) }, prior: prior)
    let single = try parts.reduce(prior) { try absorbed($0, $1) }
    let difference = try PosteriorDifference(merged, single)
    #expect(difference.maxRelMean < 1e-9 && difference.maxRelSd < 1e-9, "seed \(seed)")
    let (a, b) = (try #require(merged.members[0].laplace), try #require(single.members[0].laplace))
    #expect(abs(a.logEvidence - b.logEvidence) < 1e-7 * abs(b.logEvidence), "seed \(seed)")
    #expect(report.rows == 80 && merged.certificate.reasons.contains { $0.contains("the merge itself loses nothing") })
  }

  /// Where the noise follows the rows, shards are added at the noise of all of them: what one process would have given, and in any
  /// grouping. Updates end their fixed point in σ² at 1e-9 of it, and a shard is four of them at most.
  @Test(arguments: Gen.seeds(3))
  func linearGaussianNoiseIsThatOfAllRows(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let rows = NetworkData.rows(&gen, count: 120, inputs: 4, outputs: 1)
    let prior = try Self.gaussian(rows.picking(0..<40), hidden: [], noise: .auto)
    let parts = (0..<4).map { k in Array((40 + 20 * k)..<(60 + 20 * k)) }
    let shards = try parts.map { try prior.absorbing(rows, [$0]) }
    let merged = try Posterior.merged(shards, prior: prior).posterior
    let single = try prior.absorbing(rows, parts)
    let nested = try Posterior.merged(
      [Posterior.merged(Array(shards[..<2]), prior: prior).posterior, shards[3], shards[2]], prior: prior
    ).posterior
    let whole = try #require(single.members[0].laplace)
    #expect(try #require(prior.members[0].laplace?.noiseVariance) != whole.noiseVariance)
    for own in [merged, nested] {
      let difference = try PosteriorDifference(own, single)
      #expect(difference.maxRelMean < 1e-8 && difference.maxRelSd < 1e-8, "seed \(seed)")
      let state = try #require(own.members[0].laplace)
      let (a, b) = (try #require(state.noiseVariance), try #require(whole.noiseVariance))
      #expect(abs(a / b - 1) < 1e-8, "seed \(seed)")
      #expect(abs(state.logEvidence - whole.logEvidence) < 1e-7 * abs(whole.logEvidence), "seed \(seed)")
    }
    // A site keeps the noise, and says nothing of that of its rows.
    let kept = try prior.absorbing(rows, [parts[0]], keeping: { _ in true })
    #expect(throws: UpdateError.self) { try Posterior.merged([kept, shards[1]], prior: prior) }
  }

  /// Networks with hidden layers: precisions add in every structure that can tell what a shard added.
  @Test(arguments: [CurvatureStructure.full, .block, .diagonal, .kronecker, .kroneckerEigenvalue]) func precisionsAdd(
    _ structure: CurvatureStructure
  ) throws {
    var gen = Gen(seed: 3)
    let rows = NetworkData.rows(&gen, count: 90, inputs: 3, outputs: 1)
    let prior = try Self.gaussian(rows.picking(0..<50), hidden: [5], structure: structure)
    let shards = try (0..<2).map { try prior.absorbing(rows, [Array((50 + 20 * $0)..<(70 + 20 * $0))]) }
    let merged = try Posterior.merged(shards, prior: prior).posterior
    let state = try #require(merged.members[0].laplace)
    let all = try ([prior] + shards).map { try #require($0.members[0].laplace) }
    let p = merged.members[0].theta.count
    for j in 0..<p {
      let unit = (0..<p).map { $0 == j ? 1.0 : 0 }
      let own = state.precisionTimes(unit)
      let terms = all.map { $0.precisionTimes(unit) }
      for i in 0..<p {
        let expected = terms[1][i] + terms[2][i] - terms[0][i]
        #expect(abs(own[i] - expected) < 1e-10 * terms.reduce(1) { $0 + abs($1[i]) })
      }
    }
    let right = (0..<3).map { k in
      all[k].precisionTimes((k == 0 ? prior : shards[k - 1]).members[0].theta)
    }
    let mean = state.precisionTimes(merged.members[0].theta)
    let size = right.reduce(0) { $0 + euclideanNorm($1) }
    for i in 0..<p { #expect(abs(mean[i] - (right[1][i] + right[2][i] - right[0][i])) < 1e-9 * size) }
    #expect(merged.certificate.update == .approximate)
  }

  @Test func lowRankIsRefused() throws {
    var gen = Gen(seed: 3)
    let rows = NetworkData.rows(&gen, count: 60, inputs: 3, outputs: 1)
    let prior = try Self.gaussian(rows.picking(0..<40), hidden: [5], structure: .lowRank)
    let shard = try prior.absorbing(rows, [Array(40..<60)])
    #expect(throws: UpdateError.self) { try Posterior.merged([shard], prior: prior) }
  }

  static func gaussian(
    _ rows: Rows, hidden: [Int], structure: CurvatureStructure = .full, noise: Setting = .given(0.3)
  ) throws -> Posterior {
    let spec = NetworkSpec(inputs: rows.x.columns, hidden: hidden, outputs: 1, activation: .tanh)
    let data = Dataset(
      features: rows.x.storage, featureCount: rows.x.columns, targets: rows.y.storage, targetCount: 1, rows: rows.count)
    return try Posterior.laplace(
      spec, settings: LaplaceSettings(structure: structure), schema: rows.schema, features: rows.x, targets: rows.y,
      normalisation: .fit(data), prior: PriorSettings(precision: .given(1), noise: noise),
      training: TrainingSettings(schedule: [15, 45], refinement: 0), seed: 1
    ).posterior.recording(rows, action: "fit")
  }
}
