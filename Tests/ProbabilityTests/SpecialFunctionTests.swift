import BNNProbability
import BNNTestSupport
import Testing

/// GSL's own estimates for these functions are a few ε of the terms added; 20ε allows for ten of them.
/// Near a zero of the function the terms, of size 1, decide, not the value.
@Suite struct SpecialFunctionTests {
  private func expectClose(_ value: Double, _ row: Reference, floor: Double = 0) {
    let bound = 20 * epsilon * max(row.value.magnitude, floor)
    #expect((value - row.value).magnitude <= bound, "\(row)")
  }

  @Test func theFixtureIsThere() {
    let names = ["logGamma", "digamma", "logOnePlus", "logNormalCDF", "normalCDF", "studentCDF", "fUpperTail"]
    for name in names { #expect(Reference.rows(name).count >= 9, "\(name)") }
    for name in ["chiSquaredUpperTail", "chiSquaredQuantile", "studentQuantile"] {
      #expect(Reference.rows(name).count >= 20, "\(name)")
    }
  }

  @Test(arguments: Reference.rows("logGamma"))
  func logGamma(row: Reference) throws {
    // GSL expands about the zeros 1 and 2, so that relative accuracy holds there as well.
    expectClose(try SpecialFunctions.logGamma(row.arguments[0]), row)
  }

  @Test(arguments: Reference.rows("digamma"))
  func digamma(row: Reference) throws {
    expectClose(try SpecialFunctions.digamma(row.arguments[0]), row)
  }

  @Test(arguments: Reference.rows("logOnePlus"))
  func logOnePlus(row: Reference) throws {
    expectClose(try SpecialFunctions.logOnePlus(row.arguments[0]), row)
  }

  /// log erfc(−z/√2) − log 2: for z > 0 both are about 0.69, so 0.69 is the size that rounding knows.
  @Test(arguments: Reference.rows("logNormalCDF"))
  func logNormalCDF(row: Reference) throws {
    expectClose(try SpecialFunctions.logNormalCDF(row.arguments[0]), row, floor: 0.7)
  }

  /// Γ(x + 1) = xΓ(x) and ψ(x + 1) = ψ(x) + 1/x.
  @Test(arguments: Gen.seeds(20))
  func recurrences(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let x = 0.1 + 50 * gen.stream.uniform()
    let step = try SpecialFunctions.digamma(x + 1) - SpecialFunctions.digamma(x)
    // Terms of size up to |ψ(0.1)| = 10.4 cancel.
    #expect((step - 1 / x).magnitude <= 20 * epsilon * 11)
    let ratio = try SpecialFunctions.logGamma(x + 1) - SpecialFunctions.logGamma(x)
    // ln x by the other function; ln Γ reaches 148 at 50.
    #expect((ratio - (try SpecialFunctions.logOnePlus(x - 1))).magnitude <= 20 * epsilon * 150)
  }
}
