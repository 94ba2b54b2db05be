/// A table and the labels of its rows from a file of their own, side by side: the label is the last column.
final class LabelledTable: TableSource {
  let columnNames: [String]
  private let table: any TableSource
  private let labels: any TableSource
  private let tableFile: String
  private let labelFile: String
  private var readsTable = true
  private var readsLabels = true
  /// For each place of a block whether it is the label, whose place among the labels is 0.
  private var isLabel: [Bool] = []
  private var labelIsKept = false
  /// Rows read of either and not yet given.
  private var left: TableBlock?
  private var right: TableBlock?
  private var taken = (left: 0, right: 0)
  private var given = 0

  /// - Throws: `DataError` for labels that are not one column, for a table that has a column of their name, and for
  ///   numbers of rows that are known to differ.
  init(
    _ table: any TableSource, file: String, labels: any TableSource, labelFile: String, name: String
  ) throws(DataError) {
    guard labels.columnNames.count == 1 else { throw .severalLabels(labels.columnNames.count, file: labelFile) }
    guard !table.columnNames.contains(name) else {
      throw DataError(
        .usage, "has a column \"\(excerpt(name.utf8))\", and so would the labels be called", file: file,
        remedy: "leave --labels out, or rename the column")
    }
    self.table = table
    self.labels = labels
    tableFile = file
    self.labelFile = labelFile
    columnNames = table.columnNames + [name]
    if let rows = table.rowCount, let own = labels.rowCount, rows != own { throw disagreement(rows, own) }
    select(Selection(numbers: Array(columnNames.indices)))
  }

  var rowCount: Int? { table.rowCount ?? labels.rowCount }
  var keepsAllRows: Bool { table.keepsAllRows }

  /// Rows that at least one of the two lacks, of those read so far.
  var droppedRows: Int {
    guard readsTable else { return labels.droppedRows }
    guard readsLabels else { return table.droppedRows }
    return taken.left + table.droppedRows - given - (left?.rows ?? 0)
  }

  var profiles: [ColumnProfile] {
    var (own, label) = (table.profiles[...], labels.profiles[...])
    return isLabel.compactMap { $0 ? label.popFirst() : own.popFirst() }
  }

  func isKnownNumeric(_ column: Int) -> Bool {
    column == table.columnNames.count ? labels.isKnownNumeric(0) : table.isKnownNumeric(column)
  }

  func select(_ selection: Selection) {
    let place = table.columnNames.count
    isLabel = selection.columns.map { $0.index == place }
    labelIsKept = selection.kept.contains(place)
    readsTable = isLabel.contains(false) || selection.kept.contains { $0 != place } || selection.columns.isEmpty
    readsLabels = isLabel.contains(true) || labelIsKept
    table.select(
      Selection(selection.columns.filter { $0.index != place }, kept: selection.kept.filter { $0 != place }))
    labels.select(
      Selection(
        selection.columns.filter { $0.index == place }.map { Selection.Column(index: 0, use: $0.use) },
        kept: labelIsKept ? [0] : []))
    keptOrder = selection.kept.map { $0 == place }
  }

  /// For each kept text whether it is the label's.
  private var keptOrder: [Bool] = []

  func nextBlock(maxRows: Int) throws(DataError) -> TableBlock? {
    guard readsLabels else { return try table.nextBlock(maxRows: maxRows) }
    guard readsTable else { return try labels.nextBlock(maxRows: maxRows) }
    while true {
      if left == nil {
        left = try table.nextBlock(maxRows: maxRows)
        taken.left += left?.rows ?? 0
      }
      if right == nil {
        right = try labels.nextBlock(maxRows: maxRows)
        taken.right += right?.rows ?? 0
      }
      guard let own = left, let label = right else {
        try checkCounts(maxRows: maxRows)
        return nil
      }
      if own.rowNumbers == label.rowNumbers {
        (left, right) = (nil, nil)
        return joined(own, label)
      }
      let last = min(own.rowNumbers.last ?? 0, label.rowNumbers.last ?? 0)
      let common = Set(own.rowNumbers).intersection(label.rowNumbers)
      (left, right) = (own.rows(after: last), label.rows(after: last))
      if !common.isEmpty { return joined(own.rows(common), label.rows(common)) }
    }
  }

  private func joined(_ own: TableBlock, _ label: TableBlock) -> TableBlock {
    given += own.rows
    let width = isLabel.count
    let place = isLabel.firstIndex(of: true) ?? width
    let inputs = own.columns
    let values = [Double](unsafeUninitializedCapacity: own.rows * width) { target, count in
      own.values.withUnsafeBufferPointer { source in
        for row in 0..<own.rows {
          let start = row * width
          let inputs = UnsafeBufferPointer(rebasing: source[row * inputs..<(row + 1) * inputs])
          _ = target[start..<start + min(place, inputs.count)].initialize(fromContentsOf: inputs.prefix(place))
          guard place < width else { continue }
          target.initializeElement(at: start + place, to: label.values[row])
          _ = target[start + place + 1..<start + width].initialize(fromContentsOf: inputs.dropFirst(place))
        }
      }
      count = own.rows * width
    }
    var texts = own.texts[...]
    return TableBlock(
      rowNumbers: own.rowNumbers, columns: width, values: values,
      texts: keptOrder.compactMap { $0 ? label.texts.first : texts.popFirst() })
  }

  // MARK: The end

  private func checkCounts(maxRows: Int) throws(DataError) {
    while let more = try table.nextBlock(maxRows: maxRows) { taken.left += more.rows }
    while let more = try labels.nextBlock(maxRows: maxRows) { taken.right += more.rows }
    let (rows, own) = (taken.left + table.droppedRows, taken.right + labels.droppedRows)
    guard rows == own else { throw disagreement(rows, own) }
    guard given > 0 else {
      throw DataError(.badData, "every row has a missing value, here or in its labels \(labelFile)", file: tableFile)
    }
  }

  private func disagreement(_ rows: Int, _ labels: Int) -> DataError {
    DataError(
      .badData, "has \(labels) labels, and \(tableFile) has \(rows) rows", file: labelFile,
      remedy: "name the labels of these rows with --labels")
  }
}

extension TableBlock {
  /// The rows of these numbers.
  fileprivate func rows(_ numbers: Set<Int>) -> TableBlock {
    rows(rowNumbers.indices.filter { numbers.contains(rowNumbers[$0]) })
  }

  /// The rows after the one of a number; nil if there are none.
  fileprivate func rows(after number: Int) -> TableBlock? {
    let rest = rowNumbers.indices.filter { rowNumbers[$0] > number }
    return rest.isEmpty ? nil : rows(rest)
  }
}
