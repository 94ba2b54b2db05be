/// A JSON value on its way out. Keys keep the order in which they were given; a number that is not finite is null.
enum JSONText: Sendable {
  case object([(String, JSONText)])
  case array([JSONText])
  case string(String)
  case number(Double)
  case integer(Int)
  case boolean(Bool)
  case null
  /// Text that is JSON already.
  case verbatim(String)

  static func optional(_ value: Double?) -> JSONText { value.map { .number($0) } ?? .null }
  static func optional(_ value: String?) -> JSONText { value.map { .string($0) } ?? .null }
  static func strings(_ values: [String]) -> JSONText { .array(values.map { .string($0) }) }

  /// One number for one target, a list for several.
  static func perTarget(_ values: [Double?]) -> JSONText {
    values.count == 1 ? optional(values[0]) : .array(values.map { optional($0) })
  }

  var text: String {
    switch self {
    case .object(let members):
      "{" + members.map { "\(Self.quote($0.0)):\($0.1.text)" }.joined(separator: ",") + "}"
    case .array(let values): "[" + values.map(\.text).joined(separator: ",") + "]"
    case .string(let value): Self.quote(value)
    case .number(let value): value.isFinite ? "\(value)" : "null"
    case .integer(let value): "\(value)"
    case .boolean(let value): value ? "true" : "false"
    case .null: "null"
    case .verbatim(let text): text
    }
  }

  private static func quote(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      default:
        if scalar.value < 0x20 {
          let digits = String(scalar.value, radix: 16)
          result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        } else {
          result.unicodeScalars.append(scalar)
        }
      }
    }
    return result + "\""
  }
}
