/// A network as data: what a file keeps and a JSON file describes.
public struct NetworkSpec: Codable, Hashable, Sendable {
  /// Numbers per input row, d.
  public var inputs: Int
  public var layers: [LayerSpec]

  public init(inputs: Int, layers: [LayerSpec]) {
    self.inputs = inputs
    self.layers = layers
  }

  /// d – hidden … – outputs, fully connected, with one activation on every hidden layer.
  public init(inputs: Int, hidden: [Int], outputs: Int, activation: Activation) {
    self.inputs = inputs
    layers =
      hidden.map { .dense(units: $0, activation: activation) } + [.dense(units: outputs, activation: .identity)]
  }
}

/// One layer: `{"type": "dense", "units": 50, "activation": "tanh"}`. Closed on purpose: it is a file format, and an
/// unknown layer or key is an error that lists the known ones.
public enum LayerSpec: Hashable, Sendable {
  /// Fully connected with a bias.
  case dense(units: Int, activation: Activation)
}

/// Any key, so that unknown ones are seen.
struct Key: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }
  init(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { nil }
  init(_ name: String) { stringValue = name }
}

extension KeyedDecodingContainer<Key> {
  func corrupt(_ key: String, _ message: String) -> DecodingError {
    .dataCorruptedError(forKey: Key(key), in: self, debugDescription: message)
  }

  func refuseKeys(besides known: [String], in place: String) throws {
    if let unknown = allKeys.map(\.stringValue).sorted().first(where: { !known.contains($0) }) {
      throw corrupt(unknown, "unknown key \"\(unknown)\" in \(place); known: \(known.joined(separator: ", "))")
    }
  }
}

extension NetworkSpec {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    try container.refuseKeys(besides: ["inputs", "layers"], in: "a network")
    inputs = try container.decode(Int.self, forKey: Key("inputs"))
    layers = try container.decode([LayerSpec].self, forKey: Key("layers"))
    guard inputs >= 1 else { throw container.corrupt("inputs", "a network has at least 1 input") }
    guard !layers.isEmpty else { throw container.corrupt("layers", "a network has at least 1 layer") }
  }
}

extension LayerSpec: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    try container.refuseKeys(besides: ["activation", "type", "units"], in: "a layer")
    let type = try container.decode(String.self, forKey: Key("type"))
    guard type == "dense" else { throw container.corrupt("type", "unknown layer type \"\(type)\"; known: dense") }
    let units = try container.decode(Int.self, forKey: Key("units"))
    guard (1...1_000_000).contains(units) else {
      throw container.corrupt("units", "a layer has between 1 and 1000000 units")
    }
    let name = try container.decodeIfPresent(String.self, forKey: Key("activation")) ?? Activation.identity.rawValue
    guard let activation = Activation(rawValue: name) else {
      let all = Activation.allCases.map(\.rawValue).joined(separator: ", ")
      throw container.corrupt("activation", "unknown activation \"\(name)\"; known: \(all)")
    }
    self = .dense(units: units, activation: activation)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    switch self {
    case .dense(let units, let activation):
      try container.encode("dense", forKey: Key("type"))
      try container.encode(units, forKey: Key("units"))
      try container.encode(activation.rawValue, forKey: Key("activation"))
    }
  }
}
