import BNNSafetensors
import Testing

struct StrictJSONTests {
  private func parse(_ text: String) throws -> StrictJSON.Value {
    try StrictJSON.parse(text.utf8)
  }

  private func expectRefusal(
    _ text: [UInt8], _ reason: StrictJSONError.Reason, at offset: Int,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(throws: StrictJSONError(reason, at: offset), sourceLocation: sourceLocation) {
      try StrictJSON.parse(text)
    }
  }

  @Test func everyKindOfValue() throws {
    let value = try parse(#" {"a" : [1, -2.5e+3, true, false, null, "x"], "": {} , "b":[ ]} "#)
    #expect(
      value
        == .object([
          .init(
            name: "a",
            value: .array([
              .number(text: "1"), .number(text: "-2.5e+3"), .bool(true), .bool(false), .null, .string("x"),
            ])),
          .init(name: "", value: .object([])),
          .init(name: "b", value: .array([])),
        ]))
    #expect(value["b"] == .array([]))
    #expect(value["c"] == nil)
    #expect(StrictJSON.Value.null["a"] == nil)
  }

  @Test(arguments: ["0", "-0", "10", "0.0", "1e5", "1E-05", "1.5e+9", "123456789012345678901234567890"])
  func numbersKeptAsText(number: String) throws {
    #expect(try parse(number) == .number(text: number))
    #expect(try parse("[\(number)]") == .array([.number(text: number)]))
  }

  @Test(arguments: ["-", "01", "-01", "1.", "1.e3", "1e", "1e+", "-a"])
  func malformedNumbers(number: String) {
    expectRefusal(Array("[\(number)]".utf8), .invalidNumber, at: 1)
  }

  @Test(arguments: ["+1", ".5", "NaN", "Infinity", "'a'", "/**/1", "#", "]", "}", ",", "True"])
  func unknownValues(text: String) {
    expectRefusal(Array(text.utf8), .unexpectedByte(text.utf8.first ?? 0), at: 0)
  }

  @Test(arguments: [
    ("[1,]", 3), ("{\"a\":1,}", 7), ("[,1]", 1), ("[1 2]", 3), ("{\"a\" 1}", 5), ("{a:1}", 1), ("{1:1}", 1),
    ("{\"a\":}", 5), ("[1}", 2), ("{\"a\":1]", 6), ("[trUe]", 3), ("[0x1]", 2), ("[1,,2]", 3), ("{,}", 1),
  ])
  func misplacedBytes(text: String, offset: Int) {
    let bytes = Array(text.utf8)
    expectRefusal(bytes, .unexpectedByte(bytes[offset]), at: offset)
  }

  @Test(arguments: [
    "", " ", "[", "[1", "[1,", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "\"", "\"a", "\"\\", "\"\\u12", "tru",
  ])
  func unfinishedTexts(text: String) {
    expectRefusal(Array(text.utf8), .unexpectedEnd, at: text.utf8.count)
  }

  @Test(arguments: ["1 1", "{} x", "[]]", "null\u{0}", "\"\"\"\"", "1\u{A0}"])
  func contentAfterValue(text: String) throws {
    let error = #expect(throws: StrictJSONError.self) { try parse(text) }
    #expect(error?.reason == .contentAfterValue)
  }

