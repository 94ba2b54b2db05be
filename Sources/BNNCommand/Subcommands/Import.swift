import ArgumentParser
import BNNDatasets
import BNNInference
import BNNLinearAlgebra
import BNNModels
import BNNPosteriorFile
import BNNPosteriors
import Foundation

struct Import: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a posterior of a network that was trained elsewhere.",
    usage: "bnn-update import [<options>] <weights> --target <target> -o <output>",
    discussion: """
      Weights are safetensors or .npz under PyTorch's names (PREFIX.weight [outputs, inputs], PREFIX.bias); layers that are not dense \
      are described by --network, batch normalisation among them. What the data before said is \
      taken from the best that is there: --data (D1: exact curvature of these weights, nothing trained), --rows N --inputs D2 \
      (curvature at D2's inputs, times N/rows), or --rows N --second-moments (an optimiser's averages of squared gradients). The result is a \
      laplace posterior.
      """)

  @Argument(help: "Weights: a .safetensors or .npz file.")
  var weights: String

  @Option(
    name: .long,
    help:
      "The network as JSON: layers with tensor names, units, channels and activations, input shape and scaling, target scaling, likelihood, classes."
  )
  var network: String?

  @Option(
    name: .long, help: "Of the hidden layers, without --network: tanh, relu, gelu, sigmoid, softplus or identity.")
  var activation: String?

  @Option(name: .long, help: "D1: the table that the network was trained on.")
  var data: String?

  @Option(name: .long, help: "Rows of D1, where D1 itself is not there.")
  var rows: Int?

  @Option(name: .long, help: "Other rows whose inputs are like D1's.")
  var inputs: String?

  @Option(
    name: .long, help: "Adam's averages of squared gradients (exp_avg_sq, bias-corrected) under the weights' names.")
  var secondMoments: String?

  @Option(name: .long, help: "Rows of a batch behind --second-moments.")
  var batchSize: Int?

  @Option(name: .long, help: "What was trained: mean-nll, mse or half-mse of a batch.")
  var loss: String?

  @Option(name: .long, help: "Coefficient of ½‖θ‖² in the loss of a batch, which becomes the prior precision.")
  var weightDecay: Double?

  @Option(name: .long, help: "Mean squared error on D1 in the target's units: the noise of a regression.")
  var trainingMse: Double?

  @Option(name: .long, help: "Target column; repeat for several.")
  var target: [String] = []

  @OptionGroup var labels: LabelOptions

  @Option(name: .long, help: "Feature columns in the order of the network's inputs, comma-separated.")
  var features: String?

  @Option(name: .long, help: "Columns that are no features, comma-separated.")
  var ignore: String?

  @Option(
    name: .long,
    help: "gaussian, heteroscedastic, poisson, bernoulli or categorical (default: as the target and outputs ask).")
  var likelihood: String?

  @Option(name: .long, help: "The classes in the order of the outputs, comma-separated, or how many for 0, 1, ….")
  var classes: String?

  @Option(
    name: .long,
    help: "Prior precision of the normalised weights, or auto with --data (default: auto with --data, else 1).")
  var priorPrecision: AutoSetting?

  @Option(
    name: .long,
    help: "How the network's numbers were normalised, without --network: none, or standard or pixel by --data.")
  var normalize: String?

  @Flag(name: .long, help: "Keep no sample of D1's row fingerprints.")
  var noRowSketch = false

  @Flag(name: .long, help: "Keep nothing of how D1's input columns are spread.")
  var noColumnSketch = false

  @OptionGroup var laplace: LaplaceOptions
  @OptionGroup var destination: OutputOptions
  @OptionGroup var tables: DataOptions
  @OptionGroup var global: GlobalOptions

  var targets: [String] { labels.file == nil ? target : [TableInput.labelColumn] }
  var givenKind: LikelihoodKind? { likelihood.flatMap(LikelihoodKind.init) }

  func validate() throws {
    guard !targets.isEmpty else { throw ValidationError("name the target column with --target") }
    if let likelihood, givenKind == nil {
      let all = LikelihoodKind.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("--likelihood is one of \(all); got \"\(likelihood)\"")
    }
    if let activation, Activation(rawValue: activation) == nil {
      let all = Activation.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("--activation is one of \(all); got \"\(activation)\"")
    }
    if network != nil, activation != nil || normalize != nil {
      throw ValidationError(
        "--network says the activations and the normalisation: leave --activation and --normalize out")
    }
    if network == nil, normalize == nil {
      throw ValidationError(
        "say how the network's inputs were normalised: --normalize none, standard or pixel, or --network FILE.json")
    }
    if let normalize {
      guard let rule = NormalisationRule(rawValue: normalize) else {
        throw ValidationError("--normalize is standard, pixel or none, got \"\(normalize)\"")
      }
      if rule != .none, data == nil {
        throw ValidationError("--normalize \(normalize) is by --data, which is not there")
      }
    }
    try validateSource()
    if let trainingMse, !(trainingMse > 0 && trainingMse.isFinite) {
      throw ValidationError("--training-mse is a positive number, got \(trainingMse)")
    }
    if let weightDecay, !(weightDecay > 0 && weightDecay.isFinite) {
      throw ValidationError("--weight-decay is a positive number, got \(weightDecay)")
    }
    if weightDecay != nil, priorPrecision != nil {
      throw ValidationError("--weight-decay and --prior-precision exclude each other")
    }
    if weightDecay != nil, data != nil || loss == nil {
      throw ValidationError("--weight-decay needs --rows and the --loss that it was added to")
    }
    if let priorPrecision {
      guard priorPrecision.isReasonable, priorPrecision.setting != .given(0) else {
        throw ValidationError("--prior-precision must be between 1e-100 and 1e100, or auto")
      }
      if data == nil, priorPrecision.setting == .auto {
        throw ValidationError("--prior-precision auto is by the evidence of D1, and needs --data")
      }
    }
    if laplace.priorPer == PriorScope.weight.rawValue {
      throw ValidationError("import takes --prior-per network or layer")
    }
  }

  private func validateSource() throws {
    let count = [data, inputs, secondMoments].count { $0 != nil }
    guard count == 1 else {
      throw ValidationError(
        count == 0
          ? "weights\(rows == nil ? "" : " and a number of rows") do not say how sure D1 made them: give --data D1, or --rows N with --inputs D2 or with --second-moments FILE and --batch-size B"
          : "--data, --inputs and --second-moments exclude each other")
    }
    if data == nil {
      guard let rows, rows >= 1 else { throw ValidationError("give D1's number of rows with --rows") }
    } else if rows != nil {
      throw ValidationError("--rows is counted in --data: leave it out")
    }
    if let loss, TrainingLoss(rawValue: loss) == nil {
      let all = TrainingLoss.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("--loss is one of \(all); got \"\(loss)\"")
    }
    if secondMoments != nil {
      guard let batchSize, batchSize >= 1 else {
        throw ValidationError("--second-moments needs the --batch-size of the gradients, at least 1")
      }
      guard loss != nil else { throw ValidationError("--second-moments needs the --loss: mean-nll, mse or half-mse") }
      guard laplace.structure == nil || laplace.structure == CurvatureStructure.diagonal.rawValue else {
        throw ValidationError("--second-moments are diagonal: leave --structure out")
      }
    } else if batchSize != nil {
      throw ValidationError("--batch-size belongs to --second-moments")
    }
  }

  func run() throws {
    let console = global.console
    let started = Date()
    let sources = [weights] + [network, data, inputs, secondMoments].compactMap { $0 } + labels.labels
    try refuseOutput(destination.output, amongInputs: sources)
    try AtomicFile.check(destination.output, replacing: destination.force)
    let file = try network.map(readNetworkFile)
    let own = try readWeights(file)
    guard Network(own.spec).parameterCount <= TangentLimit.network else {
      throw CommandFailure.usage(
        "a network with \(own.theta.count) weights is more than the \(TangentLimit.network) that are possible")
    }
    var (posterior, report, summary) =
      try data != nil ? absorbed(own, file, console) : reconstructed(own, file, console)
    for reason in posterior.certificate.reasons where reason.hasPrefix("The inputs are unlike") { console.note(reason) }
    var settings = summary.map { tables.lineageSettings($0) } ?? [:]
    settings["source"] = data != nil ? "data" : inputs != nil ? "inputs" : "second-moments"
    posterior.rowSketch = summary?.sketch
    posterior.drift = summary?.sample.map {
      // How rows that it had not learnt from were predicted, only those who trained it can say.
      DriftReference(inputs: noColumnSketch ? nil : InputSketch($0, posterior.schema), scores: [])
    }
    posterior.lineage = [
      LineageEntry(
        number: 1, action: "import", rows: report.rows, rowDigest: (summary?.digest ?? RowDigest()).description,
        method: posterior.model.methodName, settings: settings, logEvidence: report.logEvidence, seed: global.seed,
        version: libraryVersion, parent: nil, label: destination.label)
    ]
    let (bytes, _) = try PosteriorFile.encode(posterior)
    try AtomicFile.write(bytes, to: destination.output, replacing: destination.force)
    UpdateSummary(
      action: "import", posterior: posterior, report: report, output: destination.output, bytes: bytes.count,
      seconds: Date().timeIntervalSince(started)
    ).print(console)
  }

  // MARK: The network

  private func readWeights(_ file: NetworkFile?) throws -> NetworkWeights {
    let tensors = try WeightFile.read(path: weights)
    return try naming(weights) {
      if let file { return try NetworkWeights(tensors, as: file) }
      return try NetworkWeights(inferringFrom: tensors, activation: activation.flatMap(Activation.init))
    }
  }

  private func naming<Value>(_ path: String, _ body: () throws -> Value) throws -> Value {
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

  // MARK: The curvature

  private typealias Result = (posterior: Posterior, report: UpdateReport, summary: BatchSummary?)

  /// From D1 itself.
  private func absorbed(_ own: NetworkWeights, _ file: NetworkFile?, _ console: Console) throws -> Result {
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
  private func reconstructed(_ own: NetworkWeights, _ file: NetworkFile?, _ console: Console) throws -> Result {
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
      let moments = try WeightFile.read(path: path)
      source = .secondMoments(
        try naming(path) { try own.matching(moments) }, batchSize: batchSize ?? 1,
        loss: loss.flatMap(TrainingLoss.init) ?? .meanNLL)
    }
    let made = try Posterior.reconstructed(
      own.spec, theta: own.theta, settings: try laplaceSettings(own), likelihood: likelihood, schema: schema,
      from: source, rows: count, normalisation: normalisation,
      standardised: isNormalised(normalisation),
      prior: PriorSettings(
        precision: .given(try precision(count, likelihood, normalisation, outputs)),
        noise: likelihood.hasNoise ? noise : .auto),
      seed: global.seed, threads: global.workers)
    return (made.posterior, made.report, nil)
  }

  private func isNormalised(_ own: Normalisation) -> Bool {
    own != .identity(features: own.featureCenter.count, targets: own.targetCenter.count)
  }

  private func precision(
    _ rows: Int, _ likelihood: LikelihoodKind, _ normalisation: Normalisation, _ outputs: Int
  ) throws -> Double {
    if case .given(let value)? = priorPrecision?.setting { return value }
    guard let weightDecay, let loss = loss.flatMap(TrainingLoss.init) else { return 1 }
    var variance: Double?
    if loss != .meanNLL {
      guard let trainingMse else {
        throw CommandFailure.usage(
          "--weight-decay beside a squared error is a prior only with the noise", remedy: "give --training-mse")
      }
      variance =
        normalisation.targetScale.reduce(0) { $0 + trainingMse / ($1 * $1) } / Double(normalisation.targetScale.count)
    }
    return loss.priorPrecision(weightDecay: weightDecay, rows: rows, noiseVariance: variance, outputs: outputs)
  }
}
