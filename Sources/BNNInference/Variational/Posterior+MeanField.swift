import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

extension Posterior {
  /// Trains a network on D1 and fits a factorised Gaussian over its weights to the posterior, by variational inference: from
  /// the most probable weights, with small deviations. An open prior precision is that of Laplace's evidence there, by the full
  /// curvature up to 2,000 weights and Kronecker products beyond; an open noise follows the bound's maximum after every pass.
  /// Where the uncertain layer is linear and the noise normal, in closed form, with prior and noise by the evidence of that linear
  /// model.
  ///
  /// - Parameters: as `laplace`; `settings.structure` is diagonal.
  /// - Throws: `UpdateError`, `LinearAlgebraError`.
  public static func meanField(
    _ spec: NetworkSpec, settings: LaplaceSettings = LaplaceSettings(structure: .diagonal),
    likelihood: LikelihoodKind = .gaussian, schema: Schema,
    features: Matrix, targets: Matrix, weights: [Double]? = nil, normalisation: Normalisation,
    standardised: Bool = true,
    prior: PriorSettings = PriorSettings(), training: TrainingSettings = TrainingSettings(), members: Int = 1,
    seed: UInt64 = 0, threads: Int = 1, progress: @escaping @Sendable (Double, String) -> Void = { _, _ in }
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    try meanField(
      spec, settings: settings, likelihood: likelihood, schema: schema,
      rows: CompactRows(features: features, targets: targets, weights: weights), normalisation: normalisation,
      standardised: standardised, prior: prior, training: training, members: members, seed: seed, threads: threads,
      progress: progress)
  }

  /// The same of rows whose memory is used again.
  public static func meanField(
    _ spec: NetworkSpec, settings: LaplaceSettings = LaplaceSettings(structure: .diagonal),
    likelihood: LikelihoodKind = .gaussian, schema: Schema,
    rows batch: consuming CompactRows, normalisation: Normalisation, standardised: Bool = true,
    prior: PriorSettings = PriorSettings(), training: TrainingSettings = TrainingSettings(), members: Int = 1,
    seed: UInt64 = 0, threads: Int = 1, progress: @escaping @Sendable (Double, String) -> Void = { _, _ in }
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    guard settings.structure == .diagonal, !settings.isLinearised else {
      throw UpdateError.unsuitable("a mean-field posterior is diagonal, and of the network itself")
    }
    let start = try Posterior.laplaceStart(
      .meanField, spec, settings: settings, likelihood: likelihood, schema: schema, normalisation: normalisation,
      standardised: standardised, prior: prior)
    try start.checkMeanField()
    try start.checkTargets(Matrix(rows: batch.rows, columns: batch.targetCount, storage: batch.targets))
    let relative = try normalisation.relative(batch.weights)
    let rows = LaplaceRows(
      parameters: Network(spec).parameterCount, taking: consume batch, relativeWeights: relative,
      normalisation: normalisation)
    let root = RandomStream(seed: seed)
    let memory = try MeanFieldMemory(
      rows, after: start, training.variational, stream: root.split(Self.memoryStream), threads: threads)
    let known: Double? =
      if case .given(let sd) = prior.noise { normalisation.noiseVariance(given: sd) } else { nil }
    let result = try start.formed(rows, count: members, threads: threads) { k, workers in
      let own: @Sendable (Double, String) -> Void = {
        progress($0, members > 1 ? "network \(k + 1) of \(members), \($1)" : $1)
      }
      let seed = root.split(UInt64(k))
      func fitted<Scalar: BLASScalar>(_ x: KeyPath<LaplaceRows, [Scalar]>) throws -> Formed {
        let outcome = try start.meanFieldEngine(memory.rest, x, training, workers, own).fit(
          prior, knownVariance: known, seed: seed)
        return Formed(try start.looking(outcome, after: 0, at: memory, x, training, workers, seed: seed, own))
      }
      return rows.isSingle ? try fitted(\.single) : try fitted(\.double)
    }
    return (result.posterior.remembering(memory), result.report)
  }

  /// Of the choice of rows to keep; members have the small numbers.
  private static var memoryStream: UInt64 { 0x6d65_6d6f }

  private func meanFieldEngine<Scalar: BLASScalar>(
    _ rows: LaplaceRows, _ x: KeyPath<LaplaceRows, [Scalar]>, _ training: TrainingSettings, _ threads: Int,
    _ progress: @escaping @Sendable (Double, String) -> Void
  ) -> MeanFieldEngine<Scalar> {
    MeanFieldEngine(base: engine(rows, rows[keyPath: x], training, threads, progress))
  }

