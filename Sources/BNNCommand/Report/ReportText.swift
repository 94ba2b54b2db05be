import Foundation

/// Numbers and names as a report's reader sees them. What is nil or not a number is "–", what is infinite "∞".
enum ReportText {
  static let none = "–"

  /// Text for an element or a quoted attribute, of XML as of HTML: what XML cannot hold at all becomes U+FFFD.
  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default:
        let isHeld =
          switch scalar.value {
          case 0x9, 0xA, 0xD, 0x20...0x7E, 0xA0...0xD7FF, 0xE000...0xFFFD, 0x10000...0x10FFFF: true
          default: false
          }
        result.unicodeScalars.append(isHeld ? scalar : "\u{FFFD}")
      }
    }
    return result
  }

  /// At most `limit` characters.
  static func shortened(_ text: String, to limit: Int) -> String {
    text.count <= limit ? text : text.prefix(max(1, limit - 1)) + "…"
  }

  /// With this many decimals; in powers of ten from a million on.
  static func number(_ value: Double?, decimals: Int) -> String {
    guard let value, !value.isNaN else { return none }
    guard value.isFinite else { return value < 0 ? "−∞" : "∞" }
    let text = String(format: abs(value) < 1e6 ? "%.\(max(0, decimals))f" : "%.2e", value)
    // Neither a minus before nothing but zeros nor a hyphen for a minus.
    guard text.hasPrefix("-") else { return text }
    let digits = text.dropFirst()
    return digits.contains { $0 != "0" && $0 != "." } ? "−" + digits : String(digits)
  }

  /// Decimals that show two digits of `scale`.
  static func decimals(for scale: Double?) -> Int {
    guard let scale, scale.isFinite, scale > 0 else { return 3 }
    return min(6, max(0, 1 - Int(floor(log10(scale)))))
  }

  /// With two significant digits of an amount that has no error beside it.
  static func amount(_ value: Double?) -> String {
    guard let value, value.isFinite else { return number(value, decimals: 0) }
    return number(value, decimals: decimals(for: abs(value)))
  }

  static func percent(_ share: Double?) -> String {
    guard let share, !share.isNaN else { return none }
    return number(100 * share, decimals: 0) + "\u{A0}%"
  }

  static func percent(_ interval: ClosedRange<Double>?) -> String {
    guard let interval else { return none }
    return
      "\(number(100 * interval.lowerBound, decimals: 0)) to \(number(100 * interval.upperBound, decimals: 0))\u{A0}%"
  }

  static func count(_ value: Int) -> String {
    var digits = String(value.magnitude)
    var groups: [String] = []
    while digits.count > 3 {
      groups.insert(String(digits.suffix(3)), at: 0)
      digits.removeLast(3)
    }
    return (value < 0 ? "−" : "") + ([digits] + groups).joined(separator: ",")
  }

  /// Rows with their number.
  static func rows(_ value: Int) -> String { count(value) + (value == 1 ? " row" : " rows") }

  static func bytes(_ value: Int) -> String {
    let size = Double(value)
    for (unit, power) in [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)] where size >= power {
      return number(size / power, decimals: size / power < 100 ? 1 : 0) + "\u{A0}" + unit
    }
    return "\(value)\u{A0}B"
  }

  static func seconds(_ value: Double) -> String {
    switch value {
    case ..<0.001 where value >= 0: "under 1 ms"
    case 0..<1: number(1000 * value, decimals: 0) + "\u{A0}ms"
    case 1..<120: number(value, decimals: 1) + "\u{A0}s"
    case 120..<7200: number(value / 60, decimals: 0) + "\u{A0}min"
    case 7200...: number(value / 3600, decimals: 1) + (value.isFinite ? "\u{A0}h" : "")
    default: none
    }
  }
}
