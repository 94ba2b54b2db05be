/// One pass over a JSON text. Every position is visited once, so time is linear in the length of the text.
struct JSONScanner {
  private let bytes: UnsafeRawBufferPointer
  private var position = 0
  private var depth = 0

  /// Checks the encoding of the whole text, so that later steps may cut strings at ASCII bytes without looking.
  init(_ bytes: UnsafeRawBufferPointer) throws(StrictJSONError) {
    self.bytes = bytes
    do throws(UTF8.ValidationError) {
      _ = try UTF8Span(validating: bytes.assumingMemoryBound(to: UInt8.self).span)
    } catch {
      throw StrictJSONError(.invalidUTF8, at: error.byteOffsets.lowerBound)
    }
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { throw StrictJSONError(.byteOrderMark, at: 0) }
  }

  mutating func document() throws(StrictJSONError) -> StrictJSON.Value {
    let value = try self.value()
    skipWhitespace()
    if position < bytes.count { throw StrictJSONError(.contentAfterValue, at: position) }
    return value
  }

  private mutating func value() throws(StrictJSONError) -> StrictJSON.Value {
    skipWhitespace()
    switch try currentByte() {
    case UInt8(ascii: "{"): return try object()
    case UInt8(ascii: "["): return try array()
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "-"), ASCII.digits: return .number(text: try number())
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    default: throw unexpected()
    }
  }

  // MARK: Structure

  private mutating func object() throws(StrictJSONError) -> StrictJSON.Value {
    try descend()
    var members: [StrictJSON.Member] = []
    var names: Set<String> = []
    if !skip(UInt8(ascii: "}")) {
      repeat {
        skipWhitespace()
        let start = position
        guard try currentByte() == UInt8(ascii: "\"") else { throw unexpected() }
        let name = try string()
        guard isCheapToCompare(name) else { throw StrictJSONError(.tooManyCombiningMarks(name), at: start) }
        guard names.insert(name).inserted else { throw StrictJSONError(.duplicateName(name), at: start) }
        try expect(UInt8(ascii: ":"))
        members.append(StrictJSON.Member(name: name, value: try value()))
      } while skip(UInt8(ascii: ","))
      try expect(UInt8(ascii: "}"))
    }
    depth -= 1
    return .object(members)
  }

  private mutating func array() throws(StrictJSONError) -> StrictJSON.Value {
    try descend()
    var values: [StrictJSON.Value] = []
    if !skip(UInt8(ascii: "]")) {
      repeat {
        values.append(try value())
      } while skip(UInt8(ascii: ","))
      try expect(UInt8(ascii: "]"))
    }
    depth -= 1
    return .array(values)
  }

  private mutating func descend() throws(StrictJSONError) {
    if depth == StrictJSON.depthLimit { throw StrictJSONError(.nestedTooDeeply, at: position) }
    depth += 1
    position += 1
  }

  // MARK: Strings

  private mutating func string() throws(StrictJSONError) -> String {
    position += 1
    var runStart = position
    var decoded: [UInt8] = []
    while true {
      let byte = try currentByte()
      switch byte {
      case UInt8(ascii: "\""):
        let run = UnsafeRawBufferPointer(rebasing: bytes[runStart..<position])
        position += 1
        if decoded.isEmpty { return String(decoding: run, as: UTF8.self) }
        decoded.append(contentsOf: run)
        return String(decoding: decoded, as: UTF8.self)
      case UInt8(ascii: "\\"):
        decoded.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[runStart..<position]))
        decoded.append(contentsOf: try escape().utf8)
        runStart = position
      case 0..<0x20:
        throw StrictJSONError(.controlCharacterInString(byte), at: position)
      default:
        position += 1
      }
    }
  }

  private mutating func escape() throws(StrictJSONError) -> Unicode.Scalar {
    let start = position
    position += 1
    let letter = try currentByte()
    position += 1
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(letter)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): break
    default: throw StrictJSONError(.invalidEscape, at: start)
    }
    let first = try hexadecimalUnit(ofEscapeAt: start)
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard UTF16.isLeadSurrogate(first), bytes[position...].starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "u")])
    else { throw StrictJSONError(.loneSurrogate, at: start) }
    let secondStart = position
    position += 2
    let second = try hexadecimalUnit(ofEscapeAt: secondStart)
    guard UTF16.isTrailSurrogate(second) else { throw StrictJSONError(.loneSurrogate, at: start) }
    return UTF16.decode(UTF16.EncodedScalar([first, second]))
  }

  private mutating func hexadecimalUnit(ofEscapeAt start: Int) throws(StrictJSONError) -> UInt16 {
    var unit: UInt16 = 0
    for _ in 0..<4 {
      let byte = try currentByte()
      let digit: UInt8
      switch byte {
      case ASCII.digits: digit = byte - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
      default: throw StrictJSONError(.invalidEscape, at: start)
      }
      unit = unit << 4 | UInt16(digit)
      position += 1
    }
    return unit
  }

  // MARK: Numbers and literals

  private mutating func number() throws(StrictJSONError) -> String {
    let start = position
    advance(over: UInt8(ascii: "-"))
    let leadingZero = advance(over: UInt8(ascii: "0"))
    if skipDigits() == leadingZero { throw StrictJSONError(.invalidNumber, at: start) }
    if advance(over: UInt8(ascii: ".")), !skipDigits() { throw StrictJSONError(.invalidNumber, at: start) }
    if advance(over: UInt8(ascii: "e")) || advance(over: UInt8(ascii: "E")) {
      if !advance(over: UInt8(ascii: "+")) { advance(over: UInt8(ascii: "-")) }
      if !skipDigits() { throw StrictJSONError(.invalidNumber, at: start) }
    }
    return String(decoding: UnsafeRawBufferPointer(rebasing: bytes[start..<position]), as: UTF8.self)
  }

  private mutating func skipDigits() -> Bool {
    let start = position
    while position < bytes.count, case ASCII.digits = bytes[position] { position += 1 }
    return position > start
  }

  private mutating func literal(
    _ word: StaticString, _ value: StrictJSON.Value
  ) throws(StrictJSONError) -> StrictJSON.Value {
    for index in 0..<word.utf8CodeUnitCount {
      if try currentByte() != word.utf8Start[index] { throw unexpected() }
      position += 1
    }
    return value
  }

  // MARK: Bytes

  private func currentByte() throws(StrictJSONError) -> UInt8 {
    guard position < bytes.count else { throw StrictJSONError(.unexpectedEnd, at: position) }
    return bytes[position]
  }

  private func unexpected() -> StrictJSONError {
    StrictJSONError(.unexpectedByte(bytes[position]), at: position)
  }

  @discardableResult
  private mutating func advance(over byte: UInt8) -> Bool {
    guard position < bytes.count, bytes[position] == byte else { return false }
    position += 1
    return true
  }

  private mutating func skip(_ byte: UInt8) -> Bool {
    skipWhitespace()
    return advance(over: byte)
  }

  private mutating func expect(_ byte: UInt8) throws(StrictJSONError) {
    skipWhitespace()
    if try currentByte() != byte { throw unexpected() }
    position += 1
  }

  private mutating func skipWhitespace() {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x09, 0x0A, 0x0D: position += 1
      default: return
      }
    }
  }
}

/// Whether `name` has no run of more than 30 combining marks (Unicode's Stream-Safe Text Format, UAX #15).
///
/// To hash or compare a `String`, the standard library sorts each such run, in a time that grows with the square of its
/// length: without this limit one name of a megabyte would keep the reader busy for half an hour.
func isCheapToCompare(_ name: String) -> Bool {
  var run = 0
  for scalar in name.unicodeScalars {
    if scalar.isASCII || scalar.properties.canonicalCombiningClass == .notReordered {
      run = 0
    } else {
      run += 1
      if run > 30 { return false }
    }
  }
  return true
}

enum ASCII {
  static let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
}
