import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

extension Posterior {
  /// The posterior after D1 that a filter continues: trained and approximated as by `laplace`, with its tuned noise and prior.
  ///
  /// - Throws: as `laplace`; `UpdateError.unsuitable` for a structure that no filter keeps.
  public static func kalman(
    _ spec: NetworkSpec, settings: LaplaceSettings, likelihood: LikelihoodKind = .gaussian, schema: Schema,
    features: Matrix, targets: Matrix, weights: [Double]? = nil, normalisation: Normalisation,
    standardised: Bool = true, prior: PriorSettings = PriorSettings(),
    training: TrainingSettings = TrainingSettings(), members: Int = 1, seed: UInt64 = 0, threads: Int = 1,
    progress: @escaping @Sendable (Double, String) -> Void = { _, _ in }
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    var (posterior, report) = try laplace(
      spec, settings: settings, likelihood: likelihood, schema: schema, features: features, targets: targets,
      weights: weights, normalisation: normalisation, standardised: standardised, prior: prior, training: training,
      members: members, seed: seed, threads: threads, progress: progress)
    posterior.model.method = .kalman
    try posterior.checkFilter()
    posterior.certificate = posterior.kalmanCertificate(onePass: false)
    return (posterior, report)
  }

  /// The posterior after one pass of the filter over D1 in its order, from N(θ₀, I/δ) at random starting weights θ₀ (0 for a
  /// network without hidden layers, which has no symmetry to break).
  ///
  /// Noise that is not given is unknown, σ² ~ IG(a, b) with the filter's precision relative to it (κ = δσ²), as is conjugate for
  /// a linear model:
  ///
  ///     a ← a + ½,   b ← b + e²/(2s),   e | before ~ t_{2a}(0, (b/a) s)
  ///
  /// and afterwards σ² = b/a. What is not given of κ and of the forgetting τ is the one of a fixed lattice under which the rows
  /// were predicted best, by the sum of the log densities of every row given those before it, the filter's own evidence: first κ
  /// without forgetting, then τ at that κ. Lattice points are filters side by side. Early rows were linearised far from where
  /// the weights end, which is why forgetting can help.
  ///
  /// - Parameters:
  ///   - forgetting: τ a row; auto for a network with hidden layers asks the evidence, without any it is 1: there nothing is
  ///     linearised.
  ///   - prior: a precision that is given while the noise is not is κ, relative to the noise.
  /// - Throws: as `kalman`.
  public static func kalmanOnePass(
    _ spec: NetworkSpec, settings: LaplaceSettings, usesSinglePrecision: Bool? = nil, forgetting: Setting = .auto,
    likelihood: LikelihoodKind = .gaussian, schema: Schema, features: Matrix, targets: Matrix,
    weights: [Double]? = nil, normalisation: Normalisation, standardised: Bool = true,
    prior: PriorSettings = PriorSettings(), members: Int = 1, seed: UInt64 = 0, threads: Int = 1,
    progress: @escaping @Sendable (Double, String) -> Void = { _, _ in }
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    guard !prior.isFlat else {
      throw UpdateError.unsuitable("a filter needs a prior to start from; a flat one is not proper")
    }
    let network = Network(spec)
    var start = Posterior(
      model: ModelDescription(
        method: .kalman, schema: schema, network: spec, intercept: true, standardised: standardised, prior: prior,
        likelihood: likelihood, laplace: settings),
      normalisation: normalisation, members: [], rows: 0,
      certificate: Certificate(update: .approximate, conditionalOn: [], reasons: []), lineage: [])
    try start.checkFilter()
    try start.checkTargets(targets)
    let known: Double? =
      if case .given(let sd) = prior.noise, likelihood.hasNoise { normalisation.noiseVariance(given: sd) } else { nil }
    let pass = OnePass(
      model: start, network: network, chosen: settings.layers ?? 0..<network.layers.count,
      x: normalisation.features(features), y: normalisation.targets(targets),
      weights: try normalisation.relative(weights), known: known, seed: RandomStream(seed: seed),
      usesSinglePrecision: usesSinglePrecision)
    let isOpen = forgetting == .auto && network.layers.count > 1
    let first = if case .given(let tau) = forgetting { tau } else { 1.0 }
    let precisions =
      if case .given(let delta) = prior.precision { [delta] } else { (-5...3).map { power(10, 0.5 * Double($0)) } }
    var best = try pass.best(
      (0..<members).map { k in precisions.map { OnePass.Choice(member: k, precision: $0, forgetting: first) } },
      threads: threads, progress: progress)
    if isOpen {
      let others = best.map { own in
        OnePass.forgetting.map { OnePass.Choice(member: own.member, precision: own.precision, forgetting: $0) }
      }
      let found = try? pass.best(others, threads: threads, progress: progress)
      best = zip(best, found ?? best).map { $0.outcome.logEvidence >= $1.outcome.logEvidence ? $0 : $1 }
    }
    start.rows = features.rows
    start.members = best.map {
      Member(
        theta: $0.outcome.theta, outputRoot: nil, statistics: LinearStatistics(weights: 0, responses: 0),
        responses: [], laplace: $0.outcome.state)
    }
    start.certificate = start.kalmanCertificate(onePass: true)
    for tau in Set(best.map(\.forgetting)).sorted() where tau < 1 {
      start.certificate = start.filterCertificate(
        after: FilterSettings(dynamics: FilterDynamics(forgetting: tau)))
    }
    let evidence = best.reduce(0) { $0 + $1.outcome.logEvidence } / Double(max(1, members))
    return (
      start,
      UpdateReport(
        rows: features.rows, logEvidence: evidence - start.logTargetUnits(rows: features.rows),
        logEvidenceTotal: start.meanLogEvidence, shift: best.map(\.outcome.shift).max())
    )
  }
}

