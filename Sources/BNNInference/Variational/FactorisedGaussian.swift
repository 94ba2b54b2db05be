import BNNLinearAlgebra
import BNNPosteriors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// q(θ) = ∏ N(m_j, s_j²).
struct FactorisedGaussian: Sendable, Equatable {
  var mean: [Double]
  /// s², positive.
  var variance: [Double]
}

/// N(m₁, Λ₁⁻¹), of any structure, as the prior of a factorised Gaussian:
///
///     KL(q ‖ N(m₁, Λ₁⁻¹)) = ½[Σ s_j²Λ₁_jj + (m − m₁)ᵀΛ₁(m − m₁) − Σ log s_j² − log|Λ₁| − P]
///
/// It needs of Λ₁ its diagonal, its determinant and Λ₁·v alone, so that nothing of a full, Kronecker-factored or low-rank
/// precision is dropped (../shared/mathematics.md).
struct VariationalPrior: Sendable {
  let mean: [Double]
  /// diag Λ₁.
  let diagonal: [Double]
  let logDeterminant: Double
  /// Λ₁x; nil where Λ₁ is diagonal.
  let times: (@Sendable ([Double]) -> [Double])?

  /// N(m₁, diag(λ)⁻¹).
  init(mean: [Double], diagonal: [Double]) {
    self.mean = mean
    self.diagonal = diagonal
    logDeterminant = diagonal.reduce(0) { $0 + log($1) }
    times = nil
  }

  /// The posterior before a batch, over the layers that it is uncertain of.
  ///
  /// - Throws: `LinearAlgebraError` for a precision that is not positive definite.
  init(mean: [Double], _ state: LaplaceState) throws {
    let prior = state.prior.expanded(state.curvature.layers)
    let diagonal = zip(state.curvature.diagonal, prior).map { $0 + $1 }
    let factor = try state.factored()
    self.mean = mean
    self.diagonal = diagonal
    logDeterminant = factor.logDeterminant
    if state.curvature.structure == .diagonal {
      times = nil
    } else {
      times = { state.precisionTimes($0) }
    }
  }

  /// Λ₁(m − m₁).
  func pull(_ m: [Double]) -> [Double] {
    let difference = zip(m, mean).map { $0 - $1 }
    guard let times else { return zip(diagonal, difference).map { $0 * $1 } }
    return times(difference)
  }

  /// KL(q ‖ this), nats. O(P) and one product with Λ₁.
  func divergence(_ q: FactorisedGaussian) -> Double {
    let pull = pull(q.mean)
    var sum = 0.0
    for j in q.mean.indices {
      let shift = (q.mean[j] - mean[j]) * pull[j]
      sum += q.variance[j] * diagonal[j] + shift - log(q.variance[j]) - 1
    }
    return 0.5 * (sum - logDeterminant)
  }
}
