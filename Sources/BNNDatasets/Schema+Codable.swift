/// In a posterior's manifest: `features` are the inputs of the model by name, in order, and `targets` its outputs. Where a
/// column is a category, `columns` says which columns of a table the inputs are made of.
extension Schema: Codable {
  enum CodingKeys: String, CodingKey {
    case features, targets, columns, weights, time
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let features = try container.decode([String].self, forKey: .features)
    let columns = try container.decodeIfPresent([FeatureColumn].self, forKey: .columns)
    self.init(
      featureColumns: columns ?? features.map { FeatureColumn(name: $0) },
      targets: try container.decode([String].self, forKey: .targets),
      weights: try container.decodeIfPresent(String.self, forKey: .weights),
      time: try container.decodeIfPresent(String.self, forKey: .time))
    guard self.features == features else {
      throw DecodingError.dataCorruptedError(
        forKey: .columns, in: container, debugDescription: "the inputs are not those of the columns")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(features, forKey: .features)
    try container.encode(targets, forKey: .targets)
    if featureColumns.contains(where: { $0.levels != nil }) { try container.encode(featureColumns, forKey: .columns) }
    try container.encodeIfPresent(weights, forKey: .weights)
    try container.encodeIfPresent(time, forKey: .time)
  }
}
