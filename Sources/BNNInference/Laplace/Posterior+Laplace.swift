import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// An outcome of either precision.
struct Formed: Sendable {
  var theta: [Double]
  var state: LaplaceState
  var logEvidence: Double
  var shift: Double
  var timings: Timings
  var compressionError: Double
  var curvatureDrift: Double?
  var pearson: PearsonSum?
  /// Of mean-field inference; nil for every other.
  var variational: VariationalReport?

  init<Scalar: BLASScalar>(_ outcome: LaplaceEngine<Scalar>.Outcome) {
    (theta, state, logEvidence, shift) = (outcome.theta, outcome.state, outcome.logEvidence, outcome.shift)
    timings = outcome.timings
    compressionError = outcome.compressionError
    (curvatureDrift, pearson) = (outcome.curvatureDrift, outcome.pearson)
  }

  init<Scalar: BLASScalar>(_ outcome: MeanFieldEngine<Scalar>.Outcome) {
    (theta, state, logEvidence, shift) = (outcome.theta, outcome.state, outcome.report.bound, outcome.shift)
    timings = Timings(training: outcome.seconds)
    compressionError = 0
    variational = outcome.report
  }
}

extension Posterior {
  /// Trains a network on D1 and approximates its posterior by a Gaussian at the optimum.
  ///
  /// - Parameters:
  ///   - features, targets: D1 in its own units, n × d and n × T; for classes the index of each row's class.
  ///   - weights: of every row.
  ///   - normalisation: fitted on D1, or identity; the identity on targets that are classes or counts.
  ///   - members: independently initialised networks, each with a posterior of its own. Member k depends on `seed` and k
  ///     alone.
  ///   - threads: the result does not depend on it.
  /// - Throws: `UpdateError`, `LinearAlgebraError` for a precision that is not positive definite.
  public static func laplace(
    _ spec: NetworkSpec, settings: LaplaceSettings, likelihood: LikelihoodKind = .gaussian, schema: Schema,
    features: Matrix, targets: Matrix, weights: [Double]? = nil, normalisation: Normalisation,
    standardised: Bool = true,
    prior: PriorSettings = PriorSettings(), training: TrainingSettings = TrainingSettings(), members: Int = 1,
    seed: UInt64 = 0, threads: Int = 1, progress: @escaping @Sendable (Double, String) -> Void = { _, _ in }
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    try laplace(
      spec, settings: settings, likelihood: likelihood, schema: schema,
      rows: CompactRows(features: features, targets: targets, weights: weights), normalisation: normalisation,
      standardised: standardised, prior: prior, training: training, members: members, seed: seed, threads: threads,
      progress: progress)
  }

  /// The same of rows whose memory is used again: of a large data set there is one copy.
  public static func laplace(
    _ spec: NetworkSpec, settings: LaplaceSettings, likelihood: LikelihoodKind = .gaussian, schema: Schema,
    rows batch: consuming CompactRows, normalisation: Normalisation, standardised: Bool = true,
    prior: PriorSettings = PriorSettings(), training: TrainingSettings = TrainingSettings(), members: Int = 1,
    seed: UInt64 = 0, threads: Int = 1, progress: @escaping @Sendable (Double, String) -> Void = { _, _ in }
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    let start = try Posterior.laplaceStart(
      .laplace, spec, settings: settings, likelihood: likelihood, schema: schema, normalisation: normalisation,
      standardised: standardised, prior: prior)
    return try start.fitted(
      consume batch, prior, training, members: members, seed: seed, threads: threads, progress: progress)
  }

