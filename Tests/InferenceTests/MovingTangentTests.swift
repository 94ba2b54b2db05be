import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@testable import BNNInference

/// The tangent that moves: what stays exact, what is approximate, and that moving is worth it.
@Suite struct MovingTangentTests {
  private static let hidden = 4

  private func rows(_ seed: UInt64, count: Int, inputs: Int = 2) -> Rows {
    var gen = Gen(seed: seed)
    return NetworkData.rows(&gen, count: count, inputs: inputs, outputs: 1)
  }

  private func fit(
    _ rows: Rows, _ method: Method = .movingTangent, prior: PriorSettings = PriorSettings(), members: Int = 1,
    seed: UInt64 = 3
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    try NetworkData.fit(method, rows, hidden: Self.hidden, prior: prior, members: members, seed: seed)
  }

  private func update(
    _ posterior: Posterior, _ rows: Rows, moving: Bool = true, threads: Int = 1, pieces: [Range<Int>]? = nil
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    var update = SequentialUpdate(posterior, moving: moving)
    for range in pieces ?? [0..<rows.count] {
      let own = rows.picking(range)
      try update.absorb(features: own.x, targets: own.y, threads: threads)
    }
    return try update.finish(threads: threads, seed: 11)
  }

  /// On D1 nothing moves: networks, statistics, posterior and evidence are the tangent's, bit for bit; so is an update that
  /// stays.
  @Test(arguments: [Priors.tuned, .givenPrecision, .givenNoise, .allGiven]) func stayingIsTheTangent(prior: Priors)
    throws
  {
    let rows = rows(1, count: 45)
    let (first, rest) = (rows.picking(0..<30), rows.picking(30..<45))
    let own = try fit(first, prior: prior.settings, members: 2)
    let tangent = try fit(first, .tangent, prior: prior.settings, members: 2)
    func expectEqual(
      _ a: (posterior: Posterior, report: UpdateReport), _ b: (posterior: Posterior, report: UpdateReport)
    ) {
      for (one, other) in zip(a.posterior.members, b.posterior.members) {
        #expect(one.theta == other.theta && one.statistics == other.statistics && one.responses == other.responses)
      }
      #expect(a.report == b.report && a.report.misfit == nil)
      #expect(a.posterior.certificate == b.posterior.certificate)
      #expect(a.posterior.certificate.update == .exact)
    }
    expectEqual(own, tangent)
    let stayed = try update(own.posterior, rest, moving: false)
    expectEqual(stayed, try update(tangent.posterior, rest))
    // The evidence of a batch is that of the point where it found the network, moved or not.
    let moved = try update(own.posterior, rest)
    #expect(moved.report.logEvidence == stayed.report.logEvidence)
    #expect(try #require(moved.report.misfit) >= 0)
    #expect(moved.posterior.members[0].theta != own.posterior.members[0].theta)
    // Hyper-parameters that were given hold at the new point.
    for member in moved.posterior.members {
      if case .given(let alpha) = prior.settings.precision {
        #expect(relativeDifference(try #require(member.responses[0].priorPrecision), alpha) < 1e-9)
      }
      if case .given(let sd) = prior.settings.noise {
        let scale = own.posterior.normalisation.targetScale[0]
        let noise = try #require(member.responses[0].posterior?.noise.scaleSquared)
        #expect(relativeDifference(noise.squareRoot() * scale, sd) < 4 * epsilon)
      }
    }
  }

  /// E1 of the store: after batches that moved and batches that stayed it holds [J(x; θ₁) x tanh(Ax + a) y] of all rows,
  /// against rows made in wide arithmetic. A backward stable QR errs by some ε√n of the columns' norms, batch by batch.
  @Test func theStoreIsExact() throws {
    let rows = rows(2, count: 60)
    var posterior = try fit(rows.picking(0..<25)).posterior
    let anchor = posterior.members[0].theta
    for (range, moving) in [(25..<40, true), (40..<41, false), (41..<60, true)] {
      posterior = try update(posterior, rows.picking(range), moving: moving).posterior
    }
    let store = try #require(posterior.members[0].store)
    #expect(store.anchor == anchor && store.statistics.observations == 60 && posterior.members[0].theta != anchor)
    var atAnchor = posterior
    atAnchor.model.method = .tangent
    atAnchor.members[0].theta = anchor
    let oracle = NetworkOracle(atAnchor, hidden: Self.hidden)
    let (jacobian, _) = oracle.rows(rows, response: 0)
    let scaled = (posterior.normalisation.features(rows.x), posterior.normalisation.targets(rows.y))
    let all: [[Wide]] = (0..<60).map { i in
      let x = scaled.0.row(i).map { Wide($0) }
      let units = (0..<store.hiddenBias.count).map { h in
        let z = x.indices.reduce(Wide(store.hiddenBias[h])) { $0 + Wide(store.hiddenWeight[h, $1]) * x[$1] }
        return Wide(tanh(Double(z)))
      }
      return jacobian[i] + x + units + [Wide(scaled.1[i, 0])]
    }
    let width = store.statistics.weights + 1
    let gram = store.statistics.array.array.gram
    var norms = [Wide](repeating: 0, count: width)
    for row in all { for j in 0..<width { norms[j] += row[j] * row[j] } }
    for j in 0..<width {
      // Every seventh column beside: half a million pairs say no more.
      for k in stride(from: j, to: width, by: 7) {
        let expected = all.reduce(Wide(0)) { $0 + $1[j] * $1[k] }
        let size = Double((norms[j] * norms[k]).squareRoot())
        #expect(abs(gram[j, k] - Double(expected)) < 60 * epsilon * size, "columns \(j), \(k)")
      }
    }
  }

