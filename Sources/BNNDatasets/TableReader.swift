/// Consecutive rows of the chosen columns of a table.
public struct TableBlock: Sendable, Equatable {
  /// The number in the file of each row, counted from 1, ascending; there are gaps where rows were dropped.
  public let rowNumbers: [Int]
  public let columns: Int
  /// [rows × columns], row-major, finite, the columns in the order in which they were chosen.
  public let values: [Double]
  /// The cells of the columns whose text is kept, column by column.
  let texts: [[String]]

  public var rows: Int { rowNumbers.count }
}

/// What a form of table has to offer; `TableReader` chooses among them.
protocol TableSource: AnyObject {
  var columnNames: [String] { get }
  var droppedRows: Int { get }
  /// The number of rows, dropped ones included, if that is known without reading them.
  var rowCount: Int? { get }
  /// What a reading for profiles has found.
  var profiles: [ColumnProfile] { get }
  /// Whether a row is never left out for lack of a value.
  var keepsAllRows: Bool { get }
  /// Whether all cells of a column are numbers, as is known without reading them.
  func isKnownNumeric(_ column: Int) -> Bool
  func select(_ selection: Selection)
  func nextBlock(maxRows: Int) throws(DataError) -> TableBlock?
  /// Appends the next rows as they lie, at most `maxRows`, and returns their number, 0 at the end; nil where they do not
  /// lie as they are wanted, or are not all finite: then `nextBlock` has them.
  func readDirectly(maxRows: Int, into buffer: inout RowBuffer) throws(DataError) -> Int?
}

extension TableSource {
  var rowCount: Int? { nil }
  var keepsAllRows: Bool { false }
  func isKnownNumeric(_ column: Int) -> Bool { false }
  func readDirectly(maxRows: Int, into buffer: inout RowBuffer) throws(DataError) -> Int? { nil }
}

/// A table read once from front to back, in blocks, from a file or standard input.
///
/// Memory is bounded by a block and a fixed buffer, whatever the size of the input. The one exception is an array in
/// Fortran order, whose chosen columns must be held whole because its first row is complete only at its end. Blocks of a
/// table whose labels are in a file of their own may be short where rows are left out.
///
///     let table = try TableReader(path: "concrete.csv")
///     table.select(columns: [0, 3])
///     while let block = try table.nextBlock(maxRows: 4096) { … }
public final class TableReader {
  /// The name for messages: the path as given, or "standard input".
  public let file: String
  /// The name of the file that the last column, the labels, came from; that of the table without such a file.
  let labelFile: String
  /// The form in which the table is.
  public let format: TableFormat
  /// The header of a csv file; "0", "1", … for an array; for an .npz file the names of its arrays.
  public let columnNames: [String]
  private let source: any TableSource
  private var started = false

  /// Opens a table and reads its header.
  ///
  /// - Parameters:
  ///   - path: a file, or "-" for standard input, which needs `options.format`.
  /// - Throws: `DataError`: no such file, a folder, an empty file, damaged gzip data, a header that cannot be one.
  public convenience init(
    path: String, labels: String? = nil, labelColumn: String = TableInput.labelColumn,
    options: TableOptions = TableOptions()
  ) throws(DataError) {
    let format = try Self.format(of: path, options)
    // The directory of a zip archive is at its end: a pipe must be kept first.
    if format == .npz || labels != nil {
      try self.init(
        TableInput(path: path, labels: labels, labelColumn: labelColumn), format: format, options: options)
    } else {
      let file = try InputFile(path: path)
      self.init(source: try Self.source(unpacking: file, format: format, options: options), file: file.name, format)
    }
  }

  /// Opens a table that may be read again later, one reader after the other.
  ///
  /// - Throws: as for a path; for labels that are not one for each row.
  public convenience init(_ input: TableInput, options: TableOptions = TableOptions()) throws(DataError) {
    try self.init(input, format: Self.format(of: input.path, options), options: options)
  }

  private convenience init(_ input: TableInput, format: TableFormat, options: TableOptions) throws(DataError) {
    let rows = try Self.source(input, format: format, options: options)
    guard let (labels, name) = input.labels else {
      self.init(source: rows, file: input.file, format)
      return
    }
    let column = try Self.labels(labels, rows: rows.rowCount, options: options)
    self.init(
      source: try LabelledTable(rows, file: input.file, labels: column, labelFile: labels.file, name: name),
      file: input.file, format, labelFile: labels.file)
  }

  private init(source: any TableSource, file: String, _ format: TableFormat, labelFile: String? = nil) {
    self.source = source
    self.file = file
    self.labelFile = labelFile ?? file
    self.format = format
    columnNames = source.columnNames
  }

  private static func source(
    _ input: TableInput, format: TableFormat, options: TableOptions
  ) throws(DataError) -> any TableSource {
    guard format == .npz else { return try source(unpacking: input.open(), format: format, options: options) }
    try checkKind(of: ByteSource(input.open()), format: format)
    return try ArrayTable(zip: input, options: options)
  }

  private static func source(
    unpacking file: InputFile, format: TableFormat, options: TableOptions
  ) throws(DataError) -> any TableSource {
    let bytes = try ByteSource(unpacking: file)
    try checkKind(of: bytes, format: format)
    return format == .csv
      ? try CSVTable(bytes: bytes, options: options)
      : try ArrayTable(bytes: bytes, idx: format == .idx, options: options)
  }

