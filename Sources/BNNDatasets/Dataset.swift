/// Rows of features and targets, in the order of a schema.
public struct Dataset: Sendable, Equatable {
  /// [rows × featureCount], row-major, finite.
  public let features: [Double]
  /// [rows × targetCount], row-major, finite.
  public let targets: [Double]
  public let featureCount: Int
  /// The number of targets of each row; 0 if the table had none.
  public let targetCount: Int
  /// The number in its file of each row, counted from 1, ascending; there are gaps where rows were dropped.
  public let rowNumbers: [Int]

  public var rows: Int { rowNumbers.count }

  /// Rows from memory. `features` has `rows × featureCount` numbers, `targets` `rows × targetCount`; this is checked.
  ///
  /// - Parameter rowNumbers: 1, 2, … if nil.
  public init(
    features: [Double], featureCount: Int, targets: [Double] = [], targetCount: Int = 0, rows: Int,
    rowNumbers: [Int]? = nil
  ) {
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
    while let block = try reader.nextBlock(maxRows: 4096) {
      features += block.features
      targets += block.targets
      rowNumbers += block.rowNumbers
    }
    self.init(
      features: features, featureCount: reader.featureCount, targets: targets, targetCount: reader.targetCount,
      rows: rowNumbers.count, rowNumbers: rowNumbers)
  }
}

/// The rows of a table that a schema asks for, in blocks.
///
///     let reader = try DatasetReader(path: "more.csv", schema: schema)
///     while let block = try reader.nextBlock(maxRows: 4096) { … }
public final class DatasetReader {
  public let schema: Schema
  /// Where the columns of the schema are in the table, and which others there are.
  public let columns: Schema.Columns
  private let table: TableReader

  /// Reads the rows of an open table, none of which has been read yet.
  ///
  /// - Throws: `DataError` if the table lacks a column of the schema.
  public init(table: TableReader, schema: Schema, targets: Schema.Targets = .required) throws(DataError) {
    columns = try schema.resolve(header: table.columnNames, targets: targets, file: table.file)
    self.table = table
    self.schema = schema
    table.select(columns: columns.features + columns.targets)
  }

  /// Opens a table and reads its rows; the path may be "-" as for `TableReader`.
  public convenience init(
    path: String, schema: Schema, targets: Schema.Targets = .required, options: TableOptions = TableOptions()
  ) throws(DataError) {
    try self.init(table: TableReader(path: path, options: options), schema: schema, targets: targets)
  }

  public var file: String { table.file }
  public var featureCount: Int { columns.features.count }
  /// The number of targets of each row; 0 if they were optional and the table lacks them.
  public var targetCount: Int { columns.targets.count }
  /// The rows left out so far because a chosen cell was missing.
  public var droppedRows: Int { table.droppedRows }

  /// Larger numbers than this are refused: sums of their squares would overflow.
  static let largest = 1e140

  /// The next rows, at most `maxRows` > 0 of them; nil at the end. All blocks but the last are full.
  ///
  /// - Throws: `DataError`, as `TableReader.nextBlock`, and for a number that is too large to compute with.
  public func nextBlock(maxRows: Int) throws(DataError) -> Dataset? {
    guard let block = try table.nextBlock(maxRows: maxRows) else { return nil }
    let width = block.columns
    if block.values.largestMagnitude > Self.largest { try refuseLarge(block) }
    let inputs = featureCount
    let features = block.columns(0..<inputs)
    let targets = block.columns(inputs..<width)
    return Dataset(
      features: features, featureCount: inputs, targets: targets, targetCount: targetCount, rows: block.rows,
      rowNumbers: block.rowNumbers)
  }

  private func refuseLarge(_ block: TableBlock) throws(DataError) {
    guard let bad = block.values.firstIndex(where: { abs($0) > Self.largest }) else { return }
    let width = block.columns
    let names = schema.features + schema.targets
    throw DataError(
      .badData, "\(block.values[bad]) is too large to compute with", file: file, row: block.rowNumbers[bad / width],
      column: excerpt(names[bad % width].utf8), remedy: "give the column a larger unit, or correct the cell")
  }
}

extension TableBlock {
  /// The numbers of some neighbouring columns, [rows × range.count], row-major.
  func columns(_ range: Range<Int>) -> [Double] {
    if range.count == columns { return values }
    return [Double](unsafeUninitializedCapacity: rows * range.count) { target, count in
      values.withUnsafeBufferPointer { values in
        for row in 0..<(range.isEmpty ? 0 : rows) {
          (target.baseAddress! + row * range.count).initialize(
            from: values.baseAddress! + row * columns + range.lowerBound, count: range.count)
        }
      }
      count = rows * range.count
    }
  }
}

extension Array<Double> {
  /// max |x|, 0 for none.
  fileprivate var largestMagnitude: Double {
    withUnsafeBufferPointer { values in
      var largest = SIMD8<Double>.zero
      var i = 0
      while i + 8 <= values.count {
        let v = UnsafeRawPointer(values.baseAddress! + i).loadUnaligned(as: SIMD8<Double>.self)
        largest.replace(with: v, where: v .> largest)
        largest.replace(with: -v, where: -v .> largest)
        i += 8
      }
      var result = largest.max()
      while i < values.count {
        result = Swift.max(result, abs(values[i]))
        i += 1
      }
      return result
    }
  }
}
