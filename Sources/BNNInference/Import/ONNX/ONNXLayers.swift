import BNNModels

/// What a node adds to the chain.
extension ONNXChain {
  mutating func take(_ node: ONNXModel.Node, _ current: String) throws(ImportError) {
    switch node.operation {
    case "Identity", "Dropout": return
    case "Cast":
      // float, half, double, bfloat16: numbers stay what they are but for rounding.
      guard let type = node.attributes["to"]?.integer, [1, 10, 11, 16].contains(type) else {
        throw ImportError("\(node.words) makes whole numbers of the data")
      }
    case "Gemm": try gemm(node, current)
    case "MatMul": try matMul(node, current)
    case "Add", "Sub", "Mul", "Div": try arithmetic(node, current)
    case "Conv": try convolution(node, current)
    case "MaxPool", "AveragePool", "GlobalAveragePool": try pool(node)
    case "Flatten":
      guard (node.attributes["axis"]?.integer ?? 1) == 1 else {
        throw ImportError("\(node.words) keeps other axes than the rows")
      }
      flatten()
    case "Reshape": try reshape(node)
    case "BatchNormalization": try batchNorm(node, current)
    case "Relu": activate(.relu)
    case "Tanh": activate(.tanh)
    case "Softplus": activate(.softplus)
    case "Gelu":
      guard (node.attributes["approximate"]?.string ?? "none") == "none" else {
        throw ImportError("\(node.words) is the approximation of gelu by tanh, which is another function")
      }
      activate(.gelu)
    case "Sigmoid":
      if isLast(node), try units() == 1 { likelihood = .bernoulli } else { activate(.sigmoid) }
    case "Softmax", "LogSoftmax":
      guard isLast(node) else { throw ImportError("\(node.words) stands inside the network") }
      likelihood = .categorical
    default: throw unknown(node)
    }
  }

  private func isLast(_ node: ONNXModel.Node) -> Bool { node.outputs.first == model.outputs.first?.name }

  /// Numbers of a row after the layers so far.
  private func units() throws(ImportError) -> Int {
    try spec().map { Network($0).outputs } ?? shape.reduce(1, *)
  }

  /// The network so far, but for batch normalisation; nil before the first layer.
  private func spec() throws(ImportError) -> NetworkSpec? {
    let own = layers.compactMap { if case .layer(let own) = $0.kind { own } else { nil } }
    guard !own.isEmpty else { return nil }
    let image = shape.count == 3 ? ImageShape(channels: shape[0], height: shape[1], width: shape[2]) : nil
    let inputs = image?.count ?? firstInputs ?? shape.reduce(1, *)
    do { return try NetworkSpec(inputs: max(1, inputs), image: image, layers: own).checked() } catch {
      throw ImportError("the layers do not fit: \(error)")
    }
  }

  private var firstInputs: Int? { tensors.first { $0.shape.count == 2 }?.shape[1] }

  private func constant(_ node: ONNXModel.Node, _ place: Int, _ what: String) throws(ImportError) -> NamedTensor {
    guard place < node.inputs.count, let own = constants[node.inputs[place]] else {
      throw ImportError("\(node.words): its \(what) is not a constant")
    }
    return own
  }

  /// A layer with weights under the prefix of its weight's name where PyTorch gave it one.
  private mutating func append(
    _ node: ONNXModel.Node, _ kind: NetworkFile.Layer.Kind, weight: NamedTensor,
    _ own: [(suffix: String, shape: [Int], values: [Double])]
  ) {
    var name = weight.name.hasSuffix(".weight") ? String(weight.name.dropLast(7)) : node.name
    if name.isEmpty || layers.contains(where: { $0.name == name }) { name = "layers.\(layers.count)" }
    layers.append(NetworkFile.Layer(name: name, kind: kind))
    tensors += own.map { NamedTensor(name: "\(name).\($0.suffix)", shape: $0.shape, values: $0.values) }
  }

  private mutating func append(_ spec: LayerSpec) { layers.append(NetworkFile.Layer(name: nil, kind: .layer(spec))) }

  private mutating func dense(_ node: ONNXModel.Node, weight: NamedTensor, bias: [Double]) {
    if shape.count == 3, layers.isEmpty { flatten() }
    append(
      node, .layer(.dense(units: weight.shape[0], activation: .identity)), weight: weight,
      [("weight", weight.shape, weight.values), ("bias", [weight.shape[0]], bias)])
  }

