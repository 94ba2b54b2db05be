import ArgumentParser
import BNNInference

/// How an update by the filter takes its rows: settings of that update.
struct FilterOptions: ParsableArguments {
  @Option(
    name: .long,
    help: """
      kalman only: variance that every normalised weight gains before each row, so that the network can follow a drift.
      """)
  var processNoise: Double?

  @Option(
    name: .long,
    help: """
      What earlier rows count, more than 0 and at most 1: before this batch (linear family and laplace), or for kalman before each \
      row, and the prior with them; 0.999 then forgets in about a thousand rows.
      """)
  var forgetting: Double?

  @Option(
    name: .long,
    help: """
      kalman only: write the posterior after every N rows, and when interrupted (from standard input it is then written \
      anyway).
      """)
  var saveEvery: Int?

  @Flag(name: .long, help: "kalman only: single precision; a full precision takes two thirds of the time.")
  var singlePrecision = false

  func validate() throws {
    if let processNoise, !(processNoise >= 0 && processNoise.isFinite) {
      throw ValidationError("--process-noise is a variance, 0 or more; got \(processNoise)")
    }
    if let forgetting, !(forgetting > 0 && forgetting <= 1) {
      throw ValidationError("--forgetting is more than 0 and at most 1; got \(forgetting)")
    }
    if let saveEvery, saveEvery < 1 { throw ValidationError("--save-every must be at least 1, got \(saveEvery)") }
  }

  /// Whether an update of this posterior is the filter's.
  func filters(_ posterior: Posterior, method: String?) -> Bool {
    posterior.model.method == .kalman && method != Method.meanField.rawValue || method == Method.kalman.rawValue
  }

  /// Refuses flags that another method would ignore; those that cannot forget by batches refuse `--forgetting` themselves.
  func refuseUnused() throws {
    guard processNoise == nil, saveEvery == nil, !singlePrecision else {
      throw CommandFailure.usage(
        "--process-noise, --save-every and --single-precision belong to an update row by row",
        remedy: "update a kalman posterior, or continue a laplace one with --method kalman")
    }
  }

  var settings: FilterSettings {
    FilterSettings(
      dynamics: FilterDynamics(processNoise: processNoise ?? 0, forgetting: forgetting ?? 1),
      usesSinglePrecision: singlePrecision ? true : nil)
  }

  /// What the lineage keeps of them.
  var lineage: [String: String] {
    var settings: [String: String] = [:]
    if let processNoise, processNoise > 0 { settings[UpdateSetting.processNoise] = "\(processNoise)" }
    if let forgetting, forgetting < 1 { settings[UpdateSetting.forgetting] = "\(forgetting)" }
    if singlePrecision { settings[UpdateSetting.precision] = "single" }
    return settings
  }
}
