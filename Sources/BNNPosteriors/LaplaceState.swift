import BNNLinearAlgebra

/// What a Laplace posterior N(θ, Λ⁻¹) over some layers of a network keeps beside its mean: Λ = H + prior, H the sum of every
/// batch's curvature at the weights where that batch ended.
public struct LaplaceState: Sendable, Equatable {
  /// The layers whose weights are uncertain; the others are held at their values of D1.
  public var chosen: Range<Int>
  /// H, with the noise in it.
  public var curvature: AnyCurvature
  /// Fixed by D1.
  public var prior: PriorPrecision
  /// σ² of a Gaussian likelihood in normalised units, fixed by D1; nil for every other.
  public var noiseVariance: Double?
  /// Σ log p(D_k | D_<k) of all batches in normalised units, by Laplace's method; of a point log p(D1).
  public var logEvidence: Double
  /// Of the last batch's optimum: √(gᵀΛ⁻¹g) with g the gradient there, the distance to the optimum in posterior standard
  /// deviations.
  public var distanceToOptimum: Double
  /// Posterior mean of θ − θ₁ over all weights, of a network linearised at θ₁; nil where the mean is θ itself.
  public var displacement: [Double]?
  /// τ: predictions of classes take outputs for N(m, τS). Chosen on D1, by rows held out of its training or by approximate
  /// leave-one-out, 0 where neither was possible; 1 for all other targets. 0 of a point, whatever its targets.
  public var predictiveScale = 1.0
  /// By how many weights γ of a curvature that was averaged over draws is larger than that of the curvature at the optima, which is what
  /// the noise is estimated by; 0 for every other.
  public var surplusWeights = 0.0
  /// Of a mean-field posterior with rows in memory, the same without them: the prior for the next batch. Nil for every other.
  public var withoutMemory: FactorisedSite?
  /// Of a point that keeps the state of its training; nil for every other.
  public var optimiser: OptimiserState?

  public init(
    chosen: Range<Int>, curvature: AnyCurvature, prior: PriorPrecision, noiseVariance: Double?, logEvidence: Double,
    distanceToOptimum: Double, displacement: [Double]? = nil
  ) {
    self.chosen = chosen
    self.curvature = curvature
    self.prior = prior
    self.noiseVariance = noiseVariance
    self.logEvidence = logEvidence
    self.distanceToOptimum = distanceToOptimum
    self.displacement = displacement
  }

  /// Λx for x over the chosen layers.
  public func precisionTimes(_ x: [Double]) -> [Double] {
    var result = curvature.times(x)
    let prior = prior.expanded(curvature.layers)
    for j in x.indices { result[j] += prior[j] * x[j] }
    return result
  }

  /// γ = tr H(H + δ)⁻¹. O(P³) for a full structure.
  public var effectiveWeights: Double {
    get throws(LinearAlgebraError) { try curvature.sweep().effectiveWeights(prior).reduce(0, +) }
  }

  /// H ← the same averaged over draws, and what γ grows by into `surplusWeights` where noise is estimated.
  public mutating func takeAveraged(_ averaged: AnyCurvature) throws(LinearAlgebraError) {
    let before = noiseVariance == nil ? 0 : try effectiveWeights
    curvature = averaged
    if noiseVariance != nil { surplusWeights += try effectiveWeights - before }
  }

  /// H ← a part of it. Of the surplus as large a part of γ stays.
  public mutating func takePart(_ part: AnyCurvature) throws(LinearAlgebraError) {
    let before = surplusWeights == 0 ? 0 : try effectiveWeights
    curvature = part
    if before > 0 { surplusWeights *= try effectiveWeights / before }
  }

  /// The side of Λ that solves.
  public func factored() throws(LinearAlgebraError) -> any CurvatureFactor { try curvature.factored(prior: prior) }
}

/// A factorised Gaussian over the uncertain layers' weights beside the one of a `LaplaceState`, under the same prior.
public struct FactorisedSite: Sendable, Equatable {
  public var mean: [Double]
  /// What the precisions 1/s² exceed the prior's by, as in `LaplaceState.curvature`.
  public var excess: [Double]
  /// Σ log p of the rows that it has seen, as `LaplaceState.logEvidence` of all.
  public var logEvidence: Double

  public init(mean: [Double], excess: [Double], logEvidence: Double) {
    self.mean = mean
    self.excess = excess
    self.logEvidence = logEvidence
  }
}
