/// The checks on the first row of a csv file.
enum CSVHeader {
  /// The column names in the cells of the first row, which was on `line`.
  static func names(cells: [[UInt8]], file: String, delimiter: UInt8, line: Int) throws(DataError) -> [String] {
    guard !cells.isEmpty else { throw DataError(.badData, "is empty: only blank lines", file: file) }
    var names: [String] = []
    for (index, cell) in cells.enumerated() {
      guard !cell.contains(0), let name = String(validating: cell, as: UTF8.self) else {
        throw DataError(
          .badData, "the header is not text in UTF-8 (cell \(index + 1) is \"\(excerpt(cell))\")", file: file,
          line: line,
          remedy: "save the table as UTF-8 text; compressed tables must be gzip")
      }
      names.append(name)
    }
    if names.count == 1, let better = [",", ";", "\t", "|"].first(where: names[0].contains),
      better.utf8.first != delimiter
    {
      let spoken = better == "\t" ? "a tab" : "'\(better)'"
      throw DataError(
        .badData, "the header is one cell, \"\(excerpt(cells[0]))\", which contains \(spoken)", file: file, line: line,
        remedy: "give --delimiter \(better == "\t" ? "tab" : spoken)")
    }
    if looksLikeData(cells) {
      let shown = excerpt(cells.prefix(5).joined(separator: [delimiter]))
      throw DataError(
        .badData, "the first row looks like data (\(shown)); a header row is required", file: file, line: line,
        remedy: "put a line with the names of the columns first")
    }
    return names
  }

  private static func looksLikeData(_ cells: [[UInt8]]) -> Bool {
    let parser = DecimalParser()
    let values = cells.map { parser.parse($0 + [0], $0.count) }
    return !values.contains(.text)
      && values.contains {
        if case .number = $0 { true } else { false }
      }
  }
}
