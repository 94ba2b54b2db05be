import BNNLinearAlgebra
import BNNModels
import BNNProbability
import BNNTestSupport
import Testing

/// The pass over one row against the network's own derivatives, which are checked by finite differences.
struct RowPassTests {
  /// Sums of at most a hundred products of numbers near one: some hundred roundings of the type.
  private func check<Scalar: BLASVectorScalar>(
    _ spec: NetworkSpec, _ type: Scalar.Type, tolerance: Double
  ) {
    let network = Network(spec)
    var stream = RandomStream(seed: 6)
    let theta = network.initialParameters(using: &stream)
    var pass = RowPass<Scalar>(spec)
    let own = theta.map { Scalar($0) }
    // Several rows: what one leaves behind must not show.
    for _ in 0..<3 {
      let x = Matrix(rows: 1, columns: spec.inputs, storage: stream.normals(spec.inputs))
      let b = stream.normals(network.outputs)
      var f = [Scalar](repeating: 9, count: network.outputs)
      pass.forward(x.storage.map { Scalar($0) }, own, into: &f)
      #expect(
        relativeDifference(f.map { Double($0) }, network.forward(x, network.parameters(theta)).storage) < tolerance)
      let expected = network.jacobian(x, theta).multiplied(by: b, transposed: true)
      for lowest in network.layers.indices {
        let range = network.parameterRange(ofLayers: lowest..<network.layers.count)
        var gradient = [Scalar](repeating: 9, count: range.count)
        pass.gradient(b.map { Scalar($0) }, own, downTo: lowest, into: &gradient)
        #expect(relativeDifference(gradient.map { Double($0) }, Array(expected[range])) < tolerance)
      }
    }
  }

  @Test(arguments: Activation.allCases) func isTheNetwork(_ activation: Activation) {
    let spec = NetworkSpec(inputs: 3, hidden: [5, 4], outputs: 2, activation: activation)
    check(spec, Double.self, tolerance: 1e-13)
    check(spec, Float.self, tolerance: 1e-4)
  }

  /// Layers beyond the size from which BLAS multiplies, and a network without hidden layers.
  @Test func sizes() {
    check(NetworkSpec(inputs: 40, hidden: [30], outputs: 3, activation: .tanh), Double.self, tolerance: 1e-13)
    check(NetworkSpec(inputs: 40, hidden: [30], outputs: 3, activation: .tanh), Float.self, tolerance: 1e-4)
    check(NetworkSpec(inputs: 4, hidden: [], outputs: 2, activation: .tanh), Double.self, tolerance: 1e-13)
  }
}
