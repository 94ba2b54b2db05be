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
