import BNNLinearAlgebra
import BNNModels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// How much of the outputs' covariance a prediction of classes should believe, by approximate leave-one-out on the rows of D1.
///
/// The Gaussian around a network's weights is wide in directions that rows have not informed, where the network is least
/// linear; class probabilities averaged over it are then less sure than they should be (measured: Notebooks-md/07). So
/// predictions use f ~ N(m, τS), and τ maximises
///
///     Σᵢ log ∫ p(yᵢ | f) N(f; m₋ᵢ, τS₋ᵢ) df,   S₋ᵢ = (S⁻¹ − Hᵢ)⁻¹ = (1 − SHᵢ)⁻¹S,   m₋ᵢ = m + S₋ᵢgᵢ
///
/// where gᵢ and Hᵢ are gradient and curvature of −log p(yᵢ | f): the posterior of the linearised network without row i, to one
/// Newton step (Opper & Winther 2000, "Gaussian processes for classification: mean-field algorithms"; Rad & Maleki 2020, "A
/// scalable estimate of the out-of-sample prediction error via approximate leave-one-out cross-validation"). No row is held out.
struct PredictiveScale {
  /// Rows that are looked at, evenly spread; a few thousand tell τ to a few percent.
  static let rows = 4000
  /// The lattice: 0 (the most probable network alone) and 2^{−k/2}.
  static let lattice = [0.0] + (0...32).map { pow(2, -0.5 * Double(32 - $0)) }

  /// τ for a method, from outputs (n × C), their covariances (n × C²) and targets.
  static func best(_ moments: OutputMoments, _ y: Matrix, _ likelihood: any Likelihood, _ method: ClassMethod) -> Double
  {
    let cavities = cavities(moments, y, likelihood)
    let predictor = ClassPredictor(method: method, outputs: likelihood.outputs)
    var best = (score: -Double.infinity, scale: 1.0)
    for scale in lattice {
      var score = 0.0
      for (i, f) in cavities.enumerated() {
        var scaled = f
        for j in scaled.covariance.storage.indices { scaled.covariance.storage[j] *= scale }
        score += predictor(scaled).logProbabilities[Int(y[i, 0])]
      }
      // Ties, where the covariance says nothing, go to the larger.
      if score >= best.score { best = (score, scale) }
    }
    return best.scale
  }

  /// N(m₋ᵢ, S₋ᵢ) of every row.
  static func cavities(_ moments: OutputMoments, _ y: Matrix, _ likelihood: any Likelihood) -> [OutputGaussian] {
    let f = moments.mean
    let c = f.columns
    let gradients = likelihood.gradients(outputs: f, targets: y)
    let roots = likelihood.curvatureRoots(outputs: f)
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
