/// Rows of features and targets, in the order of a schema.
public struct Dataset: Sendable, Equatable {
  /// [rows × featureCount], row-major, finite.
  public let features: [Double]
  /// [rows × targetCount], row-major, finite; a class is the index of its label in the schema.
  public let targets: [Double]
  public let featureCount: Int
  /// The number of targets of each row; 0 if the table had none.
  public let targetCount: Int
  /// The number in its file of each row, counted from 1, ascending; there are gaps where rows were dropped.
  public let rowNumbers: [Int]
  /// The weight of each row, positive: its noise has the variance σ²/w. Nil if every row weighs 1.
  public let weights: [Double]?
  /// The head that each row is about, where the table or the caller tells it; nil where the rows' classes do.
  public let heads: [Int]?
  /// The texts of the columns that a reader was asked to keep, column by column.
  public let kept: [[String]]

  public var rows: Int { rowNumbers.count }

  /// Rows from memory. `features` has `rows × featureCount` numbers, `targets` `rows × targetCount`; this is checked.
  ///
  /// - Parameter rowNumbers: 1, 2, … if nil.
  public init(
    features: [Double], featureCount: Int, targets: [Double] = [], targetCount: Int = 0, rows: Int,
    rowNumbers: [Int]? = nil, weights: [Double]? = nil, heads: [Int]? = nil, kept: [[String]] = []
  ) {
    precondition(heads == nil || heads?.count == rows, "each row has one head")
    self.heads = heads
    precondition(weights == nil || weights?.count == rows, "each row has one weight")
    precondition(kept.allSatisfy { $0.count == rows }, "each row has its texts")
    self.weights = weights
    self.kept = kept
    precondition(features.count == rows * featureCount, "features are rows × featureCount numbers")
    precondition(targets.count == rows * targetCount, "targets are rows × targetCount numbers")
    precondition(rowNumbers == nil || rowNumbers?.count == rows, "each row has one number")
    self.features = features
    self.targets = targets
    self.featureCount = featureCount
    self.targetCount = targetCount
    self.rowNumbers = rowNumbers ?? Array(1..<rows + 1)
  }

  /// All rows that a reader has yet to give.
  ///
  /// - Throws: `DataError`, as `DatasetReader.nextBlock`.
  /// - Complexity: O(rows × columns) time and memory.
  public init(readingAll reader: DatasetReader) throws(DataError) {
    var features: [Double] = []
    var targets: [Double] = []
    var rowNumbers: [Int] = []
    var weights: [Double] = []
    var heads: [Int]?
    var kept: [[String]] = Array(repeating: [], count: reader.keptCount)
    while let block = try reader.nextBlock(maxRows: 4096) {
      features += block.features
      targets += block.targets
      rowNumbers += block.rowNumbers
      weights += block.weights ?? []
      if let own = block.heads { heads = (heads ?? []) + own }
      for k in kept.indices { kept[k] += block.kept[k] }
    }
    self.init(
      features: features, featureCount: reader.featureCount, targets: targets, targetCount: reader.targetCount,
      rows: rowNumbers.count, rowNumbers: rowNumbers, weights: reader.columns.weights == nil ? nil : weights,
      heads: heads, kept: kept)
  }
}
