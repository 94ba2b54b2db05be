/// What the columns of first data are to be, by name.
public struct ColumnChoice: Sendable, Equatable {
  public var targets: [String]
  /// What the targets are to be.
  public var kind: TargetChoice
  /// Of classes, groups of their labels; nil for one group.
  public var heads: [[String]]?
  /// In the order wanted; nil for all columns that are nothing else.
  public var features: [String]?
  public var ignore: [String]
  /// Features that are categories although their cells may be numbers.
  public var categorical: [String]
  public var weights: String?
  public var time: String?
  /// Of heads: the column that says which one a row is about.
  public var task: String?

  public init(
    targets: [String], kind: TargetChoice = .number, heads: [[String]]? = nil, features: [String]? = nil,
    ignore: [String] = [], categorical: [String] = [], weights: String? = nil, time: String? = nil, task: String? = nil
  ) {
    self.targets = targets
    self.kind = kind
    self.heads = heads
    self.features = features
    self.ignore = ignore
    self.categorical = categorical
    self.weights = weights
    self.time = time
    self.task = task
  }
}

extension Schema {
  /// The schema of first data, their categories found by reading the table once.
  ///
  /// A column is a number if every cell is one, and a category if it is named as one or no cell is a number. The levels
  /// are those of the rows that lack no value, in an order that does not depend on the order of the rows.
  ///
  /// - Throws: `DataError`, as `choose` and `TableReader`; for a column of which only some cells are numbers, with the
  ///   first that is not; for dates among the features; for more than 100 levels; for targets that are not of the kind asked for,
  ///   or have one class only or more than 1,000; for heads that do not have every class once.
  /// - Complexity: O(bytes of the table) time, O(columns × levels) memory.
  public static func fit(
    _ choice: ColumnChoice, to input: TableInput, options: TableOptions = TableOptions(), coding: LevelCoding = .full
  ) throws(DataError) -> Schema {
    let table = try TableReader(input, options: options)
    let numeric = try choose(
      header: table.columnNames, targets: choice.targets, features: choice.features, ignore: choice.ignore,
      weights: choice.weights, time: choice.time, task: choice.task, file: table.file)
    guard choice.task == nil || choice.heads != nil else {
      throw DataError(
        .usage, "a column of tasks is of classes in heads", file: table.file,
        remedy: "declare the heads, as in --heads \"a,b;c,d\"")
    }
    let names = numeric.features
    try check(choice.categorical, amongFeatures: names, header: table.columnNames, numeric, file: table.file)
    let places = try numeric.resolve(header: table.columnNames, file: table.file)
    let profiles = try table.profile(
      places.features.map { ($0, choice.categorical.contains(table.columnNames[$0]) ? .category : .feature) }
        + places.targets.map { ($0, choice.kind.role) } + [places.weights].compactMap { $0 }.map { ($0, .feature) })

    var columns: [FeatureColumn] = []
    var firstCategory = true
    for (name, profile) in zip(names, profiles) {
      guard try isCategory(name, profile, file: table.file) else {
        columns.append(FeatureColumn(name: name))
        continue
      }
      guard profile.levels.count <= Level.most else {
        throw DataError(
          .badData,
          "has more than \(Level.most) different texts (\(listing(Level.sorted(profile.levels).prefix(3))), …)",
          file: table.file, column: excerpt(name.utf8),
          remedy: "leave the column out with --ignore \(quoted(name)), or give it fewer levels")
      }
      let drops =
        switch coding {
        case .full: false
        case .reference(let intercept): intercept || !firstCategory
        }
      firstCategory = false
      columns.append(FeatureColumn(name: name, levels: Level.sorted(profile.levels), dropsFirstLevel: drops))
    }
    let others = profiles.dropFirst(names.count)
    if let weights = choice.weights, let first = others.last?.firstText {
      throw notANumber(first, column: weights, use: .weights, file: table.file)
    }
    let kind = try targetKind(
      choice.kind, targets: choice.targets, profiles: Array(others.prefix(choice.targets.count)), file: table.file)
    return Schema(
      featureColumns: columns, targets: choice.targets, targetKind: kind,
      heads: try choice.heads.map { own throws(DataError) in try heads(own, of: kind, file: table.file) },
      weights: choice.weights, time: choice.time, task: choice.task)
  }

  private static func check(
    _ categorical: [String], amongFeatures names: [String], header: [String], _ schema: Schema, file: String
  ) throws(DataError) {
    let unknown = categorical.filter { !header.contains($0) }
    guard unknown.isEmpty else { throw missing(unknown, header: header, file: file) }
    if let other = categorical.first(where: { !names.contains($0) }) {
      throw DataError(
        .usage, "the column \"\(excerpt(other.utf8))\" is named in --categorical, but is no feature", file: file,
        remedy: schema.targets.contains(other)
          ? "a target of classes needs --likelihood categorical, or bernoulli for two classes"
          : "name only features in --categorical")
    }
  }

  /// Whether a feature is a category.
  private static func isCategory(_ name: String, _ profile: ColumnProfile, file: String) throws(DataError) -> Bool {
    if profile.role == .category { return true }
    guard let first = profile.firstText else { return false }
    if profile.dates == profile.texts, profile.numbers == 0 {
      throw DataError(
        .badData, "holds dates (\"\(first.text)\"), which are no feature as they are", file: file, row: first.row,
        line: first.line, column: excerpt(name.utf8),
        remedy: "name the column with --time \(quoted(name)), or leave it out with --ignore \(quoted(name))")
    }
    if profile.numbers == 0, profile.commaNumbers < profile.texts { return true }
    throw notANumber(first, column: name, use: .feature, file: file)
  }

  /// What a column of numbers is for.
  enum NumberUse { case feature, target, weights }

  static func notANumber(
    _ cell: ColumnProfile.Place, column: String, use: NumberUse, file: String
  ) -> DataError {
    let missing = "correct the cell; if it means a missing value, give --missing-values '\(cell.text)'"
    let remedy =
      switch use {
      case .feature: missing + "; if the column holds categories, give --categorical \(quoted(column))"
      case .target: missing + " --missing drop; if texts and numbers are classes, declare all with --classes"
      case .weights: missing + " --missing drop"
      }
    return DataError(
      .badData, "\"\(cell.text)\" is not a number", file: file, row: cell.row, line: cell.line,
      column: excerpt(column.utf8),
      remedy: cell.isCommaNumber
        ? "write numbers with a decimal point and without separators of thousands" : remedy)
  }

  private static func quoted(_ name: String) -> String {
    let text = excerpt(name.utf8)
    return text.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "." } && !text.isEmpty
      ? text : "'\(text)'"
  }
}