  /// The last batch moves the point, the certificate says so and keeps what the user gave; a later batch that stays keeps it.
  @Test func certificate() throws {
    let rows = rows(3, count: 60)
    var posterior = try fit(rows.picking(0..<30), prior: PriorSettings(noise: .given(0.2))).posterior
    func enter(_ number: Int, _ count: Int) {
      posterior.lineage.append(
        LineageEntry(
          number: number, action: number == 1 ? "fit" : "update", rows: count, rowDigest: "", method: "moving-tangent",
          settings: [:], logEvidence: nil, seed: 0, version: "0", parent: nil, label: nil))
    }
    enter(1, 30)
    let conditions = posterior.certificate.conditionalOn
    #expect(conditions.contains(.init("linearisation point", fixedBy: 1)))
    posterior = try update(posterior, rows.picking(30..<40), moving: false).posterior
    enter(2, 10)
    #expect(posterior.certificate.update == .exact && posterior.certificate.conditionalOn == conditions)
    for (number, moving, range) in [(3, true, 40..<50), (4, false, 50..<55), (5, true, 55..<60)] {
      posterior = try update(posterior, rows.picking(range), moving: moving).posterior
      enter(number, range.count)
      let own = posterior.certificate
      #expect(own.update == .approximate)
      let fixed = moving ? number : number - 1
      #expect(
        own.conditionalOn == conditions.map { $0.what == "linearisation point" ? .init($0.what, fixedBy: fixed) : $0 })
      #expect(own.reasons.filter { $0.contains("update \(fixed)") }.count == 1)
      #expect(own.reasons.contains { $0.hasPrefix("The prior precision is chosen") })
    }
  }

  /// E12, and that member k is a function of the data, the seed and k; however the rows of a batch came in.
  @Test func threadsMembersAndPiecesDoNotDecideBits() throws {
    let rows = rows(4, count: 70)
    let (first, second, third) = (rows.picking(0..<30), rows.picking(30..<65), rows.picking(65..<70))
    func chain(members: Int, threads: Int, pieces: [Range<Int>]? = nil) throws -> Posterior {
      let fitted = try fit(first, members: members).posterior
      let moved = try update(fitted, second, threads: threads, pieces: pieces).posterior
      return try update(moved, third, threads: threads).posterior
    }
    let three = try chain(members: 3, threads: 1)
    #expect(try chain(members: 3, threads: 2) == three)
    let one = try chain(members: 1, threads: 2)
    #expect(one.members[0] == three.members[0] && one.inputs == three.inputs)
    #expect(try chain(members: 2, threads: 1).members == Array(three.members.prefix(2)))
    #expect(Set(three.members.map(\.theta)).count == 3)
    // Pieces of a batch are one batch: rounding differs, the rows trained on do not.
    let pieces = try chain(members: 1, threads: 1, pieces: [0..<20, 20..<20, 20..<35])
    #expect(pieces.inputs == one.inputs && pieces.rows == one.rows)
    #expect(relativeDifference(pieces.members[0].theta, one.members[0].theta) < 1e-3)
  }

  /// No rows: nothing moves and nothing breaks. Rows of D1 forgotten: the next batch chooses nothing and moves nothing.
  @Test func batchesWithoutRows() throws {
    let rows = rows(5, count: 40)
    let posterior = try fit(rows.picking(0..<30)).posterior
    let (same, report) = try SequentialUpdate(posterior).finish()
    #expect(same == posterior && report.rows == 0 && report.misfit == nil)
    let empty = posterior.forgettingData()
    #expect(empty.inputs == nil && empty.members[0].store?.statistics.observations == 0)
    let (again, first) = try update(empty, rows.picking(0..<30))
    #expect(first.misfit == nil && again.inputs != nil)
    #expect(again.members == posterior.members)
  }

  /// D1 of very few rows, constant and equal columns, equal rows, one-row batches: a posterior that predicts with finite
  /// numbers, whatever comes.
  @Test func hardData() throws {
    var gen = Gen(seed: 6)
    var x = gen.matrix(rows: 30, columns: 3)
    for i in 0..<30 { (x[i, 1], x[i, 2]) = (i < 12 ? 7.3 : 1e6 * x[i, 0], i < 12 ? 7.3 : 1e6 * x[i, 0]) }
    let y = Matrix(rows: 30, columns: 1, storage: (0..<30).map { sin(x[$0, 0]) })
    let rows = Rows(x: x, y: y)
    for first in [0..<2, 0..<5, 0..<12] {
      let d1 = rows.picking(Array(first) + (first.count == 5 ? [0, 0, 0] : []))
      var posterior = try fit(d1).posterior
      for batch in [[12], [13, 13, 13], Array(14..<30)] {
        let (next, report) = try update(posterior, rows.picking(batch))
        // Nil where the move would have cost more than it gained.
        #expect((report.misfit ?? 0).isFinite && report.logEvidence != nil)
        posterior = next
      }
      for row in try posterior.predict(features: x)[0] {
        #expect(row.location.isFinite && row.scale.isFinite && row.scale > 0)
      }
    }
  }

  /// A target that is constant: the prior alone holds the weights, which end near 0 and not in the denormal numbers beyond.
  @Test func constantTarget() throws {
    var gen = Gen(seed: 12)
    let rows = Rows(
      x: gen.matrix(rows: 12, columns: 1), y: Matrix(rows: 12, columns: 1, storage: [Double](repeating: 2, count: 12)))
    var posterior = try fit(rows.picking(0..<2)).posterior
    for batch in [0..<2, 2..<12, 0..<12] {
      posterior = try update(posterior, rows.picking(batch)).posterior
      #expect(posterior.members[0].theta.allSatisfy { abs($0) < 1e-6 })
      // The noise's own prior is a hundredth of the target's unit, here 1.
      for row in try posterior.predict(features: rows.x)[0] { #expect(abs(row.location - 2) < 0.01 && row.scale > 0) }
    }
  }

  /// One sine, D1 its left half and D2 its right: the features of a network that saw the left half alone follow the right one
  /// less well than those of a network trained on both. Moving closes more than half of what staying leaves of that, over
  /// five draws: which optimum a single network finds hangs on rounding.
  @Test func movingClosesMoreThanStaying() throws {
    let all = try (0..<5).map { try sineErrors(Gen(seed: 8 + $0)) }
    let (before, stayed, moved, union) = (
      all.map(\.before).min() ?? 0, all.reduce(0) { $0 + $1.stayed }, all.reduce(0) { $0 + $1.moved },
      all.reduce(0) { $0 + $1.union }
    )
    let figures = Comment(rawValue: "\(all)")
    // Half of the noise is what 160 rows leave of it and room; D1 alone knows nothing of the right half, where y is of size 1.
    #expect(before > 0.3 && union / 5 < 0.05, figures)
    #expect(stayed - moved > 0.5 * (stayed - union) && stayed > 1.5 * union, figures)
  }

  private func sineErrors(_ seeded: Gen) throws -> (before: Double, stayed: Double, moved: Double, union: Double) {
    var gen = seeded
    let n = 160
    let x = Matrix(
      rows: n, columns: 1, storage: (0..<n).map { -3 + 6 * (Double($0) + gen.stream.uniform()) / Double(n) })
    let noise = gen.normals(n)
    let y = Matrix(rows: n, columns: 1, storage: (0..<n).map { sin(2.5 * x[$0, 0]) + 0.1 * noise[$0] })
    let rows = Rows(x: x, y: y)
    let (left, right) = (rows.picking(0..<(n / 2)), rows.picking((n / 2)..<n))
    func train(_ rows: Rows, _ method: Method) throws -> Posterior {
      let data = Dataset(
        features: rows.x.storage, featureCount: 1, targets: rows.y.storage, targetCount: 1, rows: rows.count)
      return try Posterior.network(
        NetworkSpec(inputs: 1, hidden: [12], outputs: 1, activation: .tanh), method: method, schema: rows.schema,
        features: rows.x, targets: rows.y, normalisation: .fit(data), seed: 1
      ).posterior
    }
    // On a grid, against the sine without noise.
    let grid = Matrix(rows: 300, columns: 1, storage: (0..<300).map { -3 + 6 * (Double($0) + 0.5) / 300 })
    func error(_ posterior: Posterior) throws -> Double {
      let means = try posterior.predict(features: grid)[0].map(\.location)
      let squares = means.indices.map { (means[$0] - sin(2.5 * grid[$0, 0])) * (means[$0] - sin(2.5 * grid[$0, 0])) }
      return (squares.reduce(0, +) / 300).squareRoot()
    }
    let first = try train(left, .movingTangent)
    let union = try error(train(rows, .tangent))
    return (
      try error(first), try error(update(first, right, moving: false).posterior),
      try error(update(first, right).posterior), union
    )
  }

  @Test func whatCannotBe() throws {
    var gen = Gen(seed: 7)
    let two = NetworkData.rows(&gen, count: 20, inputs: 2, outputs: 2)
    #expect(throws: UpdateError.self) { _ = try fit(two) }
    let one = rows(7, count: 20)
    #expect(throws: UpdateError.self) { _ = try fit(one, prior: PriorSettings(precision: .given(0))) }
    let posterior = try fit(one).posterior
    var update = SequentialUpdate(posterior)
    let (x, weights) = (one.x, [Double](repeating: 2, count: 20))
    #expect(throws: UpdateError.self) {
      try update.absorb(features: x, targets: one.y, weights: weights)
    }
  }
}
