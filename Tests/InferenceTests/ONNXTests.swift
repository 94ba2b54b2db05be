import BNNInference
import BNNLinearAlgebra
import BNNModels
import BNNTestSupport
import Foundation
import Testing

/// ONNX graphs against ONNX Runtime (Fixtures/ONNX/make_onnx.py), and graphs that are no network here.
@Suite struct ONNXTests {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Fixtures/ONNX")

  struct Case: Decodable {
    var name: String
    var inputs: [[Double]]
    var outputs: [[Double]]
  }

  static let cases: [Case] = {
    struct File: Decodable { var cases: [Case] }
    return (try? JSONDecoder().decode(File.self, from: Data(contentsOf: folder.appendingPathComponent("onnx.json"))))?
      .cases ?? []
  }()

  private static func bytes(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: folder.appendingPathComponent("\(name).onnx")))
  }

  /// The runtime computes in single precision, in sums of up to a few dozen products: some hundred roundings of the largest output.
  @Test func outputsAreTheRuntimes() throws {
    #expect(Self.cases.map(\.name) == ["dense", "images", "global", "matmul", "gemm", "reshaped"])
    for own in Self.cases {
      let graph = try ONNXNetwork(Self.bytes(own.name))
      let weights = try NetworkWeights(graph.tensors, as: graph.file)
      let network = Network(weights.spec)
      let scaling = graph.file.input?.expanded(to: weights.spec.inputs)
      let x = own.inputs.map { row in
        row.indices.map { (row[$0] - (scaling?.center[$0] ?? 0)) / (scaling?.scale[$0] ?? 1) }
      }
      let found = network.forward(
        Matrix(rows: x.count, columns: weights.spec.inputs, storage: x.flatMap { $0 }),
        network.parameters(weights.theta))
      for (i, expected) in own.outputs.enumerated() {
        var z = Array(found.row(i))
        switch graph.file.likelihood {
        case .categorical:
          let top = z.max() ?? 0
          let sum = log(z.reduce(0) { $0 + exp($1 - top) }) + top
          z = z.map { $0 - sum }
        case .bernoulli: z = z.map { 1 / (1 + exp(-$0)) }
        default: break
        }
        #expect(relativeDifference(z, expected) <= 200 * Double(Float.ulpOfOne), "\(own.name), row \(i)")
      }
    }
  }

  @Test func layersAndNames() throws {
    let images = try ONNXNetwork(Self.bytes("images"))
    #expect(
      images.file.likelihood == .categorical && images.file.input?.shape == ImageShape(channels: 2, height: 8, width: 8)
    )
    #expect(images.file.layers.compactMap(\.name).suffix(3) == ["layers.9", "layers.10", "layers.12"])
    #expect(try ONNXNetwork(Self.bytes("global")).file.likelihood == .bernoulli)
    #expect(try ONNXNetwork(Self.bytes("dense")).file.likelihood == nil)
    #expect(try ONNXNetwork(Self.bytes("reshaped")).halves == ["wh"])
  }

  /// A file that is cut off is an error or, behind the graph, the same network; a byte that is another one never crashes.
  @Test func damage() throws {
    for name in ["gemm", "reshaped"] {
      let whole = try Self.bytes(name)
      let tensors = try ONNXNetwork(whole).tensors
      for count in whole.indices {
        if let cut = try? ONNXNetwork(Array(whole[..<count])) {
          #expect(cut.tensors == tensors && count > whole.count - 20)
        }
        for mask in [0xFF, 0x01] as [UInt8] {
          var other = whole
          other[count] ^= mask
          if let read = try? ONNXNetwork(other) { _ = try? NetworkWeights(read.tensors, as: read.file) }
        }
      }
    }
    #expect(throws: ImportError.self) { try ONNXNetwork([]) }
    #expect(throws: ImportError.self) { try ONNXNetwork([UInt8](repeating: 0xFF, count: 40)) }
  }

  // MARK: Graphs made by hand

  /// One graph of nodes between x (n × 4, or n × 1 × 4 × 4) and y, with constants w (4 × 4), k (1 × 1 × 3 × 3), b (4) and s.
  private static func graph(
    _ nodes: [Proto], isImage: Bool = false, domain: String = "", inputs: [String] = ["x"], outputs: [String] = ["y"],
    constants: [Proto] = []
  ) -> [UInt8] {
    let sizes = isImage ? [1, 1, 4, 4] : [1, 4]
    func port(_ name: String) -> Proto {
      let shape = Proto(sizes.map { Proto.message(1, Proto([.varint(1, $0)])) })
      return Proto([.text(1, name), .message(2, Proto([.message(1, Proto([.varint(1, 1), .message(2, shape)]))]))])
    }
    let own =
      [tensor("w", [4, 4]), tensor("k", [1, 1, 3, 3]), tensor("b", [4]), tensor("v", [4, 1])] + constants
    return Proto([
      .varint(1, 8),
      .message(
        7,
        Proto(
          nodes.map { .message(1, $0) } + own.map { .message(5, $0) } + inputs.map { .message(11, port($0)) }
            + outputs.map { .message(12, port($0)) })),
    ]).bytes
  }

  private static func tensor(_ name: String, _ shape: [Int], type: Int = 1) -> Proto {
    let count = shape.reduce(1, *)
    return Proto(
      shape.map { .varint(1, $0) } + [
        .varint(2, type), .text(8, name), .run(9, [UInt8](repeating: 0, count: 4 * count)),
      ])
  }

  private static func node(
    _ operation: String, _ inputs: [String], _ output: String, _ attributes: [(String, [Int])] = [], domain: String = ""
  ) -> Proto {
    Proto(
      inputs.map { .text(1, $0) } + [
        .text(2, output), .text(3, "the-\(operation)"), .text(4, operation), .text(7, domain),
      ]
        + attributes.map { name, values in
          .message(
            5, Proto([.text(1, name)] + (values.count == 1 ? [.varint(3, values[0])] : values.map { .varint(8, $0) })))
        })
  }

  private static let dense = node("Gemm", ["h", "w", "b"], "y")

  /// Every refusal names the node, and why.
  @Test(arguments: [
    ([node("LSTM", ["x", "w"], "y")], ["the-LSTM (LSTM)", "no operation", "Gemm, MatMul"]),
    ([node("Relu", ["x"], "h"), dense, node("Tanh", ["h"], "z")], ["divides after h", "the-Gemm", "the-Tanh"]),
    ([node("Gemm", ["x", "w", "b"], "y", [("transA", [1])])], ["the-Gemm", "rows of data"]),
    ([node("Gemm", ["w", "x"], "y")], ["the-Gemm", "rows of data"]),
    ([node("MatMul", ["x", "x"], "y")], ["the-MatMul", "matrix is not a constant"]),
    ([node("MatMul", ["x", "b"], "y")], ["the-MatMul", "shape [4]"]),
    ([node("Div", ["b", "x"], "h"), dense], ["the-Div", "divides a constant"]),
    ([node("Softmax", ["x"], "h"), dense], ["the-Softmax", "inside"]),
    ([node("Flatten", ["x"], "h", [("axis", [2])]), dense], ["the-Flatten", "other axes"]),
    (
      [node("Gemm", ["x", "w", "b"], "h"), node("Relu", ["h"], "r"), node("Mul", ["r", "b"], "y")],
      ["the-Mul", "neither"]
    ),
    (
      [node("Gemm", ["x", "w", "b"], "h"), node("Add", ["h", "k"], "y")], ["the-Add", "k has the shape [1, 1, 3, 3]"]
    ),
    ([node("Gemm", ["x", "w", "k"], "y")], ["the-Gemm", "4 outputs"]),
    ([node("Relu", ["x"], "y")], ["no dense layer"]),
    ([node("Cast", ["x"], "h", [("to", [7])]), dense], ["the-Cast", "whole numbers"]),
    ([node("Relu", ["x"], "h")], ["nothing follows h"]),
    ([node("Gemm", ["x", "w", "b"], "y"), node("Relu", ["other"], "z")], ["the-Relu", "no way"]),
    ([node("Gelu", ["x"], "h", domain: "com.other"), dense], ["the-Gelu", "no operation"]),
    (
      [node("BatchNormalization", ["x", "b", "b", "b", "b"], "h", [("training_mode", [1])]), dense],
      ["in training", "eval"]
    ),
  ])
  func refusals(_ nodes: [Proto], _ words: [String]) { refused(Self.graph(nodes), words) }

  @Test(arguments: [
    ("Conv", ["x", "k"], [("group", [2])], "groups"), ("Conv", ["x", "k"], [("dilations", [2, 2])], "dilated"),
    ("Conv", ["x", "k"], [("strides", [1, 2])], "both directions"),
    ("Conv", ["x", "k"], [("pads", [0, 0, 1, 1])], "on all sides"), ("Conv", ["x", "w"], [], "of images"),
    ("Conv", ["x", "k"], [("kernel_shape", [2, 2])], "not kernels of 2"),
    ("Conv", ["x", "x"], [], "weights is not a constant"),
    ("MaxPool", ["x"], [("kernel_shape", [2, 2]), ("ceil_mode", [1])], "rounds up"),
    ("MaxPool", ["x"], [("kernel_shape", [2, 3])], "both directions"), ("MaxPool", ["x"], [], "both directions"),
    ("AveragePool", ["x"], [("kernel_shape", [2, 2]), ("pads", [1, 1, 1, 1])], "out of the mean"),
  ])
  func refusesWindows(_ operation: String, _ inputs: [String], _ attributes: [(String, [Int])], _ words: String) {
    refused(
      Self.graph(
        [Self.node(operation, inputs, "c", attributes), Self.node("Flatten", ["c"], "h"), Self.dense], isImage: true),
      ["the-\(operation)", words])
  }

  @Test func refusesGraphs() {
    let own = [Self.node("Gemm", ["x", "w", "b"], "y")]
    // A shape that goes along the rows of an image, not its channels.
    let across = [
      Self.node("Conv", ["x", "k"], "c"), Self.node("Add", ["c", "b"], "a"), Self.node("Flatten", ["a"], "h"),
      Self.dense,
    ]
    refused(Self.graph(across, isImage: true), ["the-Add", "one number a channel"])
    refused(Self.graph(own, inputs: ["x", "z"]), ["2 inputs (x, z)"])
    refused(Self.graph(own, outputs: ["y", "z"]), ["2 outputs (y, z)"])
    refused(
      Self.graph(own, constants: [Self.tensor("q", [1], type: 3)]), ["q holds numbers of the ONNX type 3", "float32"])
    refused(
      Self.graph(own, constants: [Proto([.text(8, "far"), .varint(2, 1), .varint(14, 1)])]),
      ["far", "another file", "onnx.save"])
    refused(
      Self.graph(own, constants: [Proto([.varint(1, 3), .varint(2, 1), .text(8, "short"), .run(9, [0, 0])])]),
      ["cut off"])
    refused(Proto([.varint(1, 8)]).bytes, ["no graph"])
  }

  private func refused(_ bytes: [UInt8], _ words: [String]) {
    do {
      _ = try ONNXNetwork(bytes)
      Issue.record("accepted, against \(words)")
    } catch {
      for word in words { #expect("\(error)".contains(word), "\(word) in: \(error)") }
    }
  }
}

/// A protobuf message as fields, written by the rules of the format.
struct Proto: Sendable {
  enum Field: Sendable {
    case varint(Int, Int)
    case run(Int, [UInt8])
    case text(Int, String)
    case message(Int, Proto)
  }

  let fields: [Field]

  init(_ fields: [Field]) { self.fields = fields }

  /// Short for a field of a repeated message.
  static func message(_ number: Int, _ own: Proto) -> Field { .message(number, own) }

  var bytes: [UInt8] {
    fields.flatMap { field -> [UInt8] in
      switch field {
      case .varint(let n, let value): Self.varint(n << 3) + Self.varint(value)
      case .run(let n, let own): Self.varint(n << 3 | 2) + Self.varint(own.count) + own
      case .text(let n, let own): Self.varint(n << 3 | 2) + Self.varint(own.utf8.count) + Array(own.utf8)
      case .message(let n, let own): Self.varint(n << 3 | 2) + Self.varint(own.bytes.count) + own.bytes
      }
    }
  }

  private static func varint(_ value: Int) -> [UInt8] {
    var (rest, result) = (value, [UInt8]())
    while rest >= 128 {
      result.append(UInt8(rest & 127) | 128)
      rest >>= 7
    }
    return result + [UInt8(rest)]
  }
}
