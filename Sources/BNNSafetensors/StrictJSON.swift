/// JSON exactly as RFC 8259 has it, with the choices that the RFC leaves open made strictly.
public enum StrictJSON {
  /// The deepest nesting of arrays and objects that is read, so that no text can exhaust the stack.
  public static let depthLimit = 128

  /// A JSON value.
  public enum Value: Sendable, Equatable {
    /// The members in the order of the text, their names all different.
    case object([Member])
    case array([Value])
    case string(String)
    /// A number as it is written: whether `1e400` or `1.0` will do is for the caller to say.
    case number(text: String)
    case bool(Bool)
    case null

    /// The value of the member called `name`, or `nil` if this is no object or has no such member.
    public subscript(name: String) -> Value? {
      guard case .object(let members) = self else { return nil }
      return members.first { $0.name == name }?.value
    }
  }

  /// A name and its value in an object.
  public struct Member: Sendable, Equatable {
    public var name: String
    public var value: Value

    public init(name: String, value: Value) {
      self.name = name
      self.value = value
    }
  }

  /// Reads one JSON text from UTF-8 bytes.
  ///
  /// Space, tab, carriage return and line feed may surround it; nothing else may. Refused are: invalid UTF-8, a byte
  /// order mark, control characters in strings, unknown escapes, half of a surrogate pair, numbers outside the grammar
  /// (`01`, `+1`, `1.`, `NaN`), trailing commas, comments, content after the value, nesting deeper than ``depthLimit``
  /// and objects with the same name twice. Names that differ only in how an accent is encoded are the same name here,
  /// because they are the same `String`; and a name must not have more than 30 combining marks in a row, because
  /// comparing it would take too long.
  ///
  /// - Throws: ``StrictJSONError`` with the offset of the first byte that does not fit.
  public static func parse(_ text: some Collection<UInt8>) throws(StrictJSONError) -> Value {
    let inPlace = text.withContiguousStorageIfAvailable { scan(UnsafeRawBufferPointer($0)) }
    return try (inPlace ?? Array(text).withUnsafeBytes { scan($0) }).get()
  }

  private static func scan(_ bytes: UnsafeRawBufferPointer) -> Result<Value, StrictJSONError> {
    Result { () throws(StrictJSONError) in
      var scanner = try JSONScanner(bytes)
      return try scanner.document()
    }
  }
}

/// Why a text is not JSON, and where.
public struct StrictJSONError: Error, Equatable, Sendable, CustomStringConvertible {
  public enum Reason: Equatable, Sendable {
    case invalidUTF8
    case byteOrderMark
    case unexpectedEnd
    case unexpectedByte(UInt8)
    case controlCharacterInString(UInt8)
    case invalidEscape
    case loneSurrogate
    case invalidNumber
    case duplicateName(String)
    case tooManyCombiningMarks(String)
    case nestedTooDeeply
    case contentAfterValue
  }

  public var reason: Reason
  /// Bytes from the start of the text.
  public var offset: Int

  public init(_ reason: Reason, at offset: Int) {
    self.reason = reason
    self.offset = offset
  }

  public var description: String {
    switch reason {
    case .invalidUTF8: "byte \(offset) is not valid UTF-8"
    case .byteOrderMark: "it starts with a byte order mark"
    case .unexpectedEnd: "it ends at byte \(offset) in the middle of a value"
    case .unexpectedByte(let byte): "\(readable(byte)) at byte \(offset) does not belong there"
    case .controlCharacterInString(let byte): "\(readable(byte)) at byte \(offset) must be escaped in a string"
    case .invalidEscape: "the escape at byte \(offset) is not one that JSON has"
    case .loneSurrogate: "the escape at byte \(offset) is half of a surrogate pair"
    case .invalidNumber: "the number at byte \(offset) is not written as JSON requires"
    case .duplicateName(let name): "the name \(readable(name)) appears a second time at byte \(offset)"
    case .tooManyCombiningMarks(let name):
      "the name \(readable(name)) at byte \(offset) has more than 30 combining marks in a row"
    case .nestedTooDeeply: "it is nested more than \(StrictJSON.depthLimit) levels deep at byte \(offset)"
    case .contentAfterValue: "there is more text after its end, at byte \(offset)"
    }
  }
}
