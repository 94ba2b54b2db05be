import Testing

@testable import BNNSafetensors

struct WriterTests {
  private let one = Tensor(name: "a", shape: [1], values: [1])

  @Test func layoutIsCanonical() throws {
    let file = TensorFile(
      metadata: ["b": "2", "a": "1", "B": "3"],
      tensors: [
        Tensor(name: "é", shape: [], values: [3]), Tensor(name: "b", shape: [1, 2], values: [1, 2]),
        Tensor(name: "Z", shape: [0], values: []),
      ])
    let header =
      #"{"__metadata__":{"B":"3","a":"1","b":"2"},"#
      + #""Z":{"dtype":"F64","shape":[0],"data_offsets":[0,0]},"#
      + #""b":{"dtype":"F64","shape":[1,2],"data_offsets":[0,16]},"#
      + #""é":{"dtype":"F64","shape":[],"data_offsets":[16,24]}}"#
    let padding = String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
    #expect(
      try SafetensorsWriter.write(file)
        == fileBytes(header: Array((header + padding).utf8), data: [1.0, 2, 3].flatMap { littleEndian($0.bitPattern) }))
  }

  @Test(arguments: 0..<16)
  func headerPaddedToEightBytes(nameLength: Int) throws {
    let tensor = Tensor(name: String(repeating: "n", count: nameLength), shape: [1], values: [1])
    let bytes = try SafetensorsWriter.write(TensorFile(tensors: [tensor]))
    #expect(bytes[0] % 8 == 0)
    #expect(bytes.count == 16 + Int(bytes[0]))
    #expect(bytes[8] == UInt8(ascii: "{"))
  }

  @Test func duplicateNamesRefused() {
    #expect(throws: SafetensorsError.duplicateName(tensor: "a")) {
      try SafetensorsWriter.write(TensorFile(tensors: [one, Tensor(name: "b", shape: [0], values: []), one]))
    }
    #expect(throws: SafetensorsError.duplicateName(tensor: "é")) {
      try SafetensorsWriter.write(
        TensorFile(tensors: ["e\u{301}", "\u{E9}"].map { Tensor(name: $0, shape: [0], values: []) }))
    }
  }

  @Test func reservedNameRefused() {
    #expect(throws: SafetensorsError.reservedName) {
      try SafetensorsWriter.write(TensorFile(tensors: [Tensor(name: "__metadata__", shape: [], values: [1])]))
    }
  }

  @Test func unreadableNamesRefused() {
    let name = String(repeating: "\u{301}", count: 31)
    #expect(throws: SafetensorsError.tooManyCombiningMarks(name: name)) {
      try SafetensorsWriter.write(TensorFile(tensors: [Tensor(name: name, shape: [0], values: [])]))
    }
    #expect(throws: SafetensorsError.tooManyCombiningMarks(name: name)) {
      try SafetensorsWriter.write(TensorFile(metadata: [name: ""]))
    }
  }

  @Test(arguments: [[2], [], [0], [-1], [-1, -1], [Int.max, Int.max], [0, Int.max, Int.max]])
  func changedShapeRefused(shape: [Int]) {
    var tensor = Tensor(name: "a", shape: [3], values: [1, 2, 3])
    tensor.shape = shape
    #expect(throws: SafetensorsError.valueCountMismatch(tensor: "a", shape: shape, found: 3)) {
      try SafetensorsWriter.write(TensorFile(tensors: [tensor]))
    }
  }

  @Test func headerBeyondLimitRefused() throws {
    let file = TensorFile(metadata: ["k": String(repeating: "x", count: 100)])
    #expect(throws: SafetensorsError.headerTooLarge(length: 128)) {
      try SafetensorsWriter.write(file, headerLimit: 127)
    }
    #expect(try SafetensorsWriter.write(file, headerLimit: 128).count == 136)
    #expect(SafetensorsReader.headerLimit == 100_000_000)
  }

  @Test func tensorRefusesWrongCount() async {
    await #expect(processExitsWith: .failure) { _ = Tensor(name: "a", shape: [2, 2], values: [1, 2, 3]) }
    await #expect(processExitsWith: .failure) { _ = Tensor(name: "a", shape: [-1, -1], values: [1]) }
    await #expect(processExitsWith: .failure) { _ = Tensor(name: "a", shape: [0, .max, .max], values: []) }
  }

  @Test(arguments: [
    (SafetensorsError.headerPastEnd(length: 812, fileSize: 640), "says it is 812 bytes long but the file has 640"),
    (.unsupportedDtype(tensor: "w", dtype: "BF16"), "tensor \"w\" has the dtype \"BF16\"; only F64 and F32"),
    (.invalidHeader(StrictJSONError(.duplicateName("w"), at: 9)), "the name \"w\" appears a second time at byte 9"),
    (.invalidHeader(StrictJSONError(.unexpectedByte(0), at: 3)), "the byte 0x0 at byte 3 does not belong there"),
    (.sizeMismatch(tensor: "w", found: 8, needed: 16), "has 8 bytes of data but its shape needs 16"),
  ])
  func errorsAreSentences(error: SafetensorsError, part: String) {
    #expect(error.description.contains(part))
  }
}
