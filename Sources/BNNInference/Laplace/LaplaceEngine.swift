import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Seconds of wall time by part of a Laplace fit or update; of several members, of the slowest.
public struct Timings: Sendable, Equatable {
  public var training = 0.0
  /// Of the posterior's curvature, its factor and the optimum's last steps.
  public var curvature = 0.0
  /// Of choosing prior and noise, once training has ended.
  public var evidence = 0.0

  mutating func takeSlowest(_ other: Timings) {
    training = max(training, other.training)
    curvature = max(curvature, other.curvature)
    evidence = max(evidence, other.evidence)
  }
}

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

/// Seconds since it was last asked.
struct Stopwatch {
  private var last = ContinuousClock.now

  mutating func lap() -> Double {
    let now = ContinuousClock.now
    defer { last = now }
    let (seconds, attoseconds) = (now - last).components
    return Double(seconds) + 1e-18 * Double(attoseconds)
  }
}

/// Laplace's approximation to the posterior of one network, after a first batch and after every next one:
///
///     θ₂ = argmin −log p(D₂ | θ) + ½(θ − θ₁)ᵀΛ₁(θ − θ₁),     Λ₂ = Λ₁ + H(D₂; θ₂)
///
/// with H summed over rows, weight 1 (MacKay 1992; sequentially Ritter, Botev & Barber 2018, "Online structured Laplace
/// approximations"). At the first batch Λ₁ is the prior's and θ₁ = 0. The network may be linearised at its weights of D1.
struct LaplaceEngine<Scalar: BLASScalar>: Sendable {
  let network: Network
  var settings: LaplaceSettings
  var training: TrainingSettings
  let x: [Scalar]
  let y: Matrix
  let weights: [Double]?
  let kind: LikelihoodKind
  /// The likelihood at a noise variance (which only a Gaussian one has).
  let likelihood: @Sendable (Double) -> any Likelihood
  let threads: Int
  let progress: @Sendable (Double, String) -> Void
  /// Whether predictions take the weights for certain: then no row waits until the end of training.
  var isPoint = false
  /// Whether Adam's state is kept: of one run of Adam, along one cosine of `TrainingSettings.scheduleEpochs` passes.
  var keepsOptimiser = false

  struct Outcome {
    /// All weights; of a linearised network θ₁, its mean being the state's displacement beyond it.
    var theta: [Double]
    var state: LaplaceState
    /// log p(batch | before) in normalised units.
    var logEvidence: Double
    /// Seconds of each part.
    var timings = Timings()
    /// ‖H − what solves instead of its list of batches‖/‖H‖ (Frobenius); 0 for structures without one.
    var compressionError = 0.0
    /// √((θ₂ − θ₁)ᵀΛ₁(θ₂ − θ₁)): how far the batch moved the mean, in standard deviations of the posterior before it.
    var shift: Double
    /// Of an update; nil for a fit.
    var curvatureDrift: Double?
    /// Of counts; nil for every other target.
    var pearson: PearsonSum?
  }

  /// Of the layers with weights.
  var shapes: [LayerShape] { network.shapes }
  var chosen: Range<Int> { settings.layers ?? 0..<network.layers.count }
  /// Which of the shapes those of the chosen layers are.
  var blocks: Range<Int> { network.blocks(ofLayers: chosen) }
  var hasNoise: Bool { kind.hasNoise }
  var isLarge: Bool { network.parameterCount > LaplaceRows.doubleLimit }

  func loss(_ variance: Double) -> NetworkLoss<Scalar> {
    NetworkLoss(
      network: network, likelihood: likelihood(variance), x: x, y: y, weights: weights, threads: threads)
  }

  func tangentLoss(_ variance: Double, at anchor: [Double]) -> TangentLoss {
    TangentLoss(
      network: network, likelihood: likelihood(variance),
      x: Matrix(rows: y.rows, columns: network.spec.inputs, storage: x.map { $0.doubleValue }), y: y, weights: weights,
      anchor: anchor, threads: threads)
  }

  func empty(_ chosen: Range<Int>) -> AnyCurvature {
    AnyCurvature(
      settings.structure, layers: network.shapes(ofLayers: chosen), rank: settings.rank, sharing: settings.sharing)
  }

  // MARK: The first batch

