import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

/// Passes of Adam over rows.
struct MinibatchPasses: Sendable {
  var epochs: Int
  /// The rows that are visited; nil for all.
  var rows: [Int]?
  /// The first learning rate, as a share of the one that was set.
  var rate = 1.0
  /// Where Adam goes on from, to be kept afterwards; nil for a start of its own.
  var optimiser: OptimiserState?
  var stream: RandomStream
}

/// Weights after passes from these, at fixed hyper-parameters, and Adam's state there if it goes on from one.
typealias MinibatchTrainer =
  @Sendable (_ theta: [Double], _ values: LaplaceTuning.Values, _ passes: MinibatchPasses) -> (
    theta: [Double], optimiser: OptimiserState?
  )

/// Training on the first batch, prior and noise by the evidence on the way.
extension LaplaceEngine {
  func trained(
    _ values: inout LaplaceTuning.Values, _ open: (prior: Bool, noise: Bool), seed: RandomStream,
    _ minibatches: MinibatchTrainer?
  ) throws -> (theta: [Double], optimiser: OptimiserState?) {
    var stream = seed.split(1)
    var theta = network.initialParameters(using: &stream)
    if let epochs = training.epochs {
      let start = theta
      let variance = values.noiseVariance
      let rounds = open.noise ? min(epochs, 4) : 1
      var optimiser =
        keepsOptimiser
        ? OptimiserState(
          weights: theta.count, rows: y.rows, scheduleEpochs: training.scheduleEpochs ?? epochs, seed: seed.seed) : nil
      for round in 0..<rounds {
        let share = epochs * (round + 1) / rounds - epochs * round / rounds
        let own = MinibatchPasses(
          epochs: share, optimiser: optimiser,
          stream: keepsOptimiser ? Self.stream(ofPasses: seed) : seed.split(2).split(UInt64(round)))
        (theta, optimiser) = minibatches?(theta, values, own) ?? minibatchTrained(from: theta, values, own)
        try check(theta)
        if round + 1 < rounds { try tuneRoughly(&values, theta, open, seed: seed) }
      }
      try checkConvergence(from: start, to: theta, variance)
      return (theta, optimiser)
    }
    let schedule = training.schedule ?? (isLarge ? TrainingSettings.longRounds : TrainingSettings.shortRoundsFirst)
    for (round, iterations) in schedule.enumerated() {
      let objective = wholeObjective(values, theta)
      theta = LBFGS(maximumIterations: iterations).minimise(from: theta) { objective.evaluate($0) }.theta
      try check(theta)
      progress(Double(round + 1) / Double(schedule.count + 1), "training: round \(round + 1) of \(schedule.count)")
      if open.prior || open.noise { try tune(&values, theta, open, by: curvature(at: theta, 1, seed: seed)) }
    }
    guard isLarge else { return (theta, nil) }
    let objective = wholeObjective(values, theta)
    theta = LBFGS(maximumIterations: 30 * training.refinement).minimise(from: theta) { objective.evaluate($0) }.theta
    try check(theta)
    return (theta, nil)
  }

  /// Of the order of rows in a run of Adam that may be taken up again.
  static func stream(ofPasses seed: RandomStream) -> RandomStream { seed.split(2).split(0) }

  /// Passes of Adam at fixed hyper-parameters.
  func minibatchTrained(
    from theta: [Double], _ values: LaplaceTuning.Values, _ passes: MinibatchPasses
  ) -> (theta: [Double], optimiser: OptimiserState?) {
    let own = MinibatchTraining(
      epochs: passes.epochs, batchSize: training.batchSize, learningRate: passes.rate * training.learningRate)
    let (objective, loss) = (wholeObjective(values, theta), loss(values.noiseVariance))
    guard var optimiser = passes.optimiser else {
      let result = own.minimise(
        objective, of: loss, from: theta, rows: passes.rows, stream: passes.stream, progress: report)
      return (result, nil)
    }
    let result = own.minimise(
      objective, of: loss, from: theta, rows: passes.rows, continuing: &optimiser, stream: passes.stream,
      progress: report)
    return (result, optimiser)
  }

