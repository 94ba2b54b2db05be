import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Mean-field variational inference, after a first batch and after every next one: the factorised Gaussian
///
///     q₂ = argmin_q E_q[−log p(D₂ | θ)] + KL(q ‖ q₁)
///
/// where q₁ is the posterior before, any Gaussian over the same weights (Nguyen et al. 2018, "Variational continual
/// learning"). At the first batch it is the prior. A layer without activation on held features has it in closed form
/// (`LinearMeanField`); everything else is trained.
struct MeanFieldEngine<Scalar: BLASScalar>: Sendable {
  /// Trains the starting network of D1, and holds the batch.
  private var base: LaplaceEngine<Scalar>

  init(base: LaplaceEngine<Scalar>) { self.base = base }

  /// Passes over a batch where none were asked for: about so many steps, within bounds.
  static var automaticSteps: Int { 40_000 }
  /// Steps on the rows in memory after every batch, at least.
  static var memorySteps: Int { 2000 }
  /// For large networks a pass in so many goes into the most probable weights, before all others.
  static var startingShare: Int { 5 }
  /// log s² that deviations start from at most.
  static var startingLogVariance: Double { -6 }

  struct Outcome: Sendable {
    var theta: [Double]
    var state: LaplaceState
    /// The bound in normalised units.
    var report: VariationalReport
    var shift: Double
    var seconds: Double
  }

  private var network: Network { base.network }
  private var chosen: Range<Int> { base.chosen }
  private var y: Matrix { base.y }
  private var shapes: [LayerShape] { network.shapes(ofLayers: chosen) }
  private var moving: Range<Int> { network.parameterRange(ofLayers: chosen) }
  private var terms: Double { Double(y.storage.count) }

  /// Whether the outputs are linear in the weights that are uncertain, with normal noise.
  private var isLinearGaussian: Bool {
    base.kind == .gaussian && chosen.count == 1
      && network.spec.endsLinear
  }

  // MARK: The first batch

  /// Second-order steps to the most probable weights, or Adam where rows × weights are many, and from there the fit.
  func fit(
    _ prior: PriorSettings, knownVariance: Double?, seed: RandomStream
  ) throws -> Outcome {
    var stopwatch = Stopwatch()
    var values = LaplaceTuning.Values(
      prior: .layers([Double](repeating: prior.precision.value ?? 1, count: base.shapes.count)),
      noiseVariance: knownVariance ?? 1)
    let open = (prior: prior.precision == .auto, noise: base.hasNoise && knownVariance == nil)
    let theta = try starting.trained(&values, open, seed: seed, nil).theta
    let structure = starting.settings.structure
    let unit = base.loss(1).curvature(
      theta, kind: .ggn, chosen: chosen, empty: AnyCurvature(structure, layers: shapes), stream: seed.split(3))
    try base.tune(&values, theta, open, by: unit)
    var state = LaplaceState(
      chosen: chosen, curvature: AnyCurvature(.diagonal, layers: shapes), prior: values.prior.of(base.blocks, base.shapes),
      noiseVariance: base.hasNoise ? values.noiseVariance : nil, logEvidence: 0, distanceToOptimum: 0)
    let zero = [Double](repeating: 0, count: moving.count)
    func start(_ state: LaplaceState) -> VariationalPrior {
      VariationalPrior(mean: zero, diagonal: state.prior.expanded(shapes))
    }
    if isLinearGaussian {
      return try closed(theta, state, start(state), seconds: stopwatch.lap()) { _ in nil }
    }
    let scale = 1 / (state.noiseVariance ?? 1)
    let q = FactorisedGaussian(
      mean: Array(theta[moving]),
      variance: zip(unit.diagonal, state.prior.expanded(shapes)).map {
        min(exp(Self.startingLogVariance), 1 / ($0 * scale + $1))
      })
    let inputs = lowerOutputs(theta)
    // The bound's own maximum in δ follows deviations that mean-field makes too small and then prunes weights; the evidence of
    // Laplace's approximation, whole, does not (Papers/swaroop-2019-improving-vcl.md has figures).
    let found = try trained(q, start(state), state, inputs, seed: seed) { _, squares in
      guard open.noise else { return nil }
      state.noiseVariance = max(squares / terms, 1e-12)
      return (state, start(state))
    }
    return try outcome(theta, state, start(state), inputs, from: q, found, seconds: stopwatch.lap(), seed: seed)
  }

