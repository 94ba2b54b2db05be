import BNNLinearAlgebra
import BNNProbability

/// p(y | f): how targets scatter around a network's outputs. A new one is one new file and a line in `LikelihoodKind`.
///
/// Rows are independent; f is n × `outputs`, y is n × `targets`. Everything is a sum over rows in nats, never a mean.
public protocol Likelihood: Sendable {
  /// C, the numbers that a network must give a row.
  var outputs: Int { get }
  /// T, the numbers that an observation has: one class index for `categorical`.
  var targets: Int { get }
  /// log p(yᵢ | fᵢ) of every row, normalised: constants included.
  func logDensities(outputs f: Matrix, targets y: Matrix) -> [Double]
  /// −∂log p(yᵢ | fᵢ)/∂f of every row, n × C.
  func gradients(outputs f: Matrix, targets y: Matrix) -> Matrix
  /// Roots of the expected curvature of every row: r matrices n × C with Σₛ bᵢₛbᵢₛᵀ = −E_y[∂²log p(y | fᵢ)/∂f²], which is
  /// positive semi-definite for every likelihood and does not depend on y.
  func curvatureRoots(outputs f: Matrix) -> [Matrix]
  /// Targets drawn from p(y | fᵢ), n × T.
  func sample(outputs f: Matrix, using stream: inout RandomStream) -> Matrix
}
