/// The graph of an ONNX file: nodes, constants, inputs and outputs, as they are written (https://onnx.ai/onnx/intro/concepts.html;
/// onnx.proto of the onnx repository has the numbers of the fields).
struct ONNXModel {
  struct Node {
    var name = ""
    var operation = ""
    var domain = ""
    var inputs: [String] = []
    var outputs: [String] = []
    var attributes: [String: Attribute] = [:]

    /// For people: its name and operation.
    var words: String {
      name.isEmpty ? "a node \(operation)\(outputs.first.map { " that makes \($0)" } ?? "")" : "\(name) (\(operation))"
    }
  }

  struct Attribute {
    var float: Float?
    var integer: Int64?
    var string: String?
    var tensor: NamedTensor?
    var integers: [Int64] = []
  }

  /// A value with its dimensions, nil where they are not numbers.
  struct Port {
    var name = ""
    var dimensions: [Int?]?
  }

  private(set) var nodes: [Node] = []
  /// By name; of whole numbers too.
  private(set) var constants: [String: NamedTensor] = [:]
  private(set) var inputs: [Port] = []
  private(set) var outputs: [Port] = []
  /// Constants that were of half precision.
  private(set) var halves: [String] = []

  /// - Throws: `ImportError` for bytes that are no ONNX model, and for numbers that lie elsewhere or are of a kind that no layer has.
  init(_ bytes: [UInt8]) throws(ImportError) {
    var hasGraph = false
    do {
      var reader = ProtobufReader(bytes[...])
      while let (field, value) = try reader.next() {
        if field == 7, case .bytes(let graph) = value {
          hasGraph = true
          try read(graph: graph)
        }
      }
    } catch let error as ImportError {
      throw error
    } catch {
      throw ImportError("is no ONNX model, or is cut off", remedy: "write it anew with torch.onnx.export or onnx.save")
    }
    guard hasGraph else { throw ImportError("is no ONNX model: it has no graph") }
  }

  private mutating func read(graph: ArraySlice<UInt8>) throws {
    var reader = ProtobufReader(graph)
    while let (field, value) = try reader.next() {
      guard case .bytes(let own) = value else { continue }
      switch field {
      case 1: nodes.append(try Self.node(own, noting: &halves))
      case 5:
        let tensor = try Self.tensor(own, noting: &halves)
        constants[tensor.name] = tensor
      case 11: inputs.append(try Self.port(own))
      case 12: outputs.append(try Self.port(own))
      case 15: throw ImportError("it holds sparse weights", remedy: "export it with dense ones")
      default: continue
      }
    }
    // Older files list the constants among the inputs.
    inputs.removeAll { constants[$0.name] != nil }
  }

  private static func node(_ bytes: ArraySlice<UInt8>, noting halves: inout [String]) throws -> Node {
    var result = Node()
    var reader = ProtobufReader(bytes)
    while let (field, value) = try reader.next() {
      guard case .bytes(let own) = value else { continue }
      switch field {
      case 1: result.inputs.append(text(own))
      case 2: result.outputs.append(text(own))
      case 3: result.name = text(own)
      case 4: result.operation = text(own)
      case 5:
        let (name, attribute) = try Self.attribute(own, noting: &halves)
        result.attributes[name] = attribute
      case 7: result.domain = text(own)
      default: continue
      }
    }
    return result
  }

  private static func attribute(
    _ bytes: ArraySlice<UInt8>, noting halves: inout [String]
  ) throws -> (String, Attribute) {
    var (name, result) = ("", Attribute())
    var reader = ProtobufReader(bytes)
    while let (field, value) = try reader.next() {
      switch (field, value) {
      case (1, .bytes(let own)): name = text(own)
      case (2, .fixed32(let own)): result.float = Float(bitPattern: own)
      case (3, .varint(let own)): result.integer = Int64(bitPattern: own)
      case (4, .bytes(let own)): result.string = text(own)
      case (5, .bytes(let own)): result.tensor = try tensor(own, noting: &halves)
      case (8, .varint(let own)): result.integers.append(Int64(bitPattern: own))
      case (8, .bytes(let own)): result.integers += try ProtobufReader.varints(own).map { Int64(bitPattern: $0) }
      default: continue
      }
    }
    return (name, result)
  }

  private static func port(_ bytes: ArraySlice<UInt8>) throws -> Port {
    var result = Port()
    var reader = ProtobufReader(bytes)
    while let (field, value) = try reader.next() {
      guard case .bytes(let own) = value else { continue }
      if field == 1 { result.name = text(own) }
      if field == 2 { result.dimensions = try dimensions(ofType: own) }
    }
    return result
  }

