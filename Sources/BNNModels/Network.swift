import BNNLinearAlgebra
import BNNProbability

/// f(x; θ) for a `NetworkSpec`: forward, backward and Jacobian rows. Holds no weights: θ is a flat vector (P numbers),
/// layer after layer in the order of each layer's tensors.
public struct Network: Sendable {
  public let spec: NetworkSpec
  public let layers: [any Layer]

  /// What one forward pass leaves behind for a backward one.
  public struct Trace: Sendable {
    /// Input of every layer (n × its inputs).
    let inputs: [Matrix]
    let preactivations: [Matrix]
    let values: [Matrix]
    /// f(x; θ), n × C.
    public var output: Matrix { values[values.count - 1] }
    /// The values of the last hidden layer, n × units (the network's input when there is none).
    public var lastHidden: Matrix { inputs[inputs.count - 1] }
  }

  /// θ cut into each layer's matrices, once per evaluation.
  public struct Parameters: Sendable {
    let layers: [[Matrix]]
  }

  public init(_ spec: NetworkSpec) {
    self.spec = spec
    var size = spec.inputs
    layers = spec.layers.map { layer in
      switch layer {
      case .dense(let units, let activation):
        defer { size = units }
        return Dense(inputs: size, outputs: units, activation: activation)
      }
    }
  }

  /// P.
  public var parameterCount: Int { layers.reduce(0) { $0 + $1.parameterCount } }
  /// C.
  public var outputs: Int { layers.last?.outputs ?? spec.inputs }

  /// Tensor names (`layers.0.weight`, …) and shapes in the order of θ.
  public var tensors: [(name: String, shape: [Int])] { tensors(ofLayers: layers.indices) }

  /// Those of neighbouring layers.
  public func tensors(ofLayers chosen: Range<Int>) -> [(name: String, shape: [Int])] {
    chosen.flatMap { index in layers[index].tensors.map { ("layers.\(index).\($0.suffix)", $0.shape) } }
  }

  /// Where the weights of neighbouring layers are in θ.
  public func parameterRange(ofLayers chosen: Range<Int>) -> Range<Int> {
    let start = layers[..<chosen.lowerBound].reduce(0) { $0 + $1.parameterCount }
    return start..<(start + layers[chosen].reduce(0) { $0 + $1.parameterCount })
  }

  /// Neighbouring layers as a network of their own, whose inputs are the values of the layer below them.
  public func part(_ chosen: Range<Int>) -> NetworkSpec {
    NetworkSpec(
      inputs: chosen.isEmpty ? spec.inputs : layers[chosen.lowerBound].inputs, layers: Array(spec.layers[chosen]))
  }

  /// The layer whose weights begin at a place of θ.
  public func layer(at place: Int) -> Int {
    var start = 0
    for (index, layer) in layers.enumerated() {
      if place < start + layer.parameterCount { return index }
      start += layer.parameterCount
    }
    return layers.count
  }

  /// Random starting weights.
  public func initialParameters(using stream: inout RandomStream) -> [Double] {
    layers.flatMap { $0.initial(using: &stream).flatMap(\.storage) }
  }

  /// Cuts θ into the layers' matrices. O(P).
  public func parameters(_ theta: [Double]) -> Parameters {
    precondition(theta.count == parameterCount, "θ must have \(parameterCount) entries")
    var offset = 0
    return Parameters(
      layers: layers.map { layer in
        layer.tensors.map { tensor in
          let (rows, columns) = tensor.shape.count == 1 ? (1, tensor.shape[0]) : (tensor.shape[0], tensor.shape[1])
          defer { offset += rows * columns }
          return Matrix(rows: rows, columns: columns, storage: Array(theta[offset..<(offset + rows * columns)]))
        }
      })
  }

  /// The forward pass of n rows (n × d).
  public func trace(_ x: Matrix, _ parameters: Parameters) -> Trace {
    precondition(x.columns == spec.inputs, "rows must have \(spec.inputs) inputs")
    var inputs: [Matrix] = []
    var preactivations: [Matrix] = []
    var values: [Matrix] = []
    var current = x
    for (layer, own) in zip(layers, parameters.layers) {
      inputs.append(current)
      let (z, h) = layer.forward(current, parameters: own)
      preactivations.append(z)
      values.append(h)
      current = h
    }
    return Trace(inputs: inputs, preactivations: preactivations, values: values)
  }

  /// f(x; θ), n × C.
  public func forward(_ x: Matrix, _ parameters: Parameters) -> Matrix { trace(x, parameters).output }

  /// Σᵢ Jᵢᵀgᵢ: the gradient in θ of a loss whose gradient in the outputs is `outputGradient` (n × C).
  public func gradient(_ trace: Trace, _ parameters: Parameters, outputGradient: Matrix) -> [Double] {
    var parts = [[Double]](repeating: [], count: layers.count)
    backward(trace, parameters, outputGradient: outputGradient) { index, delta in
      parts[index] = layers[index].parameterGradient(x: trace.inputs[index], delta: delta).flatMap(\.storage)
    }
    return parts.flatMap { $0 }
  }

  /// Jacobian rows ∂f_c(x_i)/∂θ as rows i·C + c of `rows`, columns 0 ..< P; further columns are left alone.
  public func writeJacobian(_ trace: Trace, _ parameters: Parameters, into rows: inout Matrix) {
    let n = trace.output.rows
    let c = outputs
    precondition(rows.rows == n * c && rows.columns >= parameterCount, "rows must be (n·C) × at least P")
    var starts: [Int] = []
    var offset = 0
    for layer in layers {
      starts.append(offset)
      offset += layer.parameterCount
    }
    for output in 0..<c {
      var unit = Matrix(rows: n, columns: c)
      for i in 0..<n { unit[i, output] = 1 }
      backward(trace, parameters, outputGradient: unit) { index, delta in
        layers[index].writeJacobian(
          x: trace.inputs[index], delta: delta, into: &rows, stride: c, phase: output, column: starts[index])
      }
    }
  }

  /// (n·C) × P.
  public func jacobian(_ x: Matrix, _ theta: [Double]) -> Matrix {
    let parameters = parameters(theta)
    let trace = trace(x, parameters)
    var rows = Matrix(rows: x.rows * outputs, columns: parameterCount)
    writeJacobian(trace, parameters, into: &rows)
    return rows
  }

  /// θ with everything but the last layer's weights set to 0. The last layer being linear, f(x; θ) = J(x; θ)·(this part).
  public func lastLayerPart(of theta: [Double]) -> [Double] {
    precondition(theta.count == parameterCount, "θ must have \(parameterCount) entries")
    let own = layers.last?.parameterCount ?? 0
    return [Double](repeating: 0, count: theta.count - own) + theta.suffix(own)
  }

  /// Walks back from the outputs and hands every layer its δ in the pre-activations.
  private func backward(
    _ trace: Trace, _ parameters: Parameters, outputGradient: Matrix, visit: (Int, Matrix) -> Void
  ) {
    var delta = outputGradient
    for index in layers.indices.reversed() {
      layers[index].throughActivation(
        preactivation: trace.preactivations[index], value: trace.values[index], delta: &delta)
      visit(index, delta)
      if index > 0 { delta = layers[index].inputGradient(delta: delta, parameters: parameters.layers[index]) }
    }
  }
}
