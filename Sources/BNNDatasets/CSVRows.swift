/// The rows of a csv file as libcsv calls them out, cell by cell; values wait here until a block takes them.
///
/// Lives behind a pointer that C carries. No call allocates for a good number, and after the first failure every
/// call returns at once.
struct CSVRows {
  let file: String
  private let missing: MissingPolicy
  private let parser = DecimalParser()

  // MARK: The header

  private(set) var headerCells: [[UInt8]] = []
  private(set) var headerIsComplete = false
  private var columnNames: [String] = []

  // MARK: The choice of columns

  /// For each column of the file its place in a block, or −1.
  private var places: [Int] = []
  private var width = 0

  // MARK: Rows that wait

  private var values: [Double] = []
  private var rowNumbers: [Int] = []
  private var taken = 0
  private(set) var droppedRows = 0
  private(set) var deliveredRows = 0
  private(set) var dataRows = 0
  var failure: DataError?

  // MARK: Where we are

  /// The line on which the current row begins.
  private(set) var line = 1
  /// The line on which the row before began.
  private(set) var rowLine = 1
  private var cellIndex = 0
  private var lineEndsInCells = 0
  private var rowLacksValue = false
  private var problem: CellProblem?
  /// Blank lines of a one-column table; missing values if a row follows, nothing at the end of the file.
  private var blankLines = 0
  private var lastEndWasReturn = false

  private struct CellProblem {
    let column: Int
    let value: CellValue
    let bytes: [UInt8]
  }

  init(file: String, missing: MissingPolicy) {
    self.file = file
    self.missing = missing
  }

  var waitingRows: Int { rowNumbers.count - taken }

  mutating func beginData(columnNames: [String]) {
    self.columnNames = columnNames
    select(columns: Array(columnNames.indices))
  }

  mutating func select(columns: [Int]) {
    places = Array(repeating: -1, count: columnNames.count)
    for (place, column) in columns.enumerated() { places[column] = place }
    width = columns.count
  }

  mutating func takeBlock(maxRows: Int) -> TableBlock? {
    guard waitingRows > 0 else { return nil }
    let rows = taken..<taken + min(maxRows, waitingRows)
    let block = TableBlock(
      rowNumbers: Array(rowNumbers[rows]), columns: width,
      values: Array(values[rows.lowerBound * width..<rows.upperBound * width]))
    taken = rows.upperBound
    deliveredRows += rows.count
    return block
  }

  // MARK: What libcsv calls

  mutating func endCell(_ bytes: UnsafePointer<UInt8>, _ count: Int) {
    let column = cellIndex
    cellIndex += 1
    guard headerIsComplete else {
      let cell = UnsafeBufferPointer(start: bytes, count: count)
      countLineEnds(cell)
      headerCells.append(Array(cell))
      return
    }
    if column == 0 { beginRow() }
    guard failure == nil else { return }
    let place = column < places.count ? places[column] : -1
    guard place >= 0 else {
      countLineEnds(UnsafeBufferPointer(start: bytes, count: count))
      return
    }
    let value = parser.parse(bytes, count)
    if case .number(let number) = value {
      values[values.count - width + place] = number
    } else {
      let cell = UnsafeBufferPointer(start: bytes, count: count)
      countLineEnds(cell)
      note(CellProblem(column: column, value: value, bytes: Array(cell.prefix(400))))
    }
  }

  mutating func endRow(_ terminator: Int32) {
    if cellIndex == 0, lastEndWasReturn, terminator == 0x0A {
      lastEndWasReturn = false
      return
    }
    lastEndWasReturn = terminator == 0x0D
    rowLine = line
    line += 1 + lineEndsInCells
    lineEndsInCells = 0
    let cells = cellIndex
    cellIndex = 0
    if cells == 0 {
      if columnNames.count == 1 { blankLines += 1 }
    } else if headerIsComplete {
      if failure == nil { finishRow(cells: cells) }
    } else {
      headerIsComplete = true
    }
  }

