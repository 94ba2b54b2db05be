import BNNSafetensors
import Testing

/// One test per line of ATTACKS.md that concerns where the data lie, and what is legal there.
struct LayoutAttackTests {
  /// A header of vectors with the given lengths and offsets, named "a", "b", …
  private func header(_ entries: [(length: Int, begin: Int, end: Int)]) -> String {
    let members = zip("abcdefgh", entries).map { name, entry in
      """
      "\(name)":{"dtype":"F64","shape":[\(entry.length)],"data_offsets":[\(entry.begin),\(entry.end)]}
      """
    }
    return "{\(members.joined(separator: ","))}"
  }

  @Test func offsetsReversed() {
    expectRefusal(
      fileBytes(header([(1, 8, 0)]), dataSize: 8), .offsetsReversed(tensor: "a", begin: 8, end: 0))
  }

  @Test func holeBeforeFirstTensor() {
    expectRefusal(fileBytes(header([(1, 8, 16)]), dataSize: 16), .hole(before: "a", begin: 8, expected: 0))
  }

  @Test func holeBetweenTensors() {
    expectRefusal(
      fileBytes(header([(1, 0, 8), (1, 16, 24)]), dataSize: 24), .hole(before: "b", begin: 16, expected: 8))
  }

  @Test func tensorsOverlap() {
    expectRefusal(
      fileBytes(header([(2, 0, 16), (1, 8, 16)]), dataSize: 16), .overlap(tensor: "b", begin: 8, expected: 16))
  }

  @Test func tensorsShareTheSameBytes() {
    expectRefusal(
      fileBytes(header([(1, 0, 8), (1, 0, 8)]), dataSize: 8), .overlap(tensor: "b", begin: 0, expected: 8))
  }

  @Test func emptyTensorInsideAnother() {
    expectRefusal(
      fileBytes(header([(1, 0, 8), (0, 4, 4)]), dataSize: 8), .overlap(tensor: "b", begin: 4, expected: 8))
  }

  @Test(arguments: [0, 1, 3])
  func sizeOtherThanShape(length: Int) {
    expectRefusal(
      fileBytes(header([(length, 0, 16)]), dataSize: 16), .sizeMismatch(tensor: "a", found: 16, needed: length * 8))
  }

  @Test func smallFileAskingForHugeTensor() {
    let length = Int.max / 16
    expectRefusal(
      fileBytes(header([(length, 0, length * 8)]), dataSize: 8), .dataSizeMismatch(found: 8, needed: length * 8))
  }

  @Test func offsetsPastEndOfFile() {
    expectRefusal(
      fileBytes(header([(2, 0, 16)]), dataSize: 8), .dataSizeMismatch(found: 8, needed: 16))
  }

  @Test(arguments: [1, 8])
  func trailingData(count: Int) {
    expectRefusal(
      fileBytes(header([(1, 0, 8)]), dataSize: 8 + count), .dataSizeMismatch(found: 8 + count, needed: 8))
  }

  @Test func dataWithoutTensors() {
    expectRefusal(fileBytes("{}", dataSize: 1), .dataSizeMismatch(found: 1, needed: 0))
  }

  // MARK: Legal, however odd

  @Test func headerOrderNeedNotBeDataOrder() throws {
    let bytes = fileBytes(
      header: Array(header([(1, 8, 16), (1, 0, 8)]).utf8),
      data: littleEndian(1.5.bitPattern) + littleEndian(2.5.bitPattern))
    #expect(
      try SafetensorsReader.read(bytes).tensors == [
        Tensor(name: "b", shape: [1], values: [1.5]), Tensor(name: "a", shape: [1], values: [2.5]),
      ])
  }

  @Test func emptyTensorsBetweenOthers() throws {
    let bytes = fileBytes(header([(1, 0, 8), (0, 8, 8), (1, 8, 16), (0, 0, 0), (0, 16, 16)]), dataSize: 16)
    #expect(try SafetensorsReader.read(bytes).tensors.map(\.name) == ["d", "a", "b", "c", "e"])
  }

  @Test func valuesAreNotJudged() throws {
    let nan = Double(bitPattern: 0xFFF8_0000_0000_1234)
    let bytes = fileBytes(
      header: Array(header([(2, 0, 16)]).utf8),
      data: littleEndian(nan.bitPattern) + littleEndian(Double.infinity.bitPattern))
    let values = try SafetensorsReader.read(bytes).tensors[0].values
    #expect(values.map(\.bitPattern) == [nan.bitPattern, Double.infinity.bitPattern])
  }

  @Test(arguments: 0..<8)
  func memoryOfAnyAlignment(shift: Int) throws {
    // The header's length is odd on purpose, so that the data are misaligned within the file as well.
    let header = headerWithEntry() + " "
    let file = fileBytes(header: Array(header.utf8), data: littleEndian(0.1.bitPattern))
    let shifted = [UInt8](repeating: 0, count: shift) + file
    let read = try shifted.withUnsafeBytes {
      try SafetensorsReader.read(UnsafeRawBufferPointer(rebasing: $0[shift...]))
    }
    #expect(read.tensors == [Tensor(name: "a", shape: [1], values: [0.1])])
  }
}
