/// What an array holds in each place.
enum NPYElement: Equatable {
  case number(NPYNumber)
  case text(NPYText)

  /// The type of NumPy's name, as "<f8" or "<U10"; nil if it is none that can be read.
  init?(_ name: String) {
    if let number = NPYNumber(name) {
      self = .number(number)
    } else if let text = NPYText(name) {
      self = .text(text)
    } else {
      return nil
    }
  }

  var isNumber: Bool { if case .number = self { true } else { false } }

  /// Bytes of one element.
  var size: Int {
    switch self {
    case .number(let number): number.size
    case .text(let text): text.size
    }
  }
}

/// Texts of a fixed length, padded with NUL: "S", bytes that are UTF-8, and "U", code points of four bytes.
struct NPYText: Equatable {
  let size: Int
  private let isUTF32: Bool
  private let isBigEndian: Bool

  init?(_ name: String) {
    guard let order = name.first, "<>|=".contains(order), let kind = name.dropFirst().first, kind == "S" || kind == "U",
      let length = Int(name.dropFirst(2)), (1...1 << 16).contains(length)
    else { return nil }
    isUTF32 = kind == "U"
    isBigEndian = order == ">"
    size = length * (isUTF32 ? 4 : 1)
  }

  /// The text at a byte offset; nil if its bytes are none.
  func string(in bytes: UnsafeRawBufferPointer, at offset: Int) -> String? {
    let own = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + size])
    guard isUTF32 else {
      let length = (own.lastIndex { $0 != 0 } ?? -1) + 1
      return String(validating: own[..<length], as: UTF8.self)
    }
    var scalars = String.UnicodeScalarView()
    for place in stride(from: 0, to: size, by: 4) {
      let raw = own.loadUnaligned(fromByteOffset: place, as: UInt32.self)
      guard let scalar = Unicode.Scalar(isBigEndian ? UInt32(bigEndian: raw) : UInt32(littleEndian: raw)) else {
        return nil
      }
      scalars.append(scalar)
    }
    while scalars.last?.value == 0 { scalars.removeLast() }
    return String(scalars)
  }
}

/// A NumPy array or the array of an IDX file, read row by row: the first dimension is rows, and the others together are
/// columns, the last running fastest. One dimension is one column.
final class NPYArray {
  /// More columns than this in an array are a damaged header, not a table.
  private static let mostColumns = 1 << 20

  let dimensions: Int
  let rows: Int
  let columns: Int
  let element: NPYElement
  private let bytes: ByteSource
  private let file: String
  private let isColumnMajor: Bool
  /// The dimensions of a row.
  let rowShape: ArraySlice<Int>
  private var chosen: [Int] = []
  private var rowsRead = 0

  /// Elements read but not yet looked at: some rows, or the chosen columns of an array in Fortran order.
  private var held: [UInt8] = []
  /// The rows in `held` that are still to come.
  private var heldRows = 0..<0
  /// The row at the beginning of `held`.
  private var heldStart = 0
  /// In Fortran order, for each column its place among the held ones.
  private var heldPlaces: [Int: Int] = [:]
  /// The row that is looked at.
  private(set) var row = -1
  /// Neighbouring columns of the row as doubles.
  private var run: [Double] = []

  /// Reads the header of an .npy file.
  convenience init(bytes: ByteSource) throws(DataError) {
    try self.init(NPYHeader(reading: bytes), bytes: bytes)
  }

  /// The array behind a header that was read.
  init(_ header: NPYHeader, bytes: ByteSource) throws(DataError) {
    self.bytes = bytes
    file = bytes.name
    guard let element = NPYElement(header.type) else {
      throw DataError(
        .badData, "holds elements of type \"\(excerpt(header.type.utf8))\", which cannot be read", file: file,
        remedy: "convert the array with astype('float64') before saving it")
    }
    self.element = element
    let shape = header.shape.map(String.init).joined(separator: " × ")
    guard let length = header.shape.first else {
      throw DataError(
        .badData, "holds an array of 0 dimensions, one number; a table has rows", file: file,
        remedy: "reshape it to (rows, columns)")
    }
    dimensions = header.shape.count
    rows = length
    rowShape = header.shape[1...]
    let absurd = DataError(
      .badData, "the header of the array claims an absurd shape (\(shape))", file: file,
      remedy: "write the file again")
    guard !header.shape.contains(0) else {
      throw DataError(.badData, "holds an empty array (\(shape))", file: file)
    }
    var columns = 1
    for size in rowShape {
      let (product, overflows) = columns.multipliedReportingOverflow(by: size)
      guard !overflows, product <= Self.mostColumns else { throw absurd }
      columns = product
    }
    self.columns = columns
    let (cells, tooMany) = rows.multipliedReportingOverflow(by: columns)
    let (total, tooLong) = cells.multipliedReportingOverflow(by: element.size)
    guard !tooMany, !tooLong else { throw absurd }
    isColumnMajor = header.isFortranOrder && columns > 1 && (rows > 1 || dimensions > 2)
    try checkSize(expected: total)
  }

  /// Chooses the columns that will be looked at, before the first row.
  func select(columns: [Int]) { chosen = columns }

