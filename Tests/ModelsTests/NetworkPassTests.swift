import BNNLinearAlgebra
import BNNModels
import BNNProbability
import BNNTestSupport
import Testing

/// The buffered pass against the network that it is a faster form of, whose own derivatives are checked by finite differences.
struct NetworkPassTests {
  struct Case {
    let network: Network
    let theta: [Double]
    let x: Matrix
    /// One gradient in the outputs a root.
    let gradients: [Matrix]

    init(_ activation: Activation, rows: Int = 7) {
      let spec = NetworkSpec(inputs: 3, hidden: [5, 4], outputs: 2, activation: activation)
      network = Network(spec)
      var stream = RandomStream(seed: 5)
      theta = network.initialParameters(using: &stream)
      x = Matrix(rows: rows, columns: 3, storage: stream.normals(3 * rows))
      gradients = (0..<3).map { _ in Matrix(rows: rows, columns: 2, storage: stream.normals(2 * rows)) }
    }
  }

  /// Sums of at most a hundred products of numbers near one: some hundred roundings of the type.
  private func check<Scalar: BLASScalar>(_ own: Case, _ type: Scalar.Type, tolerance: Double) {
    let theta = own.theta.map { Scalar($0) }
    let parameters = own.network.parameters(own.theta)
    let trace = own.network.trace(own.x, parameters)
    var pass = NetworkPass<Scalar>(own.network.spec)
    // A longer block first: what it leaves behind must not show.
    let longer = [Scalar](repeating: 0.3, count: 3 * (own.x.rows + 4))
    longer.withUnsafeBufferPointer { pass.forward($0, rows: own.x.rows + 4, theta) }
    own.x.storage.map { Scalar($0) }.withUnsafeBufferPointer { pass.forward($0, rows: own.x.rows, theta) }
    #expect(relativeDifference(pass.output(), trace.output) < tolerance)

    pass.backward([own.gradients[0]], theta)
    var gradient = [Scalar](repeating: 9, count: theta.count)
    pass.gradient(into: &gradient)
    let expected = own.network.gradient(trace, parameters, outputGradient: own.gradients[0])
    #expect(relativeDifference(gradient.map { Double($0) }, expected) < tolerance)

    // Several roots: δ ⊗ x̃ of row i and root s, summed over rows, is the gradient of that root.
    pass.backward(own.gradients, theta)
    for (s, root) in own.gradients.enumerated() {
      let whole = own.network.gradient(trace, parameters, outputGradient: root)
      var place = 0
      for (index, layer) in own.network.layers.enumerated() {
        let (inputs, outputs) = (layer.inputs, layer.outputs)
        var sum = [Double](repeating: 0, count: outputs * (inputs + 1))
        pass.withFactors(ofLayer: index) { factors in
          let (x, delta) = (factors.inputs, factors.deltas)
          for i in 0..<own.x.rows {
            for j in 0..<outputs {
              let d = Double(delta[(s * own.x.rows + i) * outputs + j])
              for k in 0..<inputs { sum[j * inputs + k] += d * Double(x[i * inputs + k]) }
              sum[outputs * inputs + j] += d
            }
          }
        }
        #expect(relativeDifference(sum, Array(whole[place..<(place + sum.count)])) < tolerance)
        place += sum.count
      }
    }
  }

  @Test(arguments: Activation.allCases) func double(_ activation: Activation) {
    check(Case(activation), Double.self, tolerance: 1e-13)
  }

  @Test(arguments: Activation.allCases) func single(_ activation: Activation) {
    check(Case(activation), Float.self, tolerance: 1e-5)
  }

  @Test func noRows() {
    let own = Case(.tanh, rows: 0)
    var pass = NetworkPass<Double>(own.network.spec)
    own.x.storage.withUnsafeBufferPointer { pass.forward($0, rows: 0, own.theta) }
    pass.backward([own.gradients[0]], own.theta)
    var gradient = [Double](repeating: 9, count: own.theta.count)
    pass.gradient(into: &gradient)
    #expect(gradient.allSatisfy { $0 == 0 })
  }

  /// Layers below the lowest are left alone.
  @Test func upperLayersOnly() {
    let own = Case(.relu)
    var pass = NetworkPass<Double>(own.network.spec)
    own.x.storage.withUnsafeBufferPointer { pass.forward($0, rows: own.x.rows, own.theta) }
    pass.backward([own.gradients[0]], own.theta, downTo: 2)
    var gradient = [Double](repeating: 9, count: own.theta.count)
    pass.gradient(into: &gradient, downTo: 2)
    let parameters = own.network.parameters(own.theta)
    let expected = own.network.gradient(
      own.network.trace(own.x, parameters), parameters, outputGradient: own.gradients[0])
    let range = own.network.parameterRange(ofLayers: 2..<3)
    #expect(own.network.layer(at: range.lowerBound) == 2)
    #expect(relativeDifference(Array(gradient[range]), Array(expected[range])) < 1e-13)
    #expect(gradient[..<range.lowerBound].allSatisfy { $0 == 9 })
  }
}