  // MARK: Rows

  private mutating func beginRow() {
    guard failure == nil else { return }
    while blankLines > 0, failure == nil {
      dataRows += 1
      if width == 0 {
        rowNumbers.append(dataRows)
      } else if missing == .drop {
        droppedRows += 1
      } else {
        fail(
          "the line is blank, which in a table of one column is a missing value", at: line - blankLines, column: 0,
          remedy: "remove the line, or leave such rows out with --missing drop")
      }
      blankLines -= 1
    }
    compact()
    values.append(contentsOf: repeatElement(0, count: width))
  }

  /// Forgets the rows already taken, once they are all there is or more than wait.
  private mutating func compact() {
    guard taken > 0, taken >= waitingRows else { return }
    values.removeFirst(taken * width)
    rowNumbers.removeFirst(taken)
    taken = 0
  }

  private mutating func note(_ new: CellProblem) {
    if new.value == .missing { rowLacksValue = true }
    // The first cell that is wrong whatever the policy; else the first that lacks a value.
    if let problem, problem.value != .missing || new.value == .missing { return }
    problem = new
  }

  private mutating func finishRow(cells: Int) {
    dataRows += 1
    defer {
      problem = nil
      rowLacksValue = false
    }
    guard cells == columnNames.count else {
      return fail(
        "has \(count(cells, "cell")), but the header has \(count(columnNames.count, "column"))", at: rowLine,
        remedy: "look for a missing or an unquoted delimiter")
    }
    if let problem, missing == .error || problem.value != .missing { return fail(problem) }
    if rowLacksValue {
      droppedRows += 1
      values.removeLast(width)
    } else {
      rowNumbers.append(dataRows)
    }
  }

  private func count(_ number: Int, _ word: String) -> String {
    number == 1 ? "1 \(word)" : "\(number) \(word)s"
  }

  // MARK: Failures

  private mutating func fail(_ problem: CellProblem) {
    let text = excerpt(problem.bytes)
    let name = columnNames[problem.column]
    switch problem.value {
    case .missing:
      fail(
        text.isEmpty ? "the value is missing" : "the value is missing (\"\(text)\")", at: rowLine,
        column: problem.column, remedy: "fill it in, or leave such rows out with --missing drop")
    case .notFinite:
      fail(
        "\"\(text)\" is not a finite number", at: rowLine, column: problem.column,
        remedy: "correct the cell, or leave it empty and give --missing drop")
    default:
      fail(
        "\"\(text)\" is not a number", at: rowLine, column: problem.column,
        remedy: looksLikeDecimalComma(problem.bytes)
          ? "write numbers with a decimal point and without separators of thousands"
          : dataRows == 1 ? "leave a column of text out with --ignore '\(excerpt(name.utf8))'" : "correct the cell")
    }
  }

  private mutating func fail(_ message: String, at line: Int, column: Int? = nil, remedy: String) {
    failure = DataError(
      .badData, message, file: file, row: dataRows, line: line,
      column: column.map { excerpt(columnNames[$0].utf8) }, remedy: remedy)
  }

  /// Digits with at least one comma: "1,5", "1.234,5", "1,234.5".
  private func looksLikeDecimalComma(_ bytes: [UInt8]) -> Bool {
    bytes.contains(UInt8(ascii: ","))
      && bytes.contains { (48...57).contains($0) }
      && bytes.allSatisfy { (48...57).contains($0) || "+-.,eE ".utf8.contains($0) }
  }

  /// Keeps the count of lines right when quoted cells span several.
  private mutating func countLineEnds(_ cell: UnsafeBufferPointer<UInt8>) {
    for index in cell.indices {
      let byte = cell[index]
      if byte == 0x0A || byte == 0x0D && !(index + 1 < cell.count && cell[index + 1] == 0x0A) {
        lineEndsInCells += 1
      }
    }
  }
}
