/// A column of a table as a feature: a number that is one input of the model, or a category that is one input a level.
public struct FeatureColumn: Codable, Hashable, Sendable {
  /// The name of the column in the table.
  public let name: String
  /// The levels of a category, in order, frozen at D1; nil for a number.
  public let levels: [String]?
  /// Whether the first level has no input of its own, so that it is what the others are compared with.
  public let dropsFirstLevel: Bool

  public init(name: String, levels: [String]? = nil, dropsFirstLevel: Bool = false) {
    self.name = name
    self.levels = levels
    self.dropsFirstLevel = dropsFirstLevel && levels != nil
  }

  /// The inputs it becomes: its own name, or "column=level" for each level, 1 where the row has that level and else 0.
  public var inputs: [String] {
    guard let levels else { return [name] }
    return levels.dropFirst(dropsFirstLevel ? 1 : 0).map { "\(name)=\($0)" }
  }

  enum CodingKeys: String, CodingKey {
    case name, levels
    case dropsFirstLevel = "drops_first_level"
  }
}

/// How the levels of categories become inputs.
public enum LevelCoding: Sendable, Equatable {
  /// An input for every level: a prior settles what the data leave open.
  case full
  /// Without a prior the inputs of all levels would sum to the intercept: the first level of each category is dropped.
  /// Without an intercept the first category keeps all its levels.
  case reference(intercept: Bool)
}

/// The names of levels.
enum Level {
  /// A category with more levels than this is refused.
  static let most = 100

  /// The level that a cell names: its text without blanks around it; a whole number with a fraction of zeros is the
  /// number without it, since tables with missing values write 1 as 1.0. Nil for bytes that are not UTF-8.
  static func name(_ cell: UnsafeBufferPointer<UInt8>) -> String? {
    var cell = cell[...]
    while let first = cell.first, first == 0x20 || first == 0x09 { cell.removeFirst() }
    while let last = cell.last, last == 0x20 || last == 0x09 { cell.removeLast() }
    if let point = cell.firstIndex(of: UInt8(ascii: ".")), isWhole(cell[..<point]),
      cell[(point + 1)...].allSatisfy({ $0 == UInt8(ascii: "0") })
    {
      cell = cell[..<point]
    }
    return String(validating: cell, as: UTF8.self)
  }

  /// Digits without a leading zero, perhaps after a minus.
  private static func isWhole(_ text: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
    let digits = text.first == UInt8(ascii: "-") ? text.dropFirst() : text
    guard let first = digits.first, first != UInt8(ascii: "0") || digits.count == 1 else { return false }
    return digits.allSatisfy { (48...57).contains($0) }
  }

  /// Levels in an order that does not depend on the order of the rows: by number if all are numbers, else by code point.
  static func sorted(_ levels: Set<String>) -> [String] {
    let numbers = levels.compactMap { Double($0) }
    guard numbers.count == levels.count else {
      return levels.sorted { $0.unicodeScalars.lexicographicallyPrecedes($1.unicodeScalars) }
    }
    return levels.sorted { ((Double($0) ?? 0), $0) < ((Double($1) ?? 0), $1) }
  }
}

/// The number of each level of a category.
final class LevelCoder: Sendable {
  let levels: [String]
  let unseen: UnseenPolicy
  private let codes: [String: Int]

  init(levels: [String], unseen: UnseenPolicy) {
    self.levels = levels
    self.unseen = unseen
    codes = Dictionary(levels.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// What stands for a level never seen, where that is allowed.
  static let unseenCode = -1.0

  /// The code of a level; nil for one never seen, if that is an error.
  func code(_ level: String) -> Double? {
    codes[level].map(Double.init) ?? (unseen == .ignore ? Self.unseenCode : nil)
  }

  /// The remedy for a level never seen.
  var remedy: String { "the levels are: \(listing(levels)); correct the cell, or give --unseen ignore" }
}
