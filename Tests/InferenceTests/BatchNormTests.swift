import BNNLinearAlgebra
import BNNModels
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@testable import BNNInference

/// Batch normalisation that becomes a part of its neighbours: against the network with the normalisation done by hand.
struct BatchNormTests {
  private func file(_ layers: String) throws -> NetworkFile {
    try JSONDecoder().decode(
      NetworkFile.self, from: Data(#"{"input": {"shape": [1, 4, 4]}, "layers": [\#(layers)]}"#.utf8))
  }

  private var gen = Gen(seed: 12)

  private mutating func tensor(_ name: String, _ shape: [Int], positive: Bool = false) -> NamedTensor {
    let values = gen.normals(shape.reduce(1, *)).map { positive ? 0.5 + $0 * $0 : $0 }
    return NamedTensor(name: name, shape: shape, values: values)
  }

  private mutating func norm(_ name: String, _ count: Int) -> [NamedTensor] {
    [
      tensor("\(name).weight", [count]), tensor("\(name).bias", [count]), tensor("\(name).running_mean", [count]),
      tensor("\(name).running_var", [count], positive: true),
      NamedTensor(name: "\(name).num_batches_tracked", shape: [], values: [7]),
    ]
  }

  /// s·z + t of every channel, whose pixels are neighbours.
  private func normalised(_ z: [Double], _ norm: [NamedTensor], epsilon: Double) -> [Double] {
    let count = norm[0].values.count
    return z.indices.map { i in
      let c = i / (z.count / count)
      return (z[i] - norm[2].values[c]) / (norm[3].values[c] + epsilon).squareRoot() * norm[0].values[c]
        + norm[1].values[c]
    }
  }

  /// A layer by itself.
  private func apply(_ spec: NetworkSpec, _ tensors: [NamedTensor], _ x: [Double]) -> [Double] {
    let network = Network(spec)
    return network.forward(Matrix([x]), network.parameters(tensors.flatMap(\.values))).storage
  }

  /// Before an activation it goes into the convolution before it, after one into the dense layer behind the flattening.
  @Test mutating func goesIntoItsNeighbours() throws {
    let conv = [tensor("c.weight", [3, 1, 2, 2]), tensor("c.bias", [3])]
    let dense = [tensor("d.weight", [2, 27]), tensor("d.bias", [2])]
    let (before, after) = (norm("n", 3), norm("m", 3))
    let own = try NetworkWeights(
      conv + dense + before + after,
      as: file(
        """
        {"type": "conv2d", "name": "c", "channels": 3, "kernel": 2},
        {"type": "batch-norm", "name": "n", "activation": "relu"},
        {"type": "batch-norm", "name": "m", "epsilon": 0.1},
        {"type": "flatten"}, {"type": "dense", "name": "d", "units": 2}
        """))
    #expect(own.spec.layers.count == 3)
    let x = gen.normals(16)
    let image = ImageShape(channels: 1, height: 4, width: 4)
    var z = apply(
      NetworkSpec(
        inputs: 16, image: image,
        layers: [.convolution2D(channels: 3, kernel: 2, stride: 1, padding: 0, activation: .identity)]), conv, x)
    z = normalised(z, before, epsilon: 1e-5).map { max(0, $0) }
    z = normalised(z, after, epsilon: 0.1)
    let expected = apply(NetworkSpec(inputs: 27, hidden: [], outputs: 2, activation: .tanh), dense, z)
    let network = Network(own.spec)
    let found = network.forward(Matrix([x]), network.parameters(own.theta)).storage
    // Sums of 27 products, folded once.
    #expect(relativeDifference(found, expected) <= 1e-13)
    // An optimiser's averages are of the weights before.
    #expect(throws: ImportError.self) { try own.matching(conv + dense) }
  }

  @Test mutating func refusesWhereItFitsNowhere() throws {
    let conv = [tensor("c.weight", [2, 1, 3, 3]), tensor("c.bias", [2])]
    let other = [tensor("d.weight", [2, 2, 3, 3]), tensor("d.bias", [2])]
    let dense = [tensor("e.weight", [2, 32]), tensor("e.bias", [2])]
    let norm = norm("n", 2)
    func words(_ layers: String, _ tensors: [NamedTensor]) throws -> String {
      do {
        _ = try NetworkWeights(tensors, as: file(layers))
        return "accepted"
      } catch let error as ImportError { return error.message }
    }
    let padded = #"{"type": "conv2d", "name": "c", "channels": 2, "kernel": 3, "padding": 1, "activation": "relu"}"#
    let second = #"{"type": "conv2d", "name": "d", "channels": 2, "kernel": 3, "padding": 1, "activation": "relu"}"#
    let rest = #"{"type": "flatten"}, {"type": "dense", "name": "e", "units": 2}"#
    let bare = #"{"type": "batch-norm", "name": "n"}"#
    #expect(try words("\(padded), \(bare), \(second), \(rest)", conv + other + norm + dense).contains("without padding"))
    let active = #"{"type": "batch-norm", "name": "n", "activation": "relu"}"#
    #expect(try words("\(padded), \(active), \(rest)", conv + norm + dense).contains("neither neighbour"))
    #expect(try words("\(padded), \(bare), \(rest)", conv + dense).contains("n.running_var [2] is missing"))
    var broken = norm
    broken[3].values[1] = -3
    #expect(try words("\(padded), \(bare), \(rest)", conv + broken + dense).contains("variances are negative"))
    #expect(try words("\(padded), \(bare), \(rest)", conv + norm + dense) == "accepted")
    #expect(throws: NetworkShapeError.self) { try file("\(padded), \(bare), \(rest)").spec(inputs: 16) }
  }
}
