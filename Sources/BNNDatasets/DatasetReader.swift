/// The rows of a table that a schema asks for, in blocks.
///
///     let reader = try DatasetReader(path: "more.csv", schema: schema)
///     while let block = try reader.nextBlock(maxRows: 4096) { … }
public final class DatasetReader {
  public let schema: Schema
  /// Where the columns of the schema are in the table, and which others there are.
  public let columns: Schema.Columns
  /// The range of the column of times, over the rows given so far; nil without one, or while all its cells are missing.
  public private(set) var timeRange: TimeRange?
  /// The rows left out so far because their weight is 0: such a row says nothing.
  public private(set) var weightlessRows = 0
  private let table: TableReader
  private let encoder: OneHotEncoder
  private let task: TaskChoice
  /// Of its column among the texts of a block.
  private let taskPlace: Int?
  private var givenRows = 0
  private let isStream: Bool
  /// What is wrong with a row whose predecessors were given first.
  private var failure: DataError?

  /// Reads the rows of an open table, none of which has been read yet.
  ///
  /// - Parameters:
  ///   - options: what to do about levels never seen; the rest of it was used in opening the table.
  ///   - keeping: names of columns whose texts are kept as they are.
  ///   - readsTime: whether the schema's column of times must be there and is read.
  ///   - task: how the head of a row is told; where the table has classes too, they must agree.
  /// - Throws: `DataError` if the table lacks a column of the schema or one to keep, or for heads that there are not.
  public init(
    table: TableReader, schema: Schema, targets: Schema.Targets = .required, options: TableOptions = TableOptions(),
    keeping: [String] = [], readsTime: Bool = false, task: TaskChoice = .automatic
  ) throws(DataError) {
    try task.check(schema, file: table.file)
    columns = try schema.resolve(
      header: table.columnNames, targets: targets, readsTime: readsTime, task: task.column, file: table.file)
    self.task = task
    self.table = table
    self.schema = schema
    isStream = options.isStream
    let unknown = keeping.filter { !table.columnNames.contains($0) }
    guard unknown.isEmpty else { throw Schema.missing(unknown, header: table.columnNames, file: table.file) }
    keptCount = keeping.count
    encoder = OneHotEncoder(schema.featureColumns)
    let features = zip(columns.features, schema.featureColumns).map { index, column in
      Selection.Column(
        index: index, use: column.levels.map { .level(LevelCoder(levels: $0, unseen: options.unseen)) } ?? .number)
    }
    let targetUse = schema.targetUse
    let numbers =
      columns.targets.map { Selection.Column(index: $0, use: targetUse) }
      + [columns.weights].compactMap { $0 }.map { Selection.Column(index: $0, use: .number) }
    var kept = keeping.compactMap { table.columnNames.firstIndex(of: $0) } + [columns.time].compactMap { $0 }
    if let own = columns.task, !task.isHead {
      // A table gives the texts of a column once.
      if !kept.contains(own) { kept.append(own) }
      taskPlace = kept.firstIndex(of: own)
    } else {
      taskPlace = nil
    }
    table.select(Selection(features + numbers, kept: kept))
  }

  /// Opens a table and reads its rows; the path may be "-" as for `TableReader`.
  ///
  /// - Parameter labels: a file that holds the target, as for `TableInput`.
  public convenience init(
    path: String, labels: String? = nil, schema: Schema, targets: Schema.Targets = .required,
    options: TableOptions = TableOptions(),
    keeping: [String] = [], readsTime: Bool = false, task: TaskChoice = .automatic
  ) throws(DataError) {
    let name = schema.targets.count == 1 ? schema.targets[0] : TableInput.labelColumn
    try self.init(
      table: TableReader(path: path, labels: labels, labelColumn: name, options: options), schema: schema,
      targets: targets, options: options,
      keeping: keeping, readsTime: readsTime, task: task)
  }

