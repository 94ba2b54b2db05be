import BNNLinearAlgebra
import BNNModels
import BNNTestSupport
import Testing

@Suite struct DenseTests {
  @Test(arguments: [(1, 1), (3, 2), (2, 5)])
  func isALayer(_ size: (inputs: Int, outputs: Int)) {
    for seed in Gen.seeds(2) {
      checkLayer(Dense(inputs: size.inputs, outputs: size.outputs, activation: .tanh, offset: 2), seed: seed)
    }
  }

  @Test func tensorsAreThoseOfPyTorchsLinear() {
    let dense = Dense(inputs: 3, outputs: 2, activation: .tanh)
    #expect(dense.tensors.map(\.suffix) == ["weight", "bias"])
    #expect(dense.tensors.map(\.shape) == [[2, 3], [2]])
    #expect(dense.parameterCount == 8)
  }

  @Test func weightsAreRowsPerUnit() {
    let dense = Dense(inputs: 3, outputs: 2, activation: .identity)
    var z = [0.0, 0, 0, 0]
    dense.forward(rows: 2, [1, 0, 0, 0, 1, -1], [1, 2, 3, 4, 5, 6, 10, 20], into: &z)
    #expect(z == [11, 24, 9, 19])
  }

  /// Sample moments of n normals with variance v: mean within 6√(v/n), second moment within 6 v√(2/n).
  @Test(arguments: Activation.allCases)
  func initialWeightsHaveTheDocumentedVariance(_ activation: Activation) {
    let dense = Dense(inputs: 20, outputs: 2000, activation: activation)
    var gen = Gen(seed: 11)
    let drawn = dense.initial(using: &gen.stream)
    let gain = [.relu, .gelu].contains(activation) ? 2.0 : 1.0
    let biases = activation == .identity ? 0 : 0.25
    for (values, variance) in [(drawn[..<40_000], gain / 20), (drawn[40_000...], biases)] {
      let n = Double(values.count)
      let mean = values.reduce(0, +) / n
      let second = values.reduce(0) { $0 + $1 * $1 } / n
      #expect(mean.magnitude <= 6 * (variance / n).squareRoot())
      #expect((second - variance).magnitude <= 6 * variance * (2 / n).squareRoot())
    }
  }
}
