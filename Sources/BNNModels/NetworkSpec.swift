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

extension LayerSpec: Codable {
  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
    init(_ name: String) { stringValue = name }
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    func corrupt(_ key: String, _ message: String) -> DecodingError {
      .dataCorruptedError(forKey: Key(key), in: container, debugDescription: message)
    }
    let known = ["activation", "type", "units"]
    if let unknown = container.allKeys.map(\.stringValue).sorted().first(where: { !known.contains($0) }) {
      throw corrupt(unknown, "unknown key \"\(unknown)\" in a layer; known: \(known.joined(separator: ", "))")
    }
    let type = try container.decode(String.self, forKey: Key("type"))
    guard type == "dense" else { throw corrupt("type", "unknown layer type \"\(type)\"; known: dense") }
    let units = try container.decode(Int.self, forKey: Key("units"))
    guard (1...1_000_000).contains(units) else { throw corrupt("units", "a layer has between 1 and 1000000 units") }
    let name = try container.decodeIfPresent(String.self, forKey: Key("activation")) ?? Activation.identity.rawValue
    guard let activation = Activation(rawValue: name) else {
      let all = Activation.allCases.map(\.rawValue).joined(separator: ", ")
      throw corrupt("activation", "unknown activation \"\(name)\"; known: \(all)")
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
