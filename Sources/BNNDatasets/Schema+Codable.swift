/// In a posterior's manifest: `features` are the inputs of the model by name, in order, and `targets` what it predicts. Where a
/// column is a category, `columns` says which columns of a table the inputs are made of. `classes` are the labels of a target of
/// classes, `heads` the groups of their indices if they are in groups, `task` the column that says which, and `target_kind` is "count" for counts; without any, targets
/// are numbers.
extension Schema: Codable {
  enum CodingKeys: String, CodingKey {
    case features, targets, classes, heads, columns, weights, time, task
    case targetKind = "target_kind"
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let features = try container.decode([String].self, forKey: .features)
    let columns = try container.decodeIfPresent([FeatureColumn].self, forKey: .columns)
    let kind = try Self.targetKind(container)
    let heads = try container.decodeIfPresent([[Int]].self, forKey: .heads)
    if let heads {
      guard case .classes(let labels) = kind, Self.areHeads(heads, of: labels.count) else {
        throw DecodingError.dataCorruptedError(
          forKey: .heads, in: container, debugDescription: "heads are groups that have every class once")
      }
    }
    let task = try container.decodeIfPresent(String.self, forKey: .task)
    guard task == nil || heads != nil else {
      throw DecodingError.dataCorruptedError(forKey: .task, in: container, debugDescription: "tasks without heads")
    }
    self.init(
      featureColumns: columns ?? features.map { FeatureColumn(name: $0) },
      targets: try container.decode([String].self, forKey: .targets), targetKind: kind, heads: heads,
      weights: try container.decodeIfPresent(String.self, forKey: .weights),
      time: try container.decodeIfPresent(String.self, forKey: .time), task: task)
    guard self.features == features else {
      throw DecodingError.dataCorruptedError(
        forKey: .columns, in: container, debugDescription: "the inputs are not those of the columns")
    }
  }

  private static func targetKind(_ container: KeyedDecodingContainer<CodingKeys>) throws -> TargetKind {
    if let labels = try container.decodeIfPresent([String].self, forKey: .classes) {
      guard (2...TargetKind.mostClasses).contains(labels.count), Set(labels).count == labels.count else {
        throw DecodingError.dataCorruptedError(
          forKey: .classes, in: container, debugDescription: "classes are 2 to 1000 different labels")
      }
      return .classes(labels)
    }
    guard let name = try container.decodeIfPresent(String.self, forKey: .targetKind) else { return .number }
    guard name == countName else {
      throw DecodingError.dataCorruptedError(
        forKey: .targetKind, in: container, debugDescription: "unknown kind of target")
    }
    return .count
  }

  private static let countName = "count"

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(features, forKey: .features)
    try container.encode(targets, forKey: .targets)
    switch targetKind {
    case .number: break
    case .count: try container.encode(Self.countName, forKey: .targetKind)
    case .classes(let labels): try container.encode(labels, forKey: .classes)
    }
    try container.encodeIfPresent(heads, forKey: .heads)
    if featureColumns.contains(where: { $0.levels != nil }) { try container.encode(featureColumns, forKey: .columns) }
    try container.encodeIfPresent(weights, forKey: .weights)
    try container.encodeIfPresent(time, forKey: .time)
    try container.encodeIfPresent(task, forKey: .task)
  }
}
