import ArgumentParser
import BNNInference
import BNNModels
import BNNPosteriors

/// What a Laplace posterior keeps: properties that a fit fixes.
struct LaplaceOptions: ParsableArguments {
  @Option(
    name: .long,
    help: """
      laplace: full, block (every layer), kronecker, kronecker-eigenvalue (exact second moments in the eigenvectors of the \
      Kronecker factors), low-rank (directions and a diagonal) or diagonal (default: full up to 2,000 weights, then kronecker); kalman: full, low-rank or diagonal (then low-rank); mean-field is diagonal.
      """)
  var structure: String?

  @Option(
    name: .long,
    help: """
      laplace, kalman and mean-field: the layers whose weights are uncertain, as last, 2 or 1-2 counted from 0 (default: all; \
      mean-field: up to the last).
      """
  )
  var layers: String?

  @Option(name: .long, help: "laplace and kalman: ggn (exact), fisher (one drawn target a row) or empirical-fisher.")
  var curvature = "ggn"

  @Option(name: .long, help: "laplace and kalman: directions of a low-rank structure.")
  var rank = LowRankCurvature.defaultRank

  @Option(
    name: .long,
    help: "laplace with a Kronecker structure: batches kept apart in a layer, at most; further ones are joined.")
  var products = 8

  @Option(
    name: .long,
    help: """
      laplace, kalman and mean-field: what has a prior precision of its own, chosen by the evidence: network (one for all), \
      layer, or weight (automatic relevance determination: weights that D1 does not need are held at zero; neither with \
      mean-field nor with kronecker or kronecker-eigenvalue).
      """)
  var priorPer = PriorScope.network.rawValue

  @Option(
    name: .long,
    help: """
      laplace with a Kronecker structure: how the windows of a convolution become one product, expand (each as a row) or \
      reduce (their mean).
      """)
  var weightSharing = WeightSharing.expand.rawValue

  @Option(
    name: .long,
    help: ArgumentHelp(
      """
      laplace: a batch's curvature is the mean over this many pairs of weights drawn around where it ended, in place of the \
      curvature there alone: later batches that lie elsewhere, or are other tasks, take less of it away, and those that are like it \
      teach less. Two more passes over the rows a pair; 1 to 4 are enough.
      """, valueName: "pairs"))
  var curvatureDraws = 0

  private static let kinds: [(name: String, kind: CurvatureKind)] = [
    ("ggn", .ggn), ("fisher", .monteCarloFisher(samples: 1)), ("empirical-fisher", .empiricalFisher),
  ]

  /// Whether a flag asks for what only `laplace`, `kalman` and `mean-field` have.
  var isUsed: Bool {
    structure != nil || layers != nil || curvature != "ggn" || priorPer != PriorScope.network.rawValue
      || weightSharing != WeightSharing.expand.rawValue || curvatureDraws != 0
  }

  func validate() throws {
    if let structure, CurvatureStructure(rawValue: structure) == nil {
      let all = CurvatureStructure.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("--structure is one of \(all); got \"\(structure)\"")
    }
    guard Self.kinds.contains(where: { $0.name == curvature }) else {
      throw ValidationError("--curvature is ggn, fisher or empirical-fisher; got \"\(curvature)\"")
    }
    guard PriorScope(rawValue: priorPer) != nil else {
      throw ValidationError(
        "--prior-per is one of \(PriorScope.allCases.map(\.rawValue).joined(separator: ", ")); got \"\(priorPer)\"")
    }
    guard WeightSharing(rawValue: weightSharing) != nil else {
      throw ValidationError("--weight-sharing is expand or reduce; got \"\(weightSharing)\"")
    }
    guard products >= 1 else { throw ValidationError("--products must be at least 1, got \(products)") }
    guard curvatureDraws >= 0 else {
      throw ValidationError("--curvature-draws is a number of pairs, 0 for none; got \(curvatureDraws)")
    }
    guard rank >= 1 else { throw ValidationError("--rank must be at least 1, got \(rank)") }
    if let layers, layers != "last", bounds(layers) == nil {
      throw ValidationError("--layers is last, a number from 0 on, or two of them such as 1-2; got \"\(layers)\"")
    }
  }

  private func bounds(_ text: String) -> Range<Int>? {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
    guard let first = parts.first ?? nil, let last = parts.last ?? nil, parts.count <= 2, first >= 0, first <= last
    else { return nil }
    return first..<(last + 1)
  }