  /// Trains from random weights and forms the posterior.
  ///
  /// - Parameter minibatches: takes the training with Adam on itself, in whatever precision; nil is here.
  func fit(
    _ prior: PriorSettings, knownVariance: Double?, seed: RandomStream,
    minibatches: MinibatchTrainer? = nil
  ) throws -> Outcome {
    var values = LaplaceTuning.Values(
      prior: .layers([Double](repeating: prior.precision.value ?? 1, count: shapes.count)),
      noiseVariance: knownVariance ?? 1)
    let open = (prior: prior.precision == .auto, noise: hasNoise && knownVariance == nil)
    var stopwatch = Stopwatch()
    let (theta, heldOutScale, optimiser) = try trainedOnAll(&values, open, seed: seed, minibatches)
    let training = stopwatch.lap()
    var outcome: Outcome
    if settings.priorScope == .weight, open.prior {
      let optimum = try tuneEveryWeight(&values, theta, tunesNoise: open.noise, seed: seed)
      let evidence = stopwatch.lap()
      outcome = try formed(at: optimum, values, seed: seed)
      outcome.timings.evidence += evidence
    } else {
      // The curvature that tunes prior and noise is the posterior's, if the weights stay: at another noise it is scaled.
      let unit = curvature(at: theta, 1, seed: seed)
      let lap = stopwatch.lap()
      try tune(&values, theta, open, by: unit)
      let evidence = stopwatch.lap()
      let optimum = try settled(theta, values)
      let isKnown = optimum == theta && !settings.isLinearised
      outcome = try formed(
        at: optimum, values, known: isKnown ? atNoise(values.noiseVariance, unit) : nil, seed: seed)
      outcome.timings.curvature += lap
      outcome.timings.evidence += evidence
    }
    outcome.timings.training = training
    if isPoint {
      outcome.state.predictiveScale = 0
      outcome.state.optimiser = optimiser
    } else if kind.isClassification {
      // Only where the precision holds each row whole does leaving it out mean anything; where nothing tells, the spread
      // is not believed.
      outcome.state.predictiveScale =
        if let heldOutScale { heldOutScale } else if settings.holdsRows { try scale(outcome) } else { 0 }
    }
    return outcome
  }

  /// The optimum at the hyper-parameters that were chosen last, where second-order steps are cheap.
  func settled(_ theta: [Double], _ values: LaplaceTuning.Values) throws -> [Double] {
    guard isSettled else { return theta }
    let result = polished(
      wholeObjective(values, theta), from: theta, 0..<network.layers.count,
      plus: .diagonal(values.prior.expanded(shapes)))
    try check(result)
    return result
  }

  /// Whether training ends at an optimum.
  var isSettled: Bool { training.epochs == nil && !isLarge }

  /// A curvature at unit noise at another one: 1/σ² of it, but of the empirical Fisher matrix, a square of gradients, 1/σ⁴.
  func atNoise(_ variance: Double, _ unit: AnyCurvature) -> AnyCurvature {
    guard hasNoise else { return unit }
    var result = unit
    result.scale(by: settings.curvature == .empiricalFisher ? 1 / (variance * variance) : 1 / variance)
    return result
  }

  func curvature(at theta: [Double], _ variance: Double, seed: RandomStream) -> AnyCurvature {
    loss(variance).curvature(
      theta, kind: settings.curvature, chosen: chosen, empty: empty(chosen), stream: seed.split(3))
  }

  /// τ on some rows of D1.
  func scale(_ outcome: Outcome) throws -> Double {
    let step = max(1, y.rows / PredictiveScale.rows)
    let indices = Array(stride(from: 0, to: y.rows, by: step))
    let moments = try LaplaceMoments(network, outcome.theta, outcome.state).linearised(inputs(indices))
    return PredictiveScale.best(moments, y.gathering(indices[...]), likelihood(1), kind.classMethod)
  }

  /// Normalised inputs of some rows.
  func inputs(_ indices: [Int]) -> Matrix {
    let d = network.spec.inputs
    return Matrix(
      rows: indices.count, columns: d, storage: indices.flatMap { i in (0..<d).map { x[i * d + $0].doubleValue } })
  }

