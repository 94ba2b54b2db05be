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

  /// Data without residuals: a certified deviation of 0 is met to the rounding of the rows, 10·K·√P·ε of the columns'
  /// sizes, times the square root of the exact (XᵀX)⁻¹.
  @Test(.needsSharedData("nist/linear"), arguments: try NISTSet.shared().filter { $0.deviation.contains(0) })
  func deviationsOfZero(_ set: NISTSet) throws {
    let phi = set.x.map { x in (0...set.degree).map { k in (0..<k).reduce(Wide(1)) { power, _ in power * Wide(x) } } }
    let exact = Dense.ridge(phi, set.y.map { Wide($0) }, penalties: [Wide](repeating: 0, count: set.degree + 1))
    let sizes = (0...set.degree).map { j in euclideanNorm(phi.map { Double($0[j]) }) * abs(set.estimate[j]) }
    let size = euclideanNorm(set.y) + sizes.reduce(0, +)
    for batches in Self.batches(set, count: 50) {
      let rounding = 10 * Double(batches.count) * Double(sizes.count).squareRoot() * epsilon * size
      let deviations = try Self.sequential(set, batches).deviations
      for j in sizes.indices {
        let leverage = Double(exact.leverage(sizes.indices.map { $0 == j ? 1 : 0 })).squareRoot()
        #expect(deviations[j] <= rounding * leverage, "coefficient \(j)")
        #expect(deviations[j] > 0)
      }
    }
  }

  private func check(_ set: NISTSet, demanded: Double) throws {
    for (index, batches) in Self.batches(set, count: 200).enumerated() {
      #expect(batches.count >= 3)
      let own = try Self.sequential(set, batches)
      let found = Digits(set, means: own.means, deviations: own.deviations)
      #expect(found.least >= demanded, "fit \(index), seed \(index - 2): \(found), one QR \(Self.oneShot(set))")
    }
  }
}
