import BNNModels

/// Constants that are added to the data or multiplied with it.
extension ONNXChain {
  /// x + c, x − c, c − x, xc, x/c.
  mutating func arithmetic(_ node: ONNXModel.Node, _ current: String) throws(ImportError) {
    guard node.inputs.count == 2, let other = node.inputs.first(where: { $0 != current }) else {
      throw ImportError("\(node.words) is not of a constant and one value")
    }
    guard let c = constants[other] else {
      throw ImportError("\(node.words): \(other) is not a constant")
    }
    let isFirst = node.inputs[0] == other
    var (a, b) = (c, c)
    switch node.operation {
    case "Add": a.values = c.values.map { _ in 1 }
    case "Sub":
      a.values = c.values.map { _ in isFirst ? -1 : 1 }
      b.values = c.values.map { isFirst ? $0 : -$0 }
    case "Mul": b.values = c.values.map { _ in 0 }
    default:
      guard !isFirst else { throw ImportError("\(node.words) divides a constant by the data") }
      a.values = c.values.map { 1 / $0 }
      b.values = c.values.map { _ in 0 }
    }
    if layers.isEmpty { try scaleInputs(a, b, node) } else { try scaleOutputs(a, b, node) }
  }

  private mutating func scaleInputs(_ a: NamedTensor, _ b: NamedTensor, _ node: ONNXModel.Node) throws(ImportError) {
    func all(_ own: NamedTensor) throws(ImportError) -> [Double] {
      if own.values.count == 1 { return own.values }
      var dimensions = own.shape
      if dimensions.count == shape.count + 1, dimensions.first == 1 { dimensions.removeFirst() }
      if shape.isEmpty, dimensions.count == 1 { return own.values }
      guard !shape.isEmpty, dimensions.count <= shape.count else {
        throw ImportError("\(node.words): \(own.name) of the shape \(own.shape) does not fit the input")
      }
      dimensions = [Int](repeating: 1, count: shape.count - dimensions.count) + dimensions
      guard zip(dimensions, shape).allSatisfy({ $0 == 1 || $0 == $1 }) else {
        throw ImportError("\(node.words): \(own.name) of the shape \(own.shape) does not fit the input's \(shape)")
      }
      return (0..<shape.reduce(1, *)).map { place in
        var (index, rest, run) = (0, place, 1)
        for k in shape.indices.reversed() {
          if dimensions[k] > 1 { index += rest % shape[k] * run }
          rest /= shape[k]
          run *= dimensions[k]
        }
        return own.values[index]
      }
    }
    func joined(_ x: [Double], _ y: [Double], _ body: (Double, Double) -> Double) -> [Double] {
      let count = max(x.count, y.count)
      return (0..<count).map { body(x[x.count == 1 ? 0 : $0], y[y.count == 1 ? 0 : $0]) }
    }
    let (a, b) = (try all(a), try all(b))
    slope.values = joined(slope.values, a, *)
    shift.values = joined(joined(shift.values, a, *), b, +)
  }

  /// s·z + t of the outputs z of the last layer, which has taken no activation yet.
  private mutating func scaleOutputs(_ a: NamedTensor, _ b: NamedTensor, _ node: ONNXModel.Node) throws(ImportError) {
    guard let last = layers.last, case .layer(let spec) = last.kind, spec.activation == .identity, tensors.count >= 2,
      let name = last.name, tensors[tensors.count - 1].name == "\(name).bias"
    else {
      throw ImportError(
        "\(node.words) stands after neither a dense layer nor a convolution, of which it could become a part")
    }
    let (w, outputs) = (tensors.count - 2, tensors[tensors.count - 1].values.count)
    var (a, b) = (a, b)
    // Of a convolution [channels, 1, 1]: a shape like [channels] would go along the rows of the image.
    if !spec.isDense, a.values.count > 1 {
      guard a.shape.count >= 3, a.shape.suffix(2) == [1, 1] else {
        throw ImportError(
          "\(node.words): \(a.name) has the shape \(a.shape), and one number a channel has the shape [\(outputs), 1, 1]"
        )
      }
      (a.shape, b.shape) = (a.shape.dropLast(2), b.shape.dropLast(2))
    }
    let (s, t) = (try spread(a, over: outputs, node), try spread(b, over: outputs, node))
    let run = tensors[w].values.count / max(1, outputs)
    for i in tensors[w].values.indices { tensors[w].values[i] *= s[i / run] }
    for j in 0..<outputs { tensors[w + 1].values[j] = s[j] * tensors[w + 1].values[j] + t[j] }
  }
}