  @Test(arguments: [
    (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"),
    (#""\u0041\u00e9\u00E9\uFFFF""#, "A\u{E9}\u{E9}\u{FFFF}"),
    (#""x\ud83c\udfb2y""#, "x🎲y"),
    (#""\uDBFF\uDFFF\uD800\uDC00""#, "\u{10FFFF}\u{10000}"),
    (#""\u0000""#, "\u{0}"),
    ("\"größe 🎲 \u{7F} \u{2028}\"", "größe 🎲 \u{7F} \u{2028}"),
    ("\"\u{FEFF}\"", "\u{FEFF}"),
  ])
  func stringsDecoded(text: String, expected: String) throws {
    #expect(try parse(text) == .string(expected))
  }

  @Test(arguments: [#""\a""#, #""\U0041""#, #""\u12G4""#, #""\u 123""#, #""\u+123""#, #""\'""#, "\"\\\n\""])
  func unknownEscapes(text: String) {
    expectRefusal(Array(text.utf8), .invalidEscape, at: 1)
  }

  @Test(arguments: [
    #""\ud83c""#, #""\udfb2""#, #""\udfb2\ud83c""#, #""\ud83cx\udfb2""#, #""\ud83c\n""#, #""\ud83c\ud83c\udfb2""#,
    #""\ud83c\u0041""#,
  ])
  func halfSurrogatePairs(text: String) {
    expectRefusal(Array(text.utf8), .loneSurrogate, at: 1)
  }

  @Test(arguments: UInt8(0)..<0x20)
  func rawControlCharacters(byte: UInt8) {
    expectRefusal([0x22, byte, 0x22], .controlCharacterInString(byte), at: 1)
  }

  /// Stray continuation, overlong forms, surrogates, beyond U+10FFFF, cut short.
  @Test(
    arguments: [
      [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF5],
      [0xFF], [0xE2, 0x82], [0xC3],
    ] as [[UInt8]])
  func invalidUTF8(bytes: [UInt8]) {
    expectRefusal([0x22] + bytes + [0x22], .invalidUTF8, at: 1)
    expectRefusal(bytes, .invalidUTF8, at: 0)
  }

  @Test func byteOrderMark() {
    expectRefusal([0xEF, 0xBB, 0xBF, 0x31], .byteOrderMark, at: 0)
    expectRefusal([0xFE, 0xFF, 0x00, 0x31], .invalidUTF8, at: 0)
  }

  @Test(arguments: [(#"{"a":1,"a":1}"#, 7), (#"[{"a":{"b":1,"a":1,"a":2}}]"#, 19), (#"{"a":1,"\u0061":1}"#, 7)])
  func duplicateNames(text: String, offset: Int) {
    expectRefusal(Array(text.utf8), .duplicateName("a"), at: offset)
  }

  @Test func sameNameAtDifferentLevels() throws {
    #expect(try parse(#"{"a":{"a":[{"a":1},{"a":2}]}}"#)["a"] != nil)
  }

  @Test func combiningMarksInNames() throws {
    let legal = "a" + String(repeating: "\u{301}", count: 30)
    #expect(try parse("{\"\(legal)b\(legal)\":1}")["\(legal)b\(legal)"] == .number(text: "1"))
    let tooMany = legal + "\u{316}"
    expectRefusal(Array("{\"\(tooMany)\":1}".utf8), .tooManyCombiningMarks(tooMany), at: 1)
    #expect(try parse("\"\(tooMany)\"") == .string(tooMany))
  }

  @Test func depthLimit() throws {
    let limit = StrictJSON.depthLimit
    func nested(_ depth: Int) -> String {
      String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }
    _ = try parse(nested(limit))
    _ = try parse("[" + String(repeating: "\(nested(limit - 1)),", count: 3) + "1]")
    expectRefusal(Array(nested(limit + 1).utf8), .nestedTooDeeply, at: limit)
    expectRefusal(
      Array(String(repeating: "{\"a\":", count: 1_000_000).utf8), .nestedTooDeeply, at: limit * 5)
  }

  @Test func sourcesOfBytes() throws {
    let text = "[\"é\"]"
    let expected = StrictJSON.Value.array([.string("é")])
    #expect(try StrictJSON.parse(Array(text.utf8)) == expected)
    #expect(try StrictJSON.parse(Array(text.utf8).lazy.map { $0 }) == expected)
    #expect(try StrictJSON.parse(Array("x\(text)".utf8).dropFirst()) == expected)
  }

  @Test(.timeLimit(.minutes(1)))
  func timeIsLinear() throws {
    // Quadratic work on any of these would take minutes.
    let count = 100_000
    let names = (0..<count).map { "\"name\($0)\":0" }.joined(separator: ",")
    _ = try parse("{\(names)}")
    _ = try parse("\"\(String(repeating: "\\u00e9", count: count))\"")
    _ = try parse("[\(String(repeating: "0,", count: count))0]")
  }
}
