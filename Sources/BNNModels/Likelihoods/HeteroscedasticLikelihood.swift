import BNNLinearAlgebra
import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// y_t ~ N(μ_t, e^{s_t}) with noise that the network learns beside the mean: f = (μ_1 … μ_T, s_1 … s_T), s = log σ².
///
///     −log p = ½ Σ_t [r_t² e^{−s_t} + s_t + log 2π],   r = y − μ
///     gradient   μ: −r e^{−s}     s: ½(1 − r² e^{−s})
///     expected curvature   μμ: e^{−s}     ss: ½     μs: 0
///
/// Mean and log variance are orthogonal in the expected curvature, which is diagonal and in s the same everywhere. The
/// natural parameters (μ/σ², −1/2σ²) have the curvature [σ², 2μσ²; 2μσ², 2σ⁴ + 4μ²σ²], whose condition number grows as
/// μ² and which needs a constrained output; so they are not used. The observed Hessian ([e^{−s}, re^{−s}; re^{−s},
/// ½r²e^{−s}]) is indefinite wherever r ≠ 0 and is never used either.
public struct HeteroscedasticLikelihood: Likelihood, Equatable {
  public let targets: Int

  public init(targets: Int = 1) {
    precondition(targets > 0, "there is a target")
    self.targets = targets
  }

  public var outputs: Int { 2 * targets }

  public func logDensities(outputs f: Matrix, targets y: Matrix) -> [Double] {
    checkShapes(f, y)
    return (0..<f.rows).map { i in
      (0..<targets).reduce(0) { sum, t in
        let z = Self.scaled(y[i, t] - f[i, t], f[i, targets + t])
        return sum - 0.5 * (z * z + f[i, targets + t] + logTwoPi)
      }
    }
  }

  public func gradients(outputs f: Matrix, targets y: Matrix) -> Matrix {
    checkShapes(f, y)
    var result = f
    for i in 0..<f.rows {
      for t in 0..<targets {
        let s = f[i, targets + t]
        let z = Self.scaled(y[i, t] - f[i, t], s)
        result[i, t] = -Self.scaled(z, s)
        result[i, targets + t] = 0.5 * (1 - z * z)
      }
    }
    return result
  }

  public func curvatureRoots(outputs f: Matrix, targets _: Matrix) -> [Matrix] {
    checkShape(f)
    return (0..<outputs).map { c in
      var root = Matrix(rows: f.rows, columns: outputs)
      for i in 0..<f.rows { root[i, c] = c < targets ? exp(-0.5 * f[i, targets + c]) : 0.5.squareRoot() }
      return root
    }
  }

  public func sample(outputs f: Matrix, like _: Matrix, using stream: inout RandomStream) -> Matrix {
    checkShape(f)
    var result = Matrix(rows: f.rows, columns: targets, storage: stream.normals(f.rows * targets))
    for i in 0..<f.rows {
      for t in 0..<targets { result[i, t] = f[i, t] + exp(0.5 * f[i, targets + t]) * result[i, t] }
    }
    return result
  }

  public func firstInvalid(targets y: Matrix) -> InvalidTarget? {
    firstInvalid(y, expected: "a finite number", where: \.isFinite)
  }

  /// r e^{−s/2}, by halves: e^{−s} overflows long before the product need to, and 0 · ∞ is not 0.
  private static func scaled(_ r: Double, _ s: Double) -> Double { r == 0 && !s.isNaN ? 0 : r * exp(-0.5 * s) }
}
