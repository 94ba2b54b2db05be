import BNNDatasets
import BNNInference
import BNNModels
import BNNPosteriors

extension Fit {
  /// The likelihood of a fit that is Laplace's: asked for, or asked by the targets; nil for the linear family.
  func laplaceLikelihood(_ schema: Schema) throws -> LikelihoodKind? {
    let kind = try model.likelihoodKind(schema)
    return kind != .gaussian || keepsCurvature || laplace.isUsed ? kind : nil
  }

  /// Whether the method that was asked for keeps a Gaussian over the network's weights.
  var keepsCurvature: Bool { method.flatMap(Method.init)?.keepsCurvature == true }

  /// The posterior that a filter continues.
  private func filtered(
    _ spec: NetworkSpec, _ settings: LaplaceSettings, _ likelihood: LikelihoodKind, _ schema: Schema,
    _ dataset: Dataset, _ rule: NormalisationRule, _ prior: PriorSettings, _ training: TrainingSettings,
    members: Int, _ console: Console?
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    let normalisation = Normalisation.fit(dataset, rule: rule, targetKind: schema.targetKind)
    let progress: @Sendable (Double, String) -> Void = { _, message in console?.progress(message) }
    guard onePass else {
      return try Posterior.kalman(
        spec, settings: settings, likelihood: likelihood, schema: schema, features: dataset.featureMatrix,
        targets: dataset.targetMatrix, weights: dataset.weights, normalisation: normalisation,
        standardised: rule != .none, prior: prior, training: training, members: members, seed: global.seed,
        threads: global.workers, progress: progress)
    }
    return try Posterior.kalmanOnePass(
      spec, settings: settings, usesSinglePrecision: singlePrecision ? true : nil, forgetting: forgetting.setting,
      likelihood: likelihood, schema: schema, features: dataset.featureMatrix, targets: dataset.targetMatrix,
      weights: dataset.weights, normalisation: normalisation, standardised: rule != .none, prior: prior,
      members: members, seed: global.seed, threads: global.workers, progress: progress)
  }

  func fitLaplace(
    _ reader: DatasetReader, header: [String], schema: Schema, prior: PriorSettings, likelihood: LikelihoodKind,
    console: Console
  ) throws -> ((posterior: Posterior, report: UpdateReport), BatchSummary, Refit?) {
    if prior.isFlat {
      throw CommandFailure.usage(
        "a Laplace posterior of a network needs a prior, and --prior-precision 0 is none",
        remedy: "leave it out, or give a positive number")
    }
    if model.noise.setting != .auto, likelihood != .gaussian {
      throw CommandFailure.usage(
        "--noise belongs to a gaussian likelihood, not \(likelihood.rawValue)", remedy: "leave it out")
    }
    let spec = try model.network(schema, likelihood)
    let network = Network(spec)
    guard network.parameterCount <= TangentLimit.network else {
      throw CommandFailure.usage(
        "a network with \(network.parameterCount) weights is more than the \(TangentLimit.network) that are possible",
        remedy: "use fewer or smaller layers (--hidden)")
    }
    let isTangent = method == Method.tangent.rawValue
    if isTangent, network.parameterCount > TangentLimit.automatic {
      throw CommandFailure.usage(
        "the tangent of a network with \(network.parameterCount) weights and a \(likelihood.rawValue) likelihood is more than "
          + "the \(TangentLimit.automatic) that are possible", remedy: "use --method laplace, or fewer units (--hidden)"
      )
    }
    let chosen = isTangent ? Method.laplace : method.flatMap(Method.init) ?? .laplace
    if chosen != .meanField { try variational.refuseUnused() }
    let settings = try laplace.settings(for: network, isLinearised: isTangent, method: chosen)
    let rule = model.normalisationRule(reader.format)
    if chosen == .kalman {
      let (dataset, summary) = try readAll(reader, header: header, console)
      func fit(_ rows: Dataset, members: Int, _ console: Console?) throws -> (
        posterior: Posterior, report: UpdateReport
      ) {
        try filtered(
          spec, settings, likelihood, schema, rows, rule, prior,
          training.settings(rows: rows.rows, products: network.productsPerRow), members: members, console)
      }
      let fitted = try fit(dataset, members: model.members, console)
      console.clearProgress()
      return (fitted, summary, { try fit($0, members: 1, nil).posterior })
    }
    var summary = BatchSummary(sketch: newSketch, sample: RowSample(of: reader))
    let rows = try CompactRows(readingAll: reader) { summary.add($0) }
    let count = rows.rows
    try finish(&summary, reader, rows: count, header: header, console)
    func fit(
      _ rows: consuming CompactRows, members: Int, _ console: Console?
    ) throws -> (posterior: Posterior, report: UpdateReport) {
      let normalisation = Normalisation.fit(rows, rule: rule, targetKind: schema.targetKind)
      let progress: @Sendable (Double, String) -> Void = { _, message in console?.progress(message) }
      var own = training.settings(rows: rows.rows, products: network.productsPerRow)
      own.scheduleEpochs = optimizer.scheduleEpochs
      switch chosen {
      case .point:
        return try Posterior.point(
          spec, likelihood: likelihood, schema: schema, rows: consume rows, normalisation: normalisation,
          standardised: rule != .none, prior: prior, training: own, members: members,
          keepsOptimiser: optimizer.keepOptimizer, seed: global.seed, threads: global.workers, progress: progress)
      case .meanField:
        return try Posterior.meanField(
          spec, settings: settings, likelihood: likelihood, schema: schema, rows: consume rows,
          normalisation: normalisation, standardised: rule != .none, prior: prior,
          training: training.settings(variational), members: members, seed: global.seed, threads: global.workers,
          progress: progress)
      default:
        return try Posterior.laplace(
          spec, settings: settings, likelihood: likelihood, schema: schema, rows: consume rows,
          normalisation: normalisation, standardised: rule != .none, prior: prior, training: own, members: members,
          seed: global.seed, threads: global.workers, progress: progress)
      }
    }
    let fitted = try fit(consume rows, members: model.members, console)
    console.clearProgress()
    return (
      fitted, summary,
      {
        let rows = CompactRows(features: $0.featureMatrix, targets: $0.targetMatrix, weights: $0.weights)
        return try fit(rows, members: 1, nil).posterior
      }
    )
  }
}
