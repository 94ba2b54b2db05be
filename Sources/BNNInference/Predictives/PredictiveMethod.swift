/// How the uncertainty of a network's weights reaches its predictions.
public enum PredictiveMethod: Hashable, Sendable {
  /// What suits the posterior: `moments` for mean-field ones, the network linearised for all others.
  case automatic
  /// Through the network linearised in its weights, whose outputs are Gaussian in closed form: the model that Laplace's
  /// approximation with the generalised Gauss–Newton curvature is the posterior of (Immer, Korzepa & Bauer 2021,
  /// "Improving predictions of Bayesian neural nets via local linearization").
  ///
  /// Of classes by `classes`; nil is the likelihood's own, with the share of the covariance that was chosen on D1. A method
  /// that is asked for gets all of it.
  case linearised(classes: ClassMethod?)
  /// Through the network itself: weights drawn from the posterior, `samples` pairs θ̂ ± Lz with LLᵀ = Λ⁻¹, a forward pass
  /// each, and the likelihood averaged over them. The same weights for all rows, so that differences between rows are not
  /// noise. Where the posterior is wider than the network is linear such draws underfit. Not for the linear family.
  case networkMonteCarlo(samples: Int)
  /// Through the network itself in one deterministic pass: means and variances of every unit, taken as independent and normal
  /// (`MomentPass`). Mean-field posteriors only. Of classes by `classes`; nil is the likelihood's own.
  case moments(classes: ClassMethod?)
}
