/// A NumPy array of one or two dimensions as a table; one dimension is one column.
final class NPYTable: TableSource {
  /// More columns than this in an array are a damaged header, not a table.
  private static let mostColumns = 1 << 20

  let columnNames: [String]
  private(set) var droppedRows = 0
  private let bytes: ByteSource
  private let missing: MissingPolicy
  private let number: NPYNumber
  private let rows: Int
  private let isColumnMajor: Bool
  private var chosen: [Int]
  private var copiesRuns = false
  private var rowsRead = 0
  private var rowsDelivered = 0
  private var failure: DataError?

  /// Numbers read but not yet looked at: some rows, or the chosen columns of an array in Fortran order.
  private var held: [UInt8] = []
  /// The rows in `held`.
  private var heldRows = 0..<0
  /// The row at the beginning of `held`.
  private var heldStart = 0
  /// In Fortran order, which of the held columns each chosen one is.
  private var heldOrder: [Int] = []

  init(bytes: ByteSource, missing: MissingPolicy) throws(DataError) {
    self.bytes = bytes
    self.missing = missing
    let header = try NPYHeader(reading: bytes)
    let file = bytes.name
    guard let number = NPYNumber(header.type) else {
      throw DataError(
        .badData, "holds numbers of type \"\(excerpt(header.type.utf8))\", which cannot be read", file: file,
        remedy: "convert the array with astype('float64') before saving it")
    }
    self.number = number
    let shape = header.shape.map(String.init).joined(separator: " × ")
    guard (1...2).contains(header.shape.count) else {
      throw DataError(
        .badData, "holds an array of \(header.shape.count) dimensions (\(shape)); a table has one or two", file: file,
        remedy: "reshape it to (rows, columns)")
    }
    rows = header.shape[0]
    let columns = header.shape.count == 2 ? header.shape[1] : 1
    guard rows > 0, columns > 0 else {
      throw DataError(.badData, "holds an empty array (\(shape))", file: file)
    }
    let (cells, tooMany) = rows.multipliedReportingOverflow(by: columns)
    let (total, tooLong) = cells.multipliedReportingOverflow(by: number.size)
    guard !tooMany, !tooLong, columns <= Self.mostColumns else {
      throw DataError(
        .badData, "the header of the array claims an absurd shape (\(shape))", file: file,
        remedy: "write the file again with numpy.save")
    }
    isColumnMajor = header.isFortranOrder && rows > 1 && columns > 1
    columnNames = (0..<columns).map(String.init)
    chosen = Array(0..<columns)
    copiesRuns = isRun
    try checkSize(expected: total)
  }

  func select(columns: [Int]) {
    chosen = columns
    copiesRuns = isRun
  }

  /// Whether the chosen cells of a row lie side by side as doubles.
  private var isRun: Bool {
    guard number.isNativeDouble, !isColumnMajor, let first = chosen.first else { return false }
    return chosen.enumerated().allSatisfy { $1 == first + $0 }
  }

  func nextBlock(maxRows: Int) throws(DataError) -> TableBlock? {
    if let failure { throw failure }
    do throws(DataError) {
      return try block(maxRows: maxRows)
    } catch {
      failure = error
      throw error
    }
  }

  private func block(maxRows: Int) throws(DataError) -> TableBlock? {
    var values: [Double] = []
    var rowNumbers: [Int] = []
    values.reserveCapacity(min(maxRows, rows - rowsRead + heldRows.count) * chosen.count)
    while rowNumbers.count < maxRows {
      if heldRows.isEmpty {
        if rowsRead == rows { break }
        if isColumnMajor { try holdColumns() } else { try holdRows() }
      }
      let row = heldRows.lowerBound
      heldRows = row + 1..<heldRows.upperBound
      if try append(row, to: &values) { rowNumbers.append(row + 1) } else { droppedRows += 1 }
    }
    rowsDelivered += rowNumbers.count
    if !rowNumbers.isEmpty { return TableBlock(rowNumbers: rowNumbers, columns: chosen.count, values: values) }
    if rowsDelivered > 0 { return nil }
    throw DataError(
      .badData, "every one of the \(rows) data rows has a missing value", file: bytes.name,
      remedy: "leave out the columns that are empty with --ignore")
  }

  /// Appends the chosen cells of a row; false, and nothing appended, if one is missing and may be.
  private func append(_ row: Int, to values: inout [Double]) throws(DataError) -> Bool {
    let size = number.size
    let first = isColumnMajor ? row * size : (row - heldStart) * columnNames.count * size
    let length = values.count
    return try held.withUnsafeBufferPointer { held throws(DataError) in
      let cells = UnsafeRawBufferPointer(held)
      if copiesRuns, let run = chosen.first, appendRun(cells, at: first + run * size, to: &values) { return true }
      var lacksValue = false
      for (place, column) in chosen.enumerated() {
        let offset = first + (isColumnMajor ? heldOrder[place] * rows : column) * size
        let value = number.double(in: cells, at: offset)
        if let value, value.isFinite {
          values.append(value)
        } else if value?.isNaN == true, missing == .drop {
          lacksValue = true
        } else {
          throw cellError(number.text(in: cells, at: offset), value, row: row, column: column)
        }
      }
      if lacksValue { values.removeLast(values.count - length) }
      return !lacksValue
    }
  }

