import BNNLinearAlgebra
import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// y_c ~ N(f_c, σ_c²) with given variances, one output per target, in the units that f and y have (normalised ones in
/// training).
///
///     −log p = ½ Σ_c [(y_c − f_c)²/σ_c² + log 2πσ_c²],   gradient (f_c − y_c)/σ_c²,   curvature diag(1/σ_c²)
public struct GaussianLikelihood: Likelihood, Equatable {
  /// σ_c², one per output.
  public var variances: [Double]

  /// - Precondition: variances are positive and finite.
  public init(variances: [Double]) {
    precondition(variances.allSatisfy { $0 > 0 && $0.isFinite }, "variances of the noise are positive and finite")
    self.variances = variances
  }

  /// The same σ² for all of several targets.
  public init(variance: Double, targets: Int = 1) {
    self.init(variances: [Double](repeating: variance, count: targets))
  }

  public var outputs: Int { variances.count }
  public var targets: Int { variances.count }

  public func logDensities(outputs f: Matrix, targets y: Matrix) -> [Double] {
    let constant = variances.reduce(0) { $0 - 0.5 * (log($1) + logTwoPi) }
    checkShapes(f, y)
    return (0..<f.rows).map { i in
      variances.indices.reduce(constant) { sum, c in
        let error = y[i, c] - f[i, c]
        return sum - 0.5 * error * error / variances[c]
      }
    }
  }

  public func gradients(outputs f: Matrix, targets y: Matrix) -> Matrix {
    var result = entrywise(f, y) { $0 - $1 }
    for i in 0..<f.rows { for c in variances.indices { result[i, c] /= variances[c] } }
    return result
  }

  public func curvatureRoots(outputs f: Matrix, targets _: Matrix) -> [Matrix] {
    diagonalRoots(f) { _, c in 1 / variances[c].squareRoot() }
  }

  public func sample(outputs f: Matrix, like _: Matrix, using stream: inout RandomStream) -> Matrix {
    checkShape(f)
    let deviations = variances.map { $0.squareRoot() }
    let noise = stream.normals(f.storage.count)
    var result = f
    for i in noise.indices { result.storage[i] += deviations[i % outputs] * noise[i] }
    return result
  }

  public func firstInvalid(targets y: Matrix) -> InvalidTarget? {
    firstInvalid(y, expected: "a finite number", where: \.isFinite)
  }
}
