import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

extension Posterior {
  /// Trains a network on D1 as `laplace` with a diagonal structure does (prior and noise by the same evidence), and takes its weights
  /// for certain: predictions have no spread from them. The exact diagonal of what D1 said is kept for updates that ask.
  ///
  /// - Parameters: as `laplace`.
  ///   - training: with `scheduleEpochs`, only the first `epochs` passes of a longer training.
  ///   - keepsOptimiser: keep Adam's state (`training.epochs` is its passes), so that an update by `PointMethod.hotStart` goes on as if
  ///     training had not ended. An open noise is then tuned in between with Adam and its cosine going on, where otherwise they begin
  ///     anew.
  /// - Throws: `UpdateError.unsuitable` for an optimiser to keep of a training without passes of Adam, and as `laplace`.
  public static func point(
    _ spec: NetworkSpec, likelihood: LikelihoodKind = .gaussian, schema: Schema, rows batch: consuming CompactRows,
    normalisation: Normalisation, standardised: Bool = true, prior: PriorSettings = PriorSettings(),
    training: TrainingSettings = TrainingSettings(), members: Int = 1, keepsOptimiser: Bool = false, seed: UInt64 = 0,
    threads: Int = 1, progress: @escaping @Sendable (Double, String) -> Void = { _, _ in }
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    if keepsOptimiser, training.epochs == nil {
      throw UpdateError.unsuitable("second-order steps leave no optimiser's state to keep; train with Adam (--epochs)")
    }
    try checkSchedule(training)
    if training.scheduleEpochs != nil, !keepsOptimiser {
      throw UpdateError.unsuitable("a schedule beyond the passes that are made belongs to an optimiser that is kept")
    }
    let start = try laplaceStart(
      .point, spec, settings: LaplaceSettings(structure: .diagonal), likelihood: likelihood, schema: schema,
      normalisation: normalisation, standardised: standardised, prior: prior)
    return try start.fitted(
      consume batch, prior, training, members: members, keepsOptimiser: keepsOptimiser, seed: seed, threads: threads,
      progress: progress)
  }

  private static func checkSchedule(_ training: TrainingSettings) throws {
    guard let longest = training.scheduleEpochs else { return }
    guard let epochs = training.epochs, longest >= epochs else {
      throw UpdateError.unsuitable("a schedule has at least as many passes as are made of it, and they are given")
    }
  }

  /// Whether an update may continue the weights as they are (`PointMethod`).
  public var canContinueWeights: Bool { (try? checkPoint()) != nil }

  /// - Throws: `UpdateError.unsuitable` with the reason why not.
  func checkPoint() throws {
    guard model.method == .point || model.method == .laplace, let own = model.laplace, let spec = model.network else {
      throw UpdateError.unsuitable(
        "trained weights are continued from a posterior of point or laplace, and this one is of \(model.methodName)")
    }
    guard !own.isLinearised, own.layers.map({ $0 == 0..<spec.layers.count }) ?? true else {
      throw UpdateError.unsuitable(
        "trained weights are continued from a posterior over all layers of the network itself, not of some layers or of a "
          + "network linearised at D1's weights")
    }
  }

  /// - Throws: `UpdateError.unsuitable`, for settings too.
  func checkPoint(_ settings: PointSettings) throws {
    try checkPoint()
    try settings.check(layers: model.network?.layers.count ?? 0)
    if settings.method == .distil, model.likelihood == .heteroscedastic {
      throw UpdateError.unsuitable(
        "distil takes a gaussian, poisson, bernoulli or categorical likelihood, not heteroscedastic")
    }
  }

