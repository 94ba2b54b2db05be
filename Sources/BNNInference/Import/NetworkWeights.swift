import BNNDatasets
import BNNModels
import BNNPosteriors

/// Tensors that are not those of a network of dense layers: what was expected and what there is.
public struct ImportError: Error, Equatable, Sendable, CustomStringConvertible {
  public let message: String
  public let remedy: String?

  init(_ message: String, remedy: String? = nil) { (self.message, self.remedy) = (message, remedy) }

  public var description: String { message + (remedy.map { "; \($0)" } ?? "") }
}

/// A network with its weights, from tensors under PyTorch's names: `PREFIX.weight` and `PREFIX.bias` of every layer that has
/// weights, of a dense one [outputs, inputs] and [outputs]. `num_batches_tracked` is ignored.
public struct NetworkWeights: Sendable, Equatable {
  public var spec: NetworkSpec
  /// θ, layer after layer: weights, then biases.
  public var theta: [Double]
  /// Names and shapes of the tensors in the order of θ.
  public private(set) var tensors: [(name: String, shape: [Int])]
  /// Whether θ holds more than these tensors: batch normalisation.
  private let isFolded: Bool
  private let layout: WeightLayout

  public static func == (a: Self, b: Self) -> Bool { a.spec == b.spec && a.theta == b.theta }

