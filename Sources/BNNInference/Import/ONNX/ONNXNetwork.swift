import BNNModels

/// The layers of an ONNX graph that is one chain from its input to its output, and their tensors under PyTorch's names, as `NetworkWeights`
/// takes them.
///
/// Dense layers are Gemm, or MatMul with an Add after it; Conv, MaxPool, AveragePool, GlobalAveragePool, Flatten, Reshape to a vector,
/// BatchNormalization, Relu, Tanh, Sigmoid, Softplus and Gelu are what they say; Identity, Dropout and Cast do nothing. What is added,
/// subtracted, multiplied or divided before the first layer is how inputs were normalised; after a layer it becomes a part of it. A
/// Softmax at the end, or a Sigmoid of one output, says the likelihood.
public struct ONNXNetwork: Sendable {
  /// As `--network` would say it.
  public let file: NetworkFile
  public let tensors: [NamedTensor]
  /// Constants that were of half precision.
  public let halves: [String]

  /// - Throws: `ImportError` that names the node that is none of these, or does not fit; for bytes that are no ONNX model.
  public init(_ bytes: [UInt8]) throws(ImportError) {
    let model = try ONNXModel(bytes)
    var chain = ONNXChain(model)
    try chain.follow()
    file = NetworkFile(input: try chain.input(), layers: chain.layers, likelihood: chain.likelihood)
    tensors = chain.tensors
    halves = model.halves
  }
}

/// The way from the input to the output, node by node.
struct ONNXChain {
  let model: ONNXModel
  private(set) var constants: [String: NamedTensor]
  var layers: [NetworkFile.Layer] = []
  var tensors: [NamedTensor] = []
  var likelihood: LikelihoodKind?
  /// Dimensions of a row that comes in, where the graph says them.
  var shape: [Int]
  /// What the first layer sees, ax + b of every input x or of each.
  var slope = NamedTensor(name: "", shape: [], values: [1])
  var shift = NamedTensor(name: "", shape: [], values: [0])

  init(_ model: ONNXModel) {
    self.model = model
    constants = model.constants
    shape = []
  }

  mutating func follow() throws(ImportError) {
    guard model.inputs.count == 1, let port = model.inputs.first else {
      throw ImportError(
        "the graph has \(model.inputs.count) inputs (\(model.inputs.map(\.name).joined(separator: ", "))), not one")
    }
    guard model.outputs.count == 1, let end = model.outputs.first?.name else {
      throw ImportError(
        "the graph has \(model.outputs.count) outputs (\(model.outputs.map(\.name).joined(separator: ", "))), not one")
    }
    let sizes = port.dimensions?.dropFirst() ?? []
    guard !sizes.contains(0) else { throw ImportError("its input \(port.name) is empty") }
    shape = sizes.allSatisfy { $0 != nil } ? sizes.compactMap { $0 } : []
    collectConstants()
    let data = model.nodes.filter { node in !node.outputs.allSatisfy { constants[$0] != nil } }
    var current = port.name
    var left = data
    while current != end {
      let next = left.filter { $0.inputs.contains(current) }
      guard let node = next.first else {
        throw ImportError("nothing follows \(current), and it is not the output \(end)")
      }
      guard next.count == 1 else {
        throw ImportError(
          "the graph divides after \(current), into \(next.map(\.words).joined(separator: " and ")): a network here is one chain"
        )
      }
      guard likelihood == nil else { throw ImportError("\(node.words) comes after the probabilities") }
      guard ["", "ai.onnx"].contains(node.domain) else { throw unknown(node) }
      try take(node, current)
      guard let output = node.outputs.first else { throw ImportError("\(node.words) has no output") }
      left.removeAll { $0.outputs.first == output }
      current = output
    }
    if let spare = left.first { throw ImportError("\(spare.words) is on no way from the input to the output") }
    guard layers.contains(where: { if case .layer(let own) = $0.kind { own.isDense } else { false } }) else {
      throw ImportError("the graph has no dense layer")
    }
  }

  /// Constant nodes, and what passes a constant on.
  private mutating func collectConstants() {
    for node in model.nodes {
      guard let output = node.outputs.first else { continue }
      if node.operation == "Constant" {
        if let tensor = node.attributes["value"]?.tensor { constants[output] = tensor }
        if let own = node.attributes["value_float"]?.float {
          constants[output] = NamedTensor(name: output, shape: [], values: [Double(own)])
        }
        if let own = node.attributes["value_ints"]?.integers {
          constants[output] = NamedTensor(name: output, shape: [own.count], values: own.map { Double($0) })
        }
      } else if ["Identity", "Cast"].contains(node.operation), let own = node.inputs.first.flatMap({ constants[$0] }) {
        constants[output] = own
      }
    }
  }

  func unknown(_ node: ONNXModel.Node) -> ImportError {
    ImportError(
      "\(node.words) is no operation of the networks here",
      remedy:
        "they are chains of Gemm, MatMul with Add, Conv, MaxPool, AveragePool, GlobalAveragePool, Flatten, Reshape to a vector, "
        + "BatchNormalization, Relu, Tanh, Sigmoid, Softplus, Gelu and Softmax; export the part that is one, or its weights"
    )
  }

  /// The inputs' normalisation and shape; nil where there is neither.
  func input() throws(ImportError) -> NetworkFile.Scaling? {
    let image: ImageShape? =
      shape.count == 3 ? ImageShape(channels: shape[0], height: shape[1], width: shape[2]) : nil
    let isScaled = slope.values != [1] || shift.values != [0]
    guard image != nil || isScaled else { return nil }
    guard slope.values.allSatisfy({ $0 > 0 && $0.isFinite }), shift.values.allSatisfy(\.isFinite) else {
      throw ImportError("the inputs are multiplied by a number that is not positive before the first layer")
    }
    let (a, b) = (slope.values, shift.values)
    let center = zip(a.count == 1 ? b.map { _ in a[0] } : a, b.count == 1 ? a.map { _ in b[0] } : b).map {
      -$1 / $0 + 0
    }
    return NetworkFile.Scaling(shape: image, center: center, scale: a.map { 1 / $0 })
  }
}
