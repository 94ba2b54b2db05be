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

  /// The level that a text names.
  static func name(written text: String) -> String {
    Array(text.utf8).withUnsafeBufferPointer { name($0) } ?? text
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

  /// An integer without a fraction or an exponent, up to 2⁵³ in magnitude; nil for every other number.
  static func integer(_ number: Double) -> String? {
    number.rounded() == number && abs(number) <= 0x1p53 ? "\(Int(number))" : nil
  }
}

/// The number of each level of a category, or of each class of a target.
final class LevelCoder: Sendable {
  let levels: [String]
  private let unseen: UnseenPolicy
  private let isTarget: Bool
  private let codes: [String: Int]

  /// The levels of a feature.
  init(levels: [String], unseen: UnseenPolicy) {
    self.levels = levels
    self.unseen = unseen
    isTarget = false
    codes = Self.codes(levels)
  }

  /// The classes of a target; one never seen is an error.
  init(classes: [String]) {
    levels = classes
    unseen = .error
    isTarget = true
    codes = Self.codes(classes)
  }

  private static func codes(_ levels: [String]) -> [String: Int] {
    Dictionary(levels.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// What stands for a level never seen, where that is allowed.
  static let unseenCode = -1.0

  /// The code of a cell's level; nil for one never seen, if that is an error. An integer is the class of its digits
  /// however it is written.
  func code(_ level: String, _ value: CellValue) -> Double? {
    if let code = codes[level] { return Double(code) }
    if isTarget, case .number(let number) = value, let code = Level.integer(number).flatMap({ codes[$0] }) {
      return Double(code)
    }
    return unseen == .ignore ? Self.unseenCode : nil
  }

  /// What is said of a cell whose level was never seen, and the remedy.
  func refusal(_ text: String) -> (message: String, remedy: String) {
    isTarget
      ? (
        "\"\(text)\" is none of the classes, which are fixed at the first fit",
        "the classes are: \(listing(levels)); correct the cell, or fit anew with --classes that has this one too"
      )
      : (
        "\"\(text)\" is a level that the first data did not have",
        "the levels are: \(listing(levels)); correct the cell, or give --unseen ignore"
      )
  }
}
