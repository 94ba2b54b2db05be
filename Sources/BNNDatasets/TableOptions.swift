/// The forms of a table that can be read.
public enum TableFormat: String, Sendable, Codable, CaseIterable {
  /// Separated values with a header row, plain or gzip.
  case csv
  /// One NumPy array, plain or gzip.
  case npy

  /// The format a name promises: ".csv" and ".npy", each with or without ".gz", in any case; nil for other names.
  public static func infer(fromPath path: String) -> TableFormat? {
    let name = path.lowercased()
    let bare = name.hasSuffix(".gz") ? name.dropLast(3) : name[...]
    return allCases.first { bare.hasSuffix("." + $0.rawValue) }
  }
}

/// What to do with a row that lacks a value in a chosen column.
///
/// Missing values are: an empty cell, `NA`, `NaN`, `null` (in any case), `?`, and NaN in an array. A blank line of a
/// csv file is skipped; but in a table of one column it is a missing value, unless only blank lines follow.
public enum MissingPolicy: String, Sendable, Codable, CaseIterable {
  /// Refuse the table and name the cell.
  case error
  /// Leave the row out and count it.
  case drop
}

/// How to read a table.
public struct TableOptions: Sendable, Equatable {
  /// The byte between cells of a csv file; never a quote, a line end or a NUL.
  public var delimiter: UInt8
  /// The format, if the name of the file does not tell or lies.
  public var format: TableFormat?
  public var missing: MissingPolicy

  public init(delimiter: UInt8 = UInt8(ascii: ","), format: TableFormat? = nil, missing: MissingPolicy = .error) {
    self.delimiter = delimiter
    self.format = format
    self.missing = missing
  }
}
