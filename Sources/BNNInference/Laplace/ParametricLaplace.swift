import BNNLinearAlgebra
import BNNPosteriors

/// A regression function given in code: y = f(x; θ) + ε.
public struct ParametricModel: Sendable {
  /// P.
  public let parameterCount: Int
  /// f(x; θ) and ∂f/∂θ of one row.
  public let evaluate: @Sendable (_ x: ArraySlice<Double>, _ theta: [Double]) -> (value: Double, gradient: [Double])

  public init(
    parameterCount: Int,
    _ evaluate: @escaping @Sendable (_ x: ArraySlice<Double>, _ theta: [Double]) -> (value: Double, gradient: [Double])
  ) {
    self.parameterCount = parameterCount
    self.evaluate = evaluate
  }
}

/// Laplace's approximation for a model given in code, with Gaussian noise and, at first, a flat prior: any nonlinear
/// regression, batch after batch.
///
///     θ_k = argmin ‖y_k − f(x_k; θ)‖² + ‖R θ − z‖²,    [R z; 0 ρ] ← QR of [R z; 0 ρ; J  y_k − f + Jθ_k] at θ_k
///
/// The precision relative to the noise is RᵀR (the generalised Gauss–Newton matrix of every batch at its own optimum), and
/// squares are never formed. With one batch these are the classical standard errors of nonlinear least squares; for a model
/// that is linear in θ the batches one by one give the posterior of all rows.
public struct ParametricLaplace: Sendable {
  public let model: ParametricModel
  /// The posterior mean.
  public private(set) var mean: [Double]
  /// Rows absorbed.
  public private(set) var rows = 0
  private var array: InformationArray

  /// - Parameter start: where the first batch's search begins.
  public init(_ model: ParametricModel, start: [Double]) {
    precondition(start.count == model.parameterCount, "one number a parameter")
    self.model = model
    mean = start
    array = InformationArray(width: start.count + 1)
  }

  /// Absorbs rows: x is n × d, y has n entries. Some dozens of QR factorisations, O(n·P²) each.
  ///
  /// - Throws: `UpdateError.notFinite` where the model or its derivatives are not; `UpdateError.unsuitable` when the search does
  ///   not end.
  public mutating func absorb(_ x: Matrix, _ y: [Double]) throws {
    precondition(x.rows == y.count, "one target a row")
    guard x.rows > 0 else { return }
    var search = Search(model: model, x: x, y: y, prior: array)
    mean = try search.minimise(from: mean)
    var own = try search.linearised(at: mean)
    for i in 0..<own.rows {
      var fitted = own[i, mean.count]
      for j in mean.indices { fitted += own[i, j] * mean[j] }
      own[i, mean.count] = fitted
    }
    array.absorb(&own)
    rows += x.rows
  }

  /// s² = ρ²/(n − P), under the flat prior on θ and log σ; nil while n ≤ P.
  public var noiseVariance: Double? {
    let p = mean.count
    guard rows > p, array.array.rows > p else { return nil }
    let rest = array.array[p, p]
    return rest * rest / Double(rows - p)
  }

  /// √(s²·(RᵀR)⁻¹_jj), the scale of each parameter's Student-t with n − P degrees of freedom; with a given noise variance in
  /// the place of s² the posterior standard deviation.
  ///
  /// - Throws: `UpdateError.notIdentified` while there are too few rows.
  public func standardDeviations(noiseVariance given: Double? = nil) throws -> [Double] {
    guard let variance = given ?? noiseVariance, array.array.rows >= mean.count else {
      throw UpdateError.notIdentified(["(noise)"])
    }
    let factor = try TriangularFactor(upper: array.leading(mean.count).0)
    return factor.marginalVariances().map { (variance * $0).squareRoot() }
  }

  /// One batch's search.
  private struct Search {
    let model: ParametricModel
    let x: Matrix
    let y: [Double]
    /// [R z; 0 ρ] of the rows before.
    let prior: InformationArray

