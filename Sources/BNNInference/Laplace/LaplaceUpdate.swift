import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Every next batch.
extension LaplaceEngine {
  /// Moves to the optimum under the old posterior and adds the batch's curvature there. Where the noise follows the batches this
  /// is done anew at the noise of all rows (`EarlierSquares`) until it stays; minibatches end at no optimum, and are not begun
  /// anew.
  ///
  /// - Parameter earlierTerms: numbers that the noise was estimated from before, where it follows the batches; nil keeps it.
  func update(
    _ theta: [Double], _ before: LaplaceState, earlierTerms: Double?, seed: RandomStream
  ) throws -> Outcome {
    progress(0, "training under the earlier posterior")
    var stopwatch = Stopwatch()
    let anchor = settings.isLinearised ? theta : nil
    let first = anchor == nil ? theta : zip(theta, before.displacement ?? []).map { $0 + $1 }
    let moving = network.parameterRange(ofLayers: before.chosen)
    let mean = Array(first[moving])
    let isSettled = anchor != nil || training.epochs == nil && !isLarge
    var (state, loss) = (before, batchLoss(before.noiseVariance ?? 1, anchor))
    var timings = Timings()
    func formed(_ state: LaplaceState, mean: [Double], from start: [Double], trains: Bool) throws -> Outcome {
      let optimum = trains ? try self.optimum(loss, state, mean: mean, from: start, seed: seed) : start
      timings.training += stopwatch.lap()
      progress(1, "forming the posterior")
      let outcome = try absorbed(state, loss, mean: mean, from: optimum, anchor: anchor, seed: seed)
      timings.curvature += stopwatch.lap()
      return outcome
    }
    var outcome = try formed(before, mean: mean, from: first, trains: true)
    func weights(_ outcome: Outcome) -> [Double] {
      outcome.state.displacement.map { zip(outcome.theta, $0).map { $0 + $1 } } ?? outcome.theta
    }
    if let earlierTerms, var variance = before.noiseVariance {
      let earlier = try EarlierSquares(before, mean: mean, terms: earlierTerms, variance: variance)
      for _ in 0..<(isSettled ? Self.noiseRounds : 1) {
        let own = weights(outcome)
        let residuals = batchLoss(1, anchor).residuals(own)
        let next = try earlier.noiseVariance(
          at: Array(own[moving]), outcome.state, ofNoise: variance, squares: residuals.sum,
          count: residuals.count)
        timings.evidence += stopwatch.lap()
        if abs(log(next / variance)) < Self.noiseTolerance { break }
        variance = next
        let moved = try earlier.posterior(at: variance)
        (state, loss) = (moved.state, batchLoss(variance, anchor))
        outcome = try formed(state, mean: moved.mean, from: own, trains: isSettled)
      }
      outcome.logEvidence = outcome.state.logEvidence - before.logEvidence
      let step = zip(weights(outcome)[moving], mean).map { $0 - $1 }
      outcome.shift = max(0, dot(step, before.precisionTimes(step))).squareRoot()
    }
    outcome.timings = timings
    return try measuringDrift(outcome, loss, from: first, to: weights(outcome), under: state, seed: seed)
  }

  /// Beyond rounding and the contraction of a round, which is about γ/n, nothing is gained.
  private static var noiseTolerance: Double { 1e-9 }
  private static var noiseRounds: Int { 20 }

  /// Of the network, or of the network linearised at `anchor`.
  private func batchLoss(_ variance: Double, _ anchor: [Double]?) -> any BatchLoss {
    if let anchor { tangentLoss(variance, at: anchor) } else { loss(variance) }
  }

  /// All weights, those that move at the optimum under the earlier posterior.
  private func optimum(
    _ loss: any BatchLoss, _ before: LaplaceState, mean: [Double], from start: [Double], seed: RandomStream
  ) throws -> [Double] {
    let objective = penalised(loss, before, mean: mean, frame: start)
    let moving = Array(start[objective.moving])
    let own: [Double]
    if settings.isLinearised {
      own = newton(objective, before, from: moving)
    } else if let epochs = training.epochs {
      guard let network = loss as? NetworkLoss<Scalar> else {
        preconditionFailure("minibatches are of the network itself")
      }
      own = MinibatchTraining(epochs: epochs, batchSize: training.batchSize, learningRate: training.learningRate)
        .minimise(objective, of: network, from: start, stream: seed.split(2), progress: report)
    } else {
      let factor = try before.factored()
      let near = LBFGS(maximumIterations: 300, valueTolerance: 1e-13).minimise(
        from: moving, precondition: { factor.solve($0) }, { objective.evaluate($0) }
      ).theta
      own = near.count <= LaplaceRows.doubleLimit ? newton(objective, before, from: near) : near
    }
    let whole = objective.whole(own)
    try check(whole)
    return whole
  }

  func penalised(
    _ loss: any BatchLoss, _ before: LaplaceState, mean: [Double], frame: [Double]
  ) -> PenalisedLoss {
    PenalisedLoss(
      loss: loss, frame: frame, moving: network.parameterRange(ofLayers: before.chosen), mean: mean,
      precisionTimes: { before.precisionTimes($0) })
  }

  /// `polished` under Λ, dense.
  func newton(_ objective: PenalisedLoss, _ before: LaplaceState, from start: [Double]) -> [Double] {
    let dense = Matrix(symmetric: start.count) { before.precisionTimes($0) }
    return polished(objective, from: start, before.chosen, plus: dense)
  }

  /// Near the optimum: L-BFGS in the metric of the curvature, which is taken anew until E no longer falls. Close to the
  /// optimum each of its iterations is nearly a Newton step at the cost of a gradient.
  func polished(
    _ objective: PenalisedLoss, from start: [Double], _ layers: Range<Int>, plus penalty: Matrix
  ) -> [Double] {
    var theta = start
    var last = Double.infinity
    for _ in 0..<8 {
      var full = objective.loss.fullCurvature(objective.whole(theta), layers)
      accumulate(1, penalty.storage, into: &full.storage)
      guard let factor = try? TriangularFactor(choleskyOf: full) else { return theta }
      let found = LBFGS(maximumIterations: 10 * training.refinement, gradientTolerance: 1e-9, valueTolerance: 1e-13)
        .minimise(from: theta, precondition: { factor.solve($0) }, { objective.evaluate($0) })
      theta = found.theta
      if !(last - found.value > 1e-9 * abs(found.value)) { break }
      last = found.value
    }
    return theta
  }
}
