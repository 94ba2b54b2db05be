/// The rows of a csv file as libcsv calls them out, cell by cell; values wait here until a block takes them.
///
/// Lives behind a pointer that C carries. No call allocates for a good number, and after the first failure every
/// call returns at once.
struct CSVRows {
  let file: String
  private let demandsLineEnd: Bool
  private let missing: MissingPolicy
  private let missingValues: MissingValues
  private let parser = DecimalParser()

  // MARK: The header

  private(set) var headerCells: [[UInt8]] = []
  private(set) var headerIsComplete = false
  private var columnNames: [String] = []

  // MARK: The choice of columns

  /// For each column of the file its place in a block, or −1.
  private var places: [Int] = []
  private var width = 0
  /// For each place what its cells are for, and whether that is the number and nothing else.
  private var uses: [ColumnUse] = []
  private var isPlain: [Bool] = []
  /// For each column of the file its place among the kept texts, or −1; empty if none is kept.
  private var keptPlaces: [Int] = []
  /// For each place, in a first reading.
  private(set) var profiles: [ColumnProfile] = []

  // MARK: Rows that wait

  private var values: [Double] = []
  private var rowNumbers: [Int] = []
  private var texts: [[String]] = []
  /// Levels of the current row for profiles, by place: known to count once the row is complete.
  private var levels: [(place: Int, name: String)] = []
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
    enum What {
      case missing, notFinite, notNumber, notText
      case unseen(LevelCoder)
    }

    let column: Int
    let what: What
    let bytes: [UInt8]