  /// The posterior of a first batch, from the model with nothing seen.
  ///
  /// - Parameter keepsOptimiser: of a point.
  func fitted(
    _ batch: consuming CompactRows, _ prior: PriorSettings, _ training: TrainingSettings, members: Int,
    keepsOptimiser: Bool = false, seed: UInt64, threads: Int, progress: @escaping @Sendable (Double, String) -> Void
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    let start = self
    try start.checkTargets(Matrix(rows: batch.rows, columns: batch.targetCount, storage: batch.targets))
    let relative = try normalisation.relative(batch.weights)
    let rows = LaplaceRows(
      parameters: Network(model.networkOrEmpty).parameterCount, taking: consume batch, relativeWeights: relative,
      normalisation: normalisation)
    let root = RandomStream(seed: seed)
    let known: Double? =
      if case .given(let sd) = prior.noise { normalisation.noiseVariance(given: sd) } else { nil }
    return try start.formed(rows, count: members, threads: threads) { k, workers in
      let own: @Sendable (Double, String) -> Void = {
        progress($0, members > 1 ? "network \(k + 1) of \(members), \($1)" : $1)
      }
      let seed = root.split(UInt64(k))
      if rows.isSingle {
        var engine: LaplaceEngine<Float> = start.engine(rows, rows.single, training, workers, own)
        engine.keepsOptimiser = keepsOptimiser
        return Formed(try engine.fit(prior, knownVariance: known, seed: seed))
      }
      var minibatches: MinibatchTrainer?
      if training.epochs != nil {
        // Adam's noise is far above single precision's, which is twice as fast.
        let single: LaplaceEngine<Float> = start.engine(rows, rows.double.map { Float($0) }, training, workers, own)
        minibatches = { single.minibatchTrained(from: $0, $1, $2) }
      }
      var engine: LaplaceEngine<Double> = start.engine(rows, rows.double, training, workers, own)
      engine.keepsOptimiser = keepsOptimiser
      let outcome = try engine.fit(prior, knownVariance: known, seed: seed, minibatches: minibatches)
      return Formed(outcome)
    }
  }

  /// The model with nothing seen.
  ///
  /// - Throws: `UpdateError.unsuitable` for settings that do not fit.
  static func laplaceStart(
    _ method: Method, _ spec: NetworkSpec, settings: LaplaceSettings, likelihood: LikelihoodKind, schema: Schema,
    normalisation: Normalisation, standardised: Bool, prior: PriorSettings
  ) throws -> Posterior {
    guard !prior.isFlat else {
      throw UpdateError.unsuitable("a Laplace posterior of a network needs a prior; a flat one is not proper")
    }
    if settings.priorScope == .weight, !settings.structure.takesWeightPrecisions {
      throw UpdateError.unsuitable(
        "a \(settings.structure.rawValue) structure takes one prior precision a layer, not one a weight; full, block, low-rank "
          + "and diagonal take them")
    }
    let network = Network(spec)
    if let layers = settings.layers, layers.isEmpty || layers.upperBound > network.layers.count {
      throw UpdateError.unsuitable("the network has \(network.layers.count) layers")
    }
    let chosen = settings.layers ?? 0..<network.layers.count
    guard !network.shapes(ofLayers: chosen).isEmpty else {
      throw UpdateError.unsuitable("the layers that are to be uncertain have no weights")
    }
    try checkLayers(of: spec, chosen: chosen, for: method)
    return Posterior(
      model: ModelDescription(
        method: method, schema: schema, network: spec, intercept: true, standardised: standardised, prior: prior,
        likelihood: likelihood, laplace: settings),
      normalisation: normalisation, members: [], rows: 0,
      certificate: laplaceCertificate(method, settings, prior, likelihood, standardised: standardised), lineage: [])
  }

  /// - Throws: `UpdateError.unsuitable` for layers that a method cannot work with: the filter goes by single rows through dense
  ///   layers, and mean-field inference propagates moments through them.
  public static func checkLayers(of spec: NetworkSpec, chosen: Range<Int>, for method: Method) throws {
    let (own, words) =
      switch method {
      case .kalman: (spec.layers[...], "the Kalman filter takes a network of dense layers")
      case .meanField: (spec.layers[chosen], "mean-field inference is of dense layers (--layers last has one)")
      default: (spec.layers[0..<0], "")
      }
    if let other = own.first(where: { !$0.isDense }) {
      throw UpdateError.unsuitable("\(words), and there is \"\(other.words)\"; laplace takes them all")
    }
  }

