/// Consecutive rows of the chosen columns of a table.
public struct TableBlock: Sendable, Equatable {
  /// The number in the file of each row, counted from 1, ascending; there are gaps where rows were dropped.
  public let rowNumbers: [Int]
  public let columns: Int
  /// [rows × columns], row-major, finite, the columns in the order in which they were chosen.
  public let values: [Double]

  public var rows: Int { rowNumbers.count }
}

/// What a form of table has to offer; `TableReader` chooses among them.
protocol TableSource: AnyObject {
  var columnNames: [String] { get }
  var droppedRows: Int { get }
  func select(columns: [Int])
  func nextBlock(maxRows: Int) throws(DataError) -> TableBlock?
}

/// A table read once from front to back, in blocks, from a file or standard input.
///
/// Memory is bounded by a block and a fixed buffer, whatever the size of the input. The one exception is an array in
/// Fortran order, whose chosen columns must be held whole because its first row is complete only at its end.
///
///     let table = try TableReader(path: "concrete.csv")
///     table.select(columns: [0, 3])
///     while let block = try table.nextBlock(maxRows: 4096) { … }
public final class TableReader {
  /// The name for messages: the path as given, or "standard input".
  public let file: String
  /// The header of a csv file; "0", "1", … for an array.
  public let columnNames: [String]
  private let source: any TableSource
  private var started = false

  /// Opens a table and reads its header.
  ///
  /// - Parameters:
  ///   - path: a file, or "-" for standard input, which needs `options.format`.
  /// - Throws: `DataError`: no such file, a folder, an empty file, damaged gzip data, a header that cannot be one.
  public init(path: String, options: TableOptions = TableOptions()) throws(DataError) {
    guard let format = options.format ?? TableFormat.infer(fromPath: path) else {
      throw DataError(
        .usage, path == "-" ? "has no name that tells its format" : "the name does not tell the format",
        file: path == "-" ? "standard input" : path, remedy: "give --format csv or --format npy")
    }
    let bytes = try ByteSource(path: path)
    file = bytes.name
    try Self.checkKind(of: bytes, format: format)
    switch format {
    case .csv: source = try CSVTable(bytes: bytes, delimiter: options.delimiter, missing: options.missing)
    case .npy: source = try NPYTable(bytes: bytes, missing: options.missing)
    }
    columnNames = source.columnNames
  }

  /// The rows left out so far because a chosen cell was missing.
  public var droppedRows: Int { source.droppedRows }

  /// Chooses the columns, by index, in the order in which blocks shall have them; without this call, all of them.
  ///
  /// The others are not parsed and may hold anything. The indices must be distinct and inside the table, and the call
  /// must come before the first block.
  public func select(columns: [Int]) {
    precondition(!started, "columns are chosen before the first block is read")
    precondition(Set(columns).count == columns.count, "a column was chosen twice")
    precondition(columns.allSatisfy(columnNames.indices.contains), "a chosen column is outside the table")
    source.select(columns: columns)
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

  /// Refuses what is plainly something else, before it fails in a stranger way.
  private static func checkKind(of bytes: ByteSource, format: TableFormat) throws(DataError) {
    let start = try bytes.available(atLeast: 6)
    if start.isEmpty { throw DataError(.badData, "is empty", file: bytes.name) }
    if start.starts(with: [0x50, 0x4B, 0x03, 0x04]) {
      throw DataError(
        .badData, "is a zip archive, as spreadsheets and .npz files are", file: bytes.name,
        remedy: "export the table as csv or .npy")
    }
    let isArray = start.starts(with: NPYHeader.magic)
    if format == .csv, isArray {
      throw DataError(.badData, "is a NumPy array, not csv", file: bytes.name, remedy: "give --format npy")
    }
    if format == .npy, !isArray {
      throw DataError(
        .badData, "is not a NumPy array: it does not begin with \\x93NUMPY", file: bytes.name,
        remedy: "write it with numpy.save, or give --format csv")
    }
  }
}
