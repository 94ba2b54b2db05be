import BNNLinearAlgebra
import BNNPosteriors
import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A prior precision for every weight by the evidence, automatic relevance determination (MacKay 1994; Neal 1996; Tipping
/// 2001, "Sparse Bayesian learning and the relevance vector machine"): the minimum over log δ of
///
///     E(δ) = ½Σ δ_iθ_i² − ½Σ log δ_i + ½ log|H + diag δ| + (what does not depend on δ)
///     ∂E/∂log δ_i = ½[δ_i(θ_i² + Σ_ii) − 1],   Σ = (H + diag δ)⁻¹
///
/// whose zero is MacKay's δ_i = γ_i/θ_i², γ_i = 1 − δ_iΣ_ii. By L-BFGS: the fixed-point iteration oscillates where a weight is
/// held by its prior, and creeps where the data nearly need it. δ is kept within 10⁻⁸ to 10⁸.
struct WeightPrecisions {
  /// H at unit noise, of the weights that are uncertain.
  let curvature: AnyCurvature
  /// θ.
  let theta: [Double]
  /// ∇L at θ at unit noise, where θ may follow δ: θ(δ) = Σ(Hθ − ∇L), the optimum of the model linearised there. For a model
  /// that is linear in its weights the minimum is then that of the evidence itself. Nil: θ stays.
  let gradient: [Double]?
  /// Σ w(y − f)² at θ and its terms; nil for a likelihood without noise, or a given one.
  let residuals: (sum: Double, count: Double)?

  static let bounds = (least: 1e-8, largest: 1e8)

  /// δ and σ² from a start.
  ///
  /// Complexity: some hundred factorings of H + diag δ at most.
  func tuned(_ start: [Double], _ noiseVariance: Double) -> (precisions: [Double], noiseVariance: Double) {
    var logs = start.map { log($0) }
    var variance = noiseVariance
    for _ in 0..<20 {
      let own = variance
      logs =
        LBFGS(maximumIterations: 150, gradientTolerance: 1e-7, valueTolerance: 1e-12)
        .minimise(from: logs) { evaluate($0, own) }.theta
      guard let residuals else { break }
      let delta = Self.bounded(logs)
      guard let factor = try? curvature.factored(prior: .weights(delta.map { $0 * own })) else { break }
      let determined = zip(delta, factor.marginalVariances).reduce(0) { $0 + 1 - $1.0 * own * $1.1 }
      variance = LaplaceTuning.noiseVariance(residuals, effectiveWeights: determined)
      if abs(log(variance / own)) < 1e-6 { break }
    }
    return (Self.bounded(logs), variance)
  }

  private static func bounded(_ logs: [Double]) -> [Double] {
    logs.map { min(max(exp($0), bounds.least), bounds.largest) }
  }

  /// E and its derivatives in log δ; beyond the bounds it is flat.
  private func evaluate(_ logs: [Double], _ variance: Double) -> (value: Double, gradient: [Double]) {
    let delta = Self.bounded(logs)
    // H/σ² + δ = (H + σ²δ)/σ².
    guard let factor = try? curvature.factored(prior: .weights(delta.map { $0 * variance })) else {
      return (.infinity, logs.map { _ in 0 })
    }
    var own = theta
    var value = 0.5 * factor.logDeterminant
    if let gradient {
      let response = zip(curvature.times(theta), gradient).map { $0 - $1 }
      own = factor.solve(response)
      value -= 0.5 * dot(response, own) / variance
    } else {
      for j in own.indices { value += 0.5 * delta[j] * own[j] * own[j] }
    }
    let variances = factor.marginalVariances
    var slope = [Double](repeating: 0, count: logs.count)
    for j in logs.indices {
      value -= 0.5 * log(delta[j])
      let isInside = logs[j] >= log(Self.bounds.least) && logs[j] <= log(Self.bounds.largest)
      if isInside { slope[j] = 0.5 * (delta[j] * (own[j] * own[j] + variance * variances[j]) - 1) }
    }
    return (value, slope)
  }
}

extension LaplaceEngine {
  /// δ of every weight that is uncertain, and σ², in turns with the weights where training ends at an optimum, until
  /// Laplace's evidence gains less than 10⁻⁴ nats: first with the weights following δ as far as the network is linear, then,
  /// once that no longer helps, with each held while the other is chosen. With minibatches once, at the weights where they
  /// ended. What comes out is the best that was met, never below one precision for all: H moves with the weights of a network,
  /// which MacKay's condition leaves out, so that steps towards it can lose evidence.
  ///
  /// - Returns: the weights.
  func tuneEveryWeight(
    _ values: inout LaplaceTuning.Values, _ theta: [Double], tunesNoise: Bool, seed: RandomStream
  ) throws -> [Double] {
    let moving = network.parameterRange(ofLayers: chosen)
    var best = (theta: theta, values: values, evidence: -Double.infinity)
    var trial = (theta: theta, values: values)
    var follows = isSettled
    for round in 0..<Self.rounds {
      progress(Double(round + 1) / Double(Self.rounds + 1), "choosing a prior precision for every weight")
      var curvature = curvature(at: trial.theta, 1, seed: seed)
      if isSettled {
        let evidence = try evidence(trial.values, trial.theta, curvature)
        let gain = evidence - best.evidence
        if gain > 0 { best = (trial.theta, trial.values, evidence) }
        if !(gain > 1e-4) {
          guard follows else { break }
          follows = false
          trial = (best.theta, best.values)
          curvature = self.curvature(at: trial.theta, 1, seed: seed)
        }
      }
      let unit = loss(1)
      var all = trial.values.prior.expanded(shapes)
      let found = WeightPrecisions(
        curvature: curvature, theta: Array(trial.theta[moving]),
        gradient: follows ? Array(unit.evaluate(trial.theta).gradient[moving]) : nil,
        residuals: tunesNoise ? unit.residuals(trial.theta) : nil
      ).tuned(Array(all[moving]), trial.values.noiseVariance)
      all.replaceSubrange(moving, with: found.precisions)
      trial.values = LaplaceTuning.Values(prior: .weights(all), noiseVariance: found.noiseVariance)
      guard isSettled else {
        best = (trial.theta, trial.values, best.evidence)
        break
      }
      trial.theta = try settled(trial.theta, trial.values)
    }
    values = best.values
    return best.theta
  }

  private static var rounds: Int { 30 }

  /// log p(D1) by Laplace's method, H at unit noise.
  private func evidence(
    _ values: LaplaceTuning.Values, _ theta: [Double], _ curvature: AnyCurvature
  ) throws -> Double {
    let prior = values.prior.of(blocks, shapes).expanded(Array(shapes[blocks]))
    let factor = try curvature.factored(prior: .weights(prior.map { $0 * values.noiseVariance }))
    let logDeterminant = factor.logDeterminant - Double(prior.count) * log(values.noiseVariance)
    return 0.5 * (prior.reduce(0) { $0 + log($1) } - logDeterminant)
      - wholeObjective(values, theta).evaluate(theta).value
  }
}
