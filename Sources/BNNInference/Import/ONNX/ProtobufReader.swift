/// The fields of one protobuf message, one after another, from its bytes: the wire format alone (varints, eight and four bytes, and runs of
/// bytes; https://protobuf.dev/programming-guides/encoding). An ONNX file needs no more of it than this, and a dependency with a
/// generated file of thousands of lines would not read it better.
///
/// Nothing is copied, no length is believed before it was compared with what is left, and no bytes whatever crash it.
struct ProtobufReader {
  enum Value {
    case varint(UInt64)
    case fixed64(UInt64)
    case bytes(ArraySlice<UInt8>)
    case fixed32(UInt32)
  }

  private var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

  /// Bytes that are no message of this format.
  struct Malformed: Error {}

  /// The next field; nil at the end.
  mutating func next() throws(Malformed) -> (field: UInt64, value: Value)? {
    guard !rest.isEmpty else { return nil }
    let key = try varint()
    let value: Value
    switch key & 7 {
    case 0: value = .varint(try varint())
    case 1: value = .fixed64(try fixed(8))
    case 2:
      let length = try varint()
      guard length <= UInt64(rest.count) else { throw Malformed() }
      value = .bytes(rest.prefix(Int(length)))
      rest = rest.dropFirst(Int(length))
    case 5: value = .fixed32(UInt32(truncatingIfNeeded: try fixed(4)))
    // Groups (3, 4) went with proto2, and ONNX has none.
    default: throw Malformed()
    }
    guard key >> 3 > 0 else { throw Malformed() }
    return (key >> 3, value)
  }

  /// At most ten bytes of seven bits, the lowest first.
  private mutating func varint() throws(Malformed) -> UInt64 {
    var result: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard let byte = rest.popFirst() else { throw Malformed() }
      result |= UInt64(byte & 0x7F) << shift
      if byte & 0x80 == 0 { return result }
    }
    throw Malformed()
  }

  private mutating func fixed(_ count: Int) throws(Malformed) -> UInt64 {
    guard rest.count >= count else { throw Malformed() }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// All varints of a packed run.
  static func varints(_ bytes: ArraySlice<UInt8>) throws(Malformed) -> [UInt64] {
    var reader = ProtobufReader(bytes)
    var result: [UInt64] = []
    while !reader.rest.isEmpty { result.append(try reader.varint()) }
    return result
  }

  /// All numbers of `size` bytes of a packed run, the least byte first.
  static func fixed(_ bytes: ArraySlice<UInt8>, size: Int) throws(Malformed) -> [UInt64] {
    guard bytes.count % size == 0 else { throw Malformed() }
    return stride(from: bytes.startIndex, to: bytes.endIndex, by: size).map { start in
      bytes[start..<(start + size)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
  }
}
