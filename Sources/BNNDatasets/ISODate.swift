/// Dates and times as ISO 8601 writes them: 2011-01-31, 2011-01-31 07:45, 2011-01-31T07:45:00.5Z, …+02:00.
enum ISODate {
  /// Seconds since 1970-01-01T00:00Z in the Gregorian calendar, without leap seconds; a time without a zone counts as
  /// UTC. Nil for any other text and for days that no month has.
  static func seconds(_ text: some Collection<UInt8>) -> Double? {
    var scanner = Scanner(rest: Array(text)[...])
    guard let year = scanner.number(digits: 4), scanner.accept("-"), let month = scanner.number(digits: 2),
      scanner.accept("-"), let day = scanner.number(digits: 2), (1...12).contains(month),
      (1...length(of: month, year)).contains(day)
    else { return nil }
    var seconds = Double(daysSince1970(year, month, day)) * 86_400
    guard !scanner.rest.isEmpty else { return seconds }
    guard scanner.accept("T") || scanner.accept(" "), let hour = scanner.number(digits: 2), hour <= 24,
      scanner.accept(":"), let minute = scanner.number(digits: 2), minute < 60
    else { return nil }
    seconds += Double(hour * 3600 + minute * 60)
    if scanner.accept(":") {
      guard let second = scanner.number(digits: 2), second <= 60 else { return nil }
      seconds += Double(second)
      if scanner.accept(".") || scanner.accept(",") {
        guard let fraction = scanner.fraction() else { return nil }
        seconds += fraction
      }
    }
    if scanner.rest.isEmpty || scanner.accept("Z") { return scanner.rest.isEmpty ? seconds : nil }
    let isEast = scanner.accept("+")
    guard isEast || scanner.accept("-"), let hours = scanner.number(digits: 2) else { return nil }
    var offset = hours * 60
    if !scanner.rest.isEmpty {
      _ = scanner.accept(":")
      guard let minutes = scanner.number(digits: 2), scanner.rest.isEmpty else { return nil }
      offset += minutes
    }
    return seconds - Double(isEast ? offset : -offset) * 60
  }

  private static func length(of month: Int, _ year: Int) -> Int {
    if month == 2 { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28 }
    return [4, 6, 9, 11].contains(month) ? 30 : 31
  }

  /// Hinnant 2013, "chrono-Compatible Low-Level Date Algorithms", days_from_civil; years from 0 on.
  private static func daysSince1970(_ year: Int, _ month: Int, _ day: Int) -> Int {
    // Years begin in March, so that the leap day is the last.
    let y = month <= 2 ? year - 1 : year
    let era = (y >= 0 ? y : y - 399) / 400
    let yearOfEra = y - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  private struct Scanner {
    var rest: ArraySlice<UInt8>

    mutating func accept(_ character: Character) -> Bool {
      guard let first = rest.first, first == character.asciiValue else { return false }
      rest.removeFirst()
      return true
    }

    mutating func number(digits count: Int) -> Int? {
      let digits = rest.prefix(count)
      guard digits.count == count, digits.allSatisfy({ (48...57).contains($0) }) else { return nil }
      rest.removeFirst(count)
      return digits.reduce(0) { $0 * 10 + Int($1 - 48) }
    }

    /// The digits after a decimal point.
    mutating func fraction() -> Double? {
      let digits = rest.prefix { (48...57).contains($0) }
      rest.removeFirst(digits.count)
      return digits.isEmpty ? nil : Double("0." + String(decoding: digits, as: UTF8.self))
    }
  }
}

/// The earliest and the latest time of some rows, as the table wrote them.
public struct TimeRange: Sendable, Equatable {
  public private(set) var first: String
  public private(set) var last: String
  private var least: Double
  private var most: Double

  /// A single time: an ISO date, with or without a time of day, or a number; nil for any other text.
  init?(_ text: String) {
    guard let moment = ISODate.seconds(text.utf8) ?? Double(text), moment.isFinite else { return nil }
    (first, last, least, most) = (text, text, moment, moment)
  }

  mutating func formUnion(_ other: TimeRange) {
    if other.least < least { (first, least) = (other.first, other.least) }
    if other.most > most { (last, most) = (other.last, other.most) }
  }
}
