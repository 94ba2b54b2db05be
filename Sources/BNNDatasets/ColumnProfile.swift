/// What a first reading of a column found.
struct ColumnProfile: Sendable {
  /// A cell for a message.
  struct Place: Sendable {
    let row: Int
    let line: Int?
    let text: String
    /// Whether it is a number written with a comma or with separators of thousands.
    let isCommaNumber: Bool
  }

  /// Cells that are numbers.
  var numbers = 0
  /// Cells that are neither numbers nor missing.
  var texts = 0
  /// Texts that are dates.
  var dates = 0
  /// Texts that are numbers written with a comma.
  var commaNumbers = 0
  var firstText: Place?
  /// The levels of the rows that lack no value; one more than allowed, if there are too many.
  private(set) var levels: Set<String> = []
  /// Whether numbers are levels too.
  let isCategory: Bool

  init(isCategory: Bool) { self.isCategory = isCategory }

  /// Whether the levels still matter: a column with a number in it is a category only if it was named as one.
  var collectsLevels: Bool { (isCategory || numbers == 0) && levels.count <= Level.most }

  mutating func insert(level: String) {
    if collectsLevels { levels.insert(level) }
  }
}

/// Digits with at least one comma and nothing else that a number would not have: "1,5", "1.234,5", "1,234.5".
func looksLikeCommaNumber(_ bytes: some Collection<UInt8>) -> Bool {
  bytes.contains(UInt8(ascii: ","))
    && bytes.contains { (48...57).contains($0) }
    && bytes.allSatisfy { (48...57).contains($0) || "+-.,eE ".utf8.contains($0) }
}
