import BNNLinearAlgebra
import BNNProbability

/// y ∈ {0, 1} with P(y = 1) = σ(f) = 1/(1 + e^{−f}), one logit per target; several targets are independent given f.
///
///     −log p = log(1 + e^{∓f})   (− for y = 1),   gradient σ(f) − y,   curvature σ(f)σ(−f)
///
/// The link is canonical: the observed curvature is the expected one.
public struct BernoulliLikelihood: Likelihood, Equatable {
  public let targets: Int

  public init(targets: Int = 1) {
    precondition(targets > 0, "there is a target")
    self.targets = targets
  }

  public var outputs: Int { targets }

  public func logDensities(outputs f: Matrix, targets y: Matrix) -> [Double] {
    rowSums(f, y) { f, y in
      switch y {
      case 0: -LinkFunctions.logOnePlusExp(f)
      case 1: -LinkFunctions.logOnePlusExp(-f)
      default: -.infinity
      }
    }
  }

  public func gradients(outputs f: Matrix, targets y: Matrix) -> Matrix {
    entrywise(f, y) { f, y in
      switch y {
      case 0: LinkFunctions.logistic(f)
      // Not σ(f) − 1, which is 0 from f = 37 on.
      case 1: -LinkFunctions.logistic(-f)
      default: .nan
      }
    }
  }

  public func curvatureRoots(outputs f: Matrix, targets _: Matrix) -> [Matrix] {
    diagonalRoots(f) { f, _ in LinkFunctions.logisticDeviation(f) }
  }

  public func sample(outputs f: Matrix, like _: Matrix, using stream: inout RandomStream) -> Matrix {
    checkShape(f)
    var result = f
    for i in f.storage.indices { result.storage[i] = stream.uniform() < LinkFunctions.logistic(f.storage[i]) ? 1 : 0 }
    return result
  }

  public func firstInvalid(targets y: Matrix) -> InvalidTarget? {
    firstInvalid(y, expected: "0 or 1") { $0 == 0 || $0 == 1 }
  }
}
