import ArgumentParser
import BNNInference

/// Whether and along which schedule Adam's state is kept: of a fit or an update.
struct OptimizerOptions: ParsableArguments {
  @Flag(
    name: .long,
    help: """
      point (with --epochs) and hot-start only: keep Adam's state in the file, so that a later hot-start goes on as if \
      training had not ended.
      """)
  var keepOptimizer = false

  @Option(
    name: .long,
    help: """
      point with --keep-optimizer, and hot-start: passes that the learning rate's cosine is spread over, of which these are the \
      first --epochs (default: those alone).
      """)
  var scheduleEpochs: Int?

  func validate() throws {
    if let scheduleEpochs, scheduleEpochs < 1 {
      throw ValidationError("--schedule-epochs must be at least 1, got \(scheduleEpochs)")
    }
  }

  /// Refuses flags that another method would ignore.
  func refuseUnused() throws {
    guard !keepOptimizer, scheduleEpochs == nil else {
      throw CommandFailure.usage(
        "--keep-optimizer and --schedule-epochs belong to trained weights that are continued by hot-start",
        remedy: "use --method point for a fit or --method hot-start for an update, or leave them out")
    }
  }

  /// Of a fit.
  func check(epochs: Int?) throws {
    guard !keepOptimizer || epochs != nil else {
      throw CommandFailure.usage(
        "--keep-optimizer needs passes of Adam, and second-order steps leave nothing to keep", remedy: "give --epochs")
    }
    guard scheduleEpochs == nil || keepOptimizer else {
      throw CommandFailure.usage(
        "--schedule-epochs belongs to --keep-optimizer: without it the passes that are left cannot be made",
        remedy: "add --keep-optimizer, or leave it out")
    }
    if let scheduleEpochs, let epochs, scheduleEpochs < epochs {
      throw CommandFailure.usage(
        "--schedule-epochs \(scheduleEpochs) is less than --epochs \(epochs)", remedy: "give at least as many")
    }
  }
}

/// How trained weights are continued: settings of an update.
struct PointOptions: ParsableArguments {
  @Option(
    name: .long,
    help: """
      ewc: what the penalty counts (default: 1, Bayes' rule with a diagonal); l2-start: its precision (default: the mean of the \
      curvature that ewc keeps); distil: what the agreement counts (default: 1); oversample: what a new row counts (default: \
      earlier rows over new ones).
      """)
  var strength: Double?

  @Option(name: .long, help: "freeze only: how many of the first layers stay as they are (default: all but the last).")
  var freezeLayers: Int?

  @Option(
    name: .long,
    help: """
      hot-start, freeze, layer-rates and l2-start only: how many of the last layers begin with random weights (default: 0).
      """)
  var newLayers: Int?

  @Option(
    name: .long, help: "layer-rates only: a layer's learning rate as a share of the next layer's (default: 0.5).")
  var rateDecay: Double?

  @Flag(
    name: .long,
    help: "layer-rates only: the last layer moves alone in the first pass, and one more from the top with every next.")
  var gradualUnfreezing = false

  @Flag(
    name: .long, help: "hot-start only: begin Adam anew, although the posterior keeps its state.")
  var freshOptimizer = false

  @OptionGroup var optimizer: OptimizerOptions

  func validate() throws {
    if let strength, !(strength >= 0 && strength.isFinite) {
      throw ValidationError("--strength is a number from 0 on, got \(strength)")
    }
    if let freezeLayers, freezeLayers < 0 {
      throw ValidationError("--freeze-layers is a number from 0 on, got \(freezeLayers)")
    }
    if let newLayers, newLayers < 1 { throw ValidationError("--new-layers must be at least 1, got \(newLayers)") }
    if let rateDecay, !(rateDecay > 0 && rateDecay <= 1) {
      throw ValidationError("--rate-decay is more than 0 and at most 1, got \(rateDecay)")
    }
  }

  /// The method that an update of a posterior was asked for, or that a point is continued by; nil for any other update.
  static func method(_ asked: String?, of posterior: Posterior) -> PointMethod? {
    if let own = asked.flatMap({ PointMethod(rawValue: $0) }) { return own }
    return posterior.model.method == .point && (asked == nil || asked == Method.point.rawValue) ? .hotStart : nil
  }

