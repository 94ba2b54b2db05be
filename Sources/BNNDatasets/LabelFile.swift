extension TableReader {
  /// The labels in a file by what it holds, whatever its name: IDX, a NumPy array or archive, or csv of one column.
  static func labels(_ input: TableInput, rows: Int?, options: TableOptions) throws(DataError) -> any TableSource {
    let bytes = try ByteSource(unpacking: input.open())
    let start = Array(try bytes.available(atLeast: 6).prefix(6))
    if start.isEmpty { throw DataError(.badData, "is empty", file: bytes.name) }
    if start.starts(with: NPYHeader.magic) { return try ArrayTable(bytes: bytes, options: options) }
    if start.starts(with: ZipArchive.magic) { return try ArrayTable(zip: input, options: options) }
    if IDXHeader.recognises(start) { return try ArrayTable(bytes: bytes, idx: true, options: options) }
    var scan = LabelScan()
    try scan.read(bytes)
    let columns = scan.cells(delimiter: options.delimiter)
    if columns > 1 { throw .severalLabels(columns, file: bytes.name) }
    let again = try ByteSource(unpacking: input.open())
    return try CSVTable(bytes: again, options: options, header: ["label"], hasHeader: scan.hasHeader(rows: rows))
  }
}

extension DataError {
  static func severalLabels(_ columns: Int, file: String) -> DataError {
    DataError(
      .badData, "has \(columns) columns, and labels are one", file: file,
      remedy: "name with --labels a file with one label a line, not that of the images")
  }
}

/// A look at the lines of a file of labels, to see whether the first is the name of the column.
private struct LabelScan {
  private var first: [UInt8]?
  private var firstComesAgain = false
  /// Up to the last one that is not blank.
  private var lines = 0

  mutating func read(_ bytes: ByteSource) throws(DataError) {
    var line: [UInt8] = []
    var blank = 0
    func end(_ scan: inout LabelScan) {
      defer { line.removeAll(keepingCapacity: true) }
      while line.last == 0x0D || line.last == 0x20 { line.removeLast() }
      if line.isEmpty {
        blank += 1
        return
      }
      scan.lines += blank + 1
      blank = 0
      if scan.first == nil { scan.first = line } else if scan.first == line { scan.firstComesAgain = true }
    }
    while true {
      let chunk = try bytes.available()
      if chunk.isEmpty { break }
      for byte in chunk {
        // Longer than any label: the table's reader says what is wrong.
        if byte == 0x0A { end(&self) } else if line.count < 1 << 16 { line.append(byte) }
      }
      bytes.consume(chunk.count)
    }
    end(&self)
  }

  /// The cells of the first line.
  func cells(delimiter: UInt8) -> Int {
    var (count, isQuoted) = (1, false)
    for byte in first ?? [] {
      if byte == UInt8(ascii: "\"") { isQuoted.toggle() } else if byte == delimiter, !isQuoted { count += 1 }
    }
    return count
  }

  /// The number of rows decides where it is known; else a first line is a label if it is a number or comes again.
  func hasHeader(rows: Int?) -> Bool {
    if lines == rows { return false }
    if let rows, lines == rows + 1 { return true }
    guard let first, !firstComesAgain else { return false }
    return DecimalParser().parse(first + [0], first.count) == .text
  }
}
