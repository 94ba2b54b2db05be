import Foundation

/// How far a number may be from the one on the page: |a − b| ≤ max(absolute, relative·max(|a|, |b|)).
struct Tolerance: Sendable, Equatable {
  var relative = 1e-6
  var absolute = 0.0

  func accepts(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= max(absolute, relative * max(abs(a), abs(b))) }
}

/// A line of output cut into what is compared in one piece.
enum Token: Equatable {
  /// A number that is no part of a word, with its spelling.
  case number(Double, String)
  /// A run of spaces; all are alike, since the width of a number moves columns.
  case space
  /// Any other character: words are compared letter by letter.
  case letter(Character)
  /// `[..]`: anything, also nothing.
  case wildcard

  static func tokens(of line: String, wildcards: Bool) -> [Token] {
    var result: [Token] = []
    var rest = Substring(line)
    while let first = rest.first, first == " " { rest.removeFirst() }
    while let last = rest.last, last.isWhitespace { rest.removeLast() }
    if line.first == " " { result.append(.space) }
    var inWord = false
    while let next = rest.first {
      if wildcards, rest.hasPrefix("[..]") {
        result.append(.wildcard)
        rest = rest.dropFirst(4)
        inWord = false
      } else if next == " " {
        result.append(.space)
        rest = rest.drop { $0 == " " }
        inWord = false
      } else if !inWord, let match = rest.prefixMatch(of: #/[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?/#),
        !isWord(rest[match.range.upperBound...].first), let value = Double(match.0)
      {
        result.append(.number(value, String(match.0)))
        rest = rest[match.range.upperBound...]
        inWord = true
      } else {
        result.append(.letter(next))
        inWord = isWord(next)
        rest.removeFirst()
      }
    }
    return result
  }

  private static func isWord(_ character: Character?) -> Bool {
    guard let character else { return false }
    return character.isLetter || character.isNumber || character == "_"
  }

  /// Whole numbers are counts and are compared exactly, other numbers within the tolerance, all else letter by letter.
  func matches(_ actual: Token, _ tolerance: Tolerance) -> Bool {
    switch (self, actual) {
    case (.number(let a, let one), .number(let b, let other)):
      let whole = one.allSatisfy(\.isNumber) && other.allSatisfy(\.isNumber)
      return whole ? a == b : tolerance.accepts(a, b)
    default: return self == actual
    }
  }
}

/// Compares what a page says with what came out.
enum Comparison {
  /// The first line that differs, in words; nil when all agree.
  ///
  /// A line `...` of the page stands for any lines, also none.
  static func difference(page: [String], output: [String], _ tolerance: Tolerance) -> String? {
    let page = trimmed(page)
    let output = trimmed(output)
    var furthest = (page: 0, output: 0)
    func follows(_ i: Int, _ j: Int) -> Bool {
      if i + j > furthest.page + furthest.output { furthest = (i, j) }
      guard i < page.count else { return j == output.count }
      if page[i] == "..." { return (j...output.count).contains { follows(i + 1, $0) } }
      guard j < output.count, agree(page[i], output[j], tolerance) else { return false }
      return follows(i + 1, j + 1)
    }
    if follows(0, 0) { return nil }
    let said = furthest.page < page.count ? "\"\(page[furthest.page])\"" : "nothing more"
    let came = furthest.output < output.count ? "\"\(output[furthest.output])\"" : "nothing more"
    return "the page says \(said), the run says \(came)"
  }

  /// One line of the page, in which `[..]` stands for any text, against one line of output.
  static func agree(_ page: String, _ output: String, _ tolerance: Tolerance) -> Bool {
    let expected = Token.tokens(of: page, wildcards: true)
    let actual = Token.tokens(of: output, wildcards: false)
    // reachable[j]: the tokens so far can stand for the first j tokens of the output.
    var reachable = [Bool](repeating: false, count: actual.count + 1)
    reachable[0] = true
    for token in expected {
      var next = [Bool](repeating: false, count: actual.count + 1)
      if token == .wildcard {
        if let first = reachable.firstIndex(of: true) { for j in first...actual.count { next[j] = true } }
      } else {
        for j in actual.indices where reachable[j] && token.matches(actual[j], tolerance) { next[j + 1] = true }
      }
      reachable = next
    }
    return reachable[actual.count]
  }

  private static func trimmed(_ lines: [String]) -> [String] {
    var lines = lines
    while lines.last?.allSatisfy(\.isWhitespace) == true { lines.removeLast() }
    return lines
  }
}
