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
  /// and afterwards σ² = b/a. A prior precision that is not given is the one of a fixed lattice under which the rows were
  /// predicted best, by the sum of the log densities of every row given those before it: the filter's own evidence.
  /// Lattice points are filters side by side.
  ///
  /// - Throws: as `kalman`.
  public static func kalmanOnePass(
    _ spec: NetworkSpec, settings: LaplaceSettings, filter: FilterSettings = FilterSettings(),
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
    start.certificate = start.kalmanCertificate(onePass: true)
    let relative = try normalisation.relative(weights)
    let x = normalisation.features(features)
    let y = normalisation.targets(targets)
    let known: Double? =
      if case .given(let sd) = prior.noise, likelihood.hasNoise {
        normalisation.targetScale.reduce(0) { $0 + (sd / $1) * (sd / $1) } / Double(schema.targets.count)
      } else { nil }
    let adapts = likelihood.hasNoise && known == nil
    var lattice = (-5...3).map { power(10, 0.5 * Double($0)) }
    // A given precision is absolute; relative to noise that is not known yet it is taken at the targets' own variance.
    if case .given(let delta) = prior.precision { lattice = [delta] }
    let chosen = settings.layers ?? 0..<network.layers.count
    let shapes = network.layers[chosen].map { LayerShape(inputs: $0.inputs, outputs: $0.outputs) }
    let root = RandomStream(seed: seed)
    let (model, precisions) = (start, lattice)
    let outcomes = try parallelMap(members * precisions.count, threads: threads) { index in
      let (k, own) = (index / precisions.count, precisions[index % precisions.count])
      progress(Double(index) / Double(members * precisions.count), "filtering: prior precision \(Float(own))")
      var stream = root.split(UInt64(k)).split(1)
      let theta =
        network.layers.count == 1
        ? [Double](repeating: 0, count: network.parameterCount) : network.initialParameters(using: &stream)
      let state = LaplaceState(
        chosen: chosen, curvature: AnyCurvature(settings.structure, layers: shapes, rank: settings.rank),
        prior: .layers(shapes.map { _ in own }), noiseVariance: likelihood.hasNoise ? known ?? 1 : nil,
        logEvidence: 0, distanceToOptimum: 0)
      var filter = try model.filter(theta, state, filter, adaptsNoise: adapts)
      try filter.absorb(x, y, weights: relative?[...])
      return try filter.outcome()
    }
    start.rows = features.rows
    var best: [FilterOutcome] = []
    for k in 0..<members {
      let own = outcomes[(k * precisions.count)..<((k + 1) * precisions.count)]
      guard let first = own.max(by: { $0.logEvidence < $1.logEvidence }) else { continue }
      best.append(first)
      start.members.append(
        Member(
          theta: first.theta, outputRoot: nil, statistics: LinearStatistics(weights: 0, responses: 0), responses: [],
          laplace: first.state))
    }
    let evidence = best.reduce(0) { $0 + $1.logEvidence } / Double(max(1, members))
    return (
      start,
      UpdateReport(
        rows: features.rows, logEvidence: evidence - start.logTargetUnits(rows: features.rows),
        logEvidenceTotal: start.meanLogEvidence, shift: best.map(\.shift).max())
    )
  }
}
