/// NumPy arrays side by side as a table.
final class ArrayTable: TableSource {
  /// An array and the names of its columns.
  struct Member {
    let names: [String]
    /// The number of rows; nil for an array that cannot be read.
    let rows: Int?
    /// Whether every cell is a number.
    let isNumeric: Bool
    /// Opens the array, its header read.
    let open: () throws(DataError) -> NPYArray
  }

  let columnNames: [String]
  private(set) var droppedRows = 0
  private(set) var profiles: [ColumnProfile] = []
  private let file: String
  private let missing: MissingPolicy
  private let missingValues: MissingValues
  private let parser = DecimalParser()
  private let members: [Member]
  /// For each column of the table its member and its column there.
  private let places: [(member: Int, column: Int)]
  private var selection: Selection
  private var pieces: [Piece] = []
  private var kept: [(array: NPYArray, column: Int)] = []
  private var arrays: [NPYArray] = []
  private var rows = 0
  private var nextRow = 0
  private var started = false
  private var rowsDelivered = 0
  private var failure: DataError?
  /// A level of the current row that was never seen: an error unless the row is left out anyway.
  private var unseen: DataError?
  private var levels: [(place: Int, name: String)] = []

  /// Neighbouring places of a block that come from one array.
  private struct Piece {
    let array: NPYArray
    let columns: [Int]
    let place: Int
    /// Whether they can be copied as they lie.
    let isRun: Bool
  }

  init(_ members: [Member], file: String, options: TableOptions) {
    self.members = members
    self.file = file
    missing = options.missing
    missingValues = MissingValues(options.missingValues)
    columnNames = members.flatMap(\.names)
    places = members.indices.flatMap { member in members[member].names.indices.map { (member, $0) } }
    selection = Selection(numbers: Array(columnNames.indices))
  }

  /// One .npy or IDX file: columns "0", "1", ….
  convenience init(bytes: ByteSource, idx: Bool = false, options: TableOptions) throws(DataError) {
    let array = try idx ? NPYArray(IDXHeader.read(bytes), bytes: bytes) : NPYArray(bytes: bytes)
    self.init(
      [
        Member(
          names: (0..<array.columns).map(String.init), rows: array.rows, isNumeric: array.element.isNumber,
          open: { () throws(DataError) in array })
      ], file: bytes.name, options: options)
  }

  var rowCount: Int? { members.allSatisfy { $0.rows == members[0].rows } ? members[0].rows : nil }

  var keepsAllRows: Bool { missing == .error }

  func isKnownNumeric(_ column: Int) -> Bool { members[places[column].member].isNumeric }

  func select(_ selection: Selection) { self.selection = selection }

  func nextBlock(maxRows: Int) throws(DataError) -> TableBlock? {
    if let failure { throw failure }
    do throws(DataError) {
      if !started { try start() }
      return try block(maxRows: maxRows)
    } catch {
      failure = error
      throw error
    }
  }

  /// Opens the arrays of the chosen columns.
  private func start() throws(DataError) {
    started = true
    let chosen = selection.columns.map(\.index) + selection.kept
    var opened: [Int: NPYArray] = [:]
    var first: Int?
    for column in chosen {
      let index = places[column].member
      guard opened[index] == nil else { continue }
      let member = members[index]
      if let first, let wanted = members[first].rows, let own = member.rows, own != wanted {
        throw DataError(
          .badData,
          "has \(own) rows, and the column \(excerpt(members[first].names[0].utf8)) has \(wanted)", file: file,
          column: excerpt(columnNames[column].utf8), remedy: "leave one of them out with --ignore")
      }
      first = first ?? index
      let array = try open(member, column: columnNames[column])
      array.select(columns: chosen.filter { places[$0].member == index }.map { places[$0].column })
      opened[index] = array
      arrays.append(array)
    }
    // A table of nothing but columns that are not read still has its rows.
    rows = first.flatMap { members[$0].rows } ?? members.compactMap(\.rows).first ?? 0
    kept = selection.kept.compactMap { column in opened[places[column].member].map { ($0, places[column].column) } }
    profiles = selection.columns.map(\.use.emptyProfile)
    var place = 0
    while place < selection.columns.count {
      let member = places[selection.columns[place].index].member
      var end = place
      while end < selection.columns.count, places[selection.columns[end].index].member == member { end += 1 }
      let columns = selection.columns[place..<end].map { places[$0.index].column }
      if let array = opened[member] {
        let isPlain = selection.columns[place..<end].allSatisfy(\.use.isNumber) && missingValues.isEmpty
        pieces.append(
          Piece(array: array, columns: columns, place: place, isRun: isPlain && array.isRun(columns)))
      }
      place = end
    }
  }

  /// An array that is no column can still be left out.
  private func open(_ member: Member, column: String) throws(DataError) -> NPYArray {
    do throws(DataError) {
      return try member.open()
    } catch {
      guard member.rows == nil else { throw error }
      var refusal = error
      refusal.remedy =
        "leave the array out with --ignore \(excerpt(column.utf8))" + (error.remedy.map { ", or \($0)" } ?? "")
      throw refusal
    }
  }

