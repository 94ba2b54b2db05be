import ArgumentParser
import BNNDatasets
import BNNInference
import BNNLinearAlgebra
import BNNPosteriorFile
import Foundation

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "The mean of a posterior as plain weights for other programs.",
    usage: "bnn-update export [<options>] <posterior> -o <output>",
    discussion: """
      The normalisation of inputs and targets is folded into the first and last layers, so that the weights take and give numbers in their \
      own units. Names are those of a torch nn.Sequential of Linear (Conv2d, …) and activation modules in turn: 0.weight, 0.bias, \
      2.weight, …. A parallel branch has network.… and branch.weight; a tangent, which is f(x; a) + J(x; a)w, has network.… for a and \
      displacement.… for w. For these --to torch also writes a short Python file whose load() gives the module. --single-network makes one \
      network of them, or of several members, that predicts nearly as they do, and says how nearly. For Keras names are N.kernel, N.bias, …, \
      N the layer's place in model.layers; axes and flattened pixels are as Keras has them, in the order of set_weights.
      """)

  @Argument(help: "A posterior file.")
  var posterior: String

  @Option(
    name: .long, help: "torch (a .safetensors file for load_state_dict), numpy (.npz) or keras (.npz, for set_weights)."
  )
  var to = "torch"

  @Option(name: [.short, .long], help: "The file to write.")
  var output: String

  @Option(
    name: .long,
    help: """
      Python file to write as well, which makes the torch module and loads the weights (default: the output's name with .py where the module \
      is no nn.Sequential, else none).
      """)
  var module: String?

  @Flag(
    name: .long,
    help: "Fit plain weights of the same network to what the posterior predicts, and say how near they come.")
  var singleNetwork = false

  @Option(
    name: .long,
    help: "Inputs like those to come, at which --single-network is fitted (default: those the posterior keeps).")
  var inputs: String?

  @Option(name: .long, help: "Rows to score --single-network on, beside the posterior.")
  var data: String?

  @OptionGroup var labels: LabelOptions
  @OptionGroup var tables: DataOptions

  @Flag(name: .long, help: "Overwrite the output if it exists.")
  var force = false

  @OptionGroup var global: GlobalOptions

  func validate() throws {
    guard ["torch", "numpy", "keras"].contains(to) else {
      throw ValidationError("--to is torch, numpy or keras, got \"\(to)\"; other forms are not written")
    }
    if !singleNetwork, inputs != nil || data != nil {
      throw ValidationError("--inputs and --data belong to --single-network")
    }
    if module != nil, to != "torch" { throw ValidationError("--module belongs to --to torch") }
  }

  func run() throws {
    let console = global.console
    let given = try loadPosterior(posterior).posterior
    let (own, cost) = try singleNetwork ? single(given, console) : (given, [])
    let model = try own.plainModel()
    let module = to == "torch" ? module ?? (model.form == .network ? nil : modulePath) : nil
    if module == output { throw CommandFailure.usage("the weights and the module are both to be written to \(output)") }
    for file in [output] + [module].compactMap({ $0 }) {
      try refuseOutput(file, amongInputs: [posterior] + [inputs, data].compactMap { $0 } + labels.labels)
      try AtomicFile.check(file, replacing: force)
    }
    let weights = try to == "keras" ? model.kerasTensors() : model.tensors
    let bytes = try to == "torch" ? WeightFile.safetensors(weights) : WeightFile.npz(weights)
    try AtomicFile.write(bytes, to: output, replacing: force)
    if let module {
      let name = URL(fileURLWithPath: output).lastPathComponent
      try AtomicFile.write(Array(model.torchModule(weights: name).utf8), to: module, replacing: force)
    }
    console.result(
      [
        ("output", .string(output)), ("module", module.map { .string($0) } ?? .null),
        ("form", .string(model.form.rawValue)), ("tensors", .strings(weights.map(\.name))),
        ("parameters", .integer(weights.reduce(0) { $0 + $1.values.count })),
      ] + cost)
    if let scaling = model.inputScaling {
      func words(_ values: [Double]) -> String { Set(values).count == 1 ? "\(values[0])" : "D1's own of every input" }
      console.note(
        "the network's inputs are (x − center)/scale with the center \(words(scaling.center)) and the scale "
          + "\(words(scaling.scale)); the first layer does not take them in"
          + (module == nil ? " (--module writes them into a Python file)" : ""))
    }
    if given.model.method == .meanField, !singleNetwork {
      console.note(
        "predictions of mean-field average over the weights; the network of their mean alone differs a little")
    }
    console.say("\(output): \(weights.map { "\($0.name) \($0.shape)" }.joined(separator: ", "))")
    if let module {
      console.say("\(module): load() gives the torch module")
    }
  }

  /// One network in the place of a posterior, what it costs told.
  private func single(_ given: Posterior, _ console: Console) throws -> (Posterior, [(String, JSONText)]) {
    var x = given.keptInputs(seed: global.seed)
    if let inputs {
      let reader = try DatasetReader(path: inputs, schema: given.schema, targets: .none, options: tables.options)
      x = try Dataset(readingAll: reader).featureMatrix
      remark(on: reader, console, expected: Set(given.schema.targets))
    }
    guard let x else {
      throw CommandFailure.usage(
        "one network is fitted to predictions at inputs, and \(posterior) keeps none",
        remedy: "name a table of them with --inputs")
    }
    let (own, cost) = try given.singleNetwork(at: x, seed: global.seed, threads: global.workers)
    let unit = given.model.likelihood.isClassification ? "in probability" : "noise deviations"
    console.say(
      "one network: predictions differ by \(readable(cost.fitted)) \(unit) (root mean square) at the \(cost.fittedRows) inputs it was fitted to"
        + (cost.held.map { ", by \(readable($0)) at \(cost.heldRows) others" } ?? ""))
    var object: [(String, JSONText)] = [
      (
        "single_network",
        .object([
          ("difference_fitted", .number(cost.fitted)), ("rows_fitted", .integer(cost.fittedRows)),
          ("difference_held_out", .optional(cost.held)), ("rows_held_out", .integer(cost.heldRows)),
        ])
      )
    ]
    if let data {
      let reader = try DatasetReader(path: data, labels: labels.file, schema: given.schema, options: tables.options)
      let rows = try Dataset(readingAll: reader)
      remark(on: reader, console)
      for (name, label, one) in [("before", "posterior: ", given), ("after", "one network: ", own)] {
        let scores = try one.tableScores(
          features: rows.featureMatrix, targets: rows.targetMatrix, weights: rows.weights, seed: global.seed,
          threads: global.workers)
        scores.say(label, of: given.schema, console)
        object.append((name, .object(scores.members)))
      }
    }
    return (own, object)
  }

  /// The output's name with the ending of Python files.
  private var modulePath: String {
    URL(fileURLWithPath: output).deletingPathExtension().relativePath + ".py"
  }
}