  private static func format(of path: String, _ options: TableOptions) throws(DataError) -> TableFormat {
    if let format = options.format ?? TableFormat.infer(fromPath: path) { return format }
    let name = path.lowercased()
    let others: [(endings: [String], what: String, remedy: String)] = [
      ([".xlsx", ".xls", ".xlsm", ".ods"], "is a spreadsheet by its name", "save the sheet as csv"),
      ([".parquet", ".feather", ".arrow"], "is a file of columns by its name", "write the table as csv or .npz"),
      ([".tsv", ".tab"], "the name does not tell the format", "give --format csv --delimiter tab"),
      ([".json", ".jsonl"], "is JSON by its name", "write the table as csv"),
    ]
    let known = others.first { other in
      other.endings.contains { name.hasSuffix($0) || name.hasSuffix($0 + ".gz") }
    }
    throw DataError(
      .usage, path == "-" ? "has no name that tells its format" : known?.what ?? "the name does not tell the format",
      file: path == "-" ? "standard input" : path, remedy: known?.remedy ?? "give --format csv, npy, npz or idx")
  }

  /// The rows left out so far because a chosen cell was missing.
  public var droppedRows: Int { source.droppedRows }

  var rowCount: Int? { source.rowCount }

  /// Chooses the columns, by index, in the order in which blocks shall have them; without this call, all of them.
  ///
  /// The others are not parsed and may hold anything. The indices must be distinct and inside the table, and the call
  /// must come before the first block.
  public func select(columns: [Int]) { select(Selection(numbers: columns)) }

  func select(_ selection: Selection) {
    let columns = selection.columns.map(\.index)
    precondition(!started, "columns are chosen before the first block is read")
    precondition(Set(columns).count == columns.count, "a column was chosen twice")
    precondition(
      (columns + selection.kept).allSatisfy(columnNames.indices.contains), "a chosen column is outside the table")
    source.select(selection)
  }

  /// Reads the whole table to see what kinds of cells some columns have.
  func profile(_ columns: [(index: Int, role: ColumnRole)]) throws(DataError) -> [ColumnProfile] {
    // Arrays tell the kind of their cells, so that of wide ones only columns are read whose levels are wanted; all,
    // if a row may be left out, since its levels do not count then.
    let wanted = columns.filter { $0.role.countsNumbers || !source.isKnownNumeric($0.index) }
    let chosen = wanted.isEmpty || source.keepsAllRows ? wanted : columns
    if !chosen.isEmpty {
      select(Selection(chosen.map { Selection.Column(index: $0.index, use: .profile($0.role)) }))
      while try nextBlock(maxRows: 4096) != nil {}
    }
    let profiles = source.profiles
    var read = 0
    return columns.map { column in
      // Those that were read are some of all, in their order.
      guard read < chosen.count, chosen[read].index == column.index else { return ColumnProfile(role: column.role) }
      read += 1
      return profiles[read - 1]
    }
  }

  /// The next rows, at most `maxRows` > 0 of them; nil at the end. All blocks but the last are full.
  ///
  /// - Throws: `DataError` at the first bad row not yet delivered, and again on every later call; also at the end if
  ///   no row was delivered at all.
  /// - Complexity: O(bytes read).
  public func nextBlock(maxRows: Int) throws(DataError) -> TableBlock? {
    precondition(maxRows > 0, "a block has at least one row")
    started = true
    return try source.nextBlock(maxRows: maxRows)
  }

  func readDirectly(maxRows: Int, into buffer: inout RowBuffer) throws(DataError) -> Int? {
    started = true
    return try source.readDirectly(maxRows: maxRows, into: &buffer)
  }

  /// Refuses what is plainly something else, before it fails in a stranger way.
  private static func checkKind(of bytes: ByteSource, format: TableFormat) throws(DataError) {
    let start = try bytes.available(atLeast: 6)
    if start.isEmpty { throw DataError(.badData, "is empty", file: bytes.name) }
    let isZip = start.starts(with: ZipArchive.magic) || start.starts(with: ZipArchive.emptyMagic)
    if format == .npz {
      guard !isZip else { return }
      throw DataError(
        .badData, "is not a zip archive, as .npz files are", file: bytes.name,
        remedy: start.starts(with: NPYHeader.magic) ? "give --format npy" : "write it with numpy.savez")
    }
    if isZip {
      throw DataError(
        .badData, "is a zip archive, as spreadsheets and .npz files are", file: bytes.name,
        remedy: "save a spreadsheet as csv; for NumPy's archives give --format npz")
    }
    if start.starts(with: [0xD0, 0xCF, 0x11, 0xE0]) {
      throw DataError(.badData, "is a spreadsheet", file: bytes.name, remedy: "save the sheet as csv")
    }
    if start.starts(with: Array("PAR1".utf8)) {
      throw DataError(.badData, "is a Parquet file", file: bytes.name, remedy: "write the table as csv or .npz")
    }
    let isArray = start.starts(with: NPYHeader.magic)
    if format == .csv, isArray {
      throw DataError(.badData, "is a NumPy array, not csv", file: bytes.name, remedy: "give --format npy")
    }
    if format == .csv, IDXHeader.recognises(start) {
      throw DataError(.badData, "is an IDX file, not csv", file: bytes.name, remedy: "give --format idx")
    }
    if format == .npy, !isArray {
      throw DataError(
        .badData, "is not a NumPy array: it does not begin with \\x93NUMPY", file: bytes.name,
        remedy: "write it with numpy.save, or give --format csv")
    }
  }
}
