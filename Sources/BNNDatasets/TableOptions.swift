/// The forms of a table that can be read.
public enum TableFormat: String, Sendable, Codable, CaseIterable {
  /// Separated values with a header row, plain or gzip.
  case csv
  /// One NumPy array, plain or gzip.
  case npy
  /// A zip archive of NumPy arrays: an array of one dimension is a column of its name, one of more dimensions the columns
  /// `name.0`, `name.1`, …
  case npz
  /// One array in the form of MNIST's images and labels, plain or gzip.
  case idx

  /// The format a name promises: ".csv", ".npy", ".idx", each with or without ".gz", and ".npz", in any case, and names
  /// such as "train-images-idx3-ubyte"; nil for other names.
  public static func infer(fromPath path: String) -> TableFormat? {
    let name = path.lowercased()
    let bare = name.hasSuffix(".gz") ? name.dropLast(3) : name[...]
    guard let format = allCases.first(where: { bare.hasSuffix("." + $0.rawValue) }) else {
      let parts = bare.split(whereSeparator: { "-./".contains($0) }).suffix(2)
      return parts.contains {
        $0.hasPrefix("idx") && (4...6).contains($0.count) && $0.dropFirst(3).allSatisfy(\.isNumber)
      }
        ? .idx : nil
    }
    return format == .npz && bare.count < name.count ? nil : format
  }
}

/// What to do with a row that lacks a value in a chosen column.
///
/// Missing values are: an empty cell, `NA`, `NaN`, `null` (in any case), `?`, NaN in an array, and what
/// `TableOptions.missingValues` adds. A blank line of a csv file is skipped; but in a table of one column it is a missing
/// value, unless only blank lines follow.
public enum MissingPolicy: String, Sendable, Codable, CaseIterable {
  /// Refuse the table and name the cell.
  case error
  /// Leave the row out and count it.
  case drop
}

/// What to do with a level of a category that the first data did not have.
public enum UnseenPolicy: String, Sendable, Codable, CaseIterable {
  /// Refuse the table and name the cell.
  case error
  /// Set all inputs of the category to 0, and count the rows. Where the first level has no input of its own, that is the
  /// first level.
  case ignore
}

/// How to read a table.
public struct TableOptions: Sendable, Equatable {
  /// The byte between cells of a csv file; never a quote, a line end or a NUL.
  public var delimiter: UInt8
  /// The format, if the name of the file does not tell or lies.
  public var format: TableFormat?
  public var missing: MissingPolicy
  /// Further texts that mean a missing value, in any case; one that is a number means every cell of that value.
  public var missingValues: [String]
  public var unseen: UnseenPolicy
  /// Whether rows are wanted as they arrive: a block of a csv table is what there is of it, and the rows before a bad one are
  /// given before the error.
  public var isStream = false
  /// Whether a last row of a csv table without a line end is an error, since it may have been cut off.
  public var demandsLineEnd = false

  public init(
    delimiter: UInt8 = UInt8(ascii: ","), format: TableFormat? = nil, missing: MissingPolicy = .error,
    missingValues: [String] = [], unseen: UnseenPolicy = .error
  ) {
    self.delimiter = delimiter
    self.format = format
    self.missing = missing
    self.missingValues = missingValues
    self.unseen = unseen
  }
}

/// The texts and numbers that mean a missing value beside the usual ones.
struct MissingValues {
  private let words: Set<String>
  private let numbers: Set<Double>
  let isEmpty: Bool

  init(_ values: [String]) {
    words = Set(values.map { $0.lowercased() })
    numbers = Set(values.compactMap { Double($0) })
    isEmpty = values.isEmpty
  }

  func contains(_ number: Double) -> Bool { numbers.contains(number) }

  /// `text` without blanks around it.
  func contains(_ text: some Sequence<UInt8>) -> Bool {
    words.contains(String(decoding: Array(text), as: UTF8.self).lowercased())
  }
}
