import BNNLinearAlgebra
import BNNPosteriors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The squared errors of the rows before a batch as a function of the weights, as far as their posterior N(m, (H + δ)⁻¹) at noise
/// σ₁² tells:
///
///     S₁(θ) = (n₁ − γ₁)σ₁² + σ₁²[(θ − m)ᵀH(θ − m) − 2(δm)ᵀ(θ − m)],    γ₁ = tr H(H + δ)⁻¹
///
/// since m is where σ₁⁻²∇S₁/2 + δm = 0, and σ₁² = S₁(m)/(n₁ − γ₁) was the evidence's choice (MacKay 1992, "A practical Bayesian
/// framework for backpropagation networks", equation 2.23). Exact where outputs are linear in the weights. With it the noise of all
/// rows is known once new ones have come, σ² = (S₁ + S₂)/(n₁ + n₂ − γ), and what the earlier ones say at that noise.
struct EarlierSquares {
  /// What was known before the batch.
  let before: LaplaceState
  /// m, over the weights that move.
  let mean: [Double]
  /// n₁: numbers that were observed.
  let terms: Double
  /// σ₁².
  let variance: Double
  /// S₁(m).
  private let least: Double
  /// δm.
  private let pull: [Double]

  /// O(P³) for a full structure whose γ₁ is asked for.
  ///
  /// - Parameter countsWeights: false takes weights for certain, γ₁ = 0.
  /// - Throws: `LinearAlgebraError.notConverged`, for a curvature that is not finite.
  init(
    _ before: LaplaceState, mean: [Double], terms: Double, variance: Double, countsWeights: Bool = true
  ) throws(LinearAlgebraError) {
    (self.before, self.mean, self.terms, self.variance) = (before, mean, terms, variance)
    pull = zip(before.prior.expanded(before.curvature.layers), mean).map { $0 * $1 }
    let gamma = countsWeights ? max(0, try before.effectiveWeights - before.surplusWeights) : 0
    // An earlier noise that the evidence did not choose may be of fewer rows than weights.
    least = max(terms - gamma, 1) * variance
  }

  /// S₁ at some weights.
  func squares(_ theta: [Double]) -> Double {
    let step = zip(theta, mean).map { $0 - $1 }
    return max(0, least + variance * (dot(step, before.curvature.times(step)) - 2 * dot(pull, step)))
  }

  /// What the earlier rows say at another noise: H·σ₁²/σ², the mean there, and their evidence.
  ///
  ///     log p(D1) = −n₁/2 log 2πσ² − S₁(m)/(2σ²) − ½mᵀδm + ½ log|δ| − ½ log|H + δ|
  ///
  /// - Throws: `UpdateError.notAPosterior` for a precision that is not positive definite.
  func posterior(at other: Double) throws -> (state: LaplaceState, mean: [Double]) {
    guard other != variance else { return (before, mean) }
    let ratio = variance / other
    var state = before
    state.noiseVariance = other
    state.curvature.scale(by: ratio)
    let earlier = try before.factored().logDeterminant
    // At σ² the rows pull with σ₁²/σ² of what balanced the prior's pull at σ₁².
    let (step, logDeterminant) = try state.solved(pull.map { (ratio - 1) * $0 })
    let moved = zip(mean, step).map { $0 + $1 }
    func penalty(_ theta: [Double]) -> Double {
      zip(state.prior.expanded(state.curvature.layers), theta).reduce(0) { $0 + $1.0 * $1.1 * $1.1 }
    }
    state.logEvidence +=
      0.5
      * (terms * log(ratio) - squares(moved) / other + least / variance - penalty(moved) + penalty(mean)
        - logDeterminant + earlier)
    return (state, moved)
  }
}

extension EarlierSquares {
  /// σ² of all rows: the fixed point of (S₁ + S₂)/(n₁ + n₂ − γ(σ²)), where γ is that of the curvature of all rows.
  ///
  /// - Parameters:
  ///   - theta: the weights that move.
  ///   - state: after all rows, its curvature at σ².
  ///   - squares, count: S₂ and n₂ at these weights.
  /// - Throws: `LinearAlgebraError.notConverged`, for a curvature that is not finite.
  func noiseVariance(
    at theta: [Double], _ state: LaplaceState, ofNoise current: Double, squares: Double, count: Double
  ) throws(LinearAlgebraError) -> Double {
    let all = (sum: self.squares(theta) + squares, count: terms + count)
    let sweep = try state.curvature.sweep()
    var result = current
    for _ in 0..<200 {
      // (H·σ₀² + δσ²)/σ₀² has the γ of H·σ₀²/σ² + δ.
      let gamma = sweep.effectiveWeights(before.prior.scaled(by: result / current)).reduce(0, +) - state.surplusWeights
      let next = LaplaceTuning.noiseVariance(all, effectiveWeights: max(0, gamma))
      defer { result = next }
      if abs(next - result) <= 1e-13 * result { break }
    }
    return result
  }
}
