import ArgumentParser
import BNNInference
import BNNPosteriorFile
import Foundation

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "The mean of a posterior as plain weights for other programs.",
    usage: "bnn-update export [<options>] <posterior> -o <output>",
    discussion: """
      Of laplace, kalman, mean-field and point. The normalisation of inputs and targets is folded into the first and last layers, so that the \
      weights take and give numbers in their own units. Names are those of a torch nn.Sequential of Linear and activation modules in \
      turn: 0.weight, 0.bias, 2.weight, …
      """)

  @Argument(help: "A posterior file.")
  var posterior: String

  @Option(name: .long, help: "torch (a .safetensors file for load_state_dict) or numpy (.npz).")
  var to = "torch"

  @Option(name: [.short, .long], help: "The file to write.")
  var output: String

  @Flag(name: .long, help: "Overwrite the output if it exists.")
  var force = false

  @OptionGroup var global: GlobalOptions

  func validate() throws {
    guard ["torch", "numpy"].contains(to) else {
      throw ValidationError("--to is torch or numpy, got \"\(to)\"; other forms are not written")
    }
  }

  func run() throws {
    let console = global.console
    try refuseOutput(output, amongInputs: [posterior])
    try AtomicFile.check(output, replacing: force)
    let own = try loadPosterior(posterior).posterior
    let weights = try own.plainWeights()
    let bytes = try to == "torch" ? WeightFile.safetensors(weights) : WeightFile.npz(weights)
    try AtomicFile.write(bytes, to: output, replacing: force)
    console.result([
      ("output", .string(output)), ("tensors", .strings(weights.map(\.name))),
      ("parameters", .integer(weights.reduce(0) { $0 + $1.values.count })),
    ])
    if let scaling = own.plainInputScaling {
      func words(_ values: [Double]) -> String { Set(values).count == 1 ? "\(values[0])" : "D1's own of every input" }
      console.note(
        "the network's inputs are (x − center)/scale with the center \(words(scaling.center)) and the scale "
          + "\(words(scaling.scale)); a first layer that is not dense does not take them in")
    }
    console.say("\(output): \(weights.map { "\($0.name) \($0.shape)" }.joined(separator: ", "))")
  }
}
