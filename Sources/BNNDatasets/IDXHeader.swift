/// The header of an IDX file, the form in which MNIST and its kin come: two zero bytes, a byte for the type of the
/// numbers, a byte for how many dimensions there are, and the size of each as a big-endian 32-bit integer. The numbers
/// follow, big-endian, the last dimension running fastest.
///
/// Format: LeCun, Cortes and Burges, "The MNIST database of handwritten digits", section "The IDX file format".
enum IDXHeader {
  /// NumPy's name for each type.
  private static let types: [UInt8: String] = [
    0x08: "|u1", 0x09: "|i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8",
  ]

  static func recognises(_ start: some Collection<UInt8>) -> Bool {
    let start = Array(start.prefix(4))
    return start.count == 4 && start[0] == 0 && start[1] == 0 && types[start[2]] != nil && start[3] > 0
  }

  /// Reads and consumes the header.
  static func read(_ bytes: ByteSource) throws(DataError) -> NPYHeader {
    let start = try bytes.available(atLeast: 4)
    guard recognises(start), let type = types[start[2]] else {
      throw DataError(
        .badData,
        "is not an IDX file: it does not begin with two zero bytes, a type (08, 09 or 0b to 0e) and the number of its "
          + "dimensions", file: bytes.name, remedy: "fetch the file again, or name its format with --format")
    }
    let dimensions = Int(start[3])
    let length = 4 + 4 * dimensions
    let header = try bytes.available(atLeast: length).prefix(length)
    guard header.count == length else {
      throw DataError(
        .badData,
        "the header is cut off: with \(dimensions) dimensions it has \(length) bytes, and here are \(header.count)",
        file: bytes.name, remedy: "fetch the file again")
    }
    let shape = (1...dimensions).map { place in
      Int(UInt32(bigEndian: header.loadUnaligned(fromByteOffset: 4 * place, as: UInt32.self)))
    }
    bytes.consume(length)
    return NPYHeader(type: type, isFortranOrder: false, shape: shape)
  }
}
