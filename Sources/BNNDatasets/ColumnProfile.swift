/// What a first reading looks for in a column.
enum ColumnRole: Sendable {
  /// A number, or a category if no cell is one.
  case feature
  /// Levels, numbers among them.
  case category
  /// A number, or classes if no cell is one.
  case target
  /// Classes: texts or integers.
  case classes

  /// Whether numbers are levels too.
  var countsNumbers: Bool { self == .category || self == .classes }

  /// Levels beyond which the column is no category, or has too many classes.
  var mostLevels: Int {
    switch self {
    case .feature, .category: Level.most
    case .target, .classes: TargetKind.mostClasses
    }
  }
}

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
  private(set) var numbers = 0
  /// Cells that are neither numbers nor missing.
  private(set) var texts = 0
  /// Texts that are dates.
  private(set) var dates = 0
  /// Texts that are numbers written with a comma.
  private(set) var commaNumbers = 0
  private(set) var firstText: Place?
  /// The first number that is not an integer, where classes are looked for.
  private(set) var firstFraction: Place?
  /// The levels of the rows that lack no value; one more than allowed, if there are too many.
  private(set) var levels: Set<String> = []
  let role: ColumnRole

  init(role: ColumnRole = .feature) { self.role = role }

  /// Whether the levels still matter: a column with a number in it is a category only if it was named as one.
  var collectsLevels: Bool { (role.countsNumbers || numbers == 0) && levels.count <= role.mostLevels }

  mutating func insert(level: String) {
    if collectsLevels { levels.insert(level) }
  }

  /// Counts a cell that is not missing.
  mutating func count(_ value: CellValue, row: Int, line: Int?, _ text: () -> some Collection<UInt8>) {
    if case .number(let number) = value {
      numbers += 1
      if role == .classes, firstFraction == nil, Level.integer(number) == nil {
        firstFraction = Place(row: row, line: line, text: excerpt(text()), isCommaNumber: false)
      }
      return
    }
    let cell = text()
    texts += 1
    if ISODate.seconds(cell) != nil { dates += 1 }
    let isCommaNumber = looksLikeCommaNumber(cell)
    if isCommaNumber { commaNumbers += 1 }
    if firstText == nil {
      firstText = Place(row: row, line: line, text: excerpt(cell), isCommaNumber: isCommaNumber)
    }
  }

  /// The level that a cell of this name and value is.
  func level(_ name: String, _ value: CellValue) -> String {
    if role == .classes, case .number(let number) = value, let integer = Level.integer(number) { return integer }
    return name
  }
}

/// Digits with at least one comma and nothing else that a number would not have: "1,5", "1.234,5", "1,234.5".
func looksLikeCommaNumber(_ bytes: some Collection<UInt8>) -> Bool {
  bytes.contains(UInt8(ascii: ","))
    && bytes.contains { (48...57).contains($0) }
    && bytes.allSatisfy { (48...57).contains($0) || "+-.,eE ".utf8.contains($0) }
}