/// D1 for filters from the prior.
private struct OnePass: Sendable {
  /// Forgetting that is tried, other than none: memories of 500 to 5,000 rows.
  static let forgetting = [0.9998, 0.9995, 0.999, 0.998]

  let model: Posterior
  let network: Network
  let chosen: Range<Int>
  let x: Matrix
  let y: Matrix
  let weights: [Double]?
  /// σ² if it was given.
  let known: Double?
  let seed: RandomStream
  let usesSinglePrecision: Bool?

  struct Choice: Sendable {
    var member: Int
    var precision: Double
    var forgetting: Double
  }

  struct Passed: Sendable {
    var member: Int
    var precision: Double
    var forgetting: Double
    var outcome: FilterOutcome
  }

  /// Of every list of choices the one whose rows were predicted best; the first of equals.
  func best(
    _ choices: [[Choice]], threads: Int, progress: @escaping @Sendable (Double, String) -> Void
  ) throws -> [Passed] {
    let all = choices.flatMap { $0 }
    let passed = parallelMap(all.count, threads: threads) { index in
      let own = all[index]
      progress(Double(index) / Double(all.count), "filtering: prior precision \(Float(own.precision))")
      return Result {
        Passed(member: own.member, precision: own.precision, forgetting: own.forgetting, outcome: try outcome(own))
      }
    }
    var start = 0
    return try choices.map { own in
      defer { start += own.count }
      let results = passed[start..<(start + own.count)]
      // Under a very wide prior a filter of classes may leave all numbers behind; it then predicted nothing well.
      let good = results.compactMap { try? $0.get() }
      guard let first = good.first else { return try results[start].get() }
      return good.dropFirst().reduce(first) { $0.outcome.logEvidence >= $1.outcome.logEvidence ? $0 : $1 }
    }
  }

  private func outcome(_ choice: Choice) throws -> FilterOutcome {
    var stream = seed.split(UInt64(choice.member)).split(1)
    let theta =
      network.layers.count == 1
      ? [Double](repeating: 0, count: network.parameterCount) : network.initialParameters(using: &stream)
    let shapes = network.shapes(ofLayers: chosen)
    let settings = model.model.laplace ?? LaplaceSettings()
    let hasNoise = model.model.likelihood.hasNoise
    let state = LaplaceState(
      chosen: chosen, curvature: AnyCurvature(settings.structure, layers: shapes, rank: settings.rank),
      prior: .layers(shapes.map { _ in choice.precision }), noiseVariance: hasNoise ? known ?? 1 : nil, logEvidence: 0,
      distanceToOptimum: 0)
    var filter = try model.filter(
      theta, state,
      FilterSettings(
        dynamics: FilterDynamics(forgetting: choice.forgetting), usesSinglePrecision: usesSinglePrecision),
      noise: hasNoise && known == nil ? .weak : nil)
    try filter.absorb(x, y, weights: weights?[...])
    return try filter.outcome()
  }
}
