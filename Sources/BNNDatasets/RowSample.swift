/// Rows of a table as they are, chosen by their fingerprints: of rows that differ from each other, those with the smallest, and how
/// often each came (as in `RowSketch`, but in memory only). A function of the rows, in any order.
public struct RowSample: Sendable {
  /// Different rows at most.
  public static let most = 4096
  /// Numbers at most, however wide the rows are; but for 256 rows.
  private static let numbers = 2_000_000

  public let featureCount: Int
  public let targetCount: Int
  public let isWeighted: Bool
  public let capacity: Int
  /// All rows that were added, in the sample or not.
  public private(set) var total = 0
  private var bound = RowSketch.range
  private var places: [UInt64: Int] = [:]
  private var fingerprints: [UInt64] = []
  private var counts: [Int] = []
  /// [features, targets, weight] of every row.
  private var values: [Double] = []

  /// Of no rows.
  public init(featureCount: Int, targetCount: Int, isWeighted: Bool) {
    self.featureCount = featureCount
    self.targetCount = targetCount
    self.isWeighted = isWeighted
    capacity = max(256, min(Self.most, Self.numbers / max(1, featureCount + targetCount)))
  }

  private var width: Int { featureCount + targetCount + (isWeighted ? 1 : 0) }

  /// Adds a row of a data set; `settle` follows the last. O(columns) where it enters the sample, else O(1).
  @inline(__always) public mutating func add(_ hash: RowHash, row i: Int, of data: Dataset) {
    guard enters(hash) else { return }
    values += data.features[(i * featureCount)..<((i + 1) * featureCount)]
    values += data.targets[(i * targetCount)..<((i + 1) * targetCount)]
    if isWeighted { values.append(data.weights?[i] ?? 1) }
    makeRoom()
  }

  /// Adds a row of a buffer.
  @inline(__always) public mutating func add(_ hash: RowHash, row i: Int, of buffer: RowBuffer) {
    guard enters(hash) else { return }
    buffer.withUnsafeValues { values += $0[(i * width)..<((i + 1) * width)] }
    makeRoom()
  }

  /// Whether the row's values are to be appended.
  @inline(__always) private mutating func enters(_ hash: RowHash) -> Bool {
    total += 1
    let fingerprint = hash.high >> 11
    guard fingerprint < bound else { return false }
    if let place = places[fingerprint] {
      counts[place] += 1
      return false
    }
    places[fingerprint] = counts.count
    fingerprints.append(fingerprint)
    counts.append(1)
    return true
  }

  private mutating func makeRoom() {
    if counts.count > 2 * capacity { settle() }
  }

  /// Brings the sample down to `capacity`, in an order that is not that of the rows.
  public mutating func settle() {
    let order = counts.indices.sorted { fingerprints[$0] < fingerprints[$1] }
    if order.count > capacity { bound = fingerprints[order[capacity]] }
    let kept = order.prefix(capacity)
    values = kept.flatMap { values[($0 * width)..<(($0 + 1) * width)] }
    (fingerprints, counts) = (kept.map { fingerprints[$0] }, kept.map { counts[$0] })
    places = Dictionary(uniqueKeysWithValues: fingerprints.enumerated().map { ($1, $0) })
  }

  /// Different rows in the sample.
  public var rows: Int { counts.count }
  /// How often each came.
  public var multiplicities: [Int] { counts }
  /// Whether it has all rows.
  public var isWhole: Bool { bound == RowSketch.range }

  /// What the sample counts as: all rows where it has them, else (Σc)²/Σc² for rows that came c times, since equal ones are all in it
  /// or none.
  public var effectiveRows: Double { effectiveRows(counts) }

  private func effectiveRows(_ counts: [Int]) -> Double {
    let n = Double(counts.reduce(0, +))
    return isWhole || n == 0 ? n : n * n / counts.reduce(0.0) { $0 + Double($1 * $1) }
  }

  /// Some of its rows, as often as they came.
  public func picking(_ chosen: [Int]) -> Dataset {
    let all = chosen.flatMap { Array(repeating: $0, count: counts[$0]) }
    func numbers(_ range: Range<Int>) -> [Double] {
      all.flatMap { values[($0 * width + range.lowerBound)..<($0 * width + range.upperBound)] }
    }
    return Dataset(
      features: numbers(0..<featureCount), featureCount: featureCount,
      targets: numbers(featureCount..<(featureCount + targetCount)), targetCount: targetCount, rows: all.count,
      weights: isWeighted ? numbers((width - 1)..<width) : nil)
  }

  /// The sample without others than these rows.
  public func keeping(_ chosen: [Int]) -> RowSample {
    var result = self
    (result.fingerprints, result.counts) = (chosen.map { fingerprints[$0] }, chosen.map { counts[$0] })
    result.values = chosen.flatMap { values[($0 * width)..<(($0 + 1) * width)] }
    return result
  }

  /// Its first rows only.
  public func prefix(_ most: Int) -> RowSample {
    guard most < rows else { return self }
    var result = self
    result.bound = fingerprints[most]
    (result.fingerprints, result.counts) = (Array(fingerprints.prefix(most)), Array(counts.prefix(most)))
    result.values = Array(values.prefix(most * width))
    return result
  }

  /// The numbers of one column after another: features, targets, weight.
  private func columns(_ range: Range<Int>) -> [Double] {
    (0..<rows).flatMap { values[($0 * width + range.lowerBound)..<($0 * width + range.upperBound)] }
  }

  /// [rows × featureCount], row-major.
  public var features: [Double] { columns(0..<featureCount) }
  /// [rows × targetCount], row-major.
  public var targets: [Double] { columns(featureCount..<(featureCount + targetCount)) }
  /// Of every row; nil where all weigh 1.
  public var weights: [Double]? { isWeighted ? columns((width - 1)..<width) : nil }
}
