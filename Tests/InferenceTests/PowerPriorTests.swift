import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNTestSupport
import Foundation
import Testing

@testable import BNNInference

/// Rows that came twice and then count half are rows that came once: every number of the posterior, its evidence included.
@Suite struct PowerPriorTests {
  private func posterior(_ method: Method, _ rows: Rows, times: Int, keeping: Bool = false) throws -> Posterior {
    var result =
      try method == .linear
      ? Posterior.linear(schema: rows.schema)
      : NetworkData.fit(method, rows, hidden: 4, seed: 3).posterior.forgettingData()
    for k in 0..<times {
      var update = SequentialUpdate(result, keepingSite: keeping)
      try update.absorb(features: rows.x, targets: rows.y)
      result = try update.finish().posterior
      result.lineage.append(entry(k + 1, rows.count))
    }
    return result
  }

  private func entry(_ number: Int, _ rows: Int, settings: [String: String] = [:]) -> LineageEntry {
    LineageEntry(
      number: number, action: "update", rows: rows, rowDigest: String(repeating: "0", count: 31) + "\(number)",
      method: "linear", settings: settings, logEvidence: nil, seed: 0, version: "", parent: nil, label: nil)
  }

  /// κ is tuned to rounding; the posteriors then agree as those of other orders of the same rows do (`DifferenceTests`).
  @Test(arguments: [Method.linear, .lastLayer, .parallelBranch, .tangent]) func halfOfTwiceIsOnce(method: Method) throws
  {
    var gen = Gen(seed: 5)
    let rows = NetworkData.rows(&gen, count: 40, inputs: 3, outputs: 2)
    let once = try posterior(method, rows, times: 1)
    let half = try posterior(method, rows, times: 2).tempered(by: 0.5)
    #expect(half.rows == 80)
    #expect(half.members[0].statistics.effectiveObservations == once.members[0].statistics.effectiveObservations)
    let difference = try PosteriorDifference(once, half)
    #expect(difference.isWithin(1e-9), "\(difference)")
    let (a, b) = (try #require(once.logEvidence(ofMember: 0)), try #require(half.logEvidence(ofMember: 0)))
    #expect(relativeDifference(a, b) < 1e-9)
    // What comes after it is then as probable, and weighs as much.
    let batch = NetworkData.rows(&gen, count: 15, inputs: 3, outputs: 2)
    var (after, other) = (
      SequentialUpdate(once), SequentialUpdate(try posterior(method, rows, times: 2), countingApart: true)
    )
    try after.absorb(features: batch.x, targets: batch.y)
    try other.absorb(features: batch.x, targets: batch.y)
    let (next, report) = try after.finish()
    let (tempered, own) = try other.tempering(by: 0.5).finish()
    #expect(try PosteriorDifference(next, tempered).isWithin(1e-9))
    #expect(relativeDifference(try #require(report.logEvidence), try #require(own.logEvidence)) < 1e-8)
    #expect(own.power == 0.5 && tempered.certificate.update == .tempered)
    #expect(tempered.certificate.reasons.last?.contains("p(those rows)^0.5") == true)
  }

  /// No hidden layer, noise given: the optimum for once is θ = (H + P)⁻¹·…, for twice (2H + P)⁻¹·…; half of twice has H of once.
  @Test func laplaceKeepsTheMean() throws {
    var gen = Gen(seed: 6)
    let rows = NetworkData.rows(&gen, count: 40, inputs: 3, outputs: 1)
    let own = try Posterior.laplace(
      NetworkSpec(inputs: 3, hidden: [2], outputs: 1, activation: .tanh), settings: LaplaceSettings(structure: .full),
      schema: rows.schema, features: rows.x, targets: rows.y,
      normalisation: .identity(features: 3, targets: 1), standardised: false,
      prior: PriorSettings(precision: .given(0.5), noise: .given(0.4))
    ).posterior
    let half = try own.tempered(by: 0.25)
    let (before, after) = (try #require(own.members[0].laplace), try #require(half.members[0].laplace))
    #expect(half.members[0].theta == own.members[0].theta && after.prior == before.prior)
    let x = gen.normals(own.members[0].theta.count)
    for (a, b) in zip(before.curvature.times(x), after.curvature.times(x)) {
      #expect(abs(0.25 * a - b) <= 1e-12 * (1 + abs(a)))
    }
  }

  /// Of a batch from the same source the evidence wants all earlier rows (or nearly: it may be flat there); of one from another it wants
  /// next to none. The choice is the best of the lattice.
  @Test func powerFollowsTheEvidence() throws {
    var gen = Gen(seed: 7)
    func rows(_ count: Int, slope: Double) -> Rows {
      let x = gen.matrix(rows: count, columns: 2)
      return Rows(
        x: x,
        y: Matrix(
          rows: count, columns: 1, storage: (0..<count).map { 1 + slope * x[$0, 0] - x[$0, 1] + 0.3 * gen.normal() }))
    }
    let first = rows(200, slope: 2)
    let before = try posterior(.linear, first, times: 1)
    func chosen(_ batch: Rows) throws -> Double {
      var update = SequentialUpdate(before, countingApart: true)
      try update.absorb(features: batch.x, targets: batch.y)
      let power = try update.powerByEvidence()
      let best = try (0...14).map { pow(2, -0.5 * Double($0)) }.max {
        (try update.tempering(by: $0).finish().report.logEvidence ?? 0)
          < (try update.tempering(by: $1).finish().report.logEvidence ?? 0)
      }
      #expect(power == best)
      return power
    }
    #expect(try chosen(rows(100, slope: 2)) > 0.3)
    #expect(try chosen(rows(100, slope: -1)) < 0.1)
  }

  @Test func whatWasKeptApartIsTemperedToo() throws {
    var gen = Gen(seed: 8)
    let rows = NetworkData.rows(&gen, count: 40, inputs: 3, outputs: 1)
    let batch = NetworkData.rows(&gen, count: 20, inputs: 3, outputs: 1)
    let last = NetworkData.rows(&gen, count: 10, inputs: 3, outputs: 1)
    func absorbing(_ own: Posterior, _ rows: Rows, keeping: Bool, power: Double = 1) throws -> Posterior {
      var update = SequentialUpdate(own, keepingSite: keeping, countingApart: true)
      try update.absorb(features: rows.x, targets: rows.y)
      var result = try update.tempering(by: power).finish().posterior
      result.lineage.append(
        LineageEntry(
          number: own.lineage.count + 1, action: "update", rows: rows.count, rowDigest: rows.digest, method: "linear",
          settings: power < 1 ? [LineageEntry.forgetting: "\(power)"] : [:], logEvidence: nil, seed: 0, version: "",
          parent: nil, label: nil))
      return result
    }
    let start = try absorbing(.linear(schema: rows.schema), rows, keeping: false)
    let without = try absorbing(start, last, keeping: false, power: 0.5)
    let kept = try absorbing(absorbing(start, batch, keeping: true), last, keeping: false, power: 0.5)
    #expect(abs(kept.lineage.effectiveRows - 40) < 1e-12)
    let (left, _) = try kept.forgetting(batch)
    #expect(try PosteriorDifference(without, left).isWithin(1e-9))
    #expect(abs(left.members[0].statistics.effectiveObservations - 30) < 1e-9)
    let lost = try absorbing(absorbing(start, batch, keeping: false), last, keeping: false, power: 0.5)
    #expect(throws: UpdateError.self) { try lost.forgetting(batch) }
    // The rows of the update itself count whole.
    #expect(
      try PosteriorDifference(lost.forgetting(last).0, absorbing(start, batch, keeping: false).tempered(by: 0.5))
        .isWithin(1e-6))
  }

  @Test func whatCannotTemperSaysSo() throws {
    var gen = Gen(seed: 9)
    let rows = NetworkData.rows(&gen, count: 30, inputs: 2, outputs: 1)
    let moving = try NetworkData.fit(.movingTangent, rows, hidden: 3, seed: 1).posterior
    #expect(throws: UpdateError.self) { try moving.tempered(by: 0.5) }
    let linear = try posterior(.linear, rows, times: 1)
    for power in [0, -1, 1.5, .nan] { #expect(throws: UpdateError.self) { try linear.tempered(by: power) } }
    #expect(try linear.tempered(by: 1) == linear)
  }
}
