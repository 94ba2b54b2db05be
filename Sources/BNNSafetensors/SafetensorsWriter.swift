/// Writes safetensors files. Equal contents give equal bytes, whatever order they are given in.
public enum SafetensorsWriter {
  /// The bytes of a file with the given content, every tensor as F64.
  ///
  /// The tensors are ordered by the UTF-8 bytes of their names, and so are the metadata, which come first and are left
  /// out if there are none. Spaces fill the header up to a multiple of 8 bytes, so that mapped data is aligned. Values
  /// are kept bit by bit.
  ///
  /// - Throws: ``SafetensorsError/duplicateName(tensor:)``, ``SafetensorsError/reservedName`` for a tensor called
  ///   `__metadata__`, ``SafetensorsError/valueCountMismatch(tensor:shape:found:)`` for a tensor whose shape does not
  ///   fit its values, ``SafetensorsError/tooManyCombiningMarks(name:)`` for a name and
  ///   ``SafetensorsError/headerTooLarge(length:)`` for a header that the reader would refuse, and
  ///   ``SafetensorsError/fileTooLarge``.
  public static func write(_ file: TensorFile) throws(SafetensorsError) -> [UInt8] {
    try write(file, headerLimit: SafetensorsReader.headerLimit)
  }

  /// The limit is a parameter so that a test need not write 100 MB.
  static func write(_ file: TensorFile, headerLimit: Int) throws(SafetensorsError) -> [UInt8] {
    let tensors = file.tensors.sorted { precedes($0.name, $1.name) }
    for key in file.metadata.keys where !isCheapToCompare(key) { throw .tooManyCombiningMarks(name: key) }
    try checkNamesAndShapes(tensors)
    let (header, dataSize) = try header(metadata: file.metadata, tensors: tensors)
    if header.count > headerLimit { throw .headerTooLarge(length: UInt64(header.count)) }
    let (fileSize, overflow) = dataSize.addingReportingOverflow(MemoryLayout<UInt64>.size + header.count)
    if overflow { throw .fileTooLarge }

    return [UInt8](unsafeUninitializedCapacity: fileSize) { buffer, initializedCount in
      let target = UnsafeMutableRawBufferPointer(buffer)
      target.storeBytes(of: UInt64(header.count), as: UInt64.self)
      var position = MemoryLayout<UInt64>.size
      func append(_ bytes: UnsafeRawBufferPointer) {
        UnsafeMutableRawBufferPointer(rebasing: target[position...]).copyMemory(from: bytes)
        position += bytes.count
      }
      header.withUnsafeBytes(append)
      for tensor in tensors { tensor.values.withUnsafeBytes(append) }
      initializedCount = position
    }
  }

  private static func checkNamesAndShapes(_ tensors: [Tensor]) throws(SafetensorsError) {
    var names: Set<String> = []
    for tensor in tensors {
      guard isCheapToCompare(tensor.name) else { throw .tooManyCombiningMarks(name: tensor.name) }
      if tensor.name == TensorEntry.metadataName { throw .reservedName }
      guard names.insert(tensor.name).inserted else { throw .duplicateName(tensor: tensor.name) }
      guard Tensor.elementCount(of: tensor.shape) == tensor.values.count else {
        throw .valueCountMismatch(tensor: tensor.name, shape: tensor.shape, found: tensor.values.count)
      }
    }
  }

  private static func header(
    metadata: [String: String], tensors: [Tensor]
  ) throws(SafetensorsError) -> (bytes: [UInt8], dataSize: Int) {
    var members: [String] = []
    if !metadata.isEmpty {
      let strings = metadata.sorted { precedes($0.key, $1.key) }.map { "\(quoted($0.key)):\(quoted($0.value))" }
      members.append("\(quoted(TensorEntry.metadataName)):{\(strings.joined(separator: ","))}")
    }
    var begin = 0
    for tensor in tensors {
      let (end, overflow) = begin.addingReportingOverflow(tensor.values.count * MemoryLayout<Double>.size)
      if overflow { throw .fileTooLarge }
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      members.append(
        "\(quoted(tensor.name)):{\"dtype\":\"F64\",\"shape\":[\(shape)],\"data_offsets\":[\(begin),\(end)]}")
      begin = end
    }
    var bytes = Array("{\(members.joined(separator: ","))}".utf8)
    let alignment = MemoryLayout<Double>.alignment
    bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: (alignment - bytes.count % alignment) % alignment))
    return (bytes, begin)
  }

  /// Order by bytes, as the reference writer has it; `String`'s own order looks through the encoding of accents.
  private static func precedes(_ left: String, _ right: String) -> Bool {
    left.utf8.lexicographicallyPrecedes(right.utf8)
  }

  /// A JSON string, escaped where RFC 8259 requires it and nowhere else.
  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\u{8}": result += "\\b"
      case "\u{C}": result += "\\f"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case "\0"..<" ":
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