  /// - Parameters:
  ///   - isLinearised: for `--method tangent` with a likelihood that is not Gaussian.
  ///   - method: which some structures belong to.
  func settings(
    for network: Network, isLinearised: Bool = false, method: Method = .laplace
  ) throws -> LaplaceSettings {
    let count = network.layers.count
    let chosen = layers == "last" ? (count - 1)..<count : layers.flatMap(bounds)
    if let chosen, chosen.upperBound > count {
      throw CommandFailure.usage(
        "--layers \(layers ?? "") names a layer that is not there: the network has \(count), 0 to \(count - 1)",
        remedy: "name layers that it has")
    }
    let shapes = network.shapes(ofLayers: chosen ?? 0..<count)
    guard !shapes.isEmpty else {
      throw CommandFailure.usage(
        "--layers \(layers ?? "") has no weights", remedy: "name dense layers, convolutions or a layer-norm")
    }
    let uncertain = network.parameterRange(ofLayers: chosen ?? 0..<count).count
    let own =
      structure.flatMap { CurvatureStructure(rawValue: $0) }
      ?? (method == .meanField || method == .point
        ? .diagonal : uncertain <= TangentLimit.automatic ? .full : method == .kalman ? .lowRank : .kronecker)
    if method == .meanField { try checkMeanField(own, chosen, count) }
    do {
      try Posterior.checkLayers(of: network.spec, chosen: chosen ?? 0..<count, for: method)
    } catch let UpdateError.unsuitable(words) {
      throw CommandFailure.usage(words, remedy: "use --method laplace")
    }
    let sharing = WeightSharing(rawValue: weightSharing) ?? .expand
    guard sharing == .expand || own.keepsBatches else {
      throw CommandFailure.usage(
        "--weight-sharing is of Kronecker structures, and the structure is \(own.rawValue)",
        remedy: "leave it out, or use --structure kronecker or kronecker-eigenvalue")
    }
    guard curvatureDraws == 0 || method == .laplace && !isLinearised else {
      throw CommandFailure.usage(
        "--curvature-draws is of --method laplace, which takes the network as it is; \(method.rawValue) takes no curvature at drawn weights",
        remedy: "leave it out, or use --method laplace")
    }
    if method == .point, isUsed {
      throw CommandFailure.usage(
        "--method point keeps weights and the diagonal of their exact curvature: --structure, --layers, --curvature and --prior-per are "
          + "not of it", remedy: "leave them out, or use --method laplace")
    }
    if method == .kalman, !KalmanStructure.all.contains(own) {
      throw CommandFailure.usage(
        "--method kalman keeps a precision that is full, low-rank or diagonal, not \(own.rawValue)",
        remedy: "use --structure low-rank, or --method laplace")
    }
    let scope = PriorScope(rawValue: priorPer) ?? .network
    guard scope != .weight || own.takesWeightPrecisions else {
      throw CommandFailure.usage(
        "--prior-per weight does not go with the structure \(own.rawValue), which takes one prior precision a layer",
        remedy: "use --structure full, block, low-rank or diagonal, or --prior-per layer")
    }
    let held = own.numbersHeld(layers: shapes, rank: rank)
    guard held <= TangentLimit.curvature else {
      throw CommandFailure.usage(
        "the structure \(own.rawValue) of \(uncertain) weights would hold \(readable(8e-9 * held)) GB",
        remedy: own == .lowRank
          ? "use a smaller --rank, or --structure kronecker" : "use --structure kronecker or diagonal")
    }
    return LaplaceSettings(
      structure: own, layers: chosen == 0..<count ? nil : chosen,
      curvature: Self.kinds.first { $0.name == curvature }?.kind ?? .ggn, rank: rank, products: products,
      priorScope: scope, isLinearised: isLinearised, sharing: sharing, curvatureDraws: curvatureDraws)
  }

  private func checkMeanField(_ structure: CurvatureStructure, _ layers: Range<Int>?, _ count: Int) throws {
    guard structure == .diagonal else {
      throw CommandFailure.usage(
        "--method mean-field keeps every weight by itself, not \(structure.rawValue)",
        remedy: "leave --structure out, or use --method laplace")
    }
    guard curvature == "ggn" else {
      throw CommandFailure.usage(
        "--method mean-field takes no --curvature: it draws from the posterior", remedy: "leave it out")
    }
    guard layers.map({ $0.upperBound == count }) ?? true else {
      throw CommandFailure.usage(
        "--method mean-field takes the last layers or all, not \(self.layers ?? "")",
        remedy: "use --layers last, or name layers up to \(count - 1)")
    }
    guard priorPer != PriorScope.weight.rawValue else {
      throw CommandFailure.usage(
        "--method mean-field has one prior precision for the network or one a layer",
        remedy: "use --prior-per network or layer")
    }
  }