  /// Trains the network that the means begin at.
  private var starting: LaplaceEngine<Scalar> {
    var own = base
    let isLarge = y.rows > 1_000_000_000 / max(1, network.parameterCount)
    // Prior and noise by as much of the curvature as can be had. Where one layer is linear its Kronecker product is its precision
    // whole, if all rows weigh alike.
    let isWhole = base.weights == nil || moving.count > LinearMeanField.blockLimit
    own.settings.structure =
      isLinearGaussian ? (isWhole ? .kronecker : .block) : moving.count > LaplaceRows.doubleLimit ? .kronecker : .full
    own.training.epochs = isLarge ? max(1, epochs / Self.startingShare) : nil
    return own
  }

  // MARK: Every next batch

  /// - Parameter earlierTerms: numbers that the noise was estimated from before, where it follows the batches; nil keeps it.
  func update(
    _ theta: [Double], _ before: LaplaceState, earlierTerms: Double?, seed: RandomStream
  ) throws -> Outcome {
    var stopwatch = Stopwatch()
    base.progress(0, "training under the earlier posterior")
    // Rows in memory are no part of the prior: they are looked at again.
    let (before, mean) = before.beforeMemory(mean: Array(theta[moving]))
    let prior = try VariationalPrior(mean: mean, before)
    var state = before
    state.predictiveScale = 1
    let start = before.noiseVariance
    // q(σ²) beside q(θ): the rows before count with what they said of the noise then.
    func noise(_ squares: Double) -> Double? {
      guard let start, let earlierTerms else { return nil }
      return max((earlierTerms * start + squares) / (earlierTerms + terms), 1e-12)
    }
    if isLinearGaussian { return try closed(theta, state, prior, seconds: stopwatch.lap(), noise) }
    let q = FactorisedGaussian(
      mean: prior.mean, variance: prior.diagonal.map { min(exp(Self.startingLogVariance), 1 / $0) })
    let inputs = lowerOutputs(theta)
    let found = try trained(q, prior, state, inputs, seed: seed) { _, squares in
      guard let next = noise(squares) else { return nil }
      state.noiseVariance = next
      return (state, prior)
    }
    return try outcome(theta, state, prior, inputs, from: q, found, seconds: stopwatch.lap(), seed: seed)
  }

  /// The outcome of a batch, and after it this engine's rows, those in memory: under that posterior, which stays beside the new
  /// one as the prior for the next batch. Of the bounds it reports what all rows so far are worth more than those before the batch.
  ///
  /// - Parameter earlier: Σ log p of all rows before the batch, those in memory included.
  func looking(at batch: Outcome, after earlier: Double, seed: RandomStream) throws -> Outcome {
    let mean = Array(batch.theta[moving])
    // Passes over few rows are few steps.
    var own = self
    own.base.training.epochs = max(base.training.epochs ?? 0, Self.memorySteps / batches)
    var result = try own.update(batch.theta, batch.state, earlierTerms: nil, seed: seed)
    result.state.withoutMemory = FactorisedSite(
      mean: mean, excess: batch.state.curvature.diagonal, logEvidence: batch.state.logEvidence)
    result.shift = batch.shift
    result.seconds += batch.seconds
    result.report.bound = result.state.logEvidence - earlier
    let gain = result.report.bound - batch.report.bound
    result.report.bounds = batch.report.bounds.map { $0 + gain }
    result.report.divergence += batch.report.divergence
    result.report.standardError = hypot(result.report.standardError, batch.report.standardError)
    return result
  }

  // MARK: Both

  /// - Parameter noise: σ² given E_q[Σ w(y − f)²]; nil keeps it.
  private func closed(
    _ theta: [Double], _ before: LaplaceState, _ prior: VariationalPrior, seconds: Double,
    _ noise: (Double) -> Double?
  ) throws -> Outcome {
    var stopwatch = Stopwatch()
    let features = Matrix(
      rows: y.rows, columns: network.layers[chosen.lowerBound].inputs, storage: lowerOutputs(theta).map(\.doubleValue))
    let model = LinearMeanField(
      features: features, targets: y, weights: base.weights, prior: prior)
    var state = before
    var found = try model.solved(noiseVariance: state.noiseVariance ?? 1)
    for _ in 0..<200 {
      guard let next = noise(found.squaredResiduals), let last = state.noiseVariance else { break }
      state.noiseVariance = next
      found = try model.solved(noiseVariance: next)
      if abs(next - last) <= 1e-13 * next { break }
    }
    return formed(
      theta, state, prior, found.q,
      VariationalReport(
        bounds: [], bound: found.bound, standardError: 0, divergence: found.divergence),
      seconds: seconds + stopwatch.lap())
  }

