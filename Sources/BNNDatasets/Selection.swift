/// What is wanted of the cells of a chosen column.
enum ColumnUse {
  /// The number.
  case number
  /// The number of the level.
  case level(LevelCoder)
  /// What kinds of cells there are; the values in blocks mean nothing.
  case profile(ColumnRole)

  var isNumber: Bool { if case .number = self { true } else { false } }

  /// Where a first reading begins.
  var emptyProfile: ColumnProfile {
    if case .profile(let role) = self { ColumnProfile(role: role) } else { ColumnProfile() }
  }
}

/// The columns that are read, and for what.
struct Selection {
  struct Column {
    /// The index in the table.
    let index: Int
    let use: ColumnUse
  }

  /// The columns of a block's values, in this order.
  var columns: [Column]
  /// The indices of the columns whose texts are kept as they are.
  var kept: [Int] = []

  init(_ columns: [Column], kept: [Int] = []) {
    self.columns = columns
    self.kept = kept
  }

  init(numbers: [Int]) { self.init(numbers.map { Column(index: $0, use: .number) }) }

  var isNumbersOnly: Bool { kept.isEmpty && columns.allSatisfy(\.use.isNumber) }
}
