import ArgumentParser
import BNNInference

/// How mean-field inference goes: settings of a fit or an update.
struct VariationalOptions: ParsableArguments {
  @Option(
    name: .long,
    help: """
      mean-field only: adam (default; on means and log deviations) or natural-gradient (variational online Newton: steps scaled \
      by the posterior's own variances).
      """)
  var optimizer: String?

  @Option(name: .long, help: "mean-field only: the learning rate falls along a cosine (default), or is constant.")
  var schedule: String?

  @Option(
    name: .long, help: "mean-field only: draws a minibatch, in training; a prediction's are --samples (default: 1).")
  var draws: Int?

  @Flag(name: .long, help: "mean-field only: join every draw by its mirror image.")
  var antithetic = false

  @Flag(
    name: .long,
    help: "mean-field only: do not stop when the bound has levelled off; at most 5,000 passes without --epochs.")
  var allEpochs = false

  @Option(
    name: .long,
    help: """
      mean-field only: keep this many rows of the batch in the file, as they are, and look at them again after every later \
      batch (default: 0).
      """)
  var memory: Int?

  @Option(name: .long, help: "With --memory: random, or k-centre (rows far from each other).")
  var memorySelection: String?

  func validate() throws {
    if let memory, memory < 1 { throw ValidationError("--memory must be at least 1, got \(memory)") }
    if let memorySelection {
      guard MemorySelection(rawValue: memorySelection) != nil else {
        throw ValidationError("--memory-selection is \(Self.list(MemorySelection.self)); got \"\(memorySelection)\"")
      }
      guard memory != nil else { throw ValidationError("--memory-selection belongs to --memory") }
    }
    if let optimizer, VariationalSettings.Optimiser(rawValue: optimizer) == nil {
      throw ValidationError("--optimizer is \(Self.list(VariationalSettings.Optimiser.self)); got \"\(optimizer)\"")
    }
    if let schedule, VariationalSettings.Schedule(rawValue: schedule) == nil {
      throw ValidationError("--schedule is \(Self.list(VariationalSettings.Schedule.self)); got \"\(schedule)\"")
    }
    if let draws, !(1...1000).contains(draws) {
      throw ValidationError("--draws is between 1 and 1000, got \(draws)")
    }
  }

  private static func list<Kind: CaseIterable & RawRepresentable<String>>(_: Kind.Type) -> String {
    Kind.allCases.map(\.rawValue).joined(separator: " or ")
  }

  /// Whether a flag asks for what only `mean-field` has.
  var isUsed: Bool { optimizer != nil || schedule != nil || draws != nil || antithetic || allEpochs || memory != nil }

  /// Refuses flags that another method would ignore.
  func refuseUnused() throws {
    guard !isUsed else {
      throw CommandFailure.usage(
        "--optimizer, --schedule, --draws, --antithetic, --all-epochs and --memory belong to mean-field inference",
        remedy: "use --method mean-field, or leave them out")
    }
  }

  /// - Parameter learningRate: nil is the optimiser's own.
  func settings(learningRate: Double?) -> VariationalSettings {
    let optimiser = optimizer.flatMap(VariationalSettings.Optimiser.init) ?? .adam
    return VariationalSettings(
      optimiser: optimiser, schedule: schedule.flatMap(VariationalSettings.Schedule.init) ?? .cosine,
      learningRate: learningRate, samples: draws ?? 1, isAntithetic: antithetic, stopsEarly: !allEpochs,
      memory: memory ?? 0, memorySelection: memorySelection.flatMap(MemorySelection.init) ?? .random)
  }

  /// What the lineage keeps of a variational fit or update.
  static func lineage(
    _ settings: TrainingSettings, report: VariationalReport?, given epochs: Int?
  ) -> [String: String] {
    let own = settings.variational
    var result = [
      "optimiser": own.optimiser.rawValue, "schedule": own.schedule.rawValue,
      "batch_size": String(settings.batchSize), "draws": String(own.samples),
      "passes": String(report?.bounds.count ?? 0),
    ]
    if let epochs { result["epochs"] = String(epochs) }
    if let rate = own.learningRate { result["learning_rate"] = String(rate) }
    if own.isAntithetic { result["antithetic"] = "true" }
    if own.memory > 0 {
      result["memory"] = String(own.memory)
      result["memory_selection"] = own.memorySelection.rawValue
    }
    if !own.stopsEarly { result["all_epochs"] = "true" }
    return result
  }

  /// The flags that a lineage entry's settings ask for.
  static func flags(_ settings: [String: String]) -> [String] {
    var words: [String] = []
    if settings["schedule"] != nil, let value = settings["optimiser"] { words += ["--optimizer", value] }
    if let value = settings["schedule"] { words += ["--schedule", value] }
    if let value = settings["draws"] { words += ["--draws", value] }
    if let value = settings["memory"] { words += ["--memory", value] }
    if let value = settings["memory_selection"] { words += ["--memory-selection", value] }
    if settings["antithetic"] != nil { words.append("--antithetic") }
    if settings["all_epochs"] != nil { words.append("--all-epochs") }
    return words
  }
}