  public var file: String { table.file }
  /// The form in which the table is.
  public var format: TableFormat { table.format }
  /// The rows of the table, those that will be left out included, if that is known without reading them.
  public var rowCount: Int? { table.rowCount }
  public var featureCount: Int { schema.features.count }
  /// Whether blocks say which head each row is about.
  public var tellsHeads: Bool { task.isHead || taskPlace != nil }
  /// The number of targets of each row; 0 if they were optional and the table lacks them.
  public var targetCount: Int { columns.targets.count }
  /// The number of columns whose texts are kept.
  public let keptCount: Int
  /// The rows left out so far because a chosen cell was missing.
  public var droppedRows: Int { table.droppedRows }
  /// For each category with such rows, how many rows given so far have a level never seen before.
  public var unseenRows: [(column: String, rows: Int)] {
    zip(schema.featureColumns, encoder.unseen).filter { $1 > 0 }.map { ($0.name, $1) }
  }

  /// Larger numbers than this are refused: sums of their squares would overflow.
  static let largest = 1e140

  /// The next rows, at most `maxRows` > 0 of them; nil at the end. All blocks but the last are full, but for rows
  /// without weight.
  ///
  /// - Throws: `DataError`, as `TableReader.nextBlock`, for a number that is too large to compute with, for a weight that
  ///   is negative, for a count or a time that is none, and for a class that the schema does not have.
  public func nextBlock(maxRows: Int) throws(DataError) -> Dataset? {
    if let failure { throw failure }
    while let block = try table.nextBlock(maxRows: maxRows) {
      let data = try isStream ? goodRows(block) : dataset(block)
      givenRows += data.rows
      if data.rows > 0 { return data }
    }
    guard givenRows > 0 else {
      throw DataError(
        .badData, "every row has the weight 0", file: file, column: schema.weights.map { excerpt($0.utf8) },
        remedy: "give some rows a positive weight")
    }
    return nil
  }

  /// As `read`, for a table that holds its rows as they are wanted; nil for every other, and for rows that need a closer
  /// look.
  func readDirectly(maxRows: Int, into buffer: inout RowBuffer) throws(DataError) -> Int? {
    guard !tellsHeads else { return nil }
    let count = try table.readDirectly(maxRows: maxRows, into: &buffer)
    givenRows += count ?? 0
    return count
  }

  /// The rows before the first bad one, if there are any; what is wrong with that is thrown next.
  private func goodRows(_ block: TableBlock) throws(DataError) -> Dataset {
    var block = block
    while true {
      do throws(DataError) {
        return try dataset(block)
      } catch {
        guard let index = block.rowNumbers.firstIndex(where: { $0 == error.row }), index > 0 else { throw error }
        failure = error
        block = block.rows(Array(0..<index))
      }
    }
  }

  private func dataset(_ block: TableBlock) throws(DataError) -> Dataset {
    if block.values.largestMagnitude > Self.largest { try refuseLarge(block) }
    let inputs = columns.features.count
    var weights: [Double]?
    var block = block
    if columns.weights != nil {
      let place = block.columns - 1
      let own = block.columns(place..<block.columns)
      if let bad = own.firstIndex(where: { $0 < 0 }) {
        throw DataError(
          .badData, "the weight \(own[bad]) is negative", file: file, row: block.rowNumbers[bad],
          column: schema.weights.map { excerpt($0.utf8) }, remedy: "correct the cell; 0 leaves a row out")
      }
      let heavy = own.indices.filter { own[$0] > 0 }
      weightlessRows += own.count - heavy.count
      if heavy.count < own.count { block = block.rows(heavy) }
      weights = heavy.map { own[$0] }
    }
    if columns.time != nil { try extendTimes(block) }
    let targets = block.columns(inputs..<inputs + targetCount)
    if schema.targetKind == .count {
      try Schema.checkCounts(targets, targets: schema.targets, rowNumbers: block.rowNumbers, file: table.labelFile)
    }
    return Dataset(
      features: encoder.encode(block.columns(0..<inputs), rows: block.rows), featureCount: featureCount,
      targets: targets, targetCount: targetCount, rows: block.rows,
      rowNumbers: block.rowNumbers, weights: weights, heads: try heads(block, classes: targets),
      kept: Array(block.texts.prefix(keptCount)))
  }

