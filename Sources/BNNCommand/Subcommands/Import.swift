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
      Weights are safetensors, .npz or a folder of .npy files under PyTorch's names (PREFIX.weight [outputs, inputs], PREFIX.bias), with \
      --layout keras under those of Keras, or an ONNX graph, which says its layers itself; other layers that are not dense are described by --network, batch normalisation among them. What the \
      data before said is \
      taken from the best that is there: --data (D1: exact curvature of these weights, nothing trained), --rows N --inputs D2 \
      (curvature at D2's inputs, times N/rows), or --rows N --second-moments (an optimiser's averages of squared gradients). The result is a \
      laplace posterior.
      """)

  @Argument(help: "Weights: a .safetensors, .npz or .onnx file, or a folder of .npy files.")
  var weights: String

  @Option(
    name: .long,
    help: """
      Whose names and axes the weights have: torch, or keras (kernel [inputs, outputs] or [height, width, channels, outputs], pixels \
      flattened with their channels together).
      """)
  var layout = WeightLayout.torch.rawValue

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
    name: .long,
    help: """
      Adam's averages of squared gradients: the optimiser's state as tensors (state.0.exp_avg_sq, state.0.step, …), or the \
      averages with their bias taken out under the weights' names.
      """)
  var secondMoments: String?

  @Option(name: .long, help: "Adam's second beta, which takes the bias out of an optimiser's state.")
  var beta2 = 0.999

  @Option(name: .long, help: "Rows of a batch behind --second-moments.")
  var batchSize: Int?

  @Option(name: .long, help: "What was trained: mean-nll, mse or half-mse of a batch.")
  var loss: String?

  @Option(name: .long, help: "Coefficient of ½‖θ‖² in the loss of a batch, which becomes the prior precision.")
  var weightDecay: Double?

  @Option(
    name: .long,
    help: """
      Mean squared error on D1 in the target's units: with --data it fixes the noise, else the noise of a regression is estimated from it and \
      follows the batches.
      """)
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
    help: "Prior precision of the normalised weights, or auto, by the evidence of D1's curvature (default: auto).")
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
    if WeightLayout(rawValue: layout) == nil { throw ValidationError("--layout is torch or keras, got \"\(layout)\"") }
    guard beta2 > 0, beta2 < 1 else { throw ValidationError("--beta2 is between 0 and 1, got \(beta2)") }
    if network != nil, activation != nil || normalize != nil {
      throw ValidationError(
        "--network says the activations and the normalisation: leave --activation and --normalize out")
    }
    if isGraph { try validateGraph() }
    if network == nil, normalize == nil, !isGraph {
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
    let (own, file) = try readNetwork(console)
    if file?.heads != nil {
      throw CommandFailure(
        ExitStatus.badData, "classes in heads are of networks that are trained here", file: network,
        remedy: "declare all outputs as classes")
    }
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
}