  /// The outcome after one more look at the rows in memory.
  private func looking<Scalar: BLASScalar>(
    _ outcome: MeanFieldEngine<Scalar>.Outcome, after earlier: Double, at memory: MeanFieldMemory,
    _ x: KeyPath<LaplaceRows, [Scalar]>,
    _ training: TrainingSettings, _ threads: Int, seed: RandomStream,
    _ progress: @escaping @Sendable (Double, String) -> Void
  ) throws -> MeanFieldEngine<Scalar>.Outcome {
    guard let rows = memory.rows else { return outcome }
    return try meanFieldEngine(rows, x, training, threads, progress).looking(
      at: outcome, after: earlier, seed: seed.split(9))
  }

  /// The mean-field posterior after a batch, under this posterior whole: of `laplace`, `kalman` or `mean-field`.
  func meanFieldUpdated(
    by rows: LaplaceRows, followsNoise: Bool, training: TrainingSettings, threads: Int, seed: UInt64,
    progress: @escaping @Sendable (Double, String) -> Void
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    try checkMeanField()
    let before = self
    let root = RandomStream(seed: seed).split(UInt64(lineage.count))
    guard rows.rows > 0 else {
      return (before, UpdateReport(rows: 0, logEvidence: 0, logEvidenceTotal: meanLogEvidence))
    }
    var after = before
    after.model.method = .meanField
    after.model.laplace?.structure = .diagonal
    after.certificate = meanFieldCertificate(after: before)
    let terms = before.earlierTerms(followsNoise: followsNoise)
    let memory = try MeanFieldMemory(
      rows, after: before, training.variational, stream: root.split(Self.memoryStream), threads: threads)
    let result = try after.formed(rows, count: members.count, threads: threads) { k, workers in
      let member = before.members[k]
      guard let state = member.laplace else { throw UpdateError.unsuitable("the posterior has no curvature") }
      let seed = root.split(UInt64(k))
      let own: @Sendable (Double, String) -> Void = { progress($0, "network \(k + 1), \($1)") }
      func updated<Scalar: BLASScalar>(_ x: KeyPath<LaplaceRows, [Scalar]>) throws -> Formed {
        let outcome = try before.meanFieldEngine(memory.rest, x, training, workers, own).update(
          member.theta, state, earlierTerms: terms, seed: seed)
        return Formed(
          try before.looking(outcome, after: state.logEvidence, at: memory, x, training, workers, seed: seed, own))
      }
      return rows.isSingle ? try updated(\.single) : try updated(\.double)
    }
    return (result.posterior.remembering(memory), result.report)
  }

  private func remembering(_ memory: MeanFieldMemory) -> Posterior {
    var result = self
    result.memory = memory.kept
    let start = "Rows in memory: "
    result.certificate.reasons.removeAll { $0.hasPrefix(start) }
    if let kept = memory.kept {
      result.certificate.reasons.append(
        "\(start)\(kept.rows) rows of the data are kept in the file and looked at again after every batch, each counted once: the "
          + "prior for the next batch is the posterior without them.")
    }
    return result
  }

  /// Whether `update` may end in a mean-field posterior.
  public var canUpdateMeanField: Bool { (try? checkMeanField()) != nil }

  /// - Throws: `UpdateError.unsuitable` with the reason why not.
  func checkMeanField() throws {
    guard model.method.keepsCurvature, model.method != .point, let own = model.laplace, let spec = model.network else {
      throw UpdateError.unsuitable(
        "mean-field inference continues a posterior of mean-field, laplace or kalman, and this one is of \(model.methodName)"
      )
    }
    guard !own.isLinearised else {
      throw UpdateError.unsuitable(
        "mean-field inference moves the network's own weights, and this posterior is of a network linearised at D1's")
    }
    guard own.layers.map({ $0.upperBound == spec.layers.count }) ?? true else {
      throw UpdateError.unsuitable(
        "mean-field inference takes all layers or the last ones, and this posterior is uncertain of others")
    }
    try Self.checkLayers(of: spec, chosen: own.layers ?? 0..<spec.layers.count, for: .meanField)
  }

  /// What the mean-field posterior after a batch is conditional on, and what it is worth.
  private func meanFieldCertificate(after before: Posterior) -> Certificate {
    var certificate = before.certificate
    certificate.update = .approximate
    let isFirst = before.model.method != .meanField
    if isFirst {
      certificate.reasons.append(
        "Mean-field variational inference from update \(before.lineage.count + 1) on: the posterior keeps no dependence between "
          + "weights. The posterior before that was its prior whole.")
    }
    return certificate
  }

  static func meanFieldReasons(_ prior: PriorSettings, _ likelihood: LikelihoodKind) -> [String] {
    [
      "Mean-field variational inference: the posterior keeps no dependence between weights, and is the nearest such Gaussian "
        + "in KL divergence; batches one after another end elsewhere than all at once.",
      hyperParameterReason(prior, likelihood),
    ]
  }
}