    /// ‖y − f‖² + ‖Rθ − z‖²; infinite where the model is not finite.
    func value(_ theta: [Double]) -> Double {
      var sum = 0.0
      for i in y.indices {
        let error = y[i] - model.evaluate(x.row(i), theta).value
        sum += error * error
      }
      for r in pull(theta) { sum += r * r }
      return sum.isFinite ? sum : .infinity
    }

    /// z − Rθ.
    private func pull(_ theta: [Double]) -> [Double] {
      let p = theta.count
      return (0..<min(p, prior.array.rows)).map { i in
        (i..<p).reduce(prior.array[i, p]) { $0 - prior.array[i, $1] * theta[$1] }
      }
    }

    /// [J  y − f] at θ, n × (P + 1).
    func linearised(at theta: [Double]) throws -> Matrix {
      let p = theta.count
      var result = Matrix(rows: y.count, columns: p + 1)
      for i in y.indices {
        let (f, gradient) = model.evaluate(x.row(i), theta)
        for j in 0..<p { result[i, j] = gradient[j] }
        result[i, p] = y[i] - f
      }
      guard result.isFinite else { throw UpdateError.notFinite("the model or a derivative of it") }
      return result
    }

    /// Levenberg–Marquardt with damping in the columns' own scales (Marquardt 1963; Moré 1978), by QR.
    mutating func minimise(from start: [Double]) throws -> [Double] {
      let p = start.count
      var theta = start
      var current = value(theta)
      guard current.isFinite else { throw UpdateError.notFinite("the model at its start") }
      var damping = 1e-3
      var scale = [Double](repeating: 0, count: p)
      for _ in 0..<2000 {
        var rows = try linearised(at: theta)
        var base = InformationArray(width: p + 1)
        let pulled = pull(theta)
        if !pulled.isEmpty {
          var before = Matrix(rows: pulled.count, columns: p + 1)
          for i in pulled.indices {
            for j in i..<p { before[i, j] = prior.array[i, j] }
            before[i, p] = pulled[i]
          }
          base.absorb(&before)
        }
        base.absorb(&rows)
        for j in 0..<p {
          let norm = (0..<min(j + 1, base.array.rows)).reduce(0) { $0 + base.array[$1, j] * base.array[$1, j] }
            .squareRoot()
          scale[j] = max(scale[j], norm)
        }
        // The undamped step ends the search when it is all rounding.
        if let step = Self.step(base, scale, 0), converged(step, theta) {
          let last = zip(theta, step).map { $0 + $1 }
          return value(last) <= current ? last : theta
        }
        var moved = false
        for _ in 0..<60 {
          if let step = Self.step(base, scale, damping) {
            let trial = zip(theta, step).map { $0 + $1 }
            let next = value(trial)
            if next < current {
              (theta, current, moved) = (trial, next, true)
              damping = max(damping / 5, 1e-300)
              break
            }
          }
          damping *= 4
        }
        // No step lowers the sum any more: what is left is below its rounding.
        if !moved { return theta }
      }
      throw UpdateError.unsuitable("the search for the parameters did not end; start it nearer to them")
    }

    private func converged(_ step: [Double], _ theta: [Double]) -> Bool {
      zip(step, theta).allSatisfy { abs($0) <= 1e-13 * max(abs($1), 1e-300) }
    }

    /// The s that minimises ‖J s − r‖² + μ‖D s‖².
    private static func step(_ base: InformationArray, _ scale: [Double], _ damping: Double) -> [Double]? {
      let p = scale.count
      var array = base
      if damping > 0 {
        var rows = Matrix(rows: p, columns: p + 1)
        for j in 0..<p { rows[j, j] = (damping.squareRoot()) * (scale[j] > 0 ? scale[j] : 1) }
        array.absorb(&rows)
      }
      guard array.array.rows >= p else { return nil }
      let (r, z) = array.leading(p)
      guard let factor = try? TriangularFactor(upper: r) else { return nil }
      // The factor's diagonal is positive; rows of R that were flipped flip their right-hand side too.
      let signed = (0..<p).map { r[$0, $0] < 0 ? -z[0][$0] : z[0][$0] }
      let step = factor.backSolve(signed)
      return step.allSatisfy(\.isFinite) ? step : nil
    }
  }
}