  /// The weights after a batch, with what it said of them added to what was kept.
  func pointUpdated(
    by rows: LaplaceRows, _ settings: PointSettings, followsNoise: Bool, training: TrainingSettings, threads: Int, seed: UInt64,
    progress: @escaping @Sendable (Double, String) -> Void
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    if training.scheduleEpochs != nil, settings.method != .hotStart {
      throw UpdateError.unsuitable("a schedule beyond the passes that are made belongs to hot-start")
    }
    try Self.checkSchedule(training)
    let before = asPoint()
    guard rows.rows > 0 else { return (before, UpdateReport(rows: 0)) }
    let anew = RandomStream(seed: seed).split(UInt64(lineage.count))
    // Adam's noise is far above single precision's.
    let single = rows.isSingle ? rows.single : rows.double.map { Float($0) }
    let count = members.count
    let terms = before.earlierTerms(followsNoise: followsNoise)
    let trained = try parallelMap(count, threads: threads) { k in
      guard let state = before.members[k].laplace else {
        throw UpdateError.unsuitable("the posterior has no curvature")
      }
      let own: @Sendable (Double, String) -> Void = {
        progress($0, count > 1 ? "network \(k + 1) of \(count), \($1)" : $1)
      }
      let engine: LaplaceEngine<Float> = before.engine(rows, single, training, 1, own)
      return try engine.continued(
        before.members[k].theta, state, settings, earlierRows: before.rows, member: k, seed: seed,
        anew: anew.split(UInt64(k)).split(1))
    }
    var (posterior, report) = try before.formed(rows, count: count, threads: threads) { k, workers in
      guard let state = before.members[k].laplace else {
        throw UpdateError.unsuitable("the posterior has no curvature")
      }
      let (own, theta) = (trained[k], before.members[k].theta)
      func outcome<Scalar: BLASScalar>(_ x: [Scalar]) throws -> Formed {
        let engine: LaplaceEngine<Scalar> = before.engine(rows, x, training, workers, progress)
        let next = try engine.absorbing(own, into: state, settings, after: theta, earlierTerms: terms)
        let step = zip(own.theta, theta).map { $0 - $1 }
        return Formed(
          LaplaceEngine<Scalar>.Outcome(
            theta: own.theta, state: next, logEvidence: 0,
            shift: max(0, dot(step, state.precisionTimes(step))).squareRoot()))
      }
      return try rows.isSingle ? outcome(rows.single) : outcome(rows.double)
    }
    (report.logEvidence, report.logEvidenceTotal, report.distanceToOptimum, report.timings) = (nil, nil, nil, nil)
    (report.compressionError, report.dispersion) = (nil, nil)
    report.point = trained.first.map {
      PointReport(settings: settings, strength: $0.strength, epochs: $0.epochs, resumedAfter: $0.resumedAfter)
    }
    posterior.certificate = pointCertificate(before, report.point)
    return (posterior, report)
  }

  /// The same weights as a point: of a Laplace posterior its mean, and the diagonal of what its data said.
  private func asPoint() -> Posterior {
    guard model.method != .point else { return self }
    var result = self
    result.model.method = .point
    result.model.laplace?.structure = .diagonal
    result.model.laplace?.layers = nil
    result.certificate.reasons = Self.pointReasons(model.prior, model.likelihood)
    for k in members.indices {
      guard let own = members[k].laplace else { continue }
      result.members[k].laplace?.curvature = .diagonal(
        DiagonalCurvature(layers: own.curvature.layers, diagonal: own.curvature.diagonal))
      result.members[k].laplace?.predictiveScale = 0
    }
    return result
  }
}

extension LaplaceEngine {
  /// What is kept after a batch: what all data said, each batch where it ended; of layers that began anew, this batch alone.
  fileprivate func absorbing(
    _ trained: PointTrained, into before: LaplaceState, _ settings: PointSettings, after theta: [Double],
    earlierTerms: Double?
  ) throws -> LaplaceState {
    var exact = self
    exact.settings.curvature = .ggn
    var state = before
    let renewed = network.parameterRange(
      ofLayers: (network.layers.count - settings.newLayers)..<network.layers.count)
    var data = before.curvature.diagonal
    for j in renewed { data[j] = 0 }
    state.curvature = .diagonal(DiagonalCurvature(layers: before.curvature.layers, diagonal: data))
    state.curvature.append(
      exact.curvature(at: trained.theta, before.noiseVariance ?? 1, seed: RandomStream(seed: 0)))
    if let earlierTerms, let variance = before.noiseVariance {
      let own = loss(1).residuals(trained.theta)
      // What holds the weights says what the earlier rows' squares are there; of what does not, they are those that they were. The
      // γ of a diagonal may be far above that of the curvature by which D1's noise was chosen, and no weight is uncertain here.
      let earlier =
        try settings.method.usesCurvature
        ? EarlierSquares(before, mean: theta, terms: earlierTerms, variance: variance, countsWeights: false).squares(
          trained.theta) : earlierTerms * variance
      let next = max((earlier + own.sum) / (earlierTerms + own.count), 1e-12)
      state.noiseVariance = next
      state.curvature.scale(by: variance / next)
    }
    state.optimiser = settings.keepsOptimiser ? trained.optimiser : nil
    state.distanceToOptimum = 0
    return state
  }
}
