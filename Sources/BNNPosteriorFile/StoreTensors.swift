import BNNInference
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNSafetensors

/// The tensors of a moving tangent beside those of every member (`MemberTensors`):
///
/// | name | shape | what |
/// |---|---|---|
/// | `store.layers.N.…` | PyTorch's | θ₁, the anchor |
/// | `store.hidden.weight`, `store.hidden.bias` | [m, d], [m] | the random units A and a |
/// | `store.statistics` | packed rows of k × (P + d + m + 1) | what all rows said of y on the store's basis |
/// | `inputs.weights` | [K] | once a file: the mixture's weights |
/// | `inputs.means`, `inputs.factors` | [K, d], [K, d(d + 1)/2] | its means and packed upper factors R, RᵀR the covariance |
/// | `inputs.levels`, `inputs.counts` | [Σ], [d] | every column's values or its range, one column after another, and how many |
/// | `inputs.discrete` | [d] | 1 where they are all its values |
extension MemberTensors {
  func tensors(of store: TangentStore, _ network: Network) -> [Tensor] {
    let (m, d) = (store.hiddenWeight.rows, store.hiddenWeight.columns)
    let packed = Self.pack(store.statistics.array.array)
    return cut(store.anchor, network.tensors, prefix: prefix + "store.") + [
      Tensor(name: "\(prefix)store.hidden.weight", shape: [m, d], values: store.hiddenWeight.storage),
      Tensor(name: "\(prefix)store.hidden.bias", shape: [m], values: store.hiddenBias),
      Tensor(name: "\(prefix)store.statistics", shape: [packed.count], values: packed),
    ]
  }

  func tangentStore(
    _ network: Network, observations: Int, from store: inout TensorStore
  ) throws(PosteriorFileError) -> TangentStore {
    let anchor = try join(network.tensors, prefix: prefix + "store.", from: &store)
    let d = network.spec.inputs
    let bias = try store.take("\(prefix)store.hidden.bias", shape: nil)
    let m = bias.count
    guard m > 0 else { throw store.corrupt("\(prefix)store.hidden.bias is empty") }
    let weight = try store.take("\(prefix)store.hidden.weight", shape: [m, d])
    return TangentStore(
      anchor: anchor, hiddenWeight: Matrix(rows: m, columns: d, storage: weight), hiddenBias: bias,
      statistics: try statistics(
        "\(prefix)store.statistics", weights: network.parameterCount + d + m, responses: 1, observations: observations,
        from: &store))
  }
}

extension InputSummary {
  /// The tensors `inputs.…`.
  var tensors: [Tensor] {
    let (k, d) = (mixture.components, mixture.dimension)
    return [
      Tensor(name: "inputs.weights", shape: [k], values: mixture.weights),
      Tensor(name: "inputs.means", shape: [k, d], values: mixture.means.storage),
      Tensor(name: "inputs.factors", shape: [k, d * (d + 1) / 2], values: mixture.factors.flatMap(\.packed)),
      Tensor(name: "inputs.levels", shape: [levels.reduce(0) { $0 + $1.count }], values: levels.flatMap { $0 }),
      Tensor(name: "inputs.counts", shape: [d], values: levels.map { Double($0.count) }),
      Tensor(name: "inputs.discrete", shape: [d], values: isDiscrete.map { $0 ? 1 : 0 }),
    ]
  }

  /// Takes the tensors `inputs.…` of d columns.
  init(from store: inout TensorStore, columns d: Int) throws(PosteriorFileError) {
    let weights = try store.take("inputs.weights", shape: nil)
    let k = weights.count
    guard k > 0, weights.allSatisfy({ $0 > 0 }), abs(weights.reduce(0, +) - 1) < 1e-9 else {
      throw store.corrupt("inputs.weights are not the weights of a mixture")
    }
    let means = try store.take("inputs.means", shape: [k, d])
    let size = d * (d + 1) / 2
    let packed = try store.take("inputs.factors", shape: [k, size])
    var factors: [TriangularFactor] = []
    for c in 0..<k {
      let own = Array(packed[(c * size)..<((c + 1) * size)])
      // A factor with a negative diagonal entry would be turned over, and the file then not be what was read.
      guard let factor = try? TriangularFactor(packed: own, dimension: d), factor.packed == own else {
        throw store.corrupt("a covariance in inputs.factors is not positive definite")
      }
      factors.append(factor)
    }
    let counts = try store.take("inputs.counts", shape: [d])
    let discrete = try store.take("inputs.discrete", shape: [d])
    let values = try store.take("inputs.levels", shape: nil)
    guard counts.allSatisfy({ $0 >= 1 && $0 == $0.rounded() && $0 < 1e6 }),
      discrete.allSatisfy({ $0 == 0 || $0 == 1 }), Int(counts.reduce(0, +)) == values.count
    else { throw store.corrupt("inputs.counts do not fit inputs.levels") }
    var levels: [[Double]] = []
    var offset = 0
    for count in counts.map({ Int($0) }) {
      let own = Array(values[offset..<(offset + count)])
      guard zip(own, own.dropFirst()).allSatisfy({ $0 <= $1 }) else {
        throw store.corrupt("inputs.levels are not in ascending order")
      }
      guard own.count == 2 || discrete[levels.count] == 1 else {
        throw store.corrupt("inputs.levels are not the range of column \(levels.count)")
      }
      levels.append(own)
      offset += count
    }
    self.init(
      mixture: GaussianMixture(weights: weights, means: Matrix(rows: k, columns: d, storage: means), factors: factors),
      levels: levels, isDiscrete: discrete.map { $0 == 1 })
  }
}
