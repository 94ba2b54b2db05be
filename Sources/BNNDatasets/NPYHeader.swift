/// The header of an .npy file, versions 1 to 3: what the numbers are and how they lie.
///
/// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
struct NPYHeader: Equatable {
  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  /// NumPy's name for the type of the numbers, as "<f8".
  var type: String
  var isFortranOrder: Bool
  var shape: [Int]

  /// Reads and consumes the header.
  init(reading bytes: ByteSource) throws(DataError) {
    let file = bytes.name
    func damaged(_ what: String) -> DataError {
      DataError(.badData, "the header of the array \(what)", file: file, remedy: "write the file again with numpy.save")
    }
    let start = try bytes.available(atLeast: 12)
    guard start.count >= 10, start.starts(with: Self.magic) else { throw damaged("is cut off") }
    let version = start[6]
    guard (1...3).contains(version) else { throw damaged("has the unknown version \(version).\(start[7])") }
    let lengthBytes = version == 1 ? 2 : 4
    guard start.count >= 8 + lengthBytes else { throw damaged("is cut off") }
    let length = (0..<lengthBytes).reduce(0) { $0 | Int(start[8 + $1]) << (8 * $1) }
    guard length <= 1 << 16 else { throw damaged("claims to be \(length) bytes long") }
    bytes.consume(8 + lengthBytes)
    let text = try bytes.available(atLeast: length).prefix(length)
    guard text.count == length else { throw damaged("is cut off") }
    var scanner = NPYHeaderScanner(text: Array(text))
    bytes.consume(length)
    do throws(NPYHeaderScanner.Refusal) {
      self = try scanner.header()
    } catch {
      throw damaged(error.what)
    }
  }

  init(type: String, isFortranOrder: Bool, shape: [Int]) {
    self.type = type
    self.isFortranOrder = isFortranOrder
    self.shape = shape
  }
}

/// The few words of Python in which the header is written: one dictionary of a string, a truth and a tuple of integers.
private struct NPYHeaderScanner {
  struct Refusal: Error {
    let what: String
  }

  let text: [UInt8]
  private var position = 0

  init(text: [UInt8]) {
    self.text = text
  }

  mutating func header() throws(Refusal) -> NPYHeader {
    var type: String?
    var fortran: Bool?
    var shape: [Int]?
    try expect("{")
    while !accept("}") {
      let key = try string()
      try expect(":")
      switch key {
      case "descr" where type == nil: type = try typeName()
      case "fortran_order" where fortran == nil: fortran = try truth()
      case "shape" where shape == nil: shape = try tuple()
      default: throw Refusal(what: "has the unexpected or repeated entry \"\(excerpt(key.utf8))\"")
      }
      if !accept(",") {
        try expect("}")
        break
      }
    }
    skipBlanks()
    guard position == text.count else { throw Refusal(what: "has something after its end") }
    guard let type, let fortran, let shape else { throw Refusal(what: "lacks descr, fortran_order or shape") }
    return NPYHeader(type: type, isFortranOrder: fortran, shape: shape)
  }

  private mutating func skipBlanks() {
    while position < text.count, " \t\n\r".utf8.contains(text[position]) { position += 1 }
  }

  private mutating func accept(_ word: String) -> Bool {
    skipBlanks()
    guard text[position...].starts(with: word.utf8) else { return false }
    position += word.utf8.count
    return true
  }

  private mutating func expect(_ word: String) throws(Refusal) {
    if !accept(word) { throw Refusal(what: "is not what numpy.save writes (\"\(word)\" expected at byte \(position))") }
  }

  private mutating func string() throws(Refusal) -> String {
    let quote = accept("'") ? "'" : "\""
    if quote == "\"" { try expect("\"") }
    let start = position
    while position < text.count, text[position] != quote.utf8.first { position += 1 }
    let content = String(decoding: text[start..<position], as: UTF8.self)
    try expect(quote)
    return content
  }

  private mutating func typeName() throws(Refusal) -> String {
    if accept("[") { throw Refusal(what: "describes records of several fields, not plain numbers") }
    return try string()
  }

  private mutating func truth() throws(Refusal) -> Bool {
    if accept("True") { return true }
    try expect("False")
    return false
  }

  private mutating func tuple() throws(Refusal) -> [Int] {
    var numbers: [Int] = []
    try expect("(")
    while !accept(")") {
      skipBlanks()
      let start = position
      while position < text.count, (48...57).contains(text[position]) { position += 1 }
      let digits = String(decoding: text[start..<position], as: UTF8.self)
      guard let number = Int(digits) else {
        throw Refusal(what: "has a shape that is not a tuple of sizes")
      }
      numbers.append(number)
      if !accept(",") {
        try expect(")")
        break
      }
    }
    return numbers
  }
}
