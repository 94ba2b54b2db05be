import Testing

@testable import BNNDatasets

@Suite struct DecimalParserTests {
  private let parser = DecimalParser()

  private func parse(_ text: String) -> CellValue {
    let bytes = Array(text.utf8) + [0]
    return parser.parse(bytes, bytes.count - 1)
  }

  private func expectExact(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) {
    guard let expected = Double(text), case .number(let value) = parse(text) else {
      Issue.record("\(text) is not read as a number: \(parse(text))", sourceLocation: sourceLocation)
      return
    }
    #expect(value.bitPattern == expected.bitPattern, "\(text)", sourceLocation: sourceLocation)
  }

  @Test(arguments: [
    "0", "-0", "+1", "1.", ".5", "-.5e-3", "00012.50", "1e5", "1E+05", "1e-05", "9007199254740992", "9007199254740993",
    "9007199254740995", "9007199254740993.0000000000000000000000000000000001", "1e22", "1e23", "123456789012345678",
    "1234567890123456789", "12345678901234567890", "123456789012345678901234567890", "0.1", "0.3", "2.675", "1e-22",
    "1e-23", "8.5e-22", "1.7976931348623157e308", "1.7976931348623158e308", "1e308", "4.9406564584124654e-324",
    "2.4703282292062328e-324", "2.2250738585072011e-308", "2.2250738585072014e-308", "6.631236846766476e-316",
    "5e-324", "1e-320", "0.000000000000000000000000000000000000000000001", "1.00000000000000000000000000000000000",
    "1.00000000000000011102230246251565404236316680908203125",
    "1.00000000000000011102230246251565404236316680908203124",
    "1.00000000000000011102230246251565404236316680908203126", "0e99999", "0.0e-999999", "3e-324", "100000e-330",
  ])
  func nastyNumbersAreExact(text: String) {
    expectExact(text)
  }

  @Test func randomDoublesAreExact() {
    var draws = Draws(state: 1)
    for _ in 0..<20_000 {
      let value = Double(bitPattern: draws.next())
      if value.isFinite { expectExact("\(value)") }
    }
  }

  @Test func randomDecimalsAreExact() {
    var draws = Draws(state: 2)
    for _ in 0..<50_000 {
      let digits = String(draws.next() >> (draws.next() % 64))
      let point = Int(draws.next() % UInt64(digits.count + 1))
      let sign = ["", "-", "+"][Int(draws.next() % 3)]
      let exponent = draws.next() % 2 == 0 ? "" : "e\(Int(draws.next() % 80) - 40)"
      let number = point == digits.count ? digits : "\(digits.prefix(point)).\(digits.dropFirst(point))"
      // Swift wants a digit before the point; the grammar here does not.
      let whole = sign + (number.hasPrefix(".") ? "0" + number : number) + exponent
      guard let expected = Double(whole), case .number(let value) = parse(sign + number + exponent) else {
        Issue.record("\(sign + number + exponent)")
        continue
      }
      #expect(value.bitPattern == expected.bitPattern, "\(whole)")
    }
  }

  @Test func tooSmallIsZero() {
    #expect(parse("1e-999") == .number(0))
    #expect(parse("2.4703282292062327e-324") == .number(0))
  }

  @Test(arguments: ["", "  ", "\t", "NA", "na", "NaN", "nan", "-nan", "null", "NULL", " Null ", "?"])
  func missing(text: String) {
    #expect(parse(text) == .missing)
  }

  @Test(arguments: ["inf", "-Inf", "+INFINITY", "1e999", "-1e309", "1.7976931348623159e308"])
  func notFinite(text: String) {
    #expect(parse(text) == .notFinite)
  }

  @Test(arguments: [
    "abc", "0x1p3", "0x10", "1,5", "1,000", "1 000", "1e", "1e+", "e5", ".", "-", "+", "--1", "1.2.3", "1d5", "5%",
    "n/a", "1_000", "١٢", "nan(1)", "2020-01-01", "1\0", "−1",
  ])
  func text(text: String) {
    #expect(parse(text) == .text)
  }

  @Test func blanksAroundAreTrimmed() {
    #expect(parse(" \t1.5 ") == .number(1.5))
  }
}
