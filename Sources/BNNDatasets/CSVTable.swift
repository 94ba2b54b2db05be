import CLibCSV

/// A csv table: bytes through libcsv into blocks.
final class CSVTable: TableSource {
  let columnNames: [String]
  private let bytes: ByteSource
  private let parser: CSVParser
  private var ended = false
  private let isStream: Bool

  /// - Parameters:
  ///   - header: the names of the columns, if they are not those of the first row.
  ///   - hasHeader: whether the first row is no data.
  init(
    bytes: ByteSource, options: TableOptions, header: [String]? = nil, hasHeader: Bool = true
  ) throws(DataError) {
    let delimiter = options.delimiter
    guard ![0, 0x0A, 0x0D, UInt8(ascii: "\""), UInt8(ascii: " ")].contains(delimiter) else {
      throw DataError(
        .usage, "the delimiter may not be a quote, a blank, a line end or NUL",
        remedy: "the usual ones are ',' ';' '|' and tab")
    }
    self.bytes = bytes
    isStream = options.isStream
    parser = CSVParser(file: bytes.name, options: options)
    if try bytes.available(atLeast: 3).starts(with: [0xEF, 0xBB, 0xBF]) { bytes.consume(3) }

    // One byte at a time, so that nothing of the first data row is read before the columns are chosen.
    var length = 0
    while hasHeader, !parser.headerIsComplete {
      let chunk = try bytes.available()
      guard length <= CSVParser.longestHeader else {
        throw DataError(.badData, "the first row does not end", file: bytes.name, remedy: "is this a table of text?")
      }
      guard !chunk.isEmpty else {
        try parser.finish()
        break
      }
      var used = 0
      while used < chunk.count, !parser.headerIsComplete {
        try parser.feed(UnsafeRawBufferPointer(rebasing: chunk[used..<used + 1]))
        used += 1
      }
      bytes.consume(used)
      length += used
    }
    if let header {
      columnNames = header
    } else {
      columnNames = try CSVHeader.names(
        cells: parser.rows.headerCells, file: bytes.name, delimiter: delimiter, line: parser.rows.rowLine)
    }
    parser.beginData(columnNames: columnNames)
  }

  var droppedRows: Int { parser.rows.droppedRows }

  var profiles: [ColumnProfile] { parser.rows.profiles }

  func select(_ selection: Selection) {
    parser.select(selection)
  }

  func nextBlock(maxRows: Int) throws(DataError) -> TableBlock? {
    let wanted = isStream ? 1 : maxRows
    while parser.rows.waitingRows < wanted, parser.rows.failure == nil, !ended {
      let chunk = try bytes.available()
      if chunk.isEmpty {
        try parser.finish()
        ended = true
      } else {
        try parser.feed(chunk)
        bytes.consume(chunk.count)
      }
    }
    if parser.rows.waitingRows < wanted, let failure = parser.rows.failure { throw failure }
    if let block = parser.takeBlock(maxRows: maxRows) { return block }
    if parser.rows.deliveredRows > 0 { return nil }
    if parser.rows.dataRows == 0 {
      throw DataError(.badData, "has a header but no data rows", file: bytes.name)
    }
    throw DataError(
      .badData, "every one of the \(parser.rows.dataRows) data rows has a missing value", file: bytes.name,
      remedy: "leave out the columns that are empty with --ignore")
  }
}

/// libcsv's state and the rows it fills, at fixed addresses: C keeps both pointers between calls.
private final class CSVParser {
  /// Beyond this many bytes a cell or a header is neither: a quote is open, or the file is no table.
  static let longestCell = 1 << 24
  static let longestHeader = 1 << 22

  private let parser: UnsafeMutablePointer<csv_parser>
  private let builder: UnsafeMutablePointer<CSVRows>

  init(file: String, options: TableOptions) {
    parser = .allocate(capacity: 1)
    parser.initialize(to: csv_parser())
    // Blank lines are reported so that lines can be counted; NUL after each cell, because strtod needs an end.
    csv_init(parser, UInt8(CSV_REPALL_NL | CSV_APPEND_NULL))
    csv_set_delim(parser, options.delimiter)
    // Cells grow by this much at a time: the default of 128 bytes makes one long cell quadratic.
    csv_set_blk_size(parser, 1 << 16)
    builder = .allocate(capacity: 1)
    builder.initialize(to: CSVRows(file: file, options: options))
  }

  deinit {
    csv_free(parser)
    parser.deinitialize(count: 1)
    parser.deallocate()
    builder.deinitialize(count: 1)
    builder.deallocate()
  }

  var rows: CSVRows { builder.pointee }
  var headerIsComplete: Bool { builder.pointee.headerIsComplete }

  func beginData(columnNames: [String]) { builder.pointee.beginData(columnNames: columnNames) }
  func select(_ selection: Selection) { builder.pointee.select(selection) }
  func takeBlock(maxRows: Int) -> TableBlock? { builder.pointee.takeBlock(maxRows: maxRows) }

  func feed(_ chunk: UnsafeRawBufferPointer) throws(DataError) {
    let used = csv_parse(parser, chunk.baseAddress, chunk.count, cellEnded, rowEnded, builder)
    if used < chunk.count || csv_get_buffer_size(parser) > Self.longestCell {
      throw stopped("a cell does not end for 16 MiB")
    }
  }

  /// Ends the last row if no line end did.
  func finish() throws(DataError) {
    // Only now strict: stray quotes inside a cell are harmless, an open one at the end is a cut-off file.
    csv_set_opts(parser, UInt8(CSV_REPALL_NL | CSV_APPEND_NULL | CSV_STRICT | CSV_STRICT_FINI))
    if csv_fini(parser, cellEnded, rowEnded, builder) != 0 { throw stopped("a quoted cell is never closed") }
  }

  /// The first failure, this one if there was none; it stays.
  private func stopped(_ message: String) -> DataError {
    let first =
      builder.pointee.failure
      ?? DataError(
        .badData, message, file: builder.pointee.file, line: builder.pointee.line,
        remedy: "look for a stray \" in the row that begins there")
    builder.pointee.failure = first
    return first
  }
}

private func cellEnded(_ cell: UnsafeMutableRawPointer?, _ count: Int, _ rows: UnsafeMutableRawPointer?) {
  guard let cell, let rows else { return }
  rows.assumingMemoryBound(to: CSVRows.self).pointee
    .endCell(UnsafePointer(cell.assumingMemoryBound(to: UInt8.self)), count)
}

private func rowEnded(_ terminator: Int32, _ rows: UnsafeMutableRawPointer?) {
  rows?.assumingMemoryBound(to: CSVRows.self).pointee.endRow(terminator)
}
