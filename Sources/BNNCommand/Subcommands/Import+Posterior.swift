import BNNDatasets
import BNNInference
import BNNLinearAlgebra
import BNNModels
import BNNPosteriorFile
import BNNPosteriors

/// From the files that were named to the posterior.
extension Import {
  /// The weights, and what a file or the graph says of the network.
  func readNetwork(_ console: Console) throws -> (NetworkWeights, NetworkFile?) {
    if isGraph { return try readGraph(console) }
    let file = try network.map { try readNetworkFile($0) }
    let tensors = try WeightFile.read(path: weights) { note(halves: $0, console) }
    let own = try naming(weights) {
      let layout = WeightLayout(rawValue: layout) ?? .torch
      if let file { return try NetworkWeights(tensors, as: file, layout: layout) }
      return try NetworkWeights(
        inferringFrom: tensors, activation: activation.flatMap(Activation.init), layout: layout)
    }
    return (own, file)
  }

  func note(halves: [String], _ console: Console) {
    let shown = halves.prefix(3).joined(separator: ", ") + (halves.count > 3 ? ", …" : "")
    console.note(
      "\(halves.count) \(halves.count == 1 ? "tensor" : "tensors") of half precision converted: \(shown)")
  }

  func naming<Value>(_ path: String, _ body: () throws -> Value) throws -> Value {
    do {
      return try body()
    } catch let error as ImportError {
      throw CommandFailure(ExitStatus.badData, error.message, file: path, remedy: error.remedy)
    }
  }

  private func declaredClasses(_ file: NetworkFile?) -> [String]? { classLabels(classes) ?? file?.classes }

  private func normalisation(_ file: NetworkFile?, _ schema: Schema, _ likelihood: LikelihoodKind) throws
    -> Normalisation
  {
    var result = Normalisation.identity(features: schema.features.count, targets: schema.targets.count)
    func expanded(_ scaling: NetworkFile.Scaling, _ count: Int, _ what: String) throws -> (
      center: [Double], scale: [Double]
    ) {
      guard let own = scaling.expanded(to: count) else {
        throw CommandFailure(
          ExitStatus.badData,
          "center and scale of the \(what) are one number or \(count), not \(scaling.center.count) and \(scaling.scale.count)",
          file: network)
      }
      return own
    }
    if let input = file?.input {
      (result.featureCenter, result.featureScale) = try expanded(input, schema.features.count, "input")
    }
    if let target = file?.target {
      guard likelihood == .gaussian else {
        throw CommandFailure(
          ExitStatus.badData, "a target that is no number of a gaussian likelihood has no center and scale",
          file: network)
      }
      (result.targetCenter, result.targetScale) = try expanded(target, schema.targets.count, "target")
    }
    return result
  }

  private func check(_ own: NetworkWeights, _ schema: Schema, _ likelihood: LikelihoodKind) throws {
    let outputs = likelihood.outputs(targets: schema.targets.count, classes: schema.classes?.count ?? 2)
    guard own.spec.inputs == schema.features.count else {
      throw CommandFailure(
        ExitStatus.badData,
        "\(own.tensors[0].name) has the shape \(own.tensors[0].shape), for \(own.spec.inputs) inputs, and there are "
          + "\(schema.features.count) features", file: weights, remedy: "name the features in order with --features")
    }
    guard Network(own.spec).outputs == outputs else {
      throw CommandFailure(
        ExitStatus.badData,
        "the network has \(Network(own.spec).outputs) outputs, and the \(likelihood.rawValue) likelihood of "
          + "\(schema.classes.map { "\($0.count) classes" } ?? "\(schema.targets.count) targets") takes \(outputs)",
        file: weights, remedy: "give --likelihood, --classes or --target as they were")
    }
  }

  private func laplaceSettings(_ own: NetworkWeights) throws -> LaplaceSettings {
    var options = laplace
    if secondMoments != nil { options.structure = CurvatureStructure.diagonal.rawValue }
    return try options.settings(for: Network(own.spec))
  }

  private func kind(_ file: NetworkFile?, _ schema: Schema) -> LikelihoodKind {
    givenKind ?? file?.likelihood ?? schema.classes.map { $0.count == 2 ? .bernoulli : .categorical } ?? .gaussian
  }

  private var noise: Setting { trainingMse.map { .given($0.squareRoot()) } ?? .auto }

  typealias Result = (posterior: Posterior, report: UpdateReport, summary: BatchSummary?)

