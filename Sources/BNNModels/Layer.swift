import BNNLinearAlgebra
import BNNProbability

/// The mathematics of one layer. Rows are examples; a layer's parameters are a list of matrices in the order of
/// `tensors`, sliced once per evaluation from the flat weight vector.
public protocol Layer: Sendable {
  /// Numbers in and out per row.
  var inputs: Int { get }
  var outputs: Int { get }
  /// Name suffix and shape of every parameter tensor, as PyTorch has them, in the order of the flat vector.
  var tensors: [(suffix: String, shape: [Int])] { get }
  /// Draws starting weights, one matrix per tensor.
  func initial(using stream: inout RandomStream) -> [Matrix]
  /// n × inputs → pre-activations and values, both n × outputs.
  func forward(_ x: Matrix, parameters: [Matrix]) -> (preactivation: Matrix, value: Matrix)
  /// δ ← δ · h′(z): from the gradient in the values to the gradient in the pre-activations (n × outputs).
  func throughActivation(preactivation: Matrix, value: Matrix, delta: inout Matrix)
  /// Gradient of the parameters summed over rows, from δ in the pre-activations (n × outputs).
  func parameterGradient(x: Matrix, delta: Matrix) -> [Matrix]
  /// Gradient in the inputs (n × inputs).
  func inputGradient(delta: Matrix, parameters: [Matrix]) -> Matrix
  /// Writes every row's own parameter gradient: row i of `delta` and `x` into row `i * stride + phase` of `jacobian`,
  /// from column `column` on.
  func writeJacobian(x: Matrix, delta: Matrix, into jacobian: inout Matrix, stride: Int, phase: Int, column: Int)
}

extension Layer {
  /// Parameters of the layer.
  public var parameterCount: Int { tensors.reduce(0) { $0 + $1.shape.reduce(1, *) } }
}