  private func trained(
    _ q: FactorisedGaussian, _ prior: VariationalPrior, _ state: LaplaceState, _ inputs: [Scalar], seed: RandomStream,
    tune: (FactorisedGaussian, Double) -> (LaplaceState, VariationalPrior)?
  ) throws -> VariationalTraining<Scalar>.Outcome {
    try VariationalTraining<Scalar>(
      spec: network.part(chosen), x: inputs, y: y, weights: base.weights, epochs: epochs,
      batchSize: base.training.batchSize,
      learningRate: base.training.variational.rate(steps: epochs * batches), settings: base.training.variational,
      progress: base.progress
    ).fitted(
      from: q, VariationalTraining.Values(prior: prior, likelihood: base.likelihood(state.noiseVariance ?? 1)),
      stream: seed.split(7)
    ) { q, squares in
      tune(q, squares).map {
        VariationalTraining.Values(prior: $1, likelihood: base.likelihood($0.noiseVariance ?? 1))
      }
    }
  }

  /// Minibatches of a pass.
  private var batches: Int { max(1, (y.rows + base.training.batchSize - 1) / base.training.batchSize) }

  private var epochs: Int {
    base.training.epochs ?? min(max(Self.automaticSteps / batches, 20), 5000)
  }

  private func outcome(
    _ theta: [Double], _ state: LaplaceState, _ prior: VariationalPrior, _ inputs: [Scalar],
    from start: FactorisedGaussian, _ found: VariationalTraining<Scalar>.Outcome, seconds: Double, seed: RandomStream
  ) throws -> Outcome {
    var stopwatch = Stopwatch()
    let likelihood = base.likelihood(state.noiseVariance ?? 1)
    let expected = ExpectedLoss(
      spec: network.part(chosen), x: inputs, y: y, weights: base.weights, likelihood: likelihood, threads: base.threads)
    let loss = expected.estimated(found.q, stream: seed.split(8))
    let divergence = prior.divergence(found.q)
    let bound = -loss.mean - divergence
    guard bound.isFinite else { throw UpdateError.notFinite("the variational bound") }
    let first = expected.estimated(start, stream: seed.split(8)).mean + prior.divergence(start)
    // One that gains little ends near where it began.
    let (before, after) = (first / Double(y.rows), -bound / Double(y.rows))
    guard after < max(before + 0.5 * abs(before), before + 1) else {
      throw UpdateError.diverged(from: before, to: after)
    }
    return formed(
      theta, state, prior, found.q,
      VariationalReport(
        bounds: found.bounds, bound: bound, standardError: loss.standardError, divergence: divergence),
      seconds: seconds + stopwatch.lap())
  }

  private func formed(
    _ theta: [Double], _ before: LaplaceState, _ prior: VariationalPrior, _ q: FactorisedGaussian,
    _ report: VariationalReport, seconds: Double
  ) -> Outcome {
    var state = before
    var whole = theta
    whole.replaceSubrange(moving, with: q.mean)
    let given = before.prior.expanded(shapes)
    state.curvature = .diagonal(
      DiagonalCurvature(layers: shapes, diagonal: zip(q.variance, given).map { 1 / $0 - $1 }))
    state.logEvidence += report.bound
    state.distanceToOptimum = 0
    let step = zip(q.mean, prior.mean).map { $0 - $1 }
    return Outcome(
      theta: whole, state: state, report: report, shift: max(0, dot(step, prior.pull(q.mean))).squareRoot(),
      seconds: seconds)
  }

  // MARK: Layers that are held

  /// What the held layers below make of the inputs: n × the first uncertain layer's inputs.
  private func lowerOutputs(_ theta: [Double]) -> [Scalar] {
    guard chosen.lowerBound > 0 else { return base.x }
    let held = NetworkLoss<Scalar>(
      network: Network(network.part(0..<chosen.lowerBound)), likelihood: base.likelihood(1), x: base.x, y: y,
      weights: nil, threads: base.threads)
    return held.outputs(Array(theta[..<moving.lowerBound])).storage.map { Scalar($0) }
  }
}
