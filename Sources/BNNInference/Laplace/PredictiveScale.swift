import BNNLinearAlgebra
import BNNModels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// How much of the outputs' covariance a prediction of classes should believe, by rows of D1: held out of training, or by
/// approximate leave-one-out where the precision is full.
///
/// The Gaussian around a network's weights is wide in directions that rows have not informed, where the network is least
/// linear; class probabilities averaged over it are then less sure than they should be (measured: Notebooks-md/07). So
/// predictions use f ~ N(m, τS), and τ maximises (where the maximum is within a standard error of the network itself, τ = 0, what
/// one standard error leaves of the gain)
///
///     Σᵢ log ∫ p(yᵢ | f) N(f; m₋ᵢ, τS₋ᵢ) df,   S₋ᵢ = (S⁻¹ − Hᵢ)⁻¹ = (1 − SHᵢ)⁻¹S,   m₋ᵢ = m + S₋ᵢgᵢ
///
/// where gᵢ and Hᵢ are gradient and curvature of −log p(yᵢ | f): the posterior of the linearised network without row i, to one
/// Newton step (Opper & Winther 2000, "Gaussian processes for classification: mean-field algorithms"; Rad & Maleki 2020, "A
/// scalable estimate of the out-of-sample prediction error via approximate leave-one-out cross-validation"). Of rows that
/// were held out m and S are as they are (`HeldOutScale.swift`).
struct PredictiveScale {
  /// Rows that are looked at, evenly spread; a few thousand tell τ to a few percent.
  static let rows = 4000
  /// The lattice: 0 (the most probable network alone) and 2^{−k/2}.
  static let lattice = [0.0] + (0...32).map { pow(2, -0.5 * Double(32 - $0)) }

  /// τ for a method by leave-one-out, from outputs (n × C), their covariances (n × C²) and targets.
  static func best(_ moments: OutputMoments, _ y: Matrix, _ likelihood: any Likelihood, _ method: ClassMethod) -> Double
  {
    best(cavities(moments, y, likelihood), y, method, heads: likelihood.heads)
  }

  /// τ for a method, from the outputs of rows that were not learnt.
  static func best(
    _ rows: [OutputGaussian], _ y: Matrix, _ method: ClassMethod, heads: ClassHeads? = nil
  ) -> Double {
    if let heads { return best(rows, y, method, within: heads) }
    guard let outputs = rows.first?.mean.count else { return 0 }
    // Every target of several has its own.
    let isSeveral = outputs == y.columns && outputs > 1
    let predictor = ClassPredictor(method: method, outputs: isSeveral ? 1 : outputs)
    return best { scale in
      rows.enumerated().map { i, f in
        let scaled = f.scaled(scale)
        return isSeveral
          ? (0..<outputs).reduce(0) { $0 + predictor(scaled.marginal($1)).logProbabilities[Int(y[i, $1])] }
          : predictor(scaled).logProbabilities[Int(y[i, 0])]
      }
    }
  }

  /// The same of classes in heads, each row within its own.
  private static func best(
    _ rows: [OutputGaussian], _ y: Matrix, _ method: ClassMethod, within heads: ClassHeads
  ) -> Double {
    let predictors = heads.groups.map { ClassPredictor(method: method, outputs: $0.count) }
    let places = (0..<y.rows).map { heads.place(of: Int(y[$0, 0])) }
    let own = zip(rows, places).map { $0.marginal(heads.groups[$1.head]) }
    return best { scale in
      zip(own, places).map { predictors[$1.head]($0.scaled(scale)).logProbabilities[$1.position] }
    }
  }

  /// τ by the scores of every row at any.
  private static func best(_ scores: (Double) -> [Double]) -> Double {
    let plain = scores(0)
    var best = (gain: 0.0, error: 0.0, scale: 0.0)
    var safest = (gain: 0.0, scale: 0.0)
    for scale in lattice.dropFirst() {
      let gains = zip(scores(scale), plain).map { $0 - $1 }
      let total = gains.reduce(0, +)
      let mean = total / Double(gains.count)
      let error = gains.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }.squareRoot()
      // Ties, where the covariance says nothing, go to the larger.
      if total >= best.gain { best = (total, error, scale) }
      if total - error >= safest.gain { safest = (total - error, scale) }
    }
    return best.gain >= best.error ? best.scale : safest.scale
  }

  /// N(m₋ᵢ, S₋ᵢ) of every row; `weights` of the rows, nil for 1.
  static func cavities(
    _ moments: OutputMoments, _ y: Matrix, _ likelihood: any Likelihood, weights: [Double]? = nil
  ) -> [OutputGaussian] {
    let f = moments.mean
    let c = f.columns
    var gradients = likelihood.gradients(outputs: f, targets: y)
    var roots = likelihood.curvatureRoots(outputs: f, targets: y)
    if let weights {
      for i in weights.indices { for a in 0..<c { gradients[i, a] *= weights[i] } }
      for s in roots.indices { _ = roots[s].scaleRows(by: weights[...]) }
    }
    return (0..<f.rows).map { i in
      let own = moments.row(i)
      var curvature = Matrix(rows: c, columns: c)
      for root in roots { for a in 0..<c { for b in 0..<c { curvature[a, b] += root[i, a] * root[i, b] } } }
      // (1 − SH)⁻¹S; the eigenvalues of SH are below 1, since S is the inverse of something that holds H.
      var left = Matrix.product(own.covariance, curvature)
      for j in left.storage.indices { left.storage[j] = -left.storage[j] }
      for a in 0..<c { left[a, a] += 1 }
      guard var without = try? left.solved(own.covariance), without.isFinite else { return own }
      for a in 0..<c {
        for b in 0..<a {
          let mean = 0.5 * (without[a, b] + without[b, a])
          without[a, b] = mean
          without[b, a] = mean
        }
        // A structure that left the row out of its precision may say more than a cavity can; then it stays as it is.
        guard without[a, a] >= 0 else { return own }
      }
      let step = without.multiplied(by: Array(gradients.row(i)))
      return OutputGaussian(mean: zip(own.mean, step).map { $0 + $1 }, covariance: without)
    }
  }
}
