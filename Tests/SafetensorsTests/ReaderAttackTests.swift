import BNNSafetensors
import Testing

/// One test per line of ATTACKS.md that concerns the frame and the entries of a file.
struct ReaderAttackTests {
  // MARK: The frame

  @Test(arguments: 0..<8)
  func fileShorterThanItsPrefix(size: Int) {
    expectRefusal([UInt8](repeating: 0, count: size), .tooShort(fileSize: size))
  }

  @Test(arguments: [100_000_001, UInt64(Int.max), UInt64(Int.max) + 1, UInt64.max])
  func headerLengthBeyondLimit(length: UInt64) {
    expectRefusal(littleEndian(length) + Array("{}".utf8), .headerTooLarge(length: length))
  }

  @Test(arguments: [3, 812, 100_000_000])
  func headerPastEndOfFile(length: Int) {
    expectRefusal(
      littleEndian(UInt64(length)) + Array("{}".utf8), .headerPastEnd(length: length, fileSize: 10))
  }

  @Test func emptyHeader() {
    expectRefusal(fileBytes(""), .invalidHeader(StrictJSONError(.unexpectedEnd, at: 0)))
  }

  @Test func headerNotUTF8() {
    expectRefusal(
      fileBytes(header: [0x7B, 0x22, 0xFF, 0x22, 0x3A, 0x7B, 0x7D, 0x7D]),
      .invalidHeader(StrictJSONError(.invalidUTF8, at: 2)))
  }

  @Test func headerWithByteOrderMark() {
    expectRefusal(fileBytes("\u{FEFF}{}"), .invalidHeader(StrictJSONError(.byteOrderMark, at: 0)))
  }

  @Test func headerPaddedWithNUL() {
    expectRefusal(fileBytes("{}\0\0"), .invalidHeader(StrictJSONError(.contentAfterValue, at: 2)))
    expectRefusal(fileBytes("\0{}"), .invalidHeader(StrictJSONError(.unexpectedByte(0), at: 0)))
  }

  @Test func headerFollowedBySecondValue() {
    expectRefusal(fileBytes("{}{}"), .invalidHeader(StrictJSONError(.contentAfterValue, at: 2)))
  }

  @Test(arguments: ["[]", "null", "1", "\"{}\""])
  func headerNotAnObject(header: String) {
    expectRefusal(fileBytes(header), .headerNotAnObject)
  }

  @Test(arguments: ["{}", " \t\r\n{} \t\r\n", "{\"__metadata__\":{}}"])
  func whitespaceAroundHeaderAccepted(header: String) throws {
    #expect(try SafetensorsReader.read(fileBytes(header)) == TensorFile())
  }

  @Test func headerNestedTooDeeply() {
    let deep = "{\"a\":" + String(repeating: "[", count: 1_000_000)
    expectRefusal(fileBytes(deep), .invalidHeader(StrictJSONError(.nestedTooDeeply, at: 132)))
  }

  // MARK: Names

  @Test func tensorNamedTwice() {
    let entry = "\"a\":{\"dtype\":\"F64\",\"shape\":[0],\"data_offsets\":[0,0]}"
    expectRefusal(
      fileBytes("{\(entry),\(entry)}"), .invalidHeader(StrictJSONError(.duplicateName("a"), at: entry.utf8.count + 2)))
  }

  @Test func fieldNamedTwice() {
    expectRefusal(
      fileBytes("{\"a\":{\"dtype\":\"F64\",\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}"),
      .invalidHeader(StrictJSONError(.duplicateName("dtype"), at: 20)))
  }

  @Test func metadataNamedTwice() {
    expectRefusal(
      fileBytes("{\"__metadata__\":{},\"__metadata__\":{}}"),
      .invalidHeader(StrictJSONError(.duplicateName("__metadata__"), at: 19)))
  }

  @Test(arguments: ["{\"\\u0061\":1,\"a\":2}", "{\"e\u{301}\":1,\"\u{E9}\":2}"])
  func sameNameSpelledDifferently(header: String) throws {
    let error = #expect(throws: SafetensorsError.self) { try SafetensorsReader.read(fileBytes(header)) }
    guard case .invalidHeader(let json) = error, case .duplicateName = json.reason else {
      Issue.record("refused for another reason: \(String(describing: error))")
      return
    }
  }

  @Test(.timeLimit(.minutes(1)))
  func nameOfCombiningMarks() {
    let name = "a" + String(repeating: "\u{301}\u{316}", count: 250_000)
    expectRefusal(fileBytes("{\"\(name)\":1}"), .invalidHeader(StrictJSONError(.tooManyCombiningMarks(name), at: 1)))
  }

  @Test(.timeLimit(.minutes(1)))
  func dtypeOfCombiningMarks() {
    let dtype = "F" + String(repeating: "\u{301}\u{316}", count: 250_000)
    let bytes = fileBytes(headerWithEntry(dtype: "\"\(dtype)\""), dataSize: 8)
    do throws(SafetensorsError) {
      _ = try SafetensorsReader.read(bytes)
      Issue.record("accepted")
    } catch {
      // Not compared with `==`, which takes the time that the reader must not take.
      if case .unsupportedDtype("a", _) = error { return }
      Issue.record(error)
    }
  }

