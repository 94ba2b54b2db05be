import BNNModels
import BNNPosteriors

/// Which of the numbers that move belong to which unit of a network.
struct WeightPlaces: Sendable {
  /// One layer whose weights move.
  struct Layer: Sendable {
    /// PyTorch's, as in `layers.0`.
    let name: String
    /// All its weights and biases.
    let range: Range<Int>
    /// Of every unit its incoming weights and bias; empty where they do not move.
    let incoming: [[Int]]
    /// Of every unit that feeds the layer the weights that it is multiplied by.
    let outgoing: [[Int]]
    /// The biases; empty where there are none.
    let biases: [Int]
  }

  let layers: [Layer]

  /// Nil where the numbers that move are no network's weights.
  init?(_ posterior: Posterior) {
    let model = posterior.model
    guard let spec = model.network, model.subspace == nil else { return nil }
    let network = Network(spec)
    let last = network.layers.count - 1
    switch model.method {
    case .linear: return nil
    case .lastLayer, .parallelBranch:
      // Every output has weights of its own on the same columns: units, then 1, then perhaps the inputs.
      let units = network.layers[last].inputs
      layers = [
        Layer(
          name: "layers.\(last)", range: 0..<model.method.frozenWeights(of: network), incoming: [],
          outgoing: (0..<units).map { [$0] }, biases: [units])
      ]
    case .tangent, .movingTangent, .laplace, .kalman, .meanField, .point:
      let chosen = model.laplace?.layers ?? 0..<network.layers.count
      let start = network.parameterRange(ofLayers: chosen).lowerBound
      layers = chosen.map { l in
        let own = network.parameterRange(ofLayers: l..<(l + 1))
        let first = own.lowerBound - start
        // Of layers that are put together from others, and of those without weights, the places are not told apart.
        let shapes = network.tensors(ofLayers: l..<(l + 1)).map(\.shape)
        let isPlain = !shapes.isEmpty && shapes.dropFirst().allSatisfy { $0 == [shapes[0][0]] } && shapes.count <= 2
        let units = isPlain ? shapes[0][0] : 0
        let each = units > 0 ? shapes[0].reduce(1, *) / units : 0
        let biases = isPlain && shapes.count == 2 ? (0..<units).map { first + units * each + $0 } : []
        let isDense = isPlain && shapes[0].count == 2
        return Layer(
          name: "layers.\(l)", range: first..<(own.upperBound - start),
          incoming: (0..<units).map { u in
            (0..<each).map { first + u * each + $0 } + (biases.isEmpty ? [] : [biases[u]])
          },
          outgoing: isDense ? (0..<each).map { i in (0..<units).map { first + $0 * each + i } } : [], biases: biases)
      }
    }
  }
}