  /// Says how much of a training is done.
  func report(_ share: Double) { progress(share, "training: \(Int((share * 100).rounded())) %") }

  /// - Parameter slack: by how much it may be higher, nats a row, because the prior gained as much.
  /// - Throws: `UpdateError.diverged` where training ended far above where it began. One that gains little, or a strong
  ///   prior, ends near there.
  func checkConvergence(from start: [Double], to theta: [Double], _ variance: Double, slack: Double = 0) throws {
    let (first, last) = (sampleLoss(start, variance), sampleLoss(theta, variance))
    guard last < max(2 * first, first + 1) + slack else { throw UpdateError.diverged(from: first, to: last) }
  }

  /// −log p a row over the first rows.
  private func sampleLoss(_ theta: [Double], _ variance: Double) -> Double {
    let count = min(y.rows, 4096)
    let part = NetworkLoss(
      network: network, likelihood: likelihood(variance), x: Array(x[0..<(count * network.spec.inputs)]),
      y: y.rows(0..<count), weights: nil, threads: threads)
    let densities = part.likelihood.logDensities(outputs: part.outputs(theta), targets: part.y)
    return -densities.reduce(0, +) / Double(max(1, count))
  }

  func wholeObjective(_ values: LaplaceTuning.Values, _ theta: [Double]) -> PenalisedLoss {
    let prior = values.prior.expanded(shapes)
    return PenalisedLoss(
      loss: loss(values.noiseVariance), frame: theta, moving: theta.indices,
      mean: [Double](repeating: 0, count: theta.count), diagonal: prior,
      precisionTimes: { zip(prior, $0).map { $0 * $1 } })
  }

  /// (δ, σ²) ← the evidence's while training goes on, by Kronecker products of some of the rows: the next round begins from
  /// them, and the last word is had once it has ended.
  private func tuneRoughly(
    _ values: inout LaplaceTuning.Values, _ theta: [Double], _ open: (prior: Bool, noise: Bool), seed: RandomStream
  ) throws {
    guard open.prior || open.noise else { return }
    let count = min(y.rows, 2048)
    let some = (0..<count).map { $0 * y.rows / count }
    let rough = loss(1).sampled(some, weight: Double(y.rows) / Double(count)).curvature(
      theta, kind: settings.curvature, chosen: chosen,
      empty: AnyCurvature(.kronecker, layers: Array(shapes[blocks]), sharing: settings.sharing), stream: seed.split(3))
    try tune(&values, theta, open, by: rough)
  }

  /// (δ, σ²) ← the evidence's, by the curvature at unit noise over the layers of the posterior.
  func tune(
    _ values: inout LaplaceTuning.Values, _ theta: [Double], _ open: (prior: Bool, noise: Bool),
    by curvature: AnyCurvature
  ) throws {
    guard open.prior || open.noise else { return }
    guard case .layers(var prior) = values.prior else { preconditionFailure("training has one precision a layer") }
    let isPerLayer = settings.priorScope == .layer
    let found = LaplaceTuning(
      sweep: try curvature.sweep(), squares: network.squares(of: theta, chosen),
      residuals: hasNoise ? loss(1).residuals(theta) : nil,
      isPerLayer: isPerLayer
    ).tuned(Array(prior[blocks]), values.noiseVariance, tunesPrior: open.prior, tunesNoise: open.noise)
    values.noiseVariance = found.noiseVariance
    // Layers that are held at their trained values are trained under the prior of those that move.
    if !isPerLayer, let one = found.prior.first { prior = prior.map { _ in one } }
    prior.replaceSubrange(blocks, with: found.prior)
    values.prior = .layers(prior)
  }
}