    /// A level never seen is an error unless the row is left out anyway; the others, but for a missing value, are always.
    var severity: Int {
      switch what {
      case .missing: 0
      case .unseen: 1
      case .notFinite, .notNumber, .notText: 2
      }
    }
  }

  init(file: String, options: TableOptions) {
    self.file = file
    demandsLineEnd = options.demandsLineEnd
    missing = options.missing
    missingValues = MissingValues(options.missingValues)
  }

  var waitingRows: Int { rowNumbers.count - taken }

  mutating func beginData(columnNames: [String]) {
    headerIsComplete = true
    self.columnNames = columnNames
    select(Selection(numbers: Array(columnNames.indices)))
  }

  mutating func select(_ selection: Selection) {
    places = Array(repeating: -1, count: columnNames.count)
    for (place, column) in selection.columns.enumerated() { places[column.index] = place }
    width = selection.columns.count
    uses = selection.columns.map(\.use)
    isPlain = uses.map(\.isNumber)
    profiles = uses.map(\.emptyProfile)
    keptPlaces = selection.kept.isEmpty ? [] : Array(repeating: -1, count: columnNames.count)
    for (place, column) in selection.kept.enumerated() { keptPlaces[column] = place }
    texts = Array(repeating: [], count: selection.kept.count)
  }

  mutating func takeBlock(maxRows: Int) -> TableBlock? {
    guard waitingRows > 0 else { return nil }
    let rows = taken..<taken + min(maxRows, waitingRows)
    let block = TableBlock(
      rowNumbers: Array(rowNumbers[rows]), columns: width,
      values: Array(values[rows.lowerBound * width..<rows.upperBound * width]), texts: texts.map { Array($0[rows]) })
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
    if !keptPlaces.isEmpty, column < keptPlaces.count, keptPlaces[column] >= 0 {
      keep(UnsafeBufferPointer(start: bytes, count: count), column: column)
    }
    guard place >= 0 else {
      countLineEnds(UnsafeBufferPointer(start: bytes, count: count))
      return
    }
    let value = parser.parse(bytes, count)
    if case .number(let number) = value, isPlain[place], missingValues.isEmpty {
      values[values.count - width + place] = number
    } else {
      endUncommonCell(UnsafeBufferPointer(start: bytes, count: count), value, column: column, place: place)
    }
  }

  /// A cell that is no number, or of a column from which more than a number is wanted.
  private mutating func endUncommonCell(
    _ cell: UnsafeBufferPointer<UInt8>, _ parsed: CellValue, column: Int, place: Int
  ) {
    countLineEnds(cell)
    func problem(_ what: CellProblem.What) -> CellProblem {
      CellProblem(column: column, what: what, bytes: Array(cell.prefix(400)))
    }
    let value = missingValues.isEmpty ? parsed : afterMissingValues(parsed, cell)
    if value == .missing { return note(problem(.missing)) }
    switch uses[place] {
    case .number:
      switch value {
      case .number(let number): values[values.count - width + place] = number
      case .notFinite: note(problem(.notFinite))
      default: note(problem(.notNumber))
      }
    case .level(let coder):
      guard let level = Level.name(cell) else { return note(problem(.notText)) }
      guard let code = coder.code(level, value) else { return note(problem(.unseen(coder))) }
      values[values.count - width + place] = code
    case .profile:
      profile(cell, value, place: place, problem)
    }
  }

  private mutating func profile(
    _ cell: UnsafeBufferPointer<UInt8>, _ value: CellValue, place: Int, _ problem: (CellProblem.What) -> CellProblem
  ) {
    if value == .notFinite, !profiles[place].role.countsNumbers { return note(problem(.notFinite)) }
    profiles[place].count(value, row: dataRows + 1, line: line) { cell }
    guard profiles[place].collectsLevels else { return }
    guard let level = Level.name(cell) else { return note(problem(.notText)) }
    levels.append((place, profiles[place].level(level, value)))
  }

  private func afterMissingValues(_ value: CellValue, _ cell: UnsafeBufferPointer<UInt8>) -> CellValue {
    if case .number(let number) = value { return missingValues.contains(number) ? .missing : value }
    return Level.name(cell).map { missingValues.contains($0.utf8) } == true ? .missing : value
  }

  private mutating func keep(_ cell: UnsafeBufferPointer<UInt8>, column: Int) {
    guard let text = String(validating: cell, as: UTF8.self) else {
      texts[keptPlaces[column]].append("")
      return note(CellProblem(column: column, what: .notText, bytes: Array(cell.prefix(400))))
    }
    texts[keptPlaces[column]].append(text)
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
      if failure == nil { finishRow(cells: cells, isCutOff: demandsLineEnd && terminator < 0) }
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
        for kept in texts.indices { texts[kept].append("") }
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
    for kept in texts.indices { texts[kept].removeFirst(taken) }
    taken = 0
  }

  private mutating func note(_ new: CellProblem) {
    if new.severity == 0 { rowLacksValue = true }
    if let problem, problem.severity >= new.severity { return }
    problem = new
  }

  private mutating func finishRow(cells: Int, isCutOff: Bool) {
    dataRows += 1
    defer {
      problem = nil
      rowLacksValue = false
      levels.removeAll(keepingCapacity: true)
    }
    if isCutOff, cells <= columnNames.count {
      return fail(
        "the row stops here, without a line end", at: rowLine, column: cells - 1,
        remedy: "end the last row with a line end if it is complete")
    }
    guard cells == columnNames.count else {
      return fail(
        "has \(count(cells, "cell")), but the header has \(count(columnNames.count, "column"))", at: rowLine,
        remedy: "look for a missing or an unquoted delimiter")
    }
    if let problem, missing == .error || problem.severity > (rowLacksValue ? 1 : 0) { return fail(problem) }
    if rowLacksValue {
      droppedRows += 1
      values.removeLast(width)
      for kept in texts.indices { texts[kept].removeLast() }
    } else {
      rowNumbers.append(dataRows)
      for (place, level) in levels { profiles[place].insert(level: level) }
    }
  }

  private func count(_ number: Int, _ word: String) -> String {
    number == 1 ? "1 \(word)" : "\(number) \(word)s"
  }

  // MARK: Failures

  private mutating func fail(_ problem: CellProblem) {
    let text = excerpt(problem.bytes)
    let name = columnNames[problem.column]
    switch problem.what {
    case .missing:
      fail(
        text.isEmpty ? "the value is missing" : "the value is missing (\"\(text)\")", at: rowLine,
        column: problem.column, remedy: "fill it in, or leave such rows out with --missing drop")
    case .notFinite:
      fail(
        "\"\(text)\" is not a finite number", at: rowLine, column: problem.column,
        remedy: "correct the cell, or leave it empty and give --missing drop")
    case .notText:
      fail(
        "\"\(text)\" is not text in UTF-8", at: rowLine, column: problem.column, remedy: "save the table as UTF-8 text")
    case .unseen(let coder):
      let (message, remedy) = coder.refusal(text)
      fail(message, at: rowLine, column: problem.column, remedy: remedy)
    case .notNumber:
      fail(
        "\"\(text)\" is not a number", at: rowLine, column: problem.column,
        remedy: looksLikeCommaNumber(problem.bytes)
          ? "write numbers with a decimal point and without separators of thousands"
          : dataRows == 1 ? "leave a column of text out with --ignore '\(excerpt(name.utf8))'" : "correct the cell")
    }
  }

  private mutating func fail(_ message: String, at line: Int, column: Int? = nil, remedy: String) {
    failure = DataError(
      .badData, message, file: file, row: dataRows, line: line,
      column: column.map { excerpt(columnNames[$0].utf8) }, remedy: remedy)
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
