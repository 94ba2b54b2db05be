/// A network as a JSON file describes it (`--network`):
///
///     {"format_version": 1,
///      "input": {"columns": ["a", "b"], "center": [0.1, 3], "scale": 2, "divide_by": 255},
///      "layers": [{"type": "dense", "name": "fc1", "units": 100, "activation": "sigmoid"},
///                 {"type": "dense", "name": "fc2", "units": 10}],
///      "target": {"center": 20, "scale": 5}, "likelihood": "categorical", "classes": ["0", "1"]}
///
/// `"heads": [["0", "1"], ["2", "3"]]` in the place of `classes` declares groups of them with outputs of their own, one a task, on the body
/// that the layers before the last are; the last layer has as many units as there are classes in all.
/// The network sees (x/divide_by − center)/scale, and its outputs times the target's scale plus its center are what it
/// predicts. Centers and scales are one number for all columns or one a column. Only `layers` must be there; `name` is the
/// prefix of a layer's tensors, `layers.N` if it is left out. Unknown keys are errors. Of images `input` has the `shape`
/// [channels, height, width], in which order their pixels come; layers of them are
///
///     {"type": "conv2d", "channels": 16, "kernel": 3, "stride": 1, "padding": 1, "activation": "relu"}
///     {"type": "max-pool", "kernel": 2, "stride": 2, "padding": 0}, "average-pool" likewise; the stride is the kernel unless said
///     {"type": "flatten"}, {"type": "layer-norm", "epsilon": 1e-5}, {"type": "activation", "activation": "relu"}
///     {"type": "residual", "layers": 2}, which adds what went into the layer two places before
///     {"type": "batch-norm", "epsilon": 1e-5, "activation": "relu"}, of a network that was trained elsewhere: it becomes a part
///     of the layer before it
public struct NetworkFile: Sendable, Equatable, Decodable {
  public struct Layer: Sendable, Equatable, Decodable {
    public enum Kind: Sendable, Equatable {
      case layer(LayerSpec)
      /// In evaluation, a scale and a shift of every channel of the layer before it.
      case batchNorm(epsilon: Double, activation: Activation)
    }

    public var name: String?
    public var kind: Kind

    public init(name: String?, kind: Kind) { (self.name, self.kind) = (name, kind) }
  }

  /// The shift and scale of some columns.
  public struct Scaling: Sendable, Equatable, Decodable {
    /// Of inputs only, as the shape.
    public var columns: [String]?
    public var shape: ImageShape?
    public var center: [Double]
    public var scale: [Double]
    public var divideBy: Double

    public init(columns: [String]? = nil, shape: ImageShape? = nil, center: [Double] = [0], scale: [Double] = [1]) {
      (self.columns, self.shape, self.center, self.scale, divideBy) = (columns, shape, center, scale, 1)
    }
  }

  public var input: Scaling?
  public var target: Scaling?
  public var layers: [Layer]
  public var likelihood: LikelihoodKind?
  public var classes: [String]?
  public var heads: [[String]]?

  public init(input: Scaling? = nil, layers: [Layer], likelihood: LikelihoodKind? = nil) {
    (self.input, self.layers, self.likelihood) = (input, layers, likelihood)
  }