  /// The posterior after a batch.
  func updated(
    by rows: LaplaceRows, followsNoise: Bool, power: Double = 1, training: TrainingSettings, threads: Int, seed: UInt64,
    progress: @escaping @Sendable (Double, String) -> Void
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    let root = RandomStream(seed: seed).split(UInt64(lineage.count))
    let before = self
    let terms = earlierTerms(followsNoise: followsNoise).map { $0 * power }
    guard rows.rows > 0 else {
      return (before, UpdateReport(rows: 0, logEvidence: 0, logEvidenceTotal: meanLogEvidence))
    }
    return try formed(rows, count: members.count, threads: threads) { k, workers in
      let member = before.members[k]
      guard let state = member.laplace else { throw UpdateError.unsuitable("the posterior has no curvature") }
      let seed = root.split(UInt64(k))
      let own: @Sendable (Double, String) -> Void = { progress($0, "network \(k + 1), \($1)") }
      if rows.isSingle {
        let outcome = try before.engine(rows, rows.single, training, workers, own).update(
          member.theta, state, earlierTerms: terms, seed: seed)
        return Formed(outcome)
      }
      let outcome = try before.engine(rows, rows.double, training, workers, own).update(
        member.theta, state, earlierTerms: terms, seed: seed)
      return Formed(outcome)
    }
  }

  /// All members formed side by side, and the report.
  func formed(
    _ batch: LaplaceRows, count: Int, threads: Int,
    _ form: @Sendable (Int, Int) throws -> Formed
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    var result = self
    result.rows += batch.rows
    var made: [Formed] = []
    while made.count < count {
      let first = made.count
      let wave = min(BLASThreads.workers(threads), count - first)
      made += try parallelMap(wave, threads: wave) { try form(first + $0, max(1, threads / wave)) }
    }
    result.members = made.map {
      Member(
        theta: $0.theta, outputRoot: nil, statistics: LinearStatistics(weights: 0, responses: 0), responses: [],
        laplace: $0.state)
    }
    let drift = made.compactMap(\.curvatureDrift).max()
    let variational = made.first?.variational != nil
    if rows > 0, let shift = made.map(\.shift).max(), let distance = made.map(\.state.distanceToOptimum).max() {
      let start = "The last batch moved the mean by "
      result.certificate.reasons.removeAll { $0.hasPrefix(start) }
      result.certificate.reasons.append(
        "\(start)\(Float(shift)) standard deviations of the posterior before it"
          + (variational ? "." : ", and ended \(Float(distance)) of its own from the optimum.")
          + (drift.map {
            " With its curvature taken at the mean before it, the log volume would differ by \(Float($0)) nats."
          } ?? ""))
    }
    let evidence = made.reduce(0) { $0 + $1.logEvidence } / Double(max(1, made.count))
    return (
      result,
      UpdateReport(
        rows: batch.rows, logEvidence: evidence - logTargetUnits(rows: batch.rows),
        logEvidenceTotal: result.meanLogEvidence,
        distanceToOptimum: variational ? nil : made.map(\.state.distanceToOptimum).max(),
        shift: made.map(\.shift).max(), timings: made.reduce(into: Timings()) { $0.takeSlowest($1.timings) },
        compressionError: model.laplace?.structure.keepsBatches == true ? made.map(\.compressionError).max() : nil,
        curvatureDrift: drift,
        dispersion: made.compactMap { $0.pearson?.dispersion(share: Double(batch.rows) / Double(result.rows)) }
          .max { $0.value < $1.value }, variational: variationalReport(made, rows: batch.rows))
    )
  }

  /// That of the first member, in target units.
  private func variationalReport(_ made: [Formed], rows: Int) -> VariationalReport? {
    guard var report = made.first?.variational else { return nil }
    let units = logTargetUnits(rows: rows)
    report.bounds = report.bounds.map { $0 - units }
    report.bound -= units
    return report
  }

  /// n Σ_c log s_c: what turns a density in normalised units into target units.
  func logTargetUnits(rows: Int) -> Double {
    Double(rows) * normalisation.targetScale.reduce(0) { $0 + log($1) }
  }

