import ArgumentParser
import BNNDatasets
import BNNInference
import BNNModels

/// What a first posterior is about: columns, network, likelihood, prior. Properties that no update may change.
struct ModelOptions: ParsableArguments {
  @Option(name: .long, help: "Target column; repeat for several.")
  var target: [String] = []

  @Option(name: .long, help: "Feature columns, comma-separated (default: all that are not targets).")
  var features: String?

  @Option(name: .long, help: "Columns that are no features, comma-separated.")
  var ignore: String?

  @Option(
    name: .long,
    help:
      "Features that are categories although they hold numbers, comma-separated (columns of text are categories anyway)."
  )
  var categorical: String?

  @Option(name: .long, help: "The column that says when a row was observed (ISO dates or numbers); no feature.")
  var time: String?

  @Option(name: .long, help: "The column of row weights w ≥ 0: a row's noise has the variance σ²/w; no feature.")
  var weights: String?

  @Option(name: .long, help: "Units of the hidden layers, comma-separated.")
  var hidden = "50"

  @Option(name: .long, help: "tanh, relu, gelu, sigmoid, softplus or identity.")
  var activation = "tanh"

  @Option(
    name: .long,
    help: """
      The network as a JSON file, instead of --hidden and --activation: dense, conv2d, max-pool, average-pool, flatten, layer-norm,       residual and activation layers, and of images {"input": {"shape": [channels, height, width]}}.
      """)
  var network: String?

  @Option(
    name: .long,
    help: """
      gaussian, heteroscedastic, poisson (counts), bernoulli (two classes) or categorical (default: gaussian for numbers, \
      classes for text).
      """)
  var likelihood: String?

  @Option(
    name: .long,
    help: "All classes that may ever come, comma-separated, or how many for 0, 1, … (default: those of D1).")
  var classes: String?

  @Option(
    name: .long,
    help: """
      All classes in groups with outputs of their own, as "0,1;2,3;4,5": a row is predicted within the group of its class, and \
      teaches nothing of the others (default: all classes are one group).
      """)
  var heads: String?

  @Option(name: .long, help: "Independently initialised networks, each with a posterior of its own.")
  var members = 1

  @Option(
    name: .long, help: "Prior precision of the normalised weights: a number, 0 for flat, or auto (by the evidence).")
  var priorPrecision = AutoSetting(argument: "auto")!

  @Option(name: .long, help: "Standard deviation of the noise in the target's units, or auto.")
  var noise = AutoSetting(argument: "auto")!

  @Option(
    name: .long,
    help: """
      By D1's means and deviations, then frozen: standard (of each column), pixel (of all together; default for IDX), \
      or none.
      """)
  var normalize: String?

  func validate() throws {
    guard Activation(rawValue: activation) != nil else {
      let all = Activation.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("--activation is one of \(all); got \"\(activation)\"")
    }
    if let normalize, NormalisationRule(rawValue: normalize) == nil {
      throw ValidationError("--normalize is standard, pixel or none, got \"\(normalize)\"")
    }
    guard (1...100).contains(members) else { throw ValidationError("--members is between 1 and 100, got \(members)") }
    if noise.setting == .given(0) { throw ValidationError("--noise must be a positive number or auto") }
    guard noise.isReasonable else { throw ValidationError("--noise must be between 1e-100 and 1e100, or auto") }
    guard priorPrecision.isReasonable else {
      throw ValidationError("--prior-precision must be 0, between 1e-100 and 1e100, or auto")
    }
    _ = try units()
    if network != nil, hidden != "50" || activation != "tanh" {
      throw ValidationError("--network says the layers and their activations: leave --hidden and --activation out")
    }
    try validateClasses()
  }

  func units() throws -> [Int] {
    let parts = hidden.split(separator: ",", omittingEmptySubsequences: false)
    let units = parts.compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
    guard units.count == parts.count, units.allSatisfy({ (1...100_000).contains($0) }) else {
      throw ValidationError("--hidden is a list of unit counts such as 50 or 50,50; got \"\(hidden)\"")
    }
    return units
  }
}
