import BNNModels

/// Batch normalisation of a trained network, in evaluation: s·z + t of every channel with s = γ/√(v + ε), t = β − μs of its running
/// mean μ and variance v. An affine map, it becomes a part of the layer before it where nothing stands between, else of the
/// layer after it.
struct BatchNorm {
  /// The layer that comes after it, of those that are left.
  let place: Int
  let name: String
  let epsilon: Double
  /// Whether it goes into the layer before it.
  let isBackward: Bool

  /// The layers that are left of a file's, with their names, and its batch normalisations.
  static func split(
    _ file: NetworkFile
  ) throws(ImportError) -> (layers: [LayerSpec], names: [String], norms: [BatchNorm]) {
    var (layers, names, norms): ([LayerSpec], [String], [BatchNorm]) = ([], [], [])
    for (index, layer) in file.layers.enumerated() {
      let name = layer.name ?? "layers.\(index)"
      switch layer.kind {
      case .layer(let own):
        layers.append(own)
        names.append(name)
      case .batchNorm(let epsilon, let activation):
        if let before = layers.last, before.activation == .identity, norms.last?.place != layers.count,
          let joined = before.replacing(activation: activation)
        {
          layers[layers.count - 1] = joined
          norms.append(BatchNorm(place: layers.count, name: name, epsilon: epsilon, isBackward: true))
          continue
        }
        guard activation == .identity, !layers.isEmpty else {
          throw ImportError(
            "layer \(index) (batch-norm): between two activations it is a part of neither neighbour",
            remedy: "a batch-norm stands right after a convolution or a dense layer, or has no activation")
        }
        norms.append(BatchNorm(place: layers.count, name: name, epsilon: epsilon, isBackward: false))
      }
    }
    return (layers, names, norms)
  }

  /// Its own, in the order in which `fold` takes their numbers.
  func tensors(channels: Int) -> [(name: String, shape: [Int])] {
    ["weight", "bias", "running_mean", "running_var"].map { (NetworkWeights.name(name, $0), [channels]) }
  }

  /// - Parameter values: γ, β, μ and v.
  func fold(into theta: inout [Double], of network: Network, _ values: [Double]) throws(ImportError) {
    let count = values.count / 4
    let scale = (0..<count).map { values[$0] / (values[3 * count + $0] + epsilon).squareRoot() }
    let shift = (0..<count).map { values[count + $0] - values[2 * count + $0] * scale[$0] }
    guard (scale + shift).allSatisfy(\.isFinite) else {
      throw ImportError("\(name): its variances are negative, or zero without an epsilon")
    }
    let target =
      isBackward ? place - 1 : (place..<network.layers.count).first { !(network.layers[$0] is Flatten) } ?? place
    guard target < network.layers.count, let layer = network.layers[target] as? any LinearLayer,
      isBackward || !layer.padsInputs
    else {
      throw ImportError(
        "\(name): batch normalisation after an activation must come before a dense layer or a convolution without padding, "
          + "into which it can go")
    }
    let range = network.parameterRange(ofLayers: target..<(target + 1))
    var own = Array(theta[range])
    if isBackward {
      layer.fold(&own, outputScale: scale, outputShift: shift)
    } else {
      layer.fold(&own, inputScale: scale, inputShift: shift)
    }
    theta.replaceSubrange(range, with: own)
  }
}
