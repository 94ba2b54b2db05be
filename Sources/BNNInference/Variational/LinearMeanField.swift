import BNNLinearAlgebra
import BNNPosteriors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The best factorised Gaussian of a dense layer without activation on fixed features, with normal noise, in closed form.
/// With Φ the features and a column of ones, Λ = Λ₁ + ΦᵀWΦ/σ² for every output,
///
///     m = the exact posterior mean,     s_j² = 1/Λ_jj
///
/// (Bishop 2006, "Pattern recognition and machine learning", section 10.1.2; E7 of ../shared/design.md).
struct LinearMeanField: Sendable {
  /// Weights beyond which the exact mean under a structured prior, whose matrix is formed, is refused.
  static let denseLimit = 6000
  /// Weights up to which the evidence of weighted rows is taken from the whole matrix, not from the nearest Kronecker product.
  static let blockLimit = 2000

  /// √w·[φ 1], n × (h + 1).
  private let design: Matrix
  /// √w·y, n × C.
  private let targets: Matrix
  /// ΦᵀWΦ.
  private let gram: Matrix
  private let rows: Int
  /// Σ log w over rows and outputs, which a density of noise variance σ²/w holds half of.
  private let logWeights: Double
  let prior: VariationalPrior

  struct Solution: Sendable {
    var q: FactorisedGaussian
    /// E_q[Σ w(y − f)²] over rows and outputs.
    var squaredResiduals: Double
    /// E_q[log p(y)] − KL(q ‖ prior), nats in the units given.
    var bound: Double
    var divergence: Double
  }

  /// - Parameters:
  ///   - features: n × h.
  ///   - targets: n × C.
  ///   - prior: over the weights in θ's order: C × h row by row, then C biases.
  init(features: Matrix, targets: Matrix, weights: [Double]?, prior: VariationalPrior) {
    let h = features.columns
    var design = Matrix(rows: features.rows, columns: h + 1)
    var scaled = targets
    for i in 0..<features.rows {
      for k in 0..<h { design.storage[i * (h + 1) + k] = features[i, k] }
      design.storage[i * (h + 1) + h] = 1
    }
    if let weights {
      let roots = weights.map { $0.squareRoot() }
      design.scaleEachRow(by: roots)
      scaled.scaleEachRow(by: roots)
    }
    self.design = design
    self.targets = scaled
    self.prior = prior
    gram = design.gram
    rows = features.rows
    logWeights = Double(targets.columns) * (weights ?? []).reduce(0) { $0 + log($1) }
  }

  /// Where output c's weight on feature k is in θ; k = h is the bias.
  private func place(_ c: Int, _ k: Int) -> Int {
    let h = design.columns - 1
    return k < h ? c * h + k : targets.columns * h + c
  }

  /// O(C·h³), or O((C·h)³) under a prior that is not diagonal.
  ///
  /// - Throws: `LinearAlgebraError` for a sum that is not positive definite, `UpdateError.unsuitable` for too many weights under a
  ///   structured prior.
  func solved(noiseVariance: Double) throws -> Solution {
    let (h, outputs) = (design.columns, targets.columns)
    // From the earlier mean: a step that is small where the batch says little keeps the digits of what was known.
    var residual = targets
    let before = coefficients(prior.mean)
    accumulate(-1, Matrix.product(design, before).storage, into: &residual.storage)
    var score = Matrix.product(design.transposed, residual)
    for i in score.storage.indices { score.storage[i] /= noiseVariance }
    var step = [Double](repeating: 0, count: prior.mean.count)
    if prior.times == nil {
      for c in 0..<outputs {
        var own = Matrix(rows: h, columns: h)
        for a in 0..<h { for b in 0..<h { own[a, b] = gram[a, b] / noiseVariance } }
        for a in 0..<h { own[a, a] += prior.diagonal[place(c, a)] }
        let solved = try TriangularFactor(choleskyOf: own).solve(score.column(c))
        for a in 0..<h { step[place(c, a)] = solved[a] }
      }
    } else {
      step = try dense(score, noiseVariance)
    }
    let mean = zip(prior.mean, step).map { $0 + $1 }
    var precision = prior.diagonal
    for c in 0..<outputs { for a in 0..<h { precision[place(c, a)] += gram[a, a] / noiseVariance } }
    let q = FactorisedGaussian(mean: mean, variance: precision.map { 1 / $0 })

    residual = targets
    accumulate(-1, Matrix.product(design, coefficients(mean)).storage, into: &residual.storage)
    var squares = residual.storage.reduce(0) { $0 + $1 * $1 }
    for c in 0..<outputs { for a in 0..<h { squares += gram[a, a] * q.variance[place(c, a)] } }
    let divergence = prior.divergence(q)
    let density =
      -0.5 * (Double(rows * outputs) * log(2 * Double.pi * noiseVariance) - logWeights + squares / noiseVariance)
    return Solution(
      q: q, squaredResiduals: squares, bound: density - divergence, divergence: divergence)
  }

  private func dense(_ score: Matrix, _ noiseVariance: Double) throws -> [Double] {
    guard let times = prior.times else { return [] }
    let (h, outputs, count) = (design.columns, targets.columns, prior.mean.count)
    guard count <= Self.denseLimit else {
      throw UpdateError.unsuitable(
        "the exact mean of \(count) weights under a structured prior needs a \(count) × \(count) matrix, more than the "
          + "\(Self.denseLimit) that are possible; fit D1 with --method mean-field, whose prior is diagonal")
    }
    var sum = Matrix(symmetric: count, times: times)
    var right = [Double](repeating: 0, count: count)
    for c in 0..<outputs {
      for a in 0..<h {
        right[place(c, a)] = score[a, c]
        for b in 0..<h { sum[place(c, a), place(c, b)] += gram[a, b] / noiseVariance }
      }
    }
    return try TriangularFactor(choleskyOf: sum).solve(right)
  }

  /// Weights as (h + 1) × C.
  private func coefficients(_ theta: [Double]) -> Matrix {
    var result = Matrix(rows: design.columns, columns: targets.columns)
    for c in 0..<targets.columns { for k in 0..<design.columns { result[k, c] = theta[place(c, k)] } }
    return result
  }
}
