import BNNLinearAlgebra

/// All rows of a data set, their features in single precision while every one of them is such a number exactly, as pixels
/// and counts are, and in double precision else. 60,000 images of 784 bytes take 188 MB instead of 376 MB, and their
/// normalised features take the same memory.
///
///     var rows = try CompactRows(readingAll: reader) { digest.add($0) }
///     let normalisation = Normalisation.fit(rows, rule: .pixel, targetKind: schema.targetKind)
///     let x = rows.takeNormalised(by: normalisation)     // n × d, in Float
public struct CompactRows: Sendable {
  public let featureCount: Int
  public let targetCount: Int
  /// [rows × targetCount], row-major, finite; a class is the index of its label in the schema.
  public private(set) var targets: [Double] = []
  /// The weight of each row, positive; nil if every row weighs 1.
  public private(set) var weights: [Double]?
  public private(set) var rows = 0
  /// The features; while `isSingle` in `singles`, then in `doubles`.
  private var singles: [Float] = []
  private var doubles: [Double] = []
  private var isSingle = true

  /// No rows yet.
  public init(featureCount: Int, targetCount: Int, isWeighted: Bool = false) {
    self.featureCount = featureCount
    self.targetCount = targetCount
    weights = isWeighted ? [] : nil
  }

  /// Features n × d and targets n × T in their own units.
  ///
  /// - Parameter weights: of every row; nil: 1.
  public init(features: Matrix, targets: Matrix, weights: [Double]?) {
    self.init(featureCount: features.columns, targetCount: targets.columns, isWeighted: weights != nil)
    append(
      Dataset(
        features: features.storage, featureCount: features.columns, targets: targets.storage,
        targetCount: targets.columns, rows: features.rows, weights: weights))
  }

  /// All rows that a reader has yet to give.
  ///
  /// - Parameter each: sees every block once, as it is read.
  /// - Throws: `DataError`, as `DatasetReader.nextBlock`.
  /// - Complexity: O(rows × columns) time and memory.
  public init(readingAll reader: DatasetReader, each: (Dataset) -> Void = { _ in }) throws(DataError) {
    self.init(
      featureCount: reader.featureCount, targetCount: reader.targetCount, isWeighted: reader.columns.weights != nil)
    // So many rows that a block stays in the processor's cache on its way.
    let block = max(16, min(4096, (1 << 17) / max(1, featureCount)))
    // No more than 256 MB on the word of a header alone.
    if let total = reader.rowCount {
      singles.reserveCapacity(min(total, (1 << 26) / max(1, featureCount)) * featureCount)
    }
    while let data = try reader.nextBlock(maxRows: block) {
      each(data)
      append(data)
    }
  }

  /// Appends rows of the same columns.
  public mutating func append(_ data: Dataset) {
    precondition(data.featureCount == featureCount && data.targetCount == targetCount, "the columns are those before")
    precondition((data.weights == nil) == (weights == nil), "all rows have weights or none has")
    rows += data.rows
    targets += data.targets
    if let own = data.weights { weights?.append(contentsOf: own) }
    if isSingle, singles.append(exactly: data.features) { return }
    if isSingle {
      isSingle = false
      doubles = singles.map { Double($0) }
      singles = []
    }
    doubles += data.features
  }

  /// The features in normalised units, [rows × featureCount], row-major, in single precision; each is computed in double
  /// and rounded once. Afterwards there are no features here: their memory is used again where that can be.
  public mutating func takeNormalised(by normalisation: Normalisation) -> [Float] {
    precondition(normalisation.featureCenter.count == featureCount, "the rows have the features of the normalisation")
    defer { (singles, doubles) = ([], []) }
    guard isSingle else { return normalisation.singlePrecision(doubles) }
    var features: [Float] = []
    swap(&features, &singles)
    normalisation.normalise(&features)
    return features
  }

  /// The features in their own units, in double precision, as they were appended. Afterwards there are no features here.
  public mutating func takeFeatures() -> [Double] {
    defer { (singles, doubles) = ([], []) }
    return isSingle ? singles.map { Double($0) } : doubles
  }

  fileprivate func fitted(_ rule: NormalisationRule, _ targetKind: TargetKind) -> Normalisation {
    isSingle
      ? .fit(features: singles, targets: targets, rows: rows, weights: weights, rule: rule, targetKind: targetKind)
      : .fit(features: doubles, targets: targets, rows: rows, weights: weights, rule: rule, targetKind: targetKind)
  }
}

extension Normalisation {
  /// The normalisation of these rows, at least one, before their features are taken.
  ///
  /// - Complexity: O(rows × columns).
  public static func fit(
    _ rows: CompactRows, rule: NormalisationRule = .standard, targetKind: TargetKind = .number
  ) -> Normalisation {
    rows.fitted(rule, targetKind)
  }
}

extension Array<Float> {
  /// Appends numbers if each is one in single precision; else none, and false.
  fileprivate mutating func append(exactly values: [Double]) -> Bool {
    var isExact = true
    let floats = [Float](unsafeUninitializedCapacity: values.count) { target, count in
      values.withUnsafeBufferPointer { values in
        var misses: UInt64 = 0
        for i in values.indices {
          let value = Float(values[i])
          target.initializeElement(at: i, to: value)
          misses |= Double(value) == values[i] ? 0 : 1
        }
        isExact = misses == 0
      }
      count = values.count
    }
    guard isExact else { return false }
    append(contentsOf: floats)
    return true
  }
}
