import BNNDatasets
import BNNProbability

/// About how many rows of a batch were absorbed before, judged by what the earlier rows repeat of each other: real tables hold
/// duplicates, so that honest halves of one share rows.
///
/// Under exchangeable rows a new one is equal to an earlier one as often as an earlier one is to another: both are the share of rows
/// that do not come once (Good 1953, whose estimate of what was never seen is the share of those that do). Fisher's exact test of
/// the two shares in the samples then says how surprising the batch is; equal rows come in groups, and both samples are made
/// smaller by the mean size of the group that a row is in.
public struct RepeatedRows: Sendable, Equatable {
  /// A p-value below which a batch is worth a warning: false alarms in at most about one of a thousand batches.
  public static let threshold = 1e-3

  /// Σ over rows of the sample that are in both, over τ: unbiased for the batch's rows that were seen before.
  public let estimate: Double
  /// Of the estimate.
  public let standardError: Double
  /// What one would expect of rows from the same source.
  public let expected: Double
  public let pValue: Double

  /// - Parameters:
  ///   - batch: the sketch of the batch, made to be comparable (`RowSketch.init(comparableTo:)`).
  ///   - rows: how many rows the batch has.
  public init(_ batch: RowSketch, rows: Int, in earlier: RowSketch) throws {
    let bound = min(batch.bound, earlier.bound)
    let before = earlier.counts.filter { $0.key < bound }
    let now = batch.counts.filter { $0.key < bound }
    let tau = Double(bound) / Double(RowSketch.range)
    let common = now.filter { before[$0.key] != nil }
    let repeated = common.values.reduce(0, +)
    estimate = tau > 0 ? Double(repeated) / tau : 0
    standardError = tau > 0 ? (common.values.reduce(0.0) { $0 + Double($1 * $1) } * (1 - tau)).squareRoot() / tau : 0
    let (n1, n2) = (before.values.reduce(0, +), now.values.reduce(0, +))
    let twins = before.values.reduce(0) { $0 + ($1 > 1 ? $1 : 0) }
    expected = n1 > 0 ? Double(twins) / Double(n1) * Double(rows) : 0
    // Groups of equal rows count as few as they are independent.
    let group = max(1, Self.meanGroup(before), Self.meanGroup(now))
    func size(_ count: Int, _ rule: FloatingPointRoundingRule) -> Int { Int((Double(count) / group).rounded(rule)) }
    let (m1, m2) = (size(n1, .down), size(n2, .down))
    let (k1, k2) = (min(m1, size(twins, .up)), min(m2, size(repeated, .down)))
    pValue =
      n1 > 0 && k2 > 0
      ? try Distributions.hypergeometricUpperTail(k2, draws: m2, marked: k1 + k2, population: m1 + m2)
      : 1
  }

  public var isSurprising: Bool { pValue < Self.threshold }

  /// Of a row's group: Σ c²/Σ c.
  private static func meanGroup(_ counts: [UInt64: Int]) -> Double {
    let rows = counts.values.reduce(0, +)
    return rows > 0 ? counts.values.reduce(0.0) { $0 + Double($1 * $1) } / Double(rows) : 1
  }
}