  /// As the tensors' shapes tell: layers in the order of the numbers in their names, or of the file, whichever makes each
  /// layer's outputs the next one's inputs.
  ///
  /// - Parameter activation: of the hidden layers; the last has none.
  /// - Throws: `ImportError` that names every tensor that is no dense layer's.
  public init(
    inferringFrom tensors: [NamedTensor], activation: Activation?, layout: WeightLayout = .torch
  ) throws(ImportError) {
    let own = layout.asTorch(Self.relevant(tensors))
    let prefixes = try Self.layers(own)
    let byName = Dictionary(own.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    func chains(_ order: [String]) -> Bool {
      zip(order, order.dropFirst()).allSatisfy { a, b in
        byName[Self.name(a, "weight")]?.shape.first == byName[Self.name(b, "weight")]?.shape.last
      }
    }
    let numbered = prefixes.sorted { Self.precedes($0, $1) }
    let orders = [numbered, prefixes].filter(chains)
    let shapes = numbered.map { "\(Self.name($0, "weight")) \(byName[Self.name($0, "weight")]?.shape ?? [])" }
    guard let order = orders.first else {
      throw ImportError(
        "the layers do not fit: each one's inputs must be the outputs of the one before it, and there are "
          + shapes.joined(separator: ", "), remedy: "describe the network with --network FILE.json")
    }
    if orders.count == 2, orders[0] != orders[1], !prefixes.allSatisfy({ $0.contains(where: \.isNumber) }) {
      throw ImportError(
        "the order of the layers cannot be told from their names: \(shapes.joined(separator: ", "))",
        remedy: "describe the network with --network FILE.json")
    }
    guard activation != nil || order.count == 1 else {
      throw ImportError(
        "the file does not say what stands between its \(order.count) layers",
        remedy: "give --activation (tanh, relu, gelu, sigmoid, softplus or identity), or --network FILE.json")
    }
    let weights = order.compactMap { byName[Self.name($0, "weight")] }
    let layers = weights.enumerated().map { k, weight in
      LayerSpec.dense(units: weight.shape[0], activation: k + 1 < order.count ? activation ?? .identity : .identity)
    }
    try self.init(
      own, names: order, NetworkSpec(inputs: max(1, weights.first?.shape.last ?? 0), layers: layers), layout)
  }

  /// As a file describes it. Batch normalisation becomes a part of its neighbours (`BatchNormFolding`).
  ///
  /// - Throws: `ImportError` that lists every tensor that is missing, is too many or has another shape.
  public init(
    _ tensors: [NamedTensor], as file: NetworkFile, layout: WeightLayout = .torch
  ) throws(ImportError) {
    let own = layout.asTorch(Self.relevant(tensors))
    let (layers, names, norms) = try BatchNorm.split(file)
    let first = own.first { $0.name == Self.name(names[0], "weight") }
    let inputs =
      file.input?.shape?.count ?? first.flatMap { $0.shape.count == 2 ? $0.shape[1] : nil }
      ?? file.input?.columns?.count ?? 1
    try self.init(
      own, names: names, NetworkSpec(inputs: max(1, inputs), image: file.input?.shape, layers: layers), layout, norms)
  }

  private init(
    _ tensors: [NamedTensor], names: [String], _ spec: NetworkSpec, _ layout: WeightLayout, _ norms: [BatchNorm] = []
  ) throws(ImportError) {
    do { self.spec = try spec.checked() } catch { throw ImportError("the layers do not fit: \(error)") }
    let network = Network(spec)
    self.tensors = zip(names, network.layers).flatMap { name, layer in
      layer.tensors.map { (Self.name(name, $0.suffix), $0.shape) }
    }
    isFolded = !norms.isEmpty
    self.layout = layout
    let others = norms.flatMap { $0.tensors(channels: spec.channels(intoLayer: $0.place)) }
    let values = try Self.values(tensors, of: self.tensors + others)
    theta = Array(values.prefix(network.parameterCount))
    if layout == .keras { theta = network.reordered(theta, channelsFirst: true) }
    var rest = values.dropFirst(network.parameterCount)
    for norm in norms {
      let count = spec.channels(intoLayer: norm.place)
      var own = Array(rest.prefix(4 * count))
      if layout == .keras, let image = network.flattenedImage(into: norm.place) {
        own = image.reordered(own, channelsFirst: true)
      }
      try norm.fold(into: &theta, of: network, own)
      rest = rest.dropFirst(4 * count)
    }
  }

  /// The numbers of other tensors of the same names and shapes, in the order of θ: an optimiser's averages of squared gradients, as
  /// they are; or those in an optimiser's state, their bias taken out (`AdamState`).
  ///
  /// - Parameter secondBeta: β₂ of the optimiser.
  public func matching(_ others: [NamedTensor], secondBeta: Double = 0.999) throws(ImportError) -> [Double] {
    guard !isFolded else {
      throw ImportError(
        "the weights have taken batch normalisation in, and an optimiser's averages are of those before",
        remedy: "give rows of data instead (--data, or --rows and --inputs)")
    }
    var own = layout.asTorch(Self.relevant(others))
    if let state = AdamState(others) { own = try state.named(as: tensors, secondBeta: secondBeta) }
    let values = try Self.values(own, of: tensors)
    return layout == .keras ? Network(spec).reordered(values, channelsFirst: true) : values
  }

  private static func values(
    _ tensors: [NamedTensor], of expected: [(name: String, shape: [Int])]
  ) throws(ImportError) -> [Double] {
    let byName = Dictionary(tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    var misfits: [String] = []
    for (name, shape) in expected {
      guard let own = byName[name] else {
        misfits.append("\(name) \(shape) is missing")
        continue
      }
      if own.shape != shape {
        misfits.append("\(name) has the shape \(own.shape), not \(shape)")
      } else if let bad = own.values.firstIndex(where: { !$0.isFinite }) {
        misfits.append("\(name) holds \(own.values[bad]) at place \(bad)")
      }
    }
    let known = Set(expected.map(\.name))
    misfits += tensors.filter { !known.contains($0.name) }.map { "\($0.name) \($0.shape) is of no layer" }
    guard misfits.isEmpty else {
      let shown = misfits.prefix(12).joined(separator: ", ") + (misfits.count > 12 ? ", …" : "")
      throw ImportError("the tensors are not those of the network: \(shown)")
    }
    return expected.flatMap { byName[$0.name]?.values ?? [] }
  }

  /// The prefixes of all layers in the file's order.
  private static func layers(_ tensors: [NamedTensor]) throws(ImportError) -> [String] {
    let names = Set(tensors.map(\.name))
    var prefixes: [String] = []
    var misfits: [String] = []
    for tensor in tensors {
      guard let (prefix, kind) = split(tensor.name) else {
        misfits.append("\(tensor.name) \(tensor.shape)")
        continue
      }
      if !prefixes.contains(prefix) { prefixes.append(prefix) }
      let dimensions = kind == "weight" ? 2 : 1
      if tensor.shape.count != dimensions {
        let guess =
          kind == "weight" && tensor.shape.count == 4
          ? ", a convolution's" : kind == "weight" && tensor.shape.count == 1 ? ", a normalisation's" : ""
        misfits.append("\(tensor.name) \(tensor.shape)\(guess)")
      }
      let partner = name(prefix, kind == "weight" ? "bias" : "weight")
      if !names.contains(partner) { misfits.append("\(tensor.name) \(tensor.shape) without \(partner)") }
    }
    guard misfits.isEmpty else {
      throw ImportError(
        "tensors alone tell only dense layers, each a weight [outputs, inputs] and a bias [outputs]; there is also "
          + misfits.prefix(12).joined(separator: ", ") + (misfits.count > 12 ? ", …" : ""),
        remedy: "describe other layers with --network FILE.json")
    }
    guard !prefixes.isEmpty else { throw ImportError("there is no tensor of a layer in the file") }
    return prefixes
  }

  static func name(_ prefix: String, _ kind: String) -> String { prefix.isEmpty ? kind : "\(prefix).\(kind)" }

  private static func split(_ name: String) -> (prefix: String, kind: String)? {
    for kind in ["weight", "bias"] {
      if name == kind { return ("", kind) }
      if name.hasSuffix("." + kind) { return (String(name.dropLast(kind.count + 1)), kind) }
    }
    return nil
  }

  private static func relevant(_ tensors: [NamedTensor]) -> [NamedTensor] {
    tensors.filter { !isIgnored($0.name) }
  }

  /// Counters that say nothing of the network.
  public static func isIgnored(_ name: String) -> Bool {
    name == "num_batches_tracked" || name.hasSuffix(".num_batches_tracked")
  }

  /// By words and numbers in turn, so that `10` comes after `9`.
  private static func precedes(_ a: String, _ b: String) -> Bool {
    let (left, right) = (pieces(a), pieces(b))
    for (x, y) in zip(left, right) where x != y {
      if let m = Int(x), let n = Int(y) { return m < n }
      return x < y
    }
    return left.count < right.count
  }

  private static func pieces(_ name: String) -> [String] {
    var result: [String] = []
    var wasNumber: Bool?
    for character in name {
      let isNumber = character.isASCII && character.isNumber
      if isNumber == wasNumber { result[result.count - 1].append(character) } else { result.append(String(character)) }
      wasNumber = isNumber
    }
    return result
  }
}
