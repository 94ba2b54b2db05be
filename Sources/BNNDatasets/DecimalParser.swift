import Foundation

/// What the text of one cell says.
enum CellValue: Equatable {
  case number(Double)
  case missing
  /// A number, but not a finite double: "inf", "1e999".
  case notFinite
  case text
}

/// Decimal numbers to the nearest double, ties to even, whatever the locale of the process.
///
///     [blanks] [+|-] (digits [. [digits]] | . digits) [(e|E) [+|-] digits] [blanks]
///
/// Hexadecimal numbers, separators of thousands and decimal commas are text. A magnitude below the least subnormal
/// is zero, as in C.
final class DecimalParser {
  /// The locale "C", put in force around strtod for this thread: the program this library is part of may have chosen
  /// one with a decimal comma.
  private let locale = newlocale(1 << LC_NUMERIC, "C", nil)

  deinit {
    if let locale { freelocale(locale) }
  }

  /// Reads `count` bytes; the byte after them must be NUL.
  func parse(_ text: UnsafePointer<UInt8>, _ count: Int) -> CellValue {
    var position = 0
    var end = count
    while position < end, isBlank(text[position]) { position += 1 }
    while end > position, isBlank(text[end - 1]) { end -= 1 }
    if position == end { return .missing }
    let start = position

    let negative = text[position] == UInt8(ascii: "-")
    if negative || text[position] == UInt8(ascii: "+") { position += 1 }

    // Nineteen digits always fit into 64 bits; whatever needs more goes to strtod.
    var mantissa: UInt64 = 0
    var significant = 0
    var exponent = 0
    let integerStart = position
    while position < end, case let digit = text[position] &- 48, digit <= 9 {
      if significant < 19 { mantissa = mantissa &* 10 &+ UInt64(digit) }
      significant += mantissa == 0 ? 0 : 1
      position += 1
    }
    var digits = position - integerStart
    if position < end, text[position] == UInt8(ascii: ".") {
      position += 1
      let fractionStart = position
      while position < end, case let digit = text[position] &- 48, digit <= 9 {
        if significant < 19 { mantissa = mantissa &* 10 &+ UInt64(digit) }
        significant += mantissa == 0 ? 0 : 1
        position += 1
      }
      digits += position - fractionStart
      exponent = fractionStart - position
    }
    guard digits > 0 else { return word(text + start, end - start) }
    if position < end, text[position] | 0x20 == UInt8(ascii: "e") {
      position += 1
      var exponentNegative = false
      if position < end, text[position] == UInt8(ascii: "-") || text[position] == UInt8(ascii: "+") {
        exponentNegative = text[position] == UInt8(ascii: "-")
        position += 1
      }
      let exponentStart = position
      var written = 0
      while position < end, case let digit = text[position] &- 48, digit <= 9 {
        if written < 100_000 { written = written * 10 + Int(digit) }
        position += 1
      }
      guard position > exponentStart else { return .text }
      exponent += exponentNegative ? -written : written
    }
    guard position == end else { return .text }

    // Clinger's case: both factors are exact doubles, so the one rounding of the operation is the right one.
    if significant <= 19, mantissa <= 1 << 53, exponent >= -22, exponent <= 22 {
      let magnitude =
        exponent < 0 ? Double(mantissa) / powersOfTen[-exponent] : Double(mantissa) * powersOfTen[exponent]
      return .number(negative ? -magnitude : magnitude)
    }
    let value = UnsafeRawPointer(text + start).withMemoryRebound(to: CChar.self, capacity: count) { nearest($0) }
    return value.isFinite ? .number(value) : .notFinite
  }

  private func nearest(_ text: UnsafePointer<CChar>) -> Double {
    guard let locale else { return strtod(text, nil) }
    let previous = uselocale(locale)
    defer { _ = uselocale(previous) }
    return strtod(text, nil)
  }

  private func isBlank(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
  }

  /// What a cell that is no number says; `count` > 0 bytes without blanks around them.
  private func word(_ text: UnsafePointer<UInt8>, _ count: Int) -> CellValue {
    guard count <= 9 else { return .text }
    let cell = String(decoding: UnsafeBufferPointer(start: text, count: count), as: UTF8.self).lowercased()
    if missingWords.contains(cell) { return .missing }
    return notFiniteWords.contains(cell) ? .notFinite : .text
  }
}

private let missingWords: Set<String> = ["na", "nan", "+nan", "-nan", "null", "?"]
private let notFiniteWords: Set<String> = ["inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"]

/// 10⁰ … 10²², the powers that are doubles.
private let powersOfTen: [Double] = [
  1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
  1e21, 1e22,
]