  /// Y = αAB + βC, or with B transposed.
  private mutating func gemm(_ node: ONNXModel.Node, _ current: String) throws(ImportError) {
    guard node.inputs.first == current, (node.attributes["transA"]?.integer ?? 0) == 0 else {
      throw ImportError("\(node.words): rows of data come first and as they are in a dense layer")
    }
    let matrix = try constant(node, 1, "matrix")
    guard matrix.shape.count == 2 else { throw ImportError("\(node.words): its matrix has the shape \(matrix.shape)") }
    var weight = node.attributes["transB"]?.integer == 1 ? matrix : matrix.transposed([1, 0])
    let (alpha, beta) = (Double(node.attributes["alpha"]?.float ?? 1), Double(node.attributes["beta"]?.float ?? 1))
    weight.values = weight.values.map { alpha * $0 }
    var bias = [Double](repeating: 0, count: weight.shape[0])
    if node.inputs.count > 2, !node.inputs[2].isEmpty {
      bias = try spread(constant(node, 2, "bias"), over: bias.count, node).map { beta * $0 }
    }
    dense(node, weight: weight, bias: bias)
  }

  private mutating func matMul(_ node: ONNXModel.Node, _ current: String) throws(ImportError) {
    guard node.inputs.first == current else {
      throw ImportError("\(node.words): rows of data come first in a dense layer")
    }
    let matrix = try constant(node, 1, "matrix")
    guard matrix.shape.count == 2 else { throw ImportError("\(node.words): its matrix has the shape \(matrix.shape)") }
    dense(node, weight: matrix.transposed([1, 0]), bias: [Double](repeating: 0, count: matrix.shape[1]))
  }

  /// One number or `count` of them: shapes [], [1], [count], [1, count].
  func spread(_ own: NamedTensor, over count: Int, _ node: ONNXModel.Node) throws(ImportError) -> [Double] {
    if own.values.count == 1 { return [Double](repeating: own.values[0], count: count) }
    guard own.values.count == count, own.shape.last == count else {
      throw ImportError("\(node.words): \(own.name) has the shape \(own.shape), and there are \(count) outputs")
    }
    return own.values
  }

  private mutating func convolution(_ node: ONNXModel.Node, _ current: String) throws(ImportError) {
    guard node.inputs.first == current else { throw ImportError("\(node.words): its weights are not constant") }
    let weight = try constant(node, 1, "weights")
    guard weight.shape.count == 4 else {
      throw ImportError(
        "\(node.words): its weights have the shape \(weight.shape), and a convolution here is of images")
    }
    guard (node.attributes["group"]?.integer ?? 1) == 1 else {
      throw ImportError("\(node.words) is in groups of channels")
    }
    let windows = try windows(
      node, kernel: node.attributes["kernel_shape"]?.integers ?? weight.shape[2...].map { Int64($0) })
    guard weight.shape[2] == windows.kernel, weight.shape[3] == windows.kernel else {
      throw ImportError("\(node.words): its weights have the shape \(weight.shape), not kernels of \(windows.kernel)")
    }
    let channels = weight.shape[0]
    let bias =
      node.inputs.count > 2 && !node.inputs[2].isEmpty
      ? try spread(constant(node, 2, "bias"), over: channels, node) : [Double](repeating: 0, count: channels)
    append(
      node,
      .layer(
        .convolution2D(
          channels: channels, kernel: windows.kernel, stride: windows.stride, padding: windows.padding,
          activation: .identity)),
      weight: weight, [("weight", weight.shape, weight.values), ("bias", [channels], bias)])
  }

  /// Square ones, moved and padded alike in both directions.
  private func windows(
    _ node: ONNXModel.Node, kernel: [Int64]
  ) throws(ImportError) -> (kernel: Int, stride: Int, padding: Int) {
    let strides = node.attributes["strides"]?.integers ?? [1]
    var pads = node.attributes["pads"]?.integers ?? [0]
    let automatic = node.attributes["auto_pad"]?.string ?? "NOTSET"
    guard let k = kernel.first, let stride = strides.first, kernel.count == 2, Set(kernel).count == 1,
      Set(strides).count == 1
    else {
      throw ImportError(
        "\(node.words): kernels and strides here are the same in both directions, not \(kernel) and \(strides)")
    }
    guard Set(node.attributes["dilations"]?.integers ?? [1]) == [1] else {
      throw ImportError("\(node.words) is dilated")
    }
    if automatic.hasPrefix("SAME"), stride == 1, k % 2 == 1 {
      pads = [k / 2]
    } else if !["NOTSET", "VALID"].contains(automatic) {
      throw ImportError("\(node.words) pads by \(automatic)")
    }
    guard Set(pads).count == 1, let padding = pads.first else {
      throw ImportError("\(node.words): padding here is the same on all sides, not \(pads)")
    }
    guard (1...4096).contains(k), (1...65_536).contains(stride), (0...65_536).contains(padding) else {
      throw ImportError("\(node.words): a kernel of \(k), a stride of \(stride), padding of \(padding)")
    }
    return (Int(k), Int(stride), Int(padding))
  }

