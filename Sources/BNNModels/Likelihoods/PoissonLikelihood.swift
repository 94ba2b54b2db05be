import BNNLinearAlgebra
import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Counts y ∈ {0, 1, 2, …} with mean λ = e^f, one output per target; several targets are independent given f.
///
///     −log p = λ − y f + log y!,   gradient λ − y,   curvature λ
///
/// The link is canonical: the observed curvature is the expected one. λ overflows from f = 709.8 on; log density and
/// gradient are then infinite, the curvature's roots e^{f/2} are not.
public struct PoissonLikelihood: Likelihood, Equatable {
  public let targets: Int

  public init(targets: Int = 1) {
    precondition(targets > 0, "there is a target")
    self.targets = targets
  }

  public var outputs: Int { targets }

  /// log p(y | λ = e^f).
  public static func logDensity(_ y: Double, logRate f: Double) -> Double {
    guard Self.isCount(y) else { return -.infinity }
    // lnΓ exists for every count.
    return (y == 0 ? 0 : y * f) - exp(f) - ((try? SpecialFunctions.logGamma(y + 1)) ?? .infinity)
  }

  public func logDensities(outputs f: Matrix, targets y: Matrix) -> [Double] {
    rowSums(f, y) { f, y in Self.logDensity(y, logRate: f) }
  }

  public func gradients(outputs f: Matrix, targets y: Matrix) -> Matrix {
    entrywise(f, y) { f, y in Self.isCount(y) ? exp(f) - y : .nan }
  }

  public func curvatureRoots(outputs f: Matrix, targets _: Matrix) -> [Matrix] {
    diagonalRoots(f) { f, _ in exp(0.5 * f) }
  }

  /// Whole numbers; see `RandomStream.poissons` for means above 10⁹.
  public func sample(outputs f: Matrix, like _: Matrix, using stream: inout RandomStream) -> Matrix {
    checkShape(f)
    return Matrix(rows: f.rows, columns: f.columns, storage: stream.poissons(means: f.storage.map { exp($0) }))
  }

  public func firstInvalid(targets y: Matrix) -> InvalidTarget? {
    firstInvalid(y, expected: "a count (0, 1, 2, …)", where: Self.isCount)
  }

  static func isCount(_ y: Double) -> Bool { y >= 0 && y.isFinite && y.rounded() == y }
}