  /// type → tensor_type → shape → dim → dim_value.
  private static func dimensions(ofType bytes: ArraySlice<UInt8>) throws -> [Int?]? {
    guard let tensor = try message(1, in: bytes), let shape = try message(2, in: tensor) else { return nil }
    var result: [Int?] = []
    var reader = ProtobufReader(shape)
    while let (field, value) = try reader.next() {
      guard field == 1, case .bytes(let own) = value else { continue }
      var (size, dimension): (Int?, ProtobufReader) = (nil, ProtobufReader(own))
      while let (field, value) = try dimension.next() {
        if field == 1, case .varint(let number) = value { size = Int(exactly: number) }
      }
      result.append(size)
    }
    return result
  }

  private static func message(_ wanted: UInt64, in bytes: ArraySlice<UInt8>) throws -> ArraySlice<UInt8>? {
    var reader = ProtobufReader(bytes)
    while let (field, value) = try reader.next() {
      if field == wanted, case .bytes(let own) = value { return own }
    }
    return nil
  }

  private static func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }
}

// MARK: Tensors

extension ONNXModel {
  /// TensorProto.DataType: those whose numbers weights, shapes and constants have.
  private enum Kind: UInt64 {
    case float = 1, int32 = 6, int64 = 7, half = 10, double = 11, bfloat16 = 16

    var size: Int {
      switch self {
      case .half, .bfloat16: 2
      case .float, .int32: 4
      case .int64, .double: 8
      }
    }

    func number(_ bits: UInt64) -> Double {
      switch self {
      case .float: Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
      case .double: Double(bitPattern: bits)
      case .int32: Double(Int32(truncatingIfNeeded: bits))
      case .int64: Double(Int64(bitPattern: bits))
      case .half: Double(Float16(bitPattern: UInt16(truncatingIfNeeded: bits)))
      case .bfloat16: Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits) << 16))
      }
    }
  }

  private static func tensor(_ bytes: ArraySlice<UInt8>, noting halves: inout [String]) throws -> NamedTensor {
    var result = NamedTensor(name: "", shape: [], values: [])
    var (type, isElsewhere): (UInt64, Bool) = (0, false)
    var raw: ArraySlice<UInt8>?
    var bits: [UInt64] = []
    var reader = ProtobufReader(bytes)
    var dimensions: [UInt64] = []
    while let (field, value) = try reader.next() {
      switch (field, value) {
      case (1, .varint(let own)): dimensions.append(own)
      case (1, .bytes(let own)): dimensions += try ProtobufReader.varints(own)
      case (2, .varint(let own)): type = own
      case (4, .fixed32(let own)): bits.append(UInt64(own))
      case (4, .bytes(let own)): bits += try ProtobufReader.fixed(own, size: 4)
      case (5, .varint(let own)), (7, .varint(let own)): bits.append(own)
      case (5, .bytes(let own)), (7, .bytes(let own)): bits += try ProtobufReader.varints(own)
      case (8, .bytes(let own)): result.name = text(own)
      case (9, .bytes(let own)): raw = own
      case (10, .fixed64(let own)): bits.append(own)
      case (10, .bytes(let own)): bits += try ProtobufReader.fixed(own, size: 8)
      case (13, _): isElsewhere = true
      case (14, .varint(let own)): isElsewhere = isElsewhere || own != 0
      default: continue
      }
    }
    guard !isElsewhere else {
      throw ImportError(
        "the numbers of \(result.name) lie in another file",
        remedy: "put them into one: onnx.save(onnx.load(\"model.onnx\"), \"one.onnx\", save_as_external_data=False)")
    }
    var count = 1
    for dimension in dimensions {
      guard let size = Int(exactly: dimension) else { throw ProtobufReader.Malformed() }
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow, product <= bytes.count else { throw ProtobufReader.Malformed() }
      result.shape.append(size)
      count = product
    }
    guard let kind = Kind(rawValue: type) else {
      throw ImportError(
        "\(result.name.isEmpty ? "a constant" : result.name) holds numbers of the ONNX type \(type), which weights do not have",
        remedy: "export the network in float32; one that was quantised has lost what is needed here")
    }
    if kind == .half || kind == .bfloat16 { halves.append(result.name) }
    if let raw { bits = try ProtobufReader.fixed(raw, size: kind.size) }
    guard bits.count == count else { throw ProtobufReader.Malformed() }
    result.values = bits.map(kind.number)
    return result
  }
}
