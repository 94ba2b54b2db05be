/// Why a file was refused by ``SafetensorsReader`` or a content by ``SafetensorsWriter``: one case per rule broken.
public enum SafetensorsError: Error, Equatable, Sendable {
  // MARK: The frame

  /// Fewer than the 8 bytes that hold the length of the header.
  case tooShort(fileSize: Int)
  /// A header longer than ``SafetensorsReader/headerLimit``.
  case headerTooLarge(length: UInt64)
  /// A header that would end behind the end of the file.
  case headerPastEnd(length: Int, fileSize: Int)
  /// A header that is not UTF-8 or not strict JSON, a name given twice included.
  case invalidHeader(StrictJSONError)
  /// A header that is JSON, but not an object.
  case headerNotAnObject

  // MARK: Entries of the header

  case metadataNotAnObject
  case metadataValueNotAString(key: String)
  case entryNotAnObject(tensor: String)
  /// An entry without `dtype`, `shape` or `data_offsets`.
  case missingField(tensor: String, field: String)
  case dtypeNotAString(tensor: String)
  /// A `dtype` other than `F64` and `F32`.
  case unsupportedDtype(tensor: String, dtype: String)
  case shapeNotAnArray(tensor: String)
  /// An extent that is not a number written with digits only, or that does not fit an `Int`.
  case invalidExtent(tensor: String, found: String)
  /// A shape whose number of bytes does not fit an `Int`.
  case shapeTooLarge(tensor: String)
  /// `data_offsets` that is not an array of two numbers.
  case offsetsNotAPair(tensor: String)
  /// An offset that is not a number written with digits only, or that does not fit an `Int`.
  case invalidOffset(tensor: String, found: String)

  // MARK: The layout of the data

  case offsetsReversed(tensor: String, begin: Int, end: Int)
  /// Bytes before a tensor that belong to none.
  case hole(before: String, begin: Int, expected: Int)
  /// A tensor that begins inside the one before it.
  case overlap(tensor: String, begin: Int, expected: Int)
  /// An extent of bytes that is not what `dtype` and `shape` need.
  case sizeMismatch(tensor: String, found: Int, needed: Int)
  /// Data longer or shorter than the tensors take together.
  case dataSizeMismatch(found: Int, needed: Int)

  // MARK: Writing

  case duplicateName(tensor: String)
  /// A tensor called `__metadata__`.
  case reservedName
  /// A name of a tensor or of metadata that the reader would refuse.
  case tooManyCombiningMarks(name: String)
  /// A tensor whose shape was changed so that it no longer fits its values.
  case valueCountMismatch(tensor: String, shape: [Int], found: Int)
  /// Content that would make a file larger than `Int.max` bytes.
  case fileTooLarge
}

extension SafetensorsError: CustomStringConvertible {
  /// One sentence for the user, without a full stop. Names from the file are shortened, and what could steer a terminal
  /// is escaped in them.
  public var description: String {
    switch self {
    case .tooShort(let fileSize):
      "the file has \(fileSize) bytes, fewer than the 8 that tell how long its header is"
    case .headerTooLarge(let length):
      "the header says it is \(length) bytes long, more than the \(SafetensorsReader.headerLimit) allowed"
    case .headerPastEnd(let length, let fileSize):
      "the header says it is \(length) bytes long but the file has \(fileSize)"
    case .invalidHeader(let error):
      "the header is not valid JSON: \(error)"
    case .headerNotAnObject:
      "the header is not a JSON object"
    case .metadataNotAnObject:
      "the header's __metadata__ is not a JSON object"
    case .metadataValueNotAString(let key):
      "the metadata \(readable(key)) is not a string"
    case .entryNotAnObject(let tensor):
      "the header's entry for tensor \(readable(tensor)) is not a JSON object"
    case .missingField(let tensor, let field):
      "the header does not give the \(field) of tensor \(readable(tensor))"
    case .dtypeNotAString(let tensor):
      "the dtype of tensor \(readable(tensor)) is not a string"
    case .unsupportedDtype(let tensor, let dtype):
      "tensor \(readable(tensor)) has the dtype \(readable(dtype)); only F64 and F32 can be read"
    case .shapeNotAnArray(let tensor):
      "the shape of tensor \(readable(tensor)) is not an array"
    case .invalidExtent(let tensor, let found):
      "the shape of tensor \(readable(tensor)) has \(readable(found)) where a whole number is needed"
    case .shapeTooLarge(let tensor):
      "the shape of tensor \(readable(tensor)) asks for more values than can be addressed"
    case .offsetsNotAPair(let tensor):
      "the data_offsets of tensor \(readable(tensor)) are not an array of two numbers"
    case .invalidOffset(let tensor, let found):
      "the data_offsets of tensor \(readable(tensor)) have \(readable(found)) where a whole number is needed"
    case .offsetsReversed(let tensor, let begin, let end):
      "tensor \(readable(tensor)) ends at data byte \(end), before its begin at \(begin)"
    case .hole(let tensor, let begin, let expected):
      "the data bytes from \(expected) to \(begin), before tensor \(readable(tensor)), belong to no tensor"
    case .overlap(let tensor, let begin, let expected):
      "tensor \(readable(tensor)) begins at data byte \(begin), inside the tensor that ends at \(expected)"
    case .sizeMismatch(let tensor, let found, let needed):
      "tensor \(readable(tensor)) has \(found) bytes of data but its shape needs \(needed)"
    case .dataSizeMismatch(let found, let needed):
      "the tensors take \(needed) bytes together but \(found) follow the header"
    case .duplicateName(let tensor):
      "two tensors are called \(readable(tensor))"
    case .reservedName:
      "no tensor can be called \"__metadata__\""
    case .tooManyCombiningMarks(let name):
      "the name \(readable(name)) has more than 30 combining marks in a row"
    case .valueCountMismatch(let tensor, let shape, let found):
      "tensor \(readable(tensor)) has the shape \(shape) but \(found) values"
    case .fileTooLarge:
      "the tensors are too large for one file"
    }
  }
}

/// `text` in quotes, shortened, with every character escaped that is not a visible one.
func readable(_ text: String) -> String {
  let limit = 60
  var result = "\""
  for (index, scalar) in text.unicodeScalars.enumerated() {
    if index == limit { return result + "…\"" }
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned:
      result += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
    default:
      result += scalar.escaped(asASCII: false)
    }
  }
  return result + "\""
}

/// A byte as a character if it is a visible one, or else as a number.
func readable(_ byte: UInt8) -> String {
  switch byte {
  case 0x21...0x7E: "'\(Unicode.Scalar(byte))'"
  default: "the byte 0x\(String(byte, radix: 16, uppercase: true))"
  }
}
