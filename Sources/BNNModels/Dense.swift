import BNNLinearAlgebra
import BNNProbability

/// h(x Wᵀ + b): W is [outputs, inputs], b is [outputs].
public struct Dense: Layer {
  public let inputs: Int
  public let outputs: Int
  public let activation: Activation

  public init(inputs: Int, outputs: Int, activation: Activation) {
    self.inputs = inputs
    self.outputs = outputs
    self.activation = activation
  }

  public var tensors: [(suffix: String, shape: [Int])] { [("weight", [outputs, inputs]), ("bias", [outputs])] }

  /// Normal weights with variance 1/inputs (LeCun 1998; 2/inputs for relu and gelu, He et al. 2015), biases of variance
  /// 1/4 that spread the units' kinks over the data (0 for the identity).
  public func initial(using stream: inout RandomStream) -> [Matrix] {
    let gain = activation == .relu || activation == .gelu ? 2.0 : 1.0
    let scale = (gain / Double(max(1, inputs))).squareRoot()
    let weights = stream.normals(outputs * inputs).map { $0 * scale }
    let biases =
      activation == .identity ? [Double](repeating: 0, count: outputs) : stream.normals(outputs).map { $0 * 0.5 }
    return [
      Matrix(rows: outputs, columns: inputs, storage: weights), Matrix(rows: 1, columns: outputs, storage: biases),
    ]
  }

  public func forward(_ x: Matrix, parameters: [Matrix]) -> (preactivation: Matrix, value: Matrix) {
    var z = Matrix(rows: x.rows, columns: outputs)
    let bias = parameters[1].storage
    for i in 0..<x.rows { z.storage.replaceSubrange((i * outputs)..<((i + 1) * outputs), with: bias) }
    z.accumulate(x, parameters[0], transposeB: true)
    guard activation != .identity else { return (z, z) }
    var h = z
    activation.apply(to: &h.storage)
    return (z, h)
  }

  public func throughActivation(preactivation: Matrix, value: Matrix, delta: inout Matrix) {
    activation.backward(preactivation: preactivation.storage, value: value.storage, gradient: &delta.storage)
  }

  public func parameterGradient(x: Matrix, delta: Matrix) -> [Matrix] {
    var bias = Matrix(rows: 1, columns: outputs)
    for i in 0..<delta.rows {
      for j in 0..<outputs { bias.storage[j] += delta.storage[i * outputs + j] }
    }
    return [Matrix.product(delta, x, transposeA: true), bias]
  }

  public func inputGradient(delta: Matrix, parameters: [Matrix]) -> Matrix { Matrix.product(delta, parameters[0]) }

  public func writeJacobian(
    x: Matrix, delta: Matrix, into jacobian: inout Matrix, stride: Int, phase: Int, column: Int
  ) {
    let width = jacobian.columns
    let (inputs, outputs) = (inputs, outputs)
    jacobian.storage.withUnsafeMutableBufferPointer { out in
      for i in 0..<x.rows {
        var position = (i * stride + phase) * width + column
        for j in 0..<outputs {
          let d = delta.storage[i * outputs + j]
          for k in 0..<inputs { out[position + k] = d * x.storage[i * inputs + k] }
          position += inputs
        }
        for j in 0..<outputs { out[position + j] = delta.storage[i * outputs + j] }
      }
    }
  }
}
