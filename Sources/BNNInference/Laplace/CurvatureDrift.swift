import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

extension LaplaceEngine {
  /// Rows that are looked at, evenly spread, and scaled to all; the drift is a sum over weights, and a few thousand rows know
  /// it to a few percent.
  private static var driftRows: Int { 2048 }

  /// ½|log det(Λ₁ + H(D₂; θ₁)) − log det(Λ₁ + H(D₂; θ₂))|, nats, in the structure: how much the logarithm of the posterior's
  /// volume depends on where the batch's curvature is taken, which is what the next batch's prior takes for granted. 0 for a
  /// Gaussian likelihood and a model that is linear in its weights. What one direction gains and another loses does not
  /// show.
  ///
  /// - Parameters:
  ///   - outcome: of the update, which is given back with it.
  ///   - first, last: all weights at the mean before the batch and after it.
  ///   - state: what was known before it.
  func measuringDrift(
    _ outcome: Outcome, _ loss: some BatchLoss, from first: [Double], to last: [Double], under state: LaplaceState,
    seed: RandomStream
  ) throws -> Outcome {
    var stopwatch = Stopwatch()
    let n = loss.y.rows
    let count = min(n, Self.driftRows)
    let sample = loss.sampled((0..<count).map { $0 * n / count }, weight: Double(n) / Double(count))
    let logs = try [first, last].map { theta in
      var own = state
      own.curvature.append(
        sample.curvature(
          theta, kind: settings.curvature, chosen: state.chosen, empty: empty(state.chosen), stream: seed.split(4)))
      return try own.factored().logDeterminant
    }
    var result = outcome
    result.curvatureDrift = 0.5 * abs(logs[0] - logs[1])
    result.timings.curvature += stopwatch.lap()
    return result
  }
}

extension BatchLoss {
  /// Row weights of some rows times a number.
  fileprivate func scaledWeights(_ indices: [Int], _ weight: Double) -> [Double]? {
    weights == nil && weight == 1 ? nil : indices.map { (weights?[$0] ?? 1) * weight }
  }
}

extension NetworkLoss {
  func sampled(_ indices: [Int], weight: Double) -> NetworkLoss {
    let d = network.spec.inputs
    return NetworkLoss(
      network: network, likelihood: likelihood, x: indices.flatMap { x[($0 * d)..<(($0 + 1) * d)] },
      y: y.gathering(indices[...]), weights: scaledWeights(indices, weight), threads: threads)
  }
}

extension TangentLoss {
  func sampled(_ indices: [Int], weight: Double) -> TangentLoss {
    TangentLoss(
      network: network, likelihood: likelihood, x: x.gathering(indices[...]), y: y.gathering(indices[...]),
      weights: scaledWeights(indices, weight), anchor: anchor, threads: threads)
  }
}
