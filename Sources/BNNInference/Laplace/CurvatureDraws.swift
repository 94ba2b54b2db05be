import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

/// A batch's curvature averaged over the Gaussian that it leads to.
///
/// The Gaussian nearest to a posterior in KL(q‖p) has Λ = Λ₁ + E_q[∇²L] (Opper & Archambeau 2009, "The variational Gaussian
/// approximation revisited", section 2), where Laplace's has ∇²L at its mean: a network that bends beside its optimum is stiffer there
/// than at it. Of the fixed point one step is taken, from Laplace's posterior q₀ = N(θ̂, Λ₀⁻¹), and the generalised Gauss–Newton matrix
/// stands for ∇²L:
///
///     H(D) = 1/(2K) Σ_s [H(D; θ̂ + Lz_s) + H(D; θ̂ − Lz_s)],     LLᵀ = Λ₀⁻¹
///
/// Where outputs are linear in the weights and noise is Gaussian, H depends on no weights, and nothing changes. The mean stays the
/// optimum: no step towards E_q[∇L] = 0 is taken.
extension LaplaceEngine {
  /// The batch's curvature over the posterior of a first batch.
  ///
  /// - Throws: `LinearAlgebraError` for a precision that is not positive definite.
  func averaged(_ state: LaplaceState, around theta: [Double], seed: RandomStream) throws -> AnyCurvature {
    averagedCurvature(
      loss(state.noiseVariance ?? 1), state.chosen, around: theta, try state.factored(), seed: seed)
  }

  /// 2K passes over the rows (4K of a structure with a second pass).
  ///
  /// - Parameters:
  ///   - chosen: the layers whose weights are drawn.
  ///   - theta: θ̂, all weights.
  ///   - factor: of Λ₀, over the chosen layers.
  func averagedCurvature(
    _ loss: some BatchLoss, _ chosen: Range<Int>, around theta: [Double], _ factor: any CurvatureFactor,
    seed: RandomStream
  ) -> AnyCurvature {
    let moving = network.parameterRange(ofLayers: chosen)
    let count = 2 * settings.curvatureDraws
    let root = seed.split(10)
    var (step, pair) = ([Double](), -1)
    return loss.curvature(
      over: count, kind: settings.curvature, chosen: chosen, empty: empty(chosen)
    ) { s in
      let stream = root.split(UInt64(s / 2))
      if pair != s / 2 {
        pair = s / 2
        var normals = stream.split(0)
        step = factor.halfSolve(normals.normals(moving.count))
      }
      progress(1, "averaging the curvature: draw \(s + 1) of \(count)")
      let sign = s % 2 == 0 ? 1.0 : -1
      var drawn = theta
      for (place, d) in zip(moving, step) { drawn[place] += sign * d }
      return (drawn, stream.split(UInt64(1 + s % 2)))
    }
  }
}
