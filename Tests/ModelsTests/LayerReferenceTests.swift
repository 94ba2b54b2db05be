import BNNLinearAlgebra
import BNNModels
import BNNTestSupport
import Foundation
import Testing

/// Networks of convolutions, pools, normalisations and residuals against PyTorch (Fixtures/make_layers.py).
@Suite struct LayerReferenceTests {
  struct Case: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let spec: NetworkSpec
    let names: [String]
    let shapes: [[Int]]
    let theta: [Double]
    let x: [[Double]]
    let output: [[Double]]
    let output_gradient: [[Double]]
    let gradient: [Double]
    let jacobian: [[Double]]

    var testDescription: String { name }
  }

  private struct File: Decodable { let networks: [Case] }

  static let cases: [Case] = {
    let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/layers.json")
    do { return try JSONDecoder().decode(File.self, from: Data(contentsOf: url)).networks } catch {
      // No cases: `areThere` fails.
      print("\(url.path) cannot be read: \(error)")
      return []
    }
  }()

  @Test func areThere() { #expect(Self.cases.count == 9) }

  /// At most 5 layers of at most 40 terms each, their roundings carried on by weights of norm about 3 a layer, and
  /// normalisations that divide by some tenths: 5 · 40 · ε · 3³ · 10 ≈ 1e-11.
  @Test(arguments: cases) func agreesWithPyTorch(_ own: Case) {
    let roundings = 1e-11
    let network = Network(own.spec)
    #expect(network.tensors.map(\.name) == own.names)
    #expect(network.tensors.map(\.shape) == own.shapes)
    #expect(network.parameterCount == own.theta.count)
    let parameters = network.parameters(own.theta)
    let trace = network.trace(Matrix(own.x), parameters)
    #expect(relativeDifference(trace.output, Matrix(own.output)) <= roundings)
    let gradient = network.gradient(trace, parameters, outputGradient: Matrix(own.output_gradient))
    #expect(relativeDifference(gradient, own.gradient) <= roundings)
    #expect(relativeDifference(network.jacobian(Matrix(own.x), own.theta), Matrix(own.jacobian)) <= roundings)
  }
}
