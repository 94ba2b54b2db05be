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

  /// Roots b that are not 0 (each C numbers), ν of each, and log p(y | f); the row weighs w, which is 1/w of the variance of normal noise.
  func linearised(
    _ f: [Double], _ y: [Double], weight: Double
  ) -> (roots: [[Double]], innovations: [Double], logDensity: Double) {
    let outputs = Matrix(rows: 1, columns: f.count, storage: f)
    let targets = Matrix(rows: 1, columns: y.count, storage: y)
    let root = weight.squareRoot()
    let all = likelihood.curvatureRoots(outputs: outputs, targets: targets).map { $0.storage.map { root * $0 } }
    var rest = likelihood.gradients(outputs: outputs, targets: targets).storage.map { -weight * $0 }
    var roots: [[Double]] = []
    var innovations: [Double] = []
    // No later root says anything of the output in which a root begins.
    for root in all {
      guard let first = root.firstIndex(where: { $0 != 0 }) else { continue }
      let innovation = rest[first] / root[first]
      for c in first..<f.count { rest[c] -= innovation * root[c] }
      roots.append(root)
      innovations.append(innovation)
    }
    return (roots, innovations, weight * likelihood.logDensities(outputs: outputs, targets: targets)[0])
  }
}
