/// A network as data: what a file keeps and a JSON file describes.
public struct NetworkSpec: Hashable, Sendable {
  /// Numbers per input row, d.
  public var inputs: Int
  /// What they are, if they are an image; convolutions need it.
  public var image: ImageShape?
  public var layers: [LayerSpec]

  public init(inputs: Int, image: ImageShape? = nil, layers: [LayerSpec]) {
    self.inputs = inputs
    self.image = image
    self.layers = layers
  }

  /// d – hidden … – outputs, fully connected, with one activation on every hidden layer.
  public init(inputs: Int, hidden: [Int], outputs: Int, activation: Activation) {
    self.inputs = inputs
    layers =
      hidden.map { .dense(units: $0, activation: activation) } + [.dense(units: outputs, activation: .identity)]
  }

  /// Whether all layers are dense.
  public var isDense: Bool { layers.allSatisfy(\.isDense) }

  /// Units and activations of the dense layers before the last.
  public var hiddenUnits: [Int] { hidden.map(\.units) }
  public var hiddenActivations: [Activation] { hidden.map(\.activation) }

  private var hidden: [(units: Int, activation: Activation)] {
    layers.dropLast().compactMap { if case .dense(let units, let activation) = $0 { (units, activation) } else { nil } }
  }

  /// Whether the outputs are linear in the weights of the last layer.
  public var endsLinear: Bool { if case .dense(_, .identity)? = layers.last { true } else { false } }

  /// The layers with their weights' places in θ.
  ///
  /// - Throws: `NetworkShapeError` for the first layer that does not take what the one before it gives.
  func placedLayers() throws(NetworkShapeError) -> [any Layer] {
    var result: [any Layer] = []
    var layouts = [try inputLayout()]
    for (index, layer) in layers.enumerated() {
      let (own, next) = try layer.placed(
        number: index, after: layouts, offset: result.last.map { $0.offset + $0.parameterCount } ?? 0)
      result.append(own)
      layouts.append(next)
    }
    return result
  }

  /// The layout of what comes into every layer, and of the outputs.
  func layouts() throws(NetworkShapeError) -> [RowLayout] {
    var result = [try inputLayout()]
    for (index, layer) in layers.enumerated() {
      result.append(try layer.placed(number: index, after: result, offset: 0).layout)
    }
    return result
  }

  /// Channels of the image that comes into a layer, or the numbers of the vector; of one beyond the last, of the outputs.
  ///
  /// - Precondition: the layers fit.
  public func channels(intoLayer index: Int) -> Int {
    guard let layout = try? layouts()[index] else { preconditionFailure("a network whose layers do not fit") }
    return layout.image?.channels ?? layout.count
  }

  /// What the outputs are, if they are an image; nil also where the layers do not fit.
  public var outputImage: ImageShape? { (try? layouts().last)?.image }

  private func inputLayout() throws(NetworkShapeError) -> RowLayout {
    guard let image else { return .vector(inputs) }
    guard image.count == inputs else {
      throw NetworkShapeError(
        "the input's shape \(image) has \(image.count) numbers, and there are \(inputs) inputs")
    }
    return .image(image)
  }

  /// - Throws: `NetworkShapeError` where layers do not fit each other.
  public func checked() throws(NetworkShapeError) -> NetworkSpec {
    _ = try placedLayers()
    return self
  }
}

/// A layer that does not take what the one before it gives.
public struct NetworkShapeError: Error, Equatable, Sendable, CustomStringConvertible {
  public let description: String

  init(_ description: String) { self.description = description }
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

extension NetworkSpec: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    try container.refuseKeys(besides: ["inputs", "layers", "shape"], in: "a network")
    inputs = try container.decode(Int.self, forKey: Key("inputs"))
    image = try container.decodeIfPresent(ImageShape.self, forKey: Key("shape"))
    layers = try container.decode([LayerSpec].self, forKey: Key("layers"))
    guard inputs >= 1 else { throw container.corrupt("inputs", "a network has at least 1 input") }
    guard !layers.isEmpty else { throw container.corrupt("layers", "a network has at least 1 layer") }
    do { _ = try checked() } catch { throw container.corrupt("layers", "\(error)") }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(inputs, forKey: Key("inputs"))
    try container.encodeIfPresent(image, forKey: Key("shape"))
    try container.encode(layers, forKey: Key("layers"))
  }
}
