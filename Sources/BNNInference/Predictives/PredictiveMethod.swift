/// How the uncertainty of a network's weights reaches its predictions.
public enum PredictiveMethod: Hashable, Sendable {
  /// Through the network linearised in its weights, whose outputs are Gaussian in closed form: the model that Laplace's
  /// approximation with the generalised Gauss–Newton curvature is the posterior of (Immer, Korzepa & Bauer 2021,
  /// "Improving predictions of Bayesian neural nets via local linearization").
  ///
  /// Of classes by `classes`; nil is the likelihood's own, with the share of the covariance that was chosen on D1. A method
  /// that is asked for gets all of it.
  case linearised(classes: ClassMethod?)
  /// Through the network itself: weights drawn from the posterior, `samples` pairs θ̂ ± Lz with LLᵀ = Λ⁻¹, a forward pass
  /// each, and the likelihood averaged over them. The same weights for all rows, so that differences between rows are not
  /// noise. Where the posterior is wider than the network is linear such draws underfit. Laplace posteriors only.
  case networkMonteCarlo(samples: Int)

  /// What predicts unless another method is asked for.
  public static var automatic: PredictiveMethod { .linearised(classes: nil) }
}
