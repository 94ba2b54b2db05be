import BNNModels
import Foundation
import Testing

@Suite struct NetworkSpecTests {
  private func decode(_ text: String) throws -> NetworkSpec {
    try JSONDecoder().decode(NetworkSpec.self, from: Data(text.utf8))
  }

  @Test(arguments: Activation.allCases)
  func roundTrips(_ activation: Activation) throws {
    let spec = NetworkSpec(inputs: 4, hidden: [50, 3], outputs: 2, activation: activation)
    #expect(try JSONDecoder().decode(NetworkSpec.self, from: JSONEncoder().encode(spec)) == spec)
  }

  @Test func textIsTheFormat() throws {
    let spec = NetworkSpec(inputs: 2, hidden: [3], outputs: 1, activation: .softplus)
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let text = String(decoding: try encoder.encode(spec), as: UTF8.self)
    #expect(
      text == """
        {"inputs":2,"layers":[{"activation":"softplus","type":"dense","units":3},\
        {"activation":"identity","type":"dense","units":1}]}
        """)
    #expect(
      try decode(#"{"inputs": 2, "layers": [{"type": "dense", "units": 1}]}"#).layers == [
        .dense(units: 1, activation: .identity)
      ])
  }

  /// A layer in JSON, and words that the message must have.
  @Test(arguments: [
    (#"{"type": "dense", "units": 3, "unit": 4}"#, ["\"unit\"", "activation, type, units"]),
    (#"{"type": "conv", "units": 3}"#, ["\"conv\"", "known: dense, conv2d"]),
    (
      #"{"type": "dense", "units": 3, "activation": "swish"}"#,
      ["\"swish\"", "identity, tanh, relu, gelu, sigmoid, softplus"]
    ),
    (#"{"type": "dense", "units": 0}"#, ["between 1 and 1000000"]),
    (#"{"type": "dense", "units": -3}"#, ["between 1 and 1000000"]),
    (#"{"type": "dense", "units": 1000001}"#, ["between 1 and 1000000"]),
  ])
  func refusesLayers(_ layer: String, _ words: [String]) {
    expectRefusal(#"{"inputs": 2, "layers": [\#(layer)]}"#, words)
  }

  @Test(arguments: [
    (#"{"inputs": 0, "layers": [{"type": "dense", "units": 3}]}"#, ["at least 1 input"]),
    (#"{"inputs": -1, "layers": [{"type": "dense", "units": 3}]}"#, ["at least 1 input"]),
    (#"{"inputs": 2, "layers": []}"#, ["at least 1 layer"]),
    (#"{"inputs": 2, "layer": 3, "layers": [{"type": "dense", "units": 3}]}"#, ["\"layer\"", "inputs, layers"]),
  ])
  func refusesNetworks(_ text: String, _ words: [String]) {
    expectRefusal(text, words)
  }

  private func expectRefusal(_ text: String, _ words: [String]) {
    do {
      _ = try decode(text)
      Issue.record("\(text) was accepted")
    } catch DecodingError.dataCorrupted(let context) {
      for word in words { #expect(context.debugDescription.contains(word)) }
    } catch {
      Issue.record("\(error)")
    }
  }

  @Test(arguments: [
    #"{"type": "dense"}"#, #"{"units": 3}"#, #"{"type": "dense", "units": 2.5}"#, #"{"type": "dense", "units": "3"}"#,
    #"{"type": "dense", "units": 1e300}"#, #"{"type": "dense", "units": null}"#, "[]", "null",
  ])
  func refusesWhatIsMissingOrOfAnotherKind(_ layer: String) {
    #expect(throws: DecodingError.self) { try decode(#"{"inputs": 2, "layers": [\#(layer)]}"#) }
  }
}