  /// - Throws: `UpdateError.unsuitable` for a target that the likelihood cannot explain.
  func checkTargets(_ y: Matrix) throws {
    guard model.schema.heads == nil || model.likelihood == .categorical else {
      throw UpdateError.unsuitable("classes in heads need a categorical likelihood, not \(model.likelihood.rawValue)")
    }
    if let invalid = likelihood(1).firstInvalid(targets: y) {
      throw UpdateError.unsuitable("the \(model.likelihood.rawValue) likelihood cannot explain a target: \(invalid)")
    }
  }

  /// The likelihood at a noise variance in normalised units.
  func likelihood(_ variance: Double) -> any Likelihood {
    let (targets, classes) = (model.schema.targets.count, model.schema.classes?.count ?? 2)
    let own = try? model.likelihood.likelihood(
      targets: targets, classes: classes, heads: model.schema.heads, variances: [variance])
    guard let own else { preconditionFailure("a likelihood that was checked when the posterior was made") }
    return own
  }

  func engine<Scalar: BLASScalar>(
    _ rows: LaplaceRows, _ x: [Scalar], _ training: TrainingSettings, _ threads: Int,
    _ progress: @escaping @Sendable (Double, String) -> Void
  ) -> LaplaceEngine<Scalar> {
    let own = self
    return LaplaceEngine(
      network: Network(model.networkOrEmpty), settings: model.laplace ?? LaplaceSettings(), training: training, x: x,
      y: rows.targetMatrix(columns: model.schema.targets.count), weights: rows.weights,
      kind: model.likelihood, likelihood: { own.likelihood($0) }, threads: threads, progress: progress,
      isPoint: model.method == .point)
  }

  static func laplaceCertificate(
    _ method: Method, _ settings: LaplaceSettings, _ prior: PriorSettings, _ likelihood: LikelihoodKind,
    standardised: Bool
  ) -> Certificate {
    var conditions: [Certificate.Condition] = []
    if standardised { conditions.append(.init("normalisation", fixedBy: 1)) }
    conditions.append(.init("hyper-parameters", fixedBy: 1))
    if settings.isLinearised { conditions.append(.init("linearisation point", fixedBy: 1)) }
    if settings.layers != nil { conditions.append(.init("features", fixedBy: 1)) }
    if method == .meanField {
      return Certificate(
        update: .approximate, conditionalOn: conditions, reasons: meanFieldReasons(prior, likelihood))
    }
    if method == .point {
      return Certificate(update: .approximate, conditionalOn: conditions, reasons: pointReasons(prior, likelihood))
    }
    let draws = settings.curvatureDraws
    var reasons = [
      "Laplace's approximation: what a batch said is kept as the curvature at the weights where that batch ended"
        + (draws > 0 ? " (the mean over \(draws) \(draws == 1 ? "pair" : "pairs") of weights drawn around them)" : "")
        + ", which is not the curvature where later batches end.",
      hyperParameterReason(prior, likelihood),
    ]
    switch settings.structure {
    case .full: break
    case .block: reasons.append("The precision keeps no dependence between layers.")
    case .kronecker:
      reasons.append("The precision of every layer is a sum of Kronecker products, and keeps none between layers.")
    case .kroneckerEigenvalue:
      reasons.append(
        "The precision of every layer is a sum of diagonals in the eigenvectors of Kronecker products, and keeps none between "
          + "layers.")
    case .lowRank: reasons.append("The precision keeps \(settings.rank) directions and a diagonal.")
    case .diagonal: reasons.append("The precision keeps no dependence between weights.")
    }
    switch settings.curvature {
    case .ggn: break
    case .monteCarloFisher(let samples):
      reasons.append("The curvature is estimated from \(samples) drawn \(samples == 1 ? "target" : "targets") a row.")
    case .empiricalFisher: reasons.append("The curvature is the empirical Fisher matrix, which is not the curvature.")
    }
    return Certificate(update: .approximate, conditionalOn: conditions, reasons: reasons)
  }
}
