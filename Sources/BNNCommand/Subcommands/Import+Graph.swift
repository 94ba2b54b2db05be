import ArgumentParser
import BNNDatasets
import BNNInference
import BNNModels
import BNNPosteriorFile

/// ONNX graphs, which say their layers themselves.
extension Import {
  var isGraph: Bool { weights.lowercased().hasSuffix(".onnx") }

  func validateGraph() throws {
    if activation != nil { throw ValidationError("an ONNX graph says its activations: leave --activation out") }
    if layout != WeightLayout.torch.rawValue {
      throw ValidationError("an ONNX graph has one layout: leave --layout out")
    }
  }

  func readGraph(_ console: Console) throws -> (NetworkWeights, NetworkFile?) {
    let given = try network.map { try readNetworkFile($0, mayLackLayers: true) }
    let graph = try naming(weights) { try WeightFile.graph(path: weights) }
    guard given?.layers.isEmpty != false else {
      throw CommandFailure(
        ExitStatus.badData, "the graph says the layers itself", file: network,
        remedy: "leave \"layers\" out of the file")
    }
    var file = graph.file
    let isScaled = file.input?.scales == true
    if isScaled, given?.input?.scales == true || normalize.map({ $0 != NormalisationRule.none.rawValue }) == true {
      throw CommandFailure.usage(
        "the graph normalises its inputs itself", remedy: "leave --normalize and the input's center and scale out")
    }
    guard isScaled || network != nil || normalize != nil else {
      throw CommandFailure.usage(
        "the graph does not normalise its inputs, and nothing says how that was done",
        remedy: "give --normalize none, standard or pixel, or an \"input\" with center and scale in --network FILE.json"
      )
    }
    if let input = given?.input {
      var own = isScaled ? file.input ?? input : input
      own.shape = file.input?.shape ?? input.shape
      own.columns = input.columns
      file.input = own
    }
    file.target = given?.target
    file.likelihood = given?.likelihood ?? file.likelihood
    (file.classes, file.heads) = (given?.classes, given?.heads)
    if !graph.halves.isEmpty { note(halves: graph.halves, console) }
    return (try naming(weights) { try NetworkWeights(graph.tensors, as: file) }, file)
  }
}
