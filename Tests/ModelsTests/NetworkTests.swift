import BNNLinearAlgebra
import BNNProbability
import BNNTestSupport
import Testing

@testable import BNNModels

/// Against PyTorch: at most 3 layers of at most 5 terms each, their roundings carried on by weights of norm about 3 a
/// layer: 3 · 8 · ε · 3³ ≈ 1.5e-13.
private let roundings = 1.5e-13

@Suite struct NetworkTests {
  @Test(arguments: References.shared.networks)
  func forwardAgreesWithPyTorch(_ reference: References.NetworkCase) {
    let network = Network(reference.spec)
    #expect(network.tensors.map(\.name) == reference.names)
    #expect(network.tensors.map(\.shape) == reference.shapes)
    #expect(network.parameterCount == reference.theta.count)
    #expect(network.outputs == reference.sizes.last)
    let output = network.forward(Matrix(reference.x), network.parameters(reference.theta))
    #expect(relativeDifference(output, Matrix(reference.output)) <= roundings)
  }

  @Test(arguments: References.shared.networks)
  func gradientAgreesWithPyTorch(_ reference: References.NetworkCase) {
    let network = Network(reference.spec)
    let parameters = network.parameters(reference.theta)
    let trace = network.trace(Matrix(reference.x), parameters)
    let gradient = network.gradient(trace, parameters, outputGradient: Matrix(reference.outputGradient))
    #expect(relativeDifference(gradient, reference.gradient) <= roundings)
  }

  /// Row i·C + c, every entry of it.
  @Test(arguments: References.shared.networks)
  func jacobianAgreesWithPyTorch(_ reference: References.NetworkCase) {
    let rows = Network(reference.spec).jacobian(Matrix(reference.x), reference.theta)
    #expect(relativeDifference(rows, Matrix(reference.jacobian)) <= roundings)
  }

  @Test(arguments: References.shared.networks)
  func jacobianIsTheFiniteDifference(_ reference: References.NetworkCase) {
    let network = Network(reference.spec)
    let x = Matrix(reference.x)
    let rows = network.jacobian(x, reference.theta)
    for k in reference.theta.indices {
      for (r, entry) in rows.column(k).enumerated() {
        let expected = centralDifference(at: reference.theta[k], size: euclideanNorm(reference.theta)) { value in
          var theta = reference.theta
          theta[k] = value
          return network.forward(x, network.parameters(theta)).storage[r]
        }
        #expect((entry - expected.value).magnitude <= expected.tolerance, "row \(r), weight \(k)")
      }
    }
  }

  @Test(arguments: References.shared.networks)
  func jacobianRowsAddUpToTheGradient(_ reference: References.NetworkCase) {
    let network = Network(reference.spec)
    let parameters = network.parameters(reference.theta)
    let trace = network.trace(Matrix(reference.x), parameters)
    let (p, n) = (network.parameterCount, reference.x.count * network.outputs)
    var rows = Matrix(rows: n, columns: p + 2, repeating: .nan)
    network.writeJacobian(trace, parameters, into: &rows)
    var sum = [Double](repeating: 0, count: p)
    for (r, g) in reference.outputGradient.flatMap({ $0 }).enumerated() {
      for k in 0..<p { sum[k] += g * rows[r, k] }
      #expect(rows[r, p].isNaN && rows[r, p + 1].isNaN, "a further column was touched")
    }
    let gradient = network.gradient(trace, parameters, outputGradient: Matrix(reference.outputGradient))
    #expect(relativeDifference(sum, gradient) <= roundings)
  }

  @Test func traceKeepsTheLastHiddenLayer() {
    let network = Network(NetworkSpec(inputs: 1, hidden: [2, 1], outputs: 1, activation: .relu))
    let theta: [Double] = [1, -1, 0, 0, 2, 3, 1, 5, 7]
    let trace = network.trace(Matrix([[2], [-2]]), network.parameters(theta))
    #expect(trace.lastHidden == Matrix([[5], [7]]))
    #expect(trace.output == Matrix([[32], [42]]))
    let linear = Network(NetworkSpec(inputs: 1, hidden: [], outputs: 1, activation: .relu))
    #expect(linear.trace(Matrix([[2]]), linear.parameters([3, 1])).lastHidden == Matrix([[2]]))
  }

  @Test func noRowsGiveNoRows() {
    let network = Network(NetworkSpec(inputs: 2, hidden: [3], outputs: 2, activation: .gelu))
    let theta = [Double](repeating: 1, count: network.parameterCount)
    #expect(network.jacobian(Matrix(rows: 0, columns: 2), theta).rows == 0)
  }

  @Test(arguments: Activation.allCases)
  func initialParametersAreAFunctionOfTheStream(_ activation: Activation) {
    let network = Network(NetworkSpec(inputs: 3, hidden: [4, 2], outputs: 2, activation: activation))
    func draw(_ seed: UInt64) -> [Double] {
      var stream = RandomStream(seed: seed)
      return network.initialParameters(using: &stream)
    }
    let drawn = draw(1)
    #expect(drawn.count == network.parameterCount && drawn.allSatisfy { $0.isFinite })
    #expect(draw(1) == drawn)
    #expect(draw(2) != drawn)
  }

  @Test func wrongNumbersOfWeightsAndInputsTrap() async {
    await #expect(processExitsWith: .failure) {
      _ = Network(NetworkSpec(inputs: 2, hidden: [], outputs: 1, activation: .tanh)).parameters([1, 2])
    }
    await #expect(processExitsWith: .failure) {
      let network = Network(NetworkSpec(inputs: 2, hidden: [], outputs: 1, activation: .tanh))
      _ = network.forward(Matrix([[1, 2, 3]]), network.parameters([1, 2, 3]))
    }
  }
}