  /// Of every row, where they are told.
  private func heads(_ block: TableBlock, classes: [Double]) throws(DataError) -> [Int]? {
    if case .head(let own) = task {
      let all = [Int](repeating: own, count: block.rows)
      try schema.check(classes, areOf: all, rowNumbers: block.rowNumbers, file: table.labelFile)
      return all
    }
    guard let taskPlace, let name = task.column ?? schema.task else { return nil }
    return try schema.tasks(
      block.texts[taskPlace], column: name, classes: classes, rowNumbers: block.rowNumbers, file: file)
  }

  private func extendTimes(_ block: TableBlock) throws(DataError) {
    for (row, text) in zip(block.rowNumbers, block.texts[keptCount]) {
      guard let time = TimeRange(text) else {
        let parser = DecimalParser()
        if parser.parse(Array(text.utf8) + [0], text.utf8.count) == .missing { continue }
        throw DataError(
          .badData, "\"\(excerpt(text.utf8))\" is no time", file: file, row: row,
          column: schema.time.map { excerpt($0.utf8) },
          remedy:
            "write dates as 2011-01-31 or 2011-01-31 07:45, or leave the column out with --ignore at the first fit")
      }
      if timeRange == nil { timeRange = time } else { timeRange?.formUnion(time) }
    }
  }

  private func refuseLarge(_ block: TableBlock) throws(DataError) {
    guard let bad = block.values.firstIndex(where: { abs($0) > Self.largest }) else { return }
    let width = block.columns
    let names =
      schema.featureColumns.map(\.name) + schema.targets.prefix(targetCount) + [schema.weights].compactMap { $0 }
    let isTarget = (columns.features.count..<columns.features.count + targetCount).contains(bad % width)
    throw DataError(
      .badData, "\(block.values[bad]) is too large to compute with", file: isTarget ? table.labelFile : file,
      row: block.rowNumbers[bad / width], column: excerpt(names[bad % width].utf8),
      remedy: "give the column a larger unit, or correct the cell")
  }
}

/// Categories by the number of their level into one input a level.
private final class OneHotEncoder {
  private struct Column {
    /// Inputs; nil for a number.
    let levels: Int?
    let dropped: Int
  }

  private let columns: [Column]
  private let width: Int
  private let isIdentity: Bool
  /// Rows with a level never seen before, for each column.
  private(set) var unseen: [Int]

  init(_ features: [FeatureColumn]) {
    columns = features.map { Column(levels: $0.levels?.count, dropped: $0.dropsFirstLevel ? 1 : 0) }
    width = features.reduce(0) { $0 + $1.inputs.count }
    isIdentity = columns.allSatisfy { $0.levels == nil }
    unseen = Array(repeating: 0, count: columns.count)
  }

  func encode(_ values: [Double], rows: Int) -> [Double] {
    if isIdentity { return values }
    var result = [Double](repeating: 0, count: rows * width)
    var from = 0
    var place = 0
    for _ in 0..<rows {
      for (k, column) in columns.enumerated() {
        let value = values[from]
        from += 1
        if let levels = column.levels {
          if value == LevelCoder.unseenCode { unseen[k] += 1 }
          let input = Int(value) - column.dropped
          if value >= 0, input >= 0 { result[place + input] = 1 }
          place += levels - column.dropped
        } else {
          result[place] = value
          place += 1
        }
      }
    }
    return result
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

  /// Some of the rows, by index.
  func rows(_ chosen: [Int]) -> TableBlock {
    TableBlock(
      rowNumbers: chosen.map { rowNumbers[$0] }, columns: columns,
      values: chosen.flatMap { values[$0 * columns..<($0 + 1) * columns] },
      texts: texts.map { own in chosen.map { own[$0] } })
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