  private mutating func pool(_ node: ONNXModel.Node) throws(ImportError) {
    if node.operation == "GlobalAveragePool" {
      let before = try spec()
      let image = before.map { $0.outputImage.map { [$0.channels, $0.height, $0.width] } ?? [] } ?? shape
      guard image.count == 3, image[1] == image[2] else {
        throw ImportError("\(node.words): it is over images that are not square, \(image)")
      }
      return append(.averagePool2D(kernel: image[1], stride: image[1], padding: 0))
    }
    let windows = try windows(node, kernel: node.attributes["kernel_shape"]?.integers ?? [])
    guard (node.attributes["ceil_mode"]?.integer ?? 0) == 0 else {
      throw ImportError("\(node.words) rounds up at the border (ceil_mode)")
    }
    if node.operation == "MaxPool" {
      return append(.maxPool2D(kernel: windows.kernel, stride: windows.stride, padding: windows.padding))
    }
    guard windows.padding == 0 || node.attributes["count_include_pad"]?.integer == 1 else {
      throw ImportError("\(node.words) leaves its padding out of the mean")
    }
    append(.averagePool2D(kernel: windows.kernel, stride: windows.stride, padding: windows.padding))
  }

  private mutating func flatten() {
    // A vector is one already.
    let isVector =
      layers.isEmpty
      ? shape.count < 2
      : layers.contains { if case .layer(let own) = $0.kind { own.isDense || own == .flatten } else { false } }
    if !isVector { append(.flatten) }
  }

  /// To rows of vectors; before the first layer to images.
  private mutating func reshape(_ node: ONNXModel.Node) throws(ImportError) {
    let target = try constant(node, 1, "shape").values
    if target.count == 2 { return flatten() }
    if target.count == 4, layers.isEmpty, target.dropFirst().allSatisfy({ $0 >= 1 && $0 <= 65_536 }) {
      let image = target.dropFirst().map { Int($0) }
      guard shape.isEmpty || shape.reduce(1, *) == image.reduce(1, *) else {
        throw ImportError("\(node.words): \(shape) numbers are no image of \(image)")
      }
      shape = image
      return
    }
    throw ImportError("\(node.words) gives rows another shape than a vector's, \(target.map { Int(exactly: $0) ?? 0 })")
  }

  private mutating func batchNorm(_ node: ONNXModel.Node, _ current: String) throws(ImportError) {
    guard node.inputs.first == current, (node.attributes["training_mode"]?.integer ?? 0) == 0 else {
      throw ImportError("\(node.words) is as in training", remedy: "export the network in evaluation: model.eval()")
    }
    let names = ["weight", "bias", "running_mean", "running_var"]
    var own: [(suffix: String, shape: [Int], values: [Double])] = []
    for (k, name) in names.enumerated() {
      let tensor = try constant(node, k + 1, name)
      own.append((name, tensor.shape, tensor.values))
    }
    append(
      node, .batchNorm(epsilon: Double(node.attributes["epsilon"]?.float ?? 1e-5), activation: .identity),
      weight: try constant(node, 1, "weight"), own)
  }

  private mutating func activate(_ activation: Activation) {
    guard let last = layers.last else { return append(.activation(activation)) }
    switch last.kind {
    case .layer(let own):
      if own.activation == .identity, let joined = own.replacing(activation: activation) {
        layers[layers.count - 1].kind = .layer(joined)
      } else {
        append(.activation(activation))
      }
    case .batchNorm(let epsilon, .identity):
      layers[layers.count - 1].kind = .batchNorm(epsilon: epsilon, activation: activation)
    case .batchNorm: append(.activation(activation))
    }
  }
}
