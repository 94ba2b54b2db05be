import BNNInference
import BNNLinearAlgebra
import BNNTestSupport
import Foundation
import Testing

/// E9: certified values by a sequential flat-prior fit, batch by batch, whatever the batches and their order.
@Suite struct NISTTests {
  /// Correct digits of the least accurate estimate and standard deviation. Deviations that are certified as 0 are
  /// compared elsewhere.
  struct Digits {
    var estimate: Double
    var deviation: Double
    var least: Double { min(estimate, deviation) }

    init(_ set: NISTSet, means: [Double], deviations: [Double]) {
      estimate = digits(of: means, against: set.estimate)
      let visible = set.deviation.indices.filter { set.deviation[$0] != 0 }
      deviation = digits(of: visible.map { deviations[$0] }, against: visible.map { set.deviation[$0] })
    }
  }

  /// Least squares by one Householder QR in doubles: what the sequential fit is measured against.
  static func oneShot(_ set: NISTSet) -> Digits {
    let rows = set.rows
    let p = set.estimate.count
    let n = rows.count
    let design = (0..<n).map { i in (set.intercept ? [1] : []) + Array(rows.x.row(i)) + [set.y[i]] }
    let r = Dense.triangle(design, width: p + 1)
    var mean = [Double](repeating: 0, count: p)
    for i in (0..<p).reversed() {
      mean[i] = (r[i][p] - ((i + 1)..<p).reduce(0) { $0 + r[i][$1] * mean[$1] }) / r[i][i]
    }
    let noise = abs(r[p][p]) / Double(n - p).squareRoot()
    let deviations = (0..<p).map { j -> Double in
      var v = (0..<p).map { $0 == j ? 1.0 : 0 }
      for i in 0..<p {
        for k in 0..<i { v[i] -= r[k][i] * v[k] }
        v[i] /= r[i][i]
      }
      return noise * euclideanNorm(v)
    }
    return Digits(set, means: mean, deviations: deviations)
  }

  /// Coefficients after the batches.
  static func sequential(_ set: NISTSet, _ batches: Batches) throws -> (means: [Double], deviations: [Double]) {
    let rows = set.rows
    let prior = Posterior.linear(
      schema: rows.schema, intercept: set.intercept, prior: PriorSettings(precision: .given(0)))
    let coefficients = try prior.updated(rows, batches).posterior.coefficients()
    return try (coefficients.map { try #require($0.mean) }, coefficients.map { try #require($0.scale) })
  }

  /// At least three batches, now single rows, now larger ones; the first in the given order.
  static func batches(_ set: NISTSet, count: Int) -> [Batches] {
    let n = set.x.count
    let third = max(1, n / 3)
    let given = stride(from: 0, to: n, by: third).map { Array($0..<min(n, $0 + third)) }
    return [given, (0..<n).map { [$0] }]
      + (0..<UInt64(count)).map { seed in
        var gen = Gen(seed: seed)
        return gen.batches(0..<n, largest: gen.integer(in: 1...third))
      }
  }

  static func demanded(_ set: NISTSet) -> Double {
    switch set.name {
    case "NoInt1", "NoInt2": 14
    case "Norris": 11.5
    default: oneShot(set).least - 1.5
    }
  }

  @Test(arguments: NISTSet.typed) func typedSets(_ set: NISTSet) throws { try check(set, demanded: Self.demanded(set)) }

  @Test(.needsSharedData("nist/linear"), arguments: try NISTSet.shared()) func sharedSets(_ set: NISTSet) throws {
    try check(set, demanded: Self.demanded(set))
  }

  private func check(_ set: NISTSet, demanded: Double) throws {
    var all: [Digits] = []
    for (index, batches) in Self.batches(set, count: 200).enumerated() {
      #expect(batches.count >= 3)
      let own = try Self.sequential(set, batches)
      let found = Digits(set, means: own.means, deviations: own.deviations)
      all.append(found)
      #expect(found.least >= demanded, "fit \(index), seed \(index - 2): \(found), one QR \(Self.oneShot(set))")
    }
    let one = Self.oneShot(set)
    let s = all.map(\.least).sorted()
    print("E9 \(set.name) QR \(one.estimate) \(one.deviation) demanded \(demanded) worst \(s[0]) median \(s[s.count/2]) below \(s.filter { $0 < demanded }.count) given \(all[0].least) est \(all.map(\.estimate).min()!) dev \(all.map(\.deviation).min()!)")
  }
}