  /// Whether the bytes are rows of doubles as this machine has them.
  private var isNativeDoubles: Bool {
    if case .number(let number) = element { number.isNativeDouble && !isColumnMajor } else { false }
  }

  /// Whether some columns of a row are numbers side by side.
  func isRun(_ columns: [Int]) -> Bool {
    guard element.isNumber, !isColumnMajor, let first = columns.first else { return false }
    return columns.enumerated().allSatisfy { $1 == first + $0 }
  }

  /// Goes to the next row; there is one while `row + 1 < rows`.
  func advance() throws(DataError) {
    if heldRows.isEmpty {
      if isColumnMajor { try holdColumns() } else { try holdRows() }
    }
    row = heldRows.lowerBound
    heldRows = row + 1..<heldRows.upperBound
  }

  private func offset(_ column: Int) -> Int {
    isColumnMajor
      ? (heldPlaces[column] ?? 0) * rows * element.size + row * element.size
      : ((row - heldStart) * columns + column) * element.size
  }

  /// The number in a column of the row, for an array of numbers; nil if no double equals it.
  func number(_ column: Int, _ type: NPYNumber) -> Double? {
    held.withUnsafeBytes { type.double(in: $0, at: offset(column)) }
  }

  /// What is written in a column of the row; nil if it is no text.
  func text(_ column: Int) -> String? {
    held.withUnsafeBytes { bytes in
      switch element {
      case .text(let text): text.string(in: bytes, at: offset(column))
      case .number(let number): number.text(in: bytes, at: offset(column))
      }
    }
  }

  /// Appends neighbouring columns of the row; false, and nothing appended, if one of them is not finite or no double
  /// equals it.
  func appendRun(from first: Int, count: Int, to values: inout [Double]) -> Bool {
    guard case .number(let number) = element else { return false }
    if run.count < count { run = [Double](repeating: 0, count: count) }
    let start = offset(first)
    return run.withUnsafeMutableBufferPointer { run in
      let own = UnsafeMutableBufferPointer(rebasing: run[..<count])
      guard held.withUnsafeBytes({ number.doubles(in: $0, at: start, to: own) }) else { return false }
      values.append(contentsOf: own)
      return true
    }
  }

  // MARK: Reading

  /// Appends the next rows of an array of doubles as they lie; nil if some are held already, or if they need a closer
  /// look: then they are.
  func readRows(maxRows: Int, into buffer: inout RowBuffer) throws(DataError) -> Int? {
    guard heldRows.isEmpty, isNativeDoubles else { return nil }
    let count = min(maxRows, rows - rowsRead)
    let first = rowsRead
    let added = try buffer.append(atMost: count, columns: columns) { target throws(DataError) in
      let got = try bytes.read(into: UnsafeMutableRawBufferPointer(target))
      let rowSize = columns * element.size
      if got < count * rowSize { throw cutOff(first + got / rowSize) }
      return count
    } rejected: { values in
      held = Array(UnsafeRawBufferPointer(values))
      heldStart = first
      heldRows = first..<first + count
    }
    rowsRead += count
    if added != nil { row = rowsRead - 1 }
    if rowsRead == rows { try checkEnd() }
    return added
  }

  /// Reads as many whole rows as a buffer's worth, at least one.
  private func holdRows() throws(DataError) {
    let rowSize = columns * element.size
    let count = min(rows - rowsRead, max(1, ByteSource.capacity / rowSize))
    held = try read(count * rowSize, rowsComplete: { rowsRead + $0 / rowSize })
    heldStart = rowsRead
    heldRows = rowsRead..<rowsRead + count
    rowsRead += count
    if rowsRead == rows { try checkEnd() }
  }

  /// Reads the whole array, column by column, and keeps the chosen ones.
  private func holdColumns() throws(DataError) {
    let columnSize = rows * element.size
    let wanted = Set(chosen)
    for place in 0..<columns {
      let column = rowMajorPlace(place)
      guard wanted.contains(column) else {
        try skip(columnSize)
        continue
      }
      heldPlaces[column] = heldPlaces.count
      // In pieces, so that a damaged header of a compressed file cannot claim memory its data do not fill.
      while held.count < heldPlaces.count * columnSize {
        held += try read(
          min(heldPlaces.count * columnSize - held.count, ByteSource.capacity), rowsComplete: { _ in 0 })
      }
    }
    heldRows = 0..<rows
    rowsRead = rows
    try checkEnd()
  }

  /// The place in a row of the element that is at `place` where the first dimension runs fastest.
  private func rowMajorPlace(_ place: Int) -> Int {
    var (rest, stride, result) = (place, columns, 0)
    for size in rowShape {
      stride /= size
      result += rest % size * stride
      rest /= size
    }
    return result
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
      .badData, "the array is cut off: \(complete) of its \(rows) rows are complete", file: file,
      remedy: "fetch or write the file again")
  }

  private func checkEnd() throws(DataError) {
    if try !bytes.available().isEmpty {
      throw DataError(
        .badData, "other bytes follow the array", file: file, remedy: "keep one array in each file")
    }
  }

  /// Compares sizes before anything is read or allocated, where the size of the file is known.
  private func checkSize(expected: Int) throws(DataError) {
    guard let left = bytes.unread else { return }
    if left < expected { throw cutOff(isColumnMajor ? 0 : left / (expected / rows)) }
  }
}
