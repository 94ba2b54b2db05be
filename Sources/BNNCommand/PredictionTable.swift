import BNNDatasets

/// Predictions on their way out, in one of three forms: kept columns in front as the texts they were, then numbers.
struct PredictionTable {
  enum Form: String, CaseIterable {
    case csv, json, npz

    /// The form that the name of a file asks for.
    init?(suffixOf path: String) {
      guard let form = Self.allCases.first(where: { path.lowercased().hasSuffix("." + $0.rawValue) }) else {
        return nil
      }
      self = form
    }
  }

  let form: Form
  private let kept: [String]
  private let names: [String]
  /// What csv has to say since it was last taken.
  private var text: String
  private var objects: [String] = []
  private var texts: [[String]]
  private var numbers: [[Double]]
  private(set) var rows = 0

  init(form: Form, kept: [String], names: [String]) {
    self.form = form
    self.kept = kept
    self.names = names
    text = (kept + names).map(Self.csvCell).joined(separator: ",") + "\n"
    texts = Array(repeating: [], count: kept.count)
    numbers = Array(repeating: [], count: names.count)
  }

  /// A row; a number that does not exist is an empty cell, null or nan.
  mutating func add(kept own: [String], values: [Double?]) {
    rows += 1
    switch form {
    case .csv:
      text += (own.map(Self.csvCell) + values.map { $0.map { "\($0)" } ?? "" }).joined(separator: ",") + "\n"
    case .json:
      let members = zip(kept, own).map { ($0, JSONText.string($1)) } + zip(names, values).map { ($0, .optional($1)) }
      objects.append(JSONText.object(members).text)
    case .npz:
      for (k, cell) in own.enumerated() { texts[k].append(cell) }
      for (k, value) in values.enumerated() { numbers[k].append(value ?? .nan) }
    }
  }

  /// The csv text since the last call.
  mutating func takeText() -> String {
    defer { text = "" }
    return text
  }

  /// The rows as one JSON array.
  func array(separator: String = ",") -> String { "[" + objects.joined(separator: separator) + "]" }

  /// The bytes of a file.
  mutating func file() throws -> [UInt8] {
    switch form {
    case .csv: return Array(takeText().utf8)
    case .json: return Array((array(separator: ",\n") + "\n").utf8)
    case .npz:
      return try NPZWriter.bytes(
        zip(kept, texts).map { ($0, .texts($1)) } + zip(names, numbers).map { ($0, .numbers($1)) })
    }
  }

  /// A cell as RFC 4180 writes it, quoted where it must be.
  private static func csvCell(_ cell: String) -> String {
    let needsQuotes = cell.utf8.contains { ",\"\r\n".utf8.contains($0) } || cell.first == " " || cell.last == " "
    return needsQuotes
      ? "\"" + cell.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\"" : cell
  }
}