  /// Tells a decoder that `layers` may be left out: of a graph that says them itself.
  public static let mayLackLayers = CodingUserInfoKey(rawValue: "mayLackLayers")

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    try container.refuseKeys(
      besides: ["classes", "format_version", "heads", "input", "layers", "likelihood", "target"], in: "a network file")
    let version = try container.decodeIfPresent(Int.self, forKey: Key("format_version")) ?? 1
    guard version == 1 else {
      throw container.corrupt("format_version", "unknown format_version \(version); this program reads 1")
    }
    input = try container.decodeIfPresent(Scaling.self, forKey: Key("input"))
    target = try container.decodeIfPresent(Scaling.self, forKey: Key("target"))
    let mayLackLayers = Self.mayLackLayers.map { decoder.userInfo[$0] != nil } ?? false
    layers =
      mayLackLayers
      ? try container.decodeIfPresent([Layer].self, forKey: Key("layers")) ?? []
      : try container.decode([Layer].self, forKey: Key("layers"))
    guard mayLackLayers || !layers.isEmpty else { throw container.corrupt("layers", "a network has at least 1 layer") }
    classes = try container.decodeIfPresent([String].self, forKey: Key("classes"))
    heads = try container.decodeIfPresent([[String]].self, forKey: Key("heads"))
    if let name = try container.decodeIfPresent(String.self, forKey: Key("likelihood")) {
      guard let kind = LikelihoodKind(rawValue: name) else {
        let all = LikelihoodKind.allCases.map(\.rawValue).joined(separator: ", ")
        throw container.corrupt("likelihood", "unknown likelihood \"\(name)\"; known: \(all)")
      }
      likelihood = kind
    }
  }
}

extension NetworkFile.Layer {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    name = try container.decodeIfPresent(String.self, forKey: Key("name"))
    let type = try container.decode(String.self, forKey: Key("type"))
    guard type == "batch-norm" else {
      kind = .layer(try LayerSpec(from: container, besides: ["name"]))
      return
    }
    try container.refuseKeys(besides: ["activation", "epsilon", "name", "type"], in: "a layer")
    kind = .batchNorm(epsilon: try container.epsilon(), activation: try container.activation())
  }
}

extension NetworkFile {
  /// The network for so many inputs, as one that is trained here.
  ///
  /// - Throws: `NetworkShapeError` where layers do not fit each other or the inputs, or there is batch normalisation.
  public func spec(inputs: Int) throws(NetworkShapeError) -> NetworkSpec {
    var specs: [LayerSpec] = []
    for (index, layer) in layers.enumerated() {
      guard case .layer(let own) = layer.kind else {
        throw NetworkShapeError(
          "layer \(index) (batch-norm): it is of networks that were trained elsewhere, for `bnn-update import`; "
            + "use layer-norm")
      }
      specs.append(own)
    }
    return try NetworkSpec(inputs: inputs, image: input?.shape, layers: specs).checked()
  }
}

extension NetworkFile.Scaling {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    try container.refuseKeys(
      besides: ["center", "columns", "divide_by", "scale", "shape"], in: "\"input\" or \"target\"")
    func numbers(_ key: String, _ missing: Double) throws -> [Double] {
      guard container.contains(Key(key)) else { return [missing] }
      if let one = try? container.decode(Double.self, forKey: Key(key)) { return [one] }
      return try container.decode([Double].self, forKey: Key(key))
    }
    columns = try container.decodeIfPresent([String].self, forKey: Key("columns"))
    shape = try container.decodeIfPresent(ImageShape.self, forKey: Key("shape"))
    center = try numbers("center", 0)
    scale = try numbers("scale", 1)
    divideBy = try container.decodeIfPresent(Double.self, forKey: Key("divide_by")) ?? 1
    guard center.allSatisfy(\.isFinite) else { throw container.corrupt("center", "a center is finite") }
    guard scale.allSatisfy({ $0 > 0 && $0.isFinite }) else {
      throw container.corrupt("scale", "a scale is positive and finite")
    }
    guard divideBy > 0, divideBy.isFinite else {
      throw container.corrupt("divide_by", "divide_by is positive and finite")
    }
  }

  /// Whether it says of numbers how they were shifted and scaled.
  public var scales: Bool { center != [0] || scale != [1] || divideBy != 1 }

  /// Shift and scale of each of `count` columns in the columns' own units; nil where a list has another length.
  public func expanded(to count: Int) -> (center: [Double], scale: [Double])? {
    func spread(_ values: [Double]) -> [Double]? {
      values.count == count ? values : values.count == 1 ? [Double](repeating: values[0], count: count) : nil
    }
    guard let center = spread(center), let scale = spread(scale) else { return nil }
    return (center.map { $0 * divideBy }, scale.map { $0 * divideBy })
  }
}
