import BNNModels
import Foundation
import Testing

/// Fixtures/references.json: numbers of PyTorch and mpmath, made by Fixtures/make_references.py.
struct References: Decodable {
  struct ActivationCase: Decodable, Sendable, CustomTestStringConvertible {
    let activation: Activation
    let z: [Double]
    let value: [Double]
    let derivative: [Double]

    var testDescription: String { activation.rawValue }
  }

  struct NetworkCase: Decodable, Sendable, CustomTestStringConvertible {
    let activation: Activation
    /// Inputs and the units of every layer.
    let sizes: [Int]
    let names: [String]
    let shapes: [[Int]]
    let theta: [Double]
    let x: [[Double]]
    let output: [[Double]]
    let outputGradient: [[Double]]
    let gradient: [Double]
    let jacobian: [[Double]]

    /// The activation is on the hidden layers, or on the only one.
    var spec: NetworkSpec {
      let units = sizes.dropFirst()
      guard units.count > 1 else {
        return NetworkSpec(inputs: sizes[0], layers: units.map { .dense(units: $0, activation: activation) })
      }
      return NetworkSpec(
        inputs: sizes[0], hidden: Array(units.dropLast()), outputs: sizes[sizes.count - 1], activation: activation)
    }

    var testDescription: String { "\(activation.rawValue) \(sizes)" }
  }

  struct Tanh: Decodable {
    let z: [Double]
    let value: [Double]
  }

  let activations: [ActivationCase]
  let networks: [NetworkCase]
  let tanh: Tanh

  static let shared: References = {
    let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Fixtures/references.json")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    do { return try decoder.decode(References.self, from: Data(contentsOf: url)) } catch {
      // No cases: `everyActivationHasAReference` fails.
      print("\(url.path) cannot be read: \(error)")
      return References(activations: [], networks: [], tanh: Tanh(z: [], value: []))
    }
  }()
}
