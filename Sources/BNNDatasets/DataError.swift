/// What is wrong with an input, where, and what to do about it.
///
/// The description is one line: file, data row (with the line of the file, for text), column, what is wrong, the
/// remedy. Texts quoted from a file are cut and freed of control characters, so a hostile cell cannot reach a terminal.
public struct DataError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The families of trouble, each with its exit code.
  public enum Kind: String, Sendable, Codable {
    /// The request itself cannot be meant: an unknown format, a delimiter that is a quote.
    case usage
    /// What was read is not a table of numbers of the expected columns.
    case badData
    /// There is no such input.
    case missingInput
    /// There is an input, but it cannot be read: a folder, no permission, a failing disk.
    case unreadable
  }

  public var kind: Kind
  public var message: String
  /// The path as given, or "standard input".
  public var file: String?
  /// The data row, counted from 1; the header is not counted.
  public var row: Int?
  /// The line of a text file on which the row begins, counted from 1.
  public var line: Int?
  /// The name of the column.
  public var column: String?
  public var remedy: String?

  public init(
    _ kind: Kind, _ message: String, file: String? = nil, row: Int? = nil, line: Int? = nil, column: String? = nil,
    remedy: String? = nil
  ) {
    self.kind = kind
    self.message = message
    self.file = file
    self.row = row
    self.line = line
    self.column = column
    self.remedy = remedy
  }

  /// The exit code of a command that ends with this error: 64, 65 or 66, as in sysexits.h.
  public var exitCode: Int32 {
    switch kind {
    case .usage: 64
    case .badData: 65
    case .missingInput, .unreadable: 66
    }
  }

  public var description: String {
    var place: [String] = []
    if let file { place.append(file) }
    if let row {
      place.append(line.map { "data row \(row) (line \($0))" } ?? "data row \(row)")
    } else if let line {
      place.append("line \(line)")
    }
    if let column { place.append("column \(column)") }
    let start = place.isEmpty ? "" : place.joined(separator: ", ") + ": "
    return start + message + (remedy.map { "; " + $0 } ?? "")
  }
}

/// A text from a file, fit for a message: at most 40 characters, control characters and bad UTF-8 replaced.
func excerpt(_ bytes: some Sequence<UInt8>) -> String {
  // A character is at most a few bytes long in practice; the cut keeps a cell of megabytes cheap.
  let text = String(decoding: Array(bytes.prefix(400)), as: UTF8.self)
  let clean = String(
    String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : $0 }))
  return clean.count > 40 ? clean.prefix(40) + "…" : clean
}

/// Names for a message: all of them up to twenty, then the number of the others.
func listing(_ names: some Collection<String>) -> String {
  let shown = names.prefix(20).map { excerpt($0.utf8) }.joined(separator: ", ")
  return names.count > 20 ? "\(shown) and \(names.count - 20) more" : shown
}
