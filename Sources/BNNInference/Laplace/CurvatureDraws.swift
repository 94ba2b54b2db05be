import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

/// A batch's curvature averaged over the Gaussian that it leads to.
///
/// The Gaussian nearest to a posterior in KL(q‖p) has Λ = Λ₁ + E_q[∇²L] (Opper & Archambeau 2009, "The variational Gaussian
/// approximation revisited", equation 7), where Laplace's has ∇²L at its mean: a network that bends beside its optimum is stiffer there
/// than at it. Of the fixed point one step is taken, from Laplace's posterior q₀ = N(θ̂, Λ₀⁻¹), and the generalised Gauss–Newton matrix
/// stands for ∇²L:
///
///     H(D) = 1/(2K) Σ_s [H(D; θ̂ + Lz_s) + H(D; θ̂ − Lz_s)],     LLᵀ = Λ₀⁻¹
///
/// Where outputs are linear in the weights and noise is Gaussian, H depends on no weights, and nothing changes. The mean stays the
/// optimum: no step towards E_q[∇L] = 0 is taken.
extension LaplaceEngine {
  /// 2K passes over the rows (4K of a structure with a second pass).
  ///
  /// - Parameters:
  ///   - own: θ̂, of the weights that move.
  ///   - factor: of Λ₀.
  ///   - whole: all weights with these in the place of those that move.
  func averagedCurvature(
    _ loss: any BatchLoss, _ before: LaplaceState, around own: [Double], _ factor: any CurvatureFactor,
    seed: RandomStream, whole: ([Double]) -> [Double]
  ) -> AnyCurvature {
    let count = 2 * settings.curvatureDraws
    let root = seed.split(10)
    var (step, pair) = ([Double](), -1)
    return loss.curvature(
      over: count, kind: settings.curvature, chosen: before.chosen, empty: empty(before.chosen)
    ) { s in
      let stream = root.split(UInt64(s / 2))
      if pair != s / 2 {
        pair = s / 2
        var normals = stream.split(0)
        step = factor.halfSolve(normals.normals(own.count))
      }
      progress(1, "averaging the curvature: draw \(s + 1) of \(count)")
      let sign = s % 2 == 0 ? 1.0 : -1
      return (whole(zip(own, step).map { $0 + sign * $1 }), stream.split(UInt64(1 + s % 2)))
    }
  }
}
