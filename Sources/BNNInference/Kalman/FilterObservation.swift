import BNNLinearAlgebra
import BNNModels

/// A row's likelihood as unit-variance observations of the outputs, linearised at the outputs f before the row:
///
///     −∂² log p/∂f² ≈ Σ_s b_s b_sᵀ (expected),   Σ_s b_s ν_s = ∂ log p/∂f
///
/// so that log p(y | f + d) ≈ log p(y | f) + Σ_s [ν_s b_sᵀd − ½(b_sᵀd)²]. For Gaussian noise it is the observation itself
/// (b = 1/σ, ν = (y − f)/σ); for classes and counts, whose links are canonical, the one that matches the moments of y (the
/// conditional-moments filter of Tronarp et al. 2018 and Chang et al. 2023, there with observation ∂E[y]/∂f and noise Var[y]).
struct FilterObservation {
  let likelihood: any Likelihood

  /// Roots b (each C numbers), ν of each, and log p(y | f); the row weighs w, which is 1/w of the variance of normal noise.
  func linearised(
    _ f: [Double], _ y: [Double], weight: Double
  ) -> (roots: [[Double]], innovations: [Double], logDensity: Double) {
    let outputs = Matrix(rows: 1, columns: f.count, storage: f)
    let targets = Matrix(rows: 1, columns: y.count, storage: y)
    let root = weight.squareRoot()
    let roots = likelihood.curvatureRoots(outputs: outputs).map { $0.storage.map { root * $0 } }
    var rest = likelihood.gradients(outputs: outputs, targets: targets).storage.map { -weight * $0 }
    // Every likelihood's roots are lower triangular as columns: root s says nothing of outputs before s.
    var innovations = [Double](repeating: 0, count: roots.count)
    for s in roots.indices where roots[s][s] != 0 {
      innovations[s] = rest[s] / roots[s][s]
      for c in s..<f.count { rest[c] -= innovations[s] * roots[s][c] }
    }
    return (roots, innovations, weight * likelihood.logDensities(outputs: outputs, targets: targets)[0])
  }
}