  func readDirectly(maxRows: Int, into buffer: inout RowBuffer) throws(DataError) -> Int? {
    if let failure { throw failure }
    do throws(DataError) {
      if !started { try start() }
      guard kept.isEmpty, pieces.count == 1, pieces[0].isRun, pieces[0].columns.count == pieces[0].array.columns else {
        return nil
      }
      if nextRow == rows { return rowsDelivered > 0 ? 0 : nil }
      guard let count = try pieces[0].array.readRows(maxRows: maxRows, into: &buffer) else { return nil }
      nextRow += count
      rowsDelivered += count
      return count
    } catch {
      failure = error
      throw error
    }
  }

  private func block(maxRows: Int) throws(DataError) -> TableBlock? {
    var values: [Double] = []
    var rowNumbers: [Int] = []
    var texts: [[String]] = Array(repeating: [], count: kept.count)
    values.reserveCapacity(min(maxRows, rows - nextRow) * selection.columns.count)
    while rowNumbers.count < maxRows, nextRow < rows {
      let row = nextRow
      nextRow += 1
      for array in arrays { try array.advance() }
      let length = values.count
      var isComplete = true
      unseen = nil
      levels.removeAll(keepingCapacity: true)
      for piece in pieces {
        if piece.isRun, piece.array.appendRun(from: piece.columns[0], count: piece.columns.count, to: &values) {
          continue
        }
        for (k, column) in piece.columns.enumerated() {
          let value = try cell(piece.array, column, place: piece.place + k, row: row)
          if value == nil { isComplete = false }
          values.append(value ?? 0)
        }
      }
      guard isComplete else {
        droppedRows += 1
        values.removeLast(values.count - length)
        continue
      }
      if let unseen { throw unseen }
      for (place, level) in levels { profiles[place].insert(level: level) }
      for (k, own) in kept.enumerated() { texts[k].append(own.array.text(own.column) ?? "") }
      rowNumbers.append(row + 1)
    }
    rowsDelivered += rowNumbers.count
    if !rowNumbers.isEmpty {
      return TableBlock(rowNumbers: rowNumbers, columns: selection.columns.count, values: values, texts: texts)
    }
    if rowsDelivered > 0 { return nil }
    throw DataError(
      .badData, "every one of the \(rows) data rows has a missing value", file: file,
      remedy: "leave out the columns that are empty with --ignore")
  }

  /// What a cell gives to a block; nil if it is missing and may be.
  private func cell(_ array: NPYArray, _ column: Int, place: Int, row: Int) throws(DataError) -> Double? {
    func refusal(_ message: String, _ remedy: String) -> DataError {
      DataError(
        .badData, message, file: file, row: row + 1,
        column: excerpt(columnNames[selection.columns[place].index].utf8), remedy: remedy)
    }
    let text = { excerpt((array.text(column) ?? "\u{FFFD}").utf8) }
    var value: CellValue
    switch array.element {
    case .number(let type):
      guard let number = array.number(column, type) else {
        throw refusal("\(text()) is too large to be a double exactly", "convert the array with astype('float64')")
      }
      value = number.isNaN ? .missing : number.isFinite ? .number(number) : .notFinite
      if case .number = value, !missingValues.isEmpty, missingValues.contains(number) { value = .missing }
    case .text:
      guard let own = array.text(column) else { throw refusal("the text is damaged", "write the array again") }
      value = parser.parse(Array(own.utf8) + [0], own.utf8.count)
      if !missingValues.isEmpty, isMissing(own, value) { value = .missing }
    }
    if value == .missing {
      if missing == .drop { return nil }
      let shown = if case .number = array.element { "nan" } else { "\"\(text())\"" }
      throw refusal(
        "the value is missing (\(shown))", "fill it in, or leave such rows out with --missing drop")
    }
    switch selection.columns[place].use {
    case .number:
      switch value {
      case .number(let number): return number
      case .notFinite:
        throw refusal("\(text()) is not a finite number", "correct it, or write nan and give --missing drop")
      default:
        throw refusal("\"\(text())\" is not a number", "correct it, or leave the column out with --ignore")
      }
    case .level(let coder):
      guard let code = coder.code(level(array, column), value) else {
        let (message, remedy) = coder.refusal(text())
        unseen = unseen ?? refusal(message, remedy)
        return 0
      }
      return code
    case .profile(let role):
      if value == .notFinite, !role.countsNumbers {
        throw refusal("\(text()) is not a finite number", "correct it, or write nan and give --missing drop")
      }
      profiles[place].count(value, row: row + 1, line: nil) { Array((array.text(column) ?? "").utf8) }
      if profiles[place].collectsLevels { levels.append((place, profiles[place].level(level(array, column), value))) }
      return 0
    }
  }

  private func isMissing(_ text: String, _ value: CellValue) -> Bool {
    if case .number(let number) = value { return missingValues.contains(number) }
    return missingValues.contains(text.utf8)
  }

  private func level(_ array: NPYArray, _ column: Int) -> String {
    let own = array.text(column) ?? ""
    return Array(own.utf8).withUnsafeBufferPointer { Level.name($0) } ?? own
  }
}