  /// The flags that ask for these settings.
  static func flags(_ settings: LaplaceSettings) -> [String] {
    var words = settings.isLinearised ? [] : ["--structure", settings.structure.rawValue]
    if let layers = settings.layers {
      words += [
        "--layers", layers.count == 1 ? "\(layers.lowerBound)" : "\(layers.lowerBound)-\(layers.upperBound - 1)",
      ]
    }
    if let kind = kinds.first(where: { $0.kind == settings.curvature }), kind.name != "ggn" {
      words += ["--curvature", kind.name]
    }
    if settings.structure == .lowRank { words += ["--rank", String(settings.rank)] }
    if settings.structure.keepsBatches { words += ["--products", String(settings.products)] }
    if settings.sharing != .expand { words += ["--weight-sharing", settings.sharing.rawValue] }
    if settings.curvatureDraws > 0 { words += ["--curvature-draws", String(settings.curvatureDraws)] }
    if settings.priorScope != .network { words += ["--prior-per", settings.priorScope.rawValue] }
    return words
  }
}

/// How a network is trained: settings of a fit or an update, not properties of the posterior.
struct TrainingOptions: ParsableArguments {
  @Option(
    name: .long,
    help: """
      Train with Adam for this many passes (default: second-order steps on all rows; 10 passes where rows × weights, each \
      as often as a row uses it, are beyond 10^9; of classes and laplace, 5,000 rows or more and a structure that is not full, one more pass, before which 2,000 rows \
      held out choose what predictions believe of the spread). mean-field: passes of the fit, fewer where its bound levels off \
      (default: as many as make some 40,000 steps, 20 to 5,000). update by hot-start, freeze, layer-rates, ewc, l2-start, distil \
      or oversample is always Adam's (default: some 4,000 steps, at least 20 passes).
      """)
  var epochs: Int?

  @Option(name: .long, help: "Adam's minibatch.")
  var batchSize = 64

  @Option(
    name: .long,
    help: """
      The first learning rate; it falls to 0 (default: 5e-3; mean-field 1e-3, or 3e-3 below 20,000 steps, by natural-gradient \
      0.01).
      """)
  var learningRate: Double?

  func validate() throws {
    if let epochs, epochs < 1 { throw ValidationError("--epochs must be at least 1, got \(epochs)") }
    guard batchSize >= 1 else { throw ValidationError("--batch-size must be at least 1, got \(batchSize)") }
    guard learningRate.map({ $0 > 0 && $0.isFinite }) ?? true else {
      throw ValidationError("--learning-rate must be a positive number, got \(learningRate ?? 0)")
    }
  }

  /// Of weights that are continued by Adam, whose passes are `epochs` if they are given.
  func settings(_ optimizer: OptimizerOptions) -> TrainingSettings {
    TrainingSettings(
      epochs: epochs, batchSize: batchSize, learningRate: learningRate ?? 5e-3,
      scheduleEpochs: optimizer.scheduleEpochs)
  }

  /// Second-order steps go through all rows several hundred times.
  ///
  /// - Parameter products: multiplications of a row in the network, its weights where it uses each once.
  func settings(rows: Int, products: Int) -> TrainingSettings {
    TrainingSettings(
      epochs: epochs ?? (rows > 1_000_000_000 / max(1, products) ? 10 : nil), batchSize: batchSize,
      learningRate: learningRate ?? 5e-3)
  }

  /// Of mean-field inference, whose passes are `epochs`.
  func settings(_ variational: VariationalOptions) -> TrainingSettings {
    TrainingSettings(
      epochs: epochs, batchSize: batchSize, variational: variational.settings(learningRate: learningRate))
  }

  /// What the lineage keeps of a training.
  static func lineage(_ settings: TrainingSettings) -> [String: String] {
    guard let epochs = settings.epochs else { return ["optimiser": "l-bfgs"] }
    return [
      "optimiser": "adam", "epochs": String(epochs), "batch_size": String(settings.batchSize),
      "learning_rate": String(settings.learningRate),
    ]
  }
}