  /// The posterior of the first batch around weights that were trained on it.
  ///
  /// - Parameter known: the curvature there, if it is known.
  func formed(
    at theta: [Double], _ values: LaplaceTuning.Values, known: AnyCurvature? = nil, seed: RandomStream
  ) throws -> Outcome {
    progress(1, "forming the posterior")
    let state = LaplaceState(
      chosen: chosen, curvature: empty(chosen), prior: values.prior.of(blocks, shapes),
      noiseVariance: hasNoise ? values.noiseVariance : nil, logEvidence: 0, distanceToOptimum: 0)
    let mean = [Double](repeating: 0, count: network.parameterRange(ofLayers: chosen).count)
    guard settings.isLinearised else {
      return try absorbed(state, loss(values.noiseVariance), mean: mean, from: theta, known: known, seed: seed)
    }
    let tangent = tangentLoss(values.noiseVariance, at: theta)
    let objective = penalised(tangent, state, mean: mean, frame: theta)
    let optimum = objective.whole(newton(objective, state, from: Array(theta[objective.moving])))
    return try absorbed(state, tangent, mean: mean, from: optimum, anchor: theta, seed: seed)
  }

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

  // MARK: The posterior

  /// The posterior at (nearly) the optimum: curvature there, Newton steps while they help, and the evidence
  ///
  ///     log p(D₂ | D₁) ≈ log p(D₂ | θ₂) − ½(θ₂ − θ₁)ᵀΛ₁(θ₂ − θ₁) + ½ log|Λ₁| − ½ log|Λ₂|.
  func absorbed(
    _ before: LaplaceState, _ loss: any BatchLoss, mean: [Double], from theta: [Double], anchor: [Double]? = nil,
    known: AnyCurvature? = nil, seed: RandomStream
  ) throws -> Outcome {
    var stopwatch = Stopwatch()
    var known = known
    let objective = penalised(loss, before, mean: mean, frame: theta)
    var own = Array(theta[objective.moving])
    var (value, gradient) = objective.evaluate(own)
    var state = before
    func form() throws -> any CurvatureFactor {
      state.curvature = before.curvature
      state.curvature.append(
        known
          ?? loss.curvature(
            objective.whole(own), kind: settings.curvature, chosen: before.chosen, empty: empty(before.chosen),
            stream: seed.split(3)))
      known = nil
      return try state.factored()
    }
    var factor = try form()
    state.distanceToOptimum = Self.distance(gradient, factor)
    // Minibatches end where their noise lets them: there is no optimum to polish.
    for _ in 0..<(training.epochs == nil || anchor != nil ? 10 : 0) where state.distanceToOptimum > 1e-12 {
      let trial = zip(own, factor.solve(gradient)).map { $0 - $1 }
      let (next, slope) = objective.evaluate(trial)
      let distance = Self.distance(slope, factor)
      // At the level of rounding E no longer tells; the gradient does.
      guard next.isFinite, next <= value + 1e-12 * abs(value), distance < state.distanceToOptimum else { break }
      let gain = distance / state.distanceToOptimum
      (own, value, gradient) = (trial, next, slope)
      factor = try form()
      state.distanceToOptimum = Self.distance(gradient, factor)
      if gain > 0.9 { break }
    }
    let earlier = try before.factored().logDeterminant
    let evidence = -value + 0.5 * (earlier - factor.logDeterminant)
    guard evidence.isFinite else { throw UpdateError.notFinite("the evidence of this batch") }
    if settings.curvatureDraws > 0 {
      state.curvature = before.curvature
      state.curvature.append(
        averagedCurvature(loss, before.chosen, around: objective.whole(own), factor, seed: seed))
      state.distanceToOptimum = Self.distance(gradient, try state.factored())
    }
    state.logEvidence += evidence
    let compressionError = try state.curvature.compressed(to: 1).relativeError
    state.curvature = try state.curvature.compressed(to: settings.products).curvature
    let step = zip(own, mean).map { $0 - $1 }
    let shift = max(0, dot(step, before.precisionTimes(step))).squareRoot()
    let whole = objective.whole(own)
    let pearson =
      kind == .poisson ? try PearsonSum(loss.outputs(whole), y, weights: weights, state) : nil
    if let anchor { state.displacement = zip(whole, anchor).map { $0 - $1 } }
    return Outcome(
      theta: anchor ?? whole, state: state, logEvidence: evidence, timings: Timings(curvature: stopwatch.lap()),
      compressionError: compressionError, shift: shift, pearson: pearson)
  }

  /// √(gᵀΛ⁻¹g).
  private static func distance(_ gradient: [Double], _ factor: any CurvatureFactor) -> Double {
    max(0, dot(gradient, factor.solve(gradient))).squareRoot()
  }

  func check(_ theta: [Double]) throws {
    guard theta.allSatisfy(\.isFinite) else {
      throw UpdateError.notFinite("a weight of the network; try a smaller --learning-rate")
    }
  }
}
