import BNNLinearAlgebra
import BNNProbability

/// p(y | f): how targets scatter around a network's outputs. A new one is one new file and a line in `LikelihoodKind`.
///
/// Rows are independent; f is n × `outputs`, y is n × `targets`. Everything is a sum over rows in nats, never a mean.
///
/// For finite f nothing is NaN: a number that overflows comes out infinite with the right sign. Targets that cannot
/// occur under the likelihood have log density −∞ and a gradient of NaN; `firstInvalid` finds and explains them
/// beforehand.
public protocol Likelihood: Sendable {
  /// C, the numbers that a network must give a row.
  var outputs: Int { get }
  /// T, the numbers that an observation has: one class index for `categorical`.
  var targets: Int { get }
  /// Groups of outputs, of which a row's class says the one it is about; nil (the default): every row is about all.
  var heads: ClassHeads? { get }
  /// log p(yᵢ | fᵢ) of every row, normalised: constants included.
  func logDensities(outputs f: Matrix, targets y: Matrix) -> [Double]
  /// −∂log p(yᵢ | fᵢ)/∂f of every row, n × C.
  func gradients(outputs f: Matrix, targets y: Matrix) -> Matrix
  /// Roots of the expected curvature of every row: r matrices n × C with Σₛ bᵢₛbᵢₛᵀ = −E_y[∂²log p(y | fᵢ)/∂f²], which
  /// is positive semi-definite for every likelihood. Of y it depends only on which outputs a row is about, where the row's
  /// class says that (`ClassHeads`). Roots that are not 0 begin in outputs of their own, in ascending order.
  func curvatureRoots(outputs f: Matrix, targets y: Matrix) -> [Matrix]
  /// Targets drawn from p(y | fᵢ), n × T, about the outputs that the rows of y are about.
  func sample(outputs f: Matrix, like y: Matrix, using stream: inout RandomStream) -> Matrix
  /// The first target, row by row, that the likelihood gives no density; nil when all are fine.
  func firstInvalid(targets y: Matrix) -> InvalidTarget?
}

/// A target that a likelihood cannot explain.
public struct InvalidTarget: Error, Equatable, Sendable, CustomStringConvertible {
  /// Where in the matrix of targets, from 0.
  public let row: Int
  public let column: Int
  public let value: Double
  /// What would be fine, as "0 or 1".
  public let expected: String

  public var description: String { "target \(column), row \(row): expected \(expected), got \(value)" }
}

extension Likelihood {
  public var heads: ClassHeads? { nil }

  /// The first entry of y that is not `valid`.
  func firstInvalid(_ y: Matrix, expected: String, where valid: (Double) -> Bool) -> InvalidTarget? {
    y.storage.firstIndex { !valid($0) }.map { index in
      InvalidTarget(
        row: index / y.columns, column: index % y.columns, value: y.storage[index], expected: expected)
    }
  }

  func checkShapes(_ f: Matrix, _ y: Matrix) {
    checkShape(f)
    precondition(y.columns == targets && y.rows == f.rows, "one row of \(targets) targets for every row of outputs")
  }

  func checkShape(_ f: Matrix) { precondition(f.columns == outputs, "a row has \(outputs) outputs") }

  /// n × C with g(f, y) in every entry, for likelihoods of C = T independent outputs.
  func entrywise(_ f: Matrix, _ y: Matrix, _ g: (Double, Double) -> Double) -> Matrix {
    checkShapes(f, y)
    var result = f
    result.storage.withUnsafeMutableBufferPointer { result in
      y.storage.withUnsafeBufferPointer { y in for i in y.indices { result[i] = g(result[i], y[i]) } }
    }
    return result
  }

  /// Σ_c g(f_ic, y_ic) of every row, for likelihoods of C = T independent outputs.
  func rowSums(_ f: Matrix, _ y: Matrix, _ g: (Double, Double) -> Double) -> [Double] {
    let terms = entrywise(f, y, g)
    return (0..<f.rows).map { terms.row($0).reduce(0, +) }
  }

  /// C roots, the c-th with g(f_ic, c) in column c and nothing elsewhere: a diagonal curvature with entries g².
  func diagonalRoots(_ f: Matrix, _ g: (Double, Int) -> Double) -> [Matrix] {
    checkShape(f)
    return (0..<f.columns).map { c in
      var root = Matrix(rows: f.rows, columns: f.columns)
      for i in 0..<f.rows { root[i, c] = g(f[i, c], c) }
      return root
    }
  }
}