  @Test func namesCannotSteerTheTerminal() {
    let bytes = fileBytes("{\"\\u001b[2J\u{202E}\u{200B}\(String(repeating: "x", count: 1_000))\":1}")
    let error = #expect(throws: SafetensorsError.self) { try SafetensorsReader.read(bytes) }
    let message = error?.description ?? ""
    #expect(message.contains("\\u{1B}[2J\\u{202E}\\u{200B}xxx"))
    #expect(message.utf8.count < 150)
    #expect(message.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0 != "\u{202E}" })
  }

  // MARK: Entries

  @Test(arguments: ["null", "[]", "\"x\"", "1"])
  func metadataNotAnObject(value: String) {
    expectRefusal(fileBytes("{\"__metadata__\":\(value)}"), .metadataNotAnObject)
  }

  @Test(arguments: ["null", "[]", "{}", "1", "true"])
  func metadataValueNotAString(value: String) {
    expectRefusal(fileBytes("{\"__metadata__\":{\"k\":\(value)}}"), .metadataValueNotAString(key: "k"))
  }

  @Test(arguments: ["null", "[]", "\"F64\"", "1"])
  func entryNotAnObject(value: String) {
    expectRefusal(fileBytes("{\"a\":\(value)}"), .entryNotAnObject(tensor: "a"))
  }

  @Test(arguments: ["dtype", "shape", "data_offsets"])
  func fieldMissing(field: String) {
    let header = headerWithEntry().replacing("\"\(field)\"", with: "\"\(field.uppercased())\"")
    expectRefusal(fileBytes(header, dataSize: 8), .missingField(tensor: "a", field: field))
  }

  @Test func unknownFieldsIgnored() throws {
    let header = headerWithEntry().replacing("\"shape\"", with: "\"x\":{\"y\":[1e9,null]},\"shape\"")
    #expect(
      try SafetensorsReader.read(fileBytes(header, dataSize: 8)).tensors
        == [Tensor(name: "a", shape: [1], values: [0])])
  }

  @Test func dtypeNotAString() {
    expectRefusal(fileBytes(headerWithEntry(dtype: "64"), dataSize: 8), .dtypeNotAString(tensor: "a"))
  }

  @Test(arguments: ["BOOL", "U8", "I64", "F16", "BF16", "F8_E4M3", "f64", "F64 ", ""])
  func unsupportedDtype(dtype: String) {
    expectRefusal(
      fileBytes(headerWithEntry(dtype: "\"\(dtype)\""), dataSize: 8), .unsupportedDtype(tensor: "a", dtype: dtype))
  }

  @Test(arguments: ["1", "null", "{}", "\"[1]\""])
  func shapeNotAnArray(shape: String) {
    expectRefusal(fileBytes(headerWithEntry(shape: shape), dataSize: 8), .shapeNotAnArray(tensor: "a"))
  }

  @Test(arguments: ["-1", "-0", "1.0", "8e0", "9223372036854775808", "1e400", "null", "true"])
  func extentNotAWholeNumber(extent: String) {
    expectRefusal(
      fileBytes(headerWithEntry(shape: "[\(extent)]"), dataSize: 8), .invalidExtent(tensor: "a", found: extent))
  }

  @Test func extentOfAnotherKind() {
    expectRefusal(
      fileBytes(headerWithEntry(shape: "[\"1\"]"), dataSize: 8), .invalidExtent(tensor: "a", found: "1"))
    expectRefusal(
      fileBytes(headerWithEntry(shape: "[[1]]"), dataSize: 8), .invalidExtent(tensor: "a", found: "an array"))
    expectRefusal(
      fileBytes(headerWithEntry(shape: "[{}]"), dataSize: 8), .invalidExtent(tensor: "a", found: "an object"))
  }

  @Test(arguments: [
    "[9223372036854775807]", "[4611686018427387904,4]", "[2305843009213693952,8,2]", "[1152921504606846976]",
  ])
  func shapeProductOverflows(shape: String) {
    expectRefusal(fileBytes(headerWithEntry(shape: shape), dataSize: 8), .shapeTooLarge(tensor: "a"))
  }

  @Test(arguments: ["[0,4611686018427387904,4]", "[4611686018427387904,4,0]"])
  func emptyShapeWithOverflowingStrides(shape: String) {
    expectRefusal(fileBytes(headerWithEntry(shape: shape, offsets: "[0,0]")), .shapeTooLarge(tensor: "a"))
  }

  @Test(arguments: ["[]", "[0]", "[0,8,8]", "8", "null", "{}"])
  func offsetsNotAPair(offsets: String) {
    expectRefusal(fileBytes(headerWithEntry(offsets: offsets), dataSize: 8), .offsetsNotAPair(tensor: "a"))
  }

  @Test(arguments: ["-1", "-0", "8.0", "8e0", "9223372036854775808", "false"])
  func offsetNotAWholeNumber(offset: String) {
    expectRefusal(
      fileBytes(headerWithEntry(offsets: "[0,\(offset)]"), dataSize: 8), .invalidOffset(tensor: "a", found: offset))
    expectRefusal(
      fileBytes(headerWithEntry(offsets: "[\(offset),8]"), dataSize: 8), .invalidOffset(tensor: "a", found: offset))
  }
}
