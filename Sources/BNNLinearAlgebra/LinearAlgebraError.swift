/// What a factorisation can refuse.
public enum LinearAlgebraError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The leading minor of this order (1-based) is not positive.
  case notPositiveDefinite(order: Int)
  /// A triangular factor has a zero (or not finite) diagonal entry at this 0-based index.
  case singular(index: Int)
  /// An iterative LAPACK routine did not converge.
  case notConverged(routine: String)

  public var description: String {
    switch self {
    case .notPositiveDefinite(let order):
      "the matrix is not positive definite (its leading minor of order \(order) is not positive)"
    case .singular(let index): "the triangular factor is singular at diagonal entry \(index)"
    case .notConverged(let routine): "LAPACK's \(routine) did not converge"
    }
  }
}
