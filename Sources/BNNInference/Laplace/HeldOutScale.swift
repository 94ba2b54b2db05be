import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

/// τ (`PredictiveScale`) by rows that wait until the end of training. A Kronecker product or a diagonal does not hold a row
/// whole, so that none can be taken out of it again, and features of a last layer have seen every row.
extension LaplaceEngine {
  private typealias Held = (rows: [Int], rest: [Int])

  /// At most so many rows are held out, and at most a tenth.
  private static var heldRows: Int { 2000 }
  /// Below so many chance decides, and the network misses them more than its calibration gains (measured on digits).
  private static var leastHeldRows: Int { 500 }
  /// Rows that the curvature is estimated from for this.
  private static var curvatureRows: Int { 8192 }
  /// Where the learning rate of the one pass over all rows begins, as a share of training's.
  private static var lastRate: Double { 0.1 }

  /// Rows of classes, at random; nil where leaving out by formula does as well, where they are few, and where the prior has
  /// yet to be chosen weight by weight.
  private func held(_ seed: RandomStream) -> Held? {
    let byFormula = settings.holdsRows && settings.layers == nil
    guard kind.isClassification, !byFormula, settings.priorScope != .weight else { return nil }
    let outputs = network.outputs
    // Their covariances are C² numbers a row.
    let count = min(Self.heldRows, y.rows / 10, 20_000_000 / (outputs * outputs))
    guard count >= Self.leastHeldRows else { return nil }
    var stream = seed.split(5)
    let order = stream.permutation(y.rows)
    return (order.prefix(count).sorted(), order.dropFirst(count).sorted())
  }

  /// Trains on all rows, and chooses τ before the last of them are seen, where that is worth it.
  ///
  /// With minibatches the held rows wait for one more pass over all, from a tenth of the learning rate; with second-order steps
  /// training goes on from the optimum of the others.
  func trainedOnAll(
    _ values: inout LaplaceTuning.Values, _ open: (prior: Bool, noise: Bool), seed: RandomStream,
    _ minibatches: MinibatchTrainer?
  ) throws -> (theta: [Double], scale: Double?, optimiser: OptimiserState?) {
    guard !isPoint, let held = held(seed) else {
      let (theta, optimiser) = try trained(&values, open, seed: seed, minibatches)
      return (theta, nil, optimiser)
    }
    if let epochs = training.epochs {
      var stream = seed.split(1)
      let start = network.initialParameters(using: &stream)
      let variance = values.noiseVariance
      func after(_ theta: [Double], _ passes: MinibatchPasses) throws -> [Double] {
        let result = (minibatches?(theta, values, passes) ?? minibatchTrained(from: theta, values, passes)).theta
        try check(result)
        return result
      }
      let first = try after(
        start, MinibatchPasses(epochs: epochs, rows: held.rest, stream: seed.split(2).split(0)))
      try checkConvergence(from: start, to: first, variance)
      let scale = try scale(held, first, values, open, seed: seed)
      let last = try after(
        first, MinibatchPasses(epochs: 1, rate: Self.lastRate, stream: seed.split(2).split(1)))
      return (last, scale, nil)
    }
    let part = loss(1).sampled(held.rest, weight: Double(y.rows) / Double(held.rest.count))
    let first = try LaplaceEngine(
      network: network, settings: settings, training: training, x: part.x, y: part.y, weights: part.weights, kind: kind,
      likelihood: likelihood, threads: threads, progress: progress
    ).trained(&values, open, seed: seed, nil).theta
    let scale = try scale(held, first, values, open, seed: seed)
    let objective = wholeObjective(values, first)
    let last = LBFGS(maximumIterations: 10 * training.refinement).minimise(from: first) { objective.evaluate($0) }.theta
    try check(last)
    return (last, scale, nil)
  }

  /// τ by the held rows, with the curvature of the others.
  private func scale(
    _ held: Held, _ theta: [Double], _ values: LaplaceTuning.Values, _ open: (prior: Bool, noise: Bool),
    seed: RandomStream
  ) throws -> Double {
    progress(1, "choosing the share of the spread")
    let count = min(held.rest.count, Self.curvatureRows)
    let some = (0..<count).map { held.rest[$0 * held.rest.count / count] }
    let sample = loss(1).sampled(some, weight: Double(y.rows) / Double(count))
    let curvature = sample.curvature(
      theta, kind: settings.curvature, chosen: chosen, empty: empty(chosen), stream: seed.split(6))
    var own = values
    try tune(&own, theta, open, by: curvature)
    var state = LaplaceState(
      chosen: chosen, curvature: curvature, prior: own.prior.of(blocks, shapes), noiseVariance: nil, logEvidence: 0,
      distanceToOptimum: 0)
    if settings.curvatureDraws > 0 {
      state.curvature = averagedCurvature(sample, chosen, around: theta, try state.factored(), seed: seed.split(6))
    }
    let moments = try LaplaceMoments(network, theta, state, scale: 1)
    let rows = stride(from: 0, to: held.rows.count, by: 500).flatMap { start in
      let found = moments.linearised(inputs(Array(held.rows[start..<min(start + 500, held.rows.count)])))
      return (0..<found.mean.rows).map { found.row($0) }
    }
    return PredictiveScale.best(
      rows, y.gathering(held.rows[...]), kind.classMethod, heads: likelihood(1).heads)
  }
}