  /// Copies the chosen cells as they lie; false, and nothing appended, if one of them is not finite.
  private func appendRun(_ cells: UnsafeRawBufferPointer, at offset: Int, to values: inout [Double]) -> Bool {
    let start = UnsafeRawPointer(cells.baseAddress! + offset)
    guard Int(bitPattern: start) % MemoryLayout<Double>.alignment == 0 else { return false }
    let run = UnsafeBufferPointer(start: start.assumingMemoryBound(to: Double.self), count: chosen.count)
    // 0·x is 0 for every finite x and NaN otherwise.
    var sums = SIMD8<Double>.zero
    var i = 0
    while i + 8 <= run.count {
      sums += UnsafeRawPointer(run.baseAddress! + i).loadUnaligned(as: SIMD8<Double>.self) * 0
      i += 8
    }
    var sum = sums.sum()
    while i < run.count {
      sum += run[i] * 0
      i += 1
    }
    guard sum == 0 else { return false }
    values.append(contentsOf: run)
    return true
  }

  private func cellError(_ text: String, _ value: Double?, row: Int, column: Int) -> DataError {
    let (message, remedy): (String, String) =
      switch value {
      case nil: ("\(text) is too large to be a double exactly", "convert the array with astype('float64')")
      case let value? where value.isNaN:
        ("the value is missing (nan)", "fill it in, or leave such rows out with --missing drop")
      default: ("\(text) is not a finite number", "correct it, or write nan and give --missing drop")
      }
    return DataError(
      .badData, message, file: bytes.name, row: row + 1, column: columnNames[column], remedy: remedy)
  }

  // MARK: Reading

  /// Reads as many whole rows as a buffer's worth, at least one.
  private func holdRows() throws(DataError) {
    let rowSize = columnNames.count * number.size
    let count = min(rows - rowsRead, max(1, ByteSource.capacity / rowSize))
    held = try read(count * rowSize, rowsComplete: { rowsRead + $0 / rowSize })
    heldStart = rowsRead
    heldRows = rowsRead..<rowsRead + count
    rowsRead += count
    if rowsRead == rows { try checkEnd() }
  }

  /// Reads the whole array, column by column, and keeps the chosen ones.
  private func holdColumns() throws(DataError) {
    let columnSize = rows * number.size
    let places = Dictionary(uniqueKeysWithValues: chosen.enumerated().map { ($1, $0) })
    heldOrder = Array(repeating: 0, count: chosen.count)
    var kept = 0
    for column in columnNames.indices {
      guard let place = places[column] else {
        try skip(columnSize)
        continue
      }
      heldOrder[place] = kept
      kept += 1
      // In pieces, so that a damaged header of a compressed file cannot claim memory its data do not fill.
      while held.count < kept * columnSize {
        held += try read(min(kept * columnSize - held.count, ByteSource.capacity), rowsComplete: { _ in 0 })
      }
    }
    heldRows = 0..<rows
    rowsRead = rows
    try checkEnd()
  }

  /// Exactly `count` bytes. `rowsComplete` tells how many rows are there in all, should only so many bytes come.
  private func read(_ count: Int, rowsComplete: (Int) -> Int) throws(DataError) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: count)
    let got = try result.withUnsafeMutableBufferPointer { target throws(DataError) in
      try bytes.read(into: UnsafeMutableRawBufferPointer(target))
    }
    if got < count { throw cutOff(rowsComplete(got)) }
    return result
  }

  private func skip(_ count: Int) throws(DataError) {
    var left = count
    while left > 0 {
      let some = min(left, try bytes.available().count)
      if some == 0 { throw cutOff(0) }
      bytes.consume(some)
      left -= some
    }
  }

  // MARK: The length of the data

  private func cutOff(_ complete: Int) -> DataError {
    DataError(
      .badData, "the array is cut off: \(complete) of its \(rows) rows are complete", file: bytes.name,
      remedy: "fetch or write the file again")
  }

  private func checkEnd() throws(DataError) {
    if try !bytes.available().isEmpty {
      throw DataError(
        .badData, "other bytes follow the array", file: bytes.name, remedy: "keep one array in each .npy file")
    }
  }

  /// Compares sizes before anything is read or allocated, where the size of the file is known.
  private func checkSize(expected: Int) throws(DataError) {
    guard let left = bytes.unread else { return }
    if left < expected { throw cutOff(isColumnMajor ? 0 : left / (expected / rows)) }
  }
}
