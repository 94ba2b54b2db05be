#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The averages of squared gradients in a PyTorch optimiser's `state_dict`: `state.N.exp_avg_sq` and `state.N.step` of parameter number N.
/// Numbers are those of `model.parameters()`, layer after layer, weight before bias.
struct AdamState {
  private var squares: [Int: NamedTensor] = [:]
  private var steps: [Int: Double] = [:]

  /// Nil where no tensor has such a name.
  init?(_ tensors: [NamedTensor]) {
    for tensor in tensors {
      let words = tensor.name.split(separator: ".")
      guard words.count >= 3, words[words.count - 3] == "state", let number = Int(words[words.count - 2]) else {
        continue
      }
      if words.last == "exp_avg_sq" { squares[number] = tensor }
      if words.last == "step" { steps[number] = tensor.values.first }
    }
    if squares.isEmpty { return nil }
  }

  /// v̂ = v/(1 − β₂^t) under the names of the parameters.
  ///
  /// - Throws: `ImportError` that lists every parameter of another shape.
  func named(
    as parameters: [(name: String, shape: [Int])], secondBeta: Double
  ) throws(ImportError) -> [NamedTensor] {
    var misfits: [String] = []
    var result: [NamedTensor] = []
    for number in Set(parameters.indices).union(squares.keys).sorted() {
      let name = "state.\(number).exp_avg_sq"
      guard let own = squares[number] else {
        misfits.append("\(name) of \(parameters[number].name) \(parameters[number].shape) is missing")
        continue
      }
      guard number < parameters.count else {
        misfits.append("\(name) \(own.shape) is of no parameter")
        continue
      }
      guard own.shape == parameters[number].shape else {
        misfits.append("\(name) has the shape \(own.shape), and \(parameters[number].name) \(parameters[number].shape)")
        continue
      }
      guard let step = steps[number], step >= 1 else {
        misfits.append("state.\(number).step is missing or below 1")
        continue
      }
      let scale = 1 / (1 - pow(secondBeta, step))
      result.append(NamedTensor(name: parameters[number].name, shape: own.shape, values: own.values.map { $0 * scale }))
    }
    guard misfits.isEmpty else {
      throw ImportError(
        "the optimiser's state is not of this network's \(parameters.count) parameters: "
          + misfits.prefix(12).joined(separator: ", ") + (misfits.count > 12 ? ", …" : ""),
        remedy: "give the state of the optimiser that trained these weights, with its steps")
    }
    return result
  }
}