  /// From D1 itself.
  func absorbed(_ own: NetworkWeights, _ file: NetworkFile?, _ console: Console) throws -> Result {
    let input = try TableInput(path: data ?? "-", labels: labels.file)
    let given = givenKind ?? file?.likelihood
    let declared = declaredClasses(file)
    let choice: TargetChoice =
      if let declared { .declaredClasses(declared) } else if let given {
        given.isClassification ? .classes : given == .poisson ? .count : .number
      } else { labels.file == nil ? .automatic : .classes }
    let columns = ColumnChoice(
      targets: targets, kind: choice, features: names(features) ?? file?.input?.columns, ignore: names(ignore) ?? [])
    let schema = try Schema.fit(columns, to: input, options: tables.options)
    var likelihood = kind(file, schema)
    // Two outputs for two classes are a softmax.
    if given == nil, likelihood == .bernoulli, Network(own.spec).outputs == 2 { likelihood = .categorical }
    try check(own, schema, likelihood)
    let table = try TableReader(input, options: tables.options)
    let reader = try DatasetReader(table: table, schema: schema)
    var summary = BatchSummary(sketch: noRowSketch ? nil : RowSketch(), sample: RowSample(of: reader))
    let rows = try CompactRows(readingAll: reader) { summary.add($0) }
    remark(on: reader, console, expected: Set(names(ignore) ?? []))
    summary.finish(reader)
    let rule = normalize.flatMap(NormalisationRule.init) ?? .none
    let normalisation =
      rule == .none
      ? try normalisation(file, schema, likelihood)
      : Normalisation.fit(rows, rule: rule, targetKind: schema.targetKind)
    let made = try Posterior.imported(
      own.spec, theta: own.theta, settings: try laplaceSettings(own), likelihood: likelihood, schema: schema,
      rows: rows, normalisation: normalisation, standardised: isNormalised(normalisation),
      prior: PriorSettings(precision: priorPrecision?.setting ?? .auto, noise: likelihood.hasNoise ? noise : .auto),
      seed: global.seed, threads: global.workers)
    return (made.posterior, made.report, summary)
  }

  /// From what is known of D1.
  func reconstructed(_ own: NetworkWeights, _ file: NetworkFile?, _ console: Console) throws -> Result {
    let outputs = Network(own.spec).outputs
    let declared = declaredClasses(file)
    let likelihood =
      givenKind ?? file?.likelihood
      ?? (declared == nil && labels.file == nil && outputs == targets.count
        ? .gaussian : outputs == 1 ? .bernoulli : .categorical)
    let targetKind: TargetKind =
      likelihood.isClassification
      ? .classes(declared ?? (0..<max(2, outputs)).map(String.init)) : likelihood == .poisson ? .count : .number
    var x: Matrix?
    var y: Matrix?
    let schema: Schema
    if let inputs {
      let input = try TableInput(path: inputs, labels: labels.file)
      let table = try TableReader(input, options: tables.options)
      let left = Set(targets + (names(ignore) ?? []))
      let chosen = try Schema.choose(
        header: table.columnNames, targets: [],
        features: names(features) ?? file?.input?.columns ?? table.columnNames.filter { !left.contains($0) },
        file: table.file)
      schema = Schema(featureColumns: chosen.featureColumns, targets: targets, targetKind: targetKind)
      try check(own, schema, likelihood)
      let needsTargets = likelihood.hasNoise && trainingMse == nil
      let reader = try DatasetReader(table: table, schema: schema, targets: needsTargets ? .optional : .none)
      let dataset = try Dataset(readingAll: reader)
      remark(on: reader, console, expected: left)
      x = dataset.featureMatrix
      if needsTargets {
        guard dataset.targetCount > 0 else {
          throw CommandFailure.usage(
            "the noise is unknown: \(inputs) has no column \(targets.joined(separator: ", "))",
            remedy: "give the error on D1 with --training-mse, or rows with their targets")
        }
        y = dataset.targetMatrix
      }
    } else {
      let columns =
        names(features) ?? file?.input?.columns ?? (0..<own.spec.inputs).map(String.init)
      schema = Schema(
        featureColumns: columns.map { FeatureColumn(name: $0) }, targets: targets, targetKind: targetKind)
      try check(own, schema, likelihood)
      if likelihood.hasNoise, trainingMse == nil {
        throw CommandFailure.usage("the noise is unknown", remedy: "give the error on D1 with --training-mse")
      }
    }
    let normalisation = try normalisation(file, schema, likelihood)
    let count = rows ?? 0
    let source: CurvatureSource
    if let x {
      source = .inputs(x, targets: y)
    } else {
      let path = secondMoments ?? ""
      let moments = try WeightFile.read(path: path) { note(halves: $0, console) }
      source = .secondMoments(
        try naming(path) { try own.matching(moments, secondBeta: beta2) }, batchSize: batchSize ?? 1,
        loss: loss.flatMap(TrainingLoss.init) ?? .meanNLL)
    }
    let made = try Posterior.reconstructed(
      own.spec, theta: own.theta, settings: try laplaceSettings(own), likelihood: likelihood, schema: schema,
      from: source, rows: count, trainingError: trainingMse, normalisation: normalisation,
      standardised: isNormalised(normalisation),
      prior: PriorSettings(precision: try precision(count, likelihood, normalisation, outputs)),
      seed: global.seed, threads: global.workers)
    return (made.posterior, made.report, nil)
  }

  private func isNormalised(_ own: Normalisation) -> Bool {
    own != .identity(features: own.featureCenter.count, targets: own.targetCenter.count)
  }

  private func precision(
    _ rows: Int, _ likelihood: LikelihoodKind, _ normalisation: Normalisation, _ outputs: Int
  ) throws -> Setting {
    guard let weightDecay, let loss = loss.flatMap(TrainingLoss.init) else { return priorPrecision?.setting ?? .auto }
    var variance: Double?
    if loss != .meanNLL {
      guard let trainingMse else {
        throw CommandFailure.usage(
          "--weight-decay beside a squared error is a prior only with the noise", remedy: "give --training-mse")
      }
      variance =
        normalisation.targetScale.reduce(0) { $0 + trainingMse / ($1 * $1) } / Double(normalisation.targetScale.count)
    }
    return .given(loss.priorPrecision(weightDecay: weightDecay, rows: rows, noiseVariance: variance, outputs: outputs))
  }
}
