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
      var averaged = before.curvature
      averaged.append(averagedCurvature(loss, before.chosen, around: objective.whole(own), factor, seed: seed))
      try state.takeAveraged(averaged)
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
