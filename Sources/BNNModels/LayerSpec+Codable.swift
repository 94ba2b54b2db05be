/// `{"type": "dense", "units": 50, "activation": "tanh"}`, and so every layer: its type and its own keys.
extension LayerSpec: Codable {
  /// Of every type, in the order in which they are named.
  private static let keys: [(type: String, keys: [String])] = [
    ("dense", ["activation", "type", "units"]),
    ("conv2d", ["activation", "channels", "kernel", "padding", "stride", "type"]),
    ("max-pool", ["kernel", "padding", "stride", "type"]),
    ("average-pool", ["kernel", "padding", "stride", "type"]),
    ("flatten", ["type"]),
    ("layer-norm", ["epsilon", "type"]),
    ("residual", ["layers", "type"]),
    ("scale", ["factor", "type"]),
    ("activation", ["activation", "type"]),
  ]

  static var types: [String] { keys.map(\.type) }

  var type: String {
    switch self {
    case .dense: "dense"
    case .convolution2D: "conv2d"
    case .maxPool2D: "max-pool"
    case .averagePool2D: "average-pool"
    case .flatten: "flatten"
    case .layerNorm: "layer-norm"
    case .residual: "residual"
    case .scale: "scale"
    case .activation: "activation"
    }
  }

  public init(from decoder: any Decoder) throws {
    try self.init(from: try decoder.container(keyedBy: Key.self), besides: [])
  }

  /// - Parameter others: keys that are somebody else's.
  init(from container: KeyedDecodingContainer<Key>, besides others: [String]) throws {
    let type = try container.decode(String.self, forKey: Key("type"))
    guard let keys = Self.keys.first(where: { $0.type == type })?.keys else {
      throw container.corrupt(
        "type", "unknown layer type \"\(type)\"; known: \(Self.types.joined(separator: ", "))")
    }
    try container.refuseKeys(besides: (keys + others).sorted(), in: "a layer")
    func pool() throws -> (kernel: Int, stride: Int, padding: Int) {
      let kernel = try container.count("kernel", 1...4096, "a kernel is")
      return (
        kernel, try container.count("stride", 1...65_536, "a stride is", missing: kernel),
        try container.count("padding", 0...65_536, "a padding is", missing: 0)
      )
    }
    switch type {
    case "dense":
      self = .dense(
        units: try container.count("units", 1...1_000_000, "a layer has", "units"),
        activation: try container.activation())
    case "conv2d":
      self = .convolution2D(
        channels: try container.count("channels", 1...65_536, "a convolution has", "channels"),
        kernel: try container.count("kernel", 1...4096, "a kernel is"),
        stride: try container.count("stride", 1...65_536, "a stride is", missing: 1),
        padding: try container.count("padding", 0...65_536, "a padding is", missing: 0),
        activation: try container.activation())
    case "max-pool":
      let own = try pool()
      self = .maxPool2D(kernel: own.kernel, stride: own.stride, padding: own.padding)
    case "average-pool":
      let own = try pool()
      self = .averagePool2D(kernel: own.kernel, stride: own.stride, padding: own.padding)
    case "flatten": self = .flatten
    case "layer-norm": self = .layerNorm(epsilon: try container.epsilon())
    case "residual":
      self = .residual(layers: try container.count("layers", 1...10_000, "a residual layer goes past", "layers"))
    case "scale":
      let factor = try container.decode(Double.self, forKey: Key("factor"))
      guard factor.isFinite, factor != 0 else { throw container.corrupt("factor", "a factor is finite and not 0") }
      self = .scale(factor: factor)
    default:
      guard container.contains(Key("activation")) else {
        throw container.corrupt("activation", "a layer of the type \"activation\" says which: \"activation\"")
      }
      self = .activation(try container.activation())
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    func write(_ numbers: [(String, Int)]) throws {
      for (name, number) in numbers { try container.encode(number, forKey: Key(name)) }
    }
    try container.encode(type, forKey: Key("type"))
    switch self {
    case .dense(let units, let activation):
      try write([("units", units)])
      try container.encode(activation.rawValue, forKey: Key("activation"))
    case .convolution2D(let channels, let kernel, let stride, let padding, let activation):
      try write([("channels", channels), ("kernel", kernel), ("stride", stride), ("padding", padding)])
      try container.encode(activation.rawValue, forKey: Key("activation"))
    case .maxPool2D(let kernel, let stride, let padding), .averagePool2D(let kernel, let stride, let padding):
      try write([("kernel", kernel), ("stride", stride), ("padding", padding)])
    case .flatten: break
    case .layerNorm(let epsilon): try container.encode(epsilon, forKey: Key("epsilon"))
    case .residual(let count): try write([("layers", count)])
    case .scale(let factor): try container.encode(factor, forKey: Key("factor"))
    case .activation(let activation): try container.encode(activation.rawValue, forKey: Key("activation"))
    }
  }
}

extension KeyedDecodingContainer<Key> {
  /// - Parameter words: what the number is, as "a layer has" … "units".
  fileprivate func count(
    _ key: String, _ range: ClosedRange<Int>, _ words: String, _ unit: String = "", missing: Int? = nil
  ) throws -> Int {
    if let missing, !contains(Key(key)) { return missing }
    let value = try decode(Int.self, forKey: Key(key))
    guard range.contains(value) else {
      throw corrupt(
        key, "\(words) between \(range.lowerBound) and \(range.upperBound)\(unit.isEmpty ? "" : " \(unit)")")
    }
    return value
  }

  func activation() throws -> Activation {
    let name = try decodeIfPresent(String.self, forKey: Key("activation")) ?? Activation.identity.rawValue
    guard let activation = Activation(rawValue: name) else {
      let all = Activation.allCases.map(\.rawValue).joined(separator: ", ")
      throw corrupt("activation", "unknown activation \"\(name)\"; known: \(all)")
    }
    return activation
  }

  /// PyTorch's 1e-5 where there is none.
  func epsilon() throws -> Double {
    let epsilon = try decodeIfPresent(Double.self, forKey: Key("epsilon")) ?? 1e-5
    guard epsilon >= 0, epsilon.isFinite else { throw corrupt("epsilon", "epsilon is finite and not negative") }
    return epsilon
  }
}