  /// Refuses flags that another method would ignore.
  func refuseUnused() throws {
    let given = used(by: nil)
    guard given.isEmpty else {
      throw CommandFailure.usage(
        "\(given.joined(separator: ", ")) \(given.count == 1 ? "belongs" : "belong") to trained weights that are continued without a "
          + "posterior",
        remedy: "use --method \(PointMethod.allCases.map(\.rawValue).joined(separator: ", ")) or leave it out")
    }
    try optimizer.refuseUnused()
  }

  /// - Throws: `CommandFailure` for a flag that the method does not have.
  func settings(_ method: PointMethod) throws -> PointSettings {
    let wrong = used(by: method)
    guard wrong.isEmpty else {
      throw CommandFailure.usage(
        "\(wrong.joined(separator: ", ")) \(wrong.count == 1 ? "is" : "are") not of --method \(method.rawValue)",
        remedy: "leave it out; `bnn-update help update` says which method has it")
    }
    if method != .hotStart { try optimizer.refuseUnused() }
    return PointSettings(
      method: method, strength: strength, frozenLayers: freezeLayers, newLayers: newLayers ?? 0,
      rateDecay: rateDecay ?? 0.5, unfreezesGradually: gradualUnfreezing, resumesOptimiser: !freshOptimizer,
      keepsOptimiser: optimizer.keepOptimizer)
  }

  /// Flags that were given and are not the method's; of no method all that were given.
  private func used(by method: PointMethod?) -> [String] {
    [
      ("--strength", strength != nil, method?.takesStrength),
      ("--freeze-layers", freezeLayers != nil, method == .freeze),
      ("--new-layers", newLayers != nil, method?.takesNewLayers),
      ("--rate-decay", rateDecay != nil, method == .layerRates),
      ("--gradual-unfreezing", gradualUnfreezing, method == .layerRates),
      ("--fresh-optimizer", freshOptimizer, method == .hotStart),
    ].filter { $0.1 && $0.2 != true }.map(\.0)
  }

  private enum Key {
    static let strength = "strength"
    static let usualStrength = "default_strength"
    static let freezeLayers = "freeze_layers"
    static let newLayers = "new_layers"
    static let rateDecay = "rate_decay"
    static let gradualUnfreezing = "gradual_unfreezing"
    static let resumedAfter = "resumed_after"
    static let freshOptimizer = "fresh_optimizer"
    static let keepOptimizer = "keep_optimizer"
    static let scheduleEpochs = "schedule_epochs"
  }

  /// What the lineage keeps of them.
  static func lineage(_ report: PointReport, _ training: TrainingSettings) -> [String: String] {
    let own = report.settings
    var ownTraining = training
    ownTraining.epochs = report.epochs
    var result = TrainingOptions.lineage(ownTraining)
    if let value = own.strength {
      result[Key.strength] = String(value)
    } else if let value = report.strength {
      result[Key.usualStrength] = String(value)
    }
    if let value = own.frozenLayers { result[Key.freezeLayers] = String(value) }
    if own.newLayers > 0 { result[Key.newLayers] = String(own.newLayers) }
    if own.method == .layerRates { result[Key.rateDecay] = String(own.rateDecay) }
    if own.unfreezesGradually { result[Key.gradualUnfreezing] = "true" }
    if let passes = report.resumedAfter { result[Key.resumedAfter] = String(passes) }
    if !own.resumesOptimiser { result[Key.freshOptimizer] = "true" }
    return result.merging(lineage(keepsOptimiser: own.keepsOptimiser, training)) { $1 }
  }

  /// What the lineage keeps of an optimiser's state, of a fit too.
  static func lineage(keepsOptimiser: Bool, _ training: TrainingSettings) -> [String: String] {
    var result: [String: String] = [:]
    if keepsOptimiser { result[Key.keepOptimizer] = "true" }
    if let value = training.scheduleEpochs { result[Key.scheduleEpochs] = String(value) }
    return result
  }

  /// The flags that a lineage entry's settings ask for.
  static func flags(_ settings: [String: String]) -> [String] {
    var words: [String] = []
    for (key, flag) in [
      (Key.strength, "--strength"), (Key.freezeLayers, "--freeze-layers"), (Key.newLayers, "--new-layers"),
      (Key.rateDecay, "--rate-decay"), (Key.scheduleEpochs, "--schedule-epochs"),
    ] {
      if let value = settings[key] { words += [flag, value] }
    }
    for (key, flag) in [
      (Key.gradualUnfreezing, "--gradual-unfreezing"), (Key.freshOptimizer, "--fresh-optimizer"),
      (Key.keepOptimizer, "--keep-optimizer"),
    ] where settings[key] != nil { words.append(flag) }
    return words
  }
}
