import BNNDatasets
import BNNInference
import BNNModels
import Foundation

/// The network that a JSON file describes.
///
/// - Parameter mayLackLayers: where something else says them.
func readNetworkFile(_ path: String, mayLackLayers: Bool = false) throws -> NetworkFile {
  guard let bytes = FileManager.default.contents(atPath: path) else {
    throw CommandFailure(ExitStatus.noInput, "no such file", file: path, remedy: "check the name")
  }
  do {
    let decoder = JSONDecoder()
    if mayLackLayers, let key = NetworkFile.mayLackLayers { decoder.userInfo[key] = true }
    return try decoder.decode(NetworkFile.self, from: bytes)
  } catch let error as DecodingError {
    throw CommandFailure(ExitStatus.badData, "is no description of a network: \(words(error))", file: path)
  }
}

private func words(_ error: DecodingError) -> String {
  switch error {
  case .dataCorrupted(let context): context.debugDescription
  case .keyNotFound(let key, _): "the key \"\(key.stringValue)\" is missing"
  case .typeMismatch(_, let context), .valueNotFound(_, let context):
    "\(context.codingPath.map(\.stringValue).joined(separator: ".")) has a value of another kind"
  @unknown default: "it cannot be read"
  }
}

extension ModelOptions {
  /// With what the network file says of likelihood, classes and heads, where no flag does.
  func resolved() throws -> ModelOptions {
    guard let network else { return self }
    let file = try readNetworkFile(network)
    func refuse(_ words: String, _ remedy: String) -> CommandFailure {
      CommandFailure(ExitStatus.badData, words, file: network, remedy: remedy)
    }
    if file.target != nil || file.input.map({ $0.scales || $0.columns != nil }) == true {
      throw refuse(
        "columns, centers and scales are of networks that were trained elsewhere: a network that is trained here is "
          + "normalised by D1", "leave them out (--features and --normalize say them)")
    }
    var result = self
    if likelihood == nil { result.likelihood = file.likelihood?.rawValue }
    guard
      ((file.classes ?? []) + (file.heads ?? []).flatMap { $0 }).allSatisfy({ !$0.contains(",") && !$0.contains(";") })
    else { throw refuse("a class has a comma or a semicolon in its name", "name the classes without") }
    if classes == nil, heads == nil, let own = file.classes { result.classes = own.joined(separator: ",") }
    if heads == nil, let own = file.heads {
      result.heads = own.map { $0.joined(separator: ",") }.joined(separator: ";")
    }
    try result.validateClasses()
    return result
  }

  /// The network for these columns.
  func network(_ schema: Schema, _ likelihood: LikelihoodKind) throws -> NetworkSpec {
    let (inputs, outputs) = (
      schema.features.count,
      likelihood.outputs(targets: schema.targets.count, classes: schema.classes?.count ?? 2)
    )
    guard let network else {
      return NetworkSpec(
        inputs: inputs, hidden: try units(), outputs: outputs, activation: Activation(rawValue: activation) ?? .tanh)
    }
    let spec: NetworkSpec
    do {
      spec = try readNetworkFile(network).spec(inputs: inputs)
    } catch let error as NetworkShapeError {
      throw CommandFailure(ExitStatus.badData, error.description, file: network)
    }
    guard spec.endsLinear, Network(spec).outputs == outputs else {
      throw CommandFailure(
        ExitStatus.badData,
        "the last layer is \"\(spec.layers.last?.words ?? "")\", and the \(likelihood.rawValue) likelihood of this target takes "
          + "a dense layer of \(outputs) \(outputs == 1 ? "unit" : "units") without activation", file: network)
    }
    return spec
  }
}
