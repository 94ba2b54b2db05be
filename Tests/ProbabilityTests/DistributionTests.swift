import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@Suite struct DistributionTests {
  /// erfc in GSL is accurate to a few ε; its argument's rounding (relative ε/2) changes a tail by z²ε.
  @Test(arguments: Reference.rows("normalCDF"))
  func normalCDF(row: Reference) {
    let z = row.arguments[0]
    let bound = (20 + z * z) * epsilon * row.value
    #expect((Distributions.normalCDF(z) - row.value).magnitude <= bound, "\(row)")
  }

  /// Exact formulas up to ν = 30, continued fractions of relative 1e-13 at worst; above, GSL's Cornish–Fisher series of
  /// five terms, in powers of t²/ν ≤ 9/31 over ν: its first omitted term is below 1e-10.
  @Test(arguments: Reference.rows("studentCDF"))
  func studentCDF(row: Reference) throws {
    let nu = row.arguments[1]
    let value = try Distributions.studentCDF(row.arguments[0], degreesOfFreedom: nu)
    #expect(relativeDifference(value, row.value) <= (nu > 30 ? 1e-10 : 1e-13), "\(row)")
  }

  /// The incomplete gamma function's prefactor x^a e^−x / Γ(a) is an exponential of terms of size a that cancel.
  @Test(arguments: Reference.rows("chiSquaredUpperTail"))
  func chiSquaredUpperTail(row: Reference) throws {
    let nu = row.arguments[1]
    let value = try Distributions.chiSquaredUpperTail(row.arguments[0], degreesOfFreedom: nu)
    #expect((value - row.value).magnitude <= (100 + 2 * nu) * epsilon * row.value, "\(row)")
  }

  @Test(arguments: Reference.rows("fUpperTail"))
  func fUpperTail(row: Reference) throws {
    let a = row.arguments
    let value = try Distributions.fUpperTail(a[0], a[1], a[2])
    // As above, with terms of size (ν1 + ν2)/2 in the exponent.
    #expect((value - row.value).magnitude <= (100 + 2 * (a[1] + a[2])) * epsilon * row.value, "\(row)")
  }

  /// GSL's Newton steps end below a relative 1e-10 and are at least quadratic; above ν = 30 the series' 1e-10 of p
  /// counts, divided by the slope of log p against log t, which is above 0.5 here.
  @Test(arguments: Reference.rows("studentQuantile"))
  func studentQuantile(row: Reference) throws {
    let value = try Distributions.studentQuantile(row.arguments[0], degreesOfFreedom: row.arguments[1])
    #expect(relativeDifference(value, row.value) <= 1e-9, "\(row)")
  }

  @Test(arguments: Reference.rows("chiSquaredQuantile"))
  func chiSquaredQuantile(row: Reference) throws {
    let value = try Distributions.chiSquaredQuantile(row.arguments[0], degreesOfFreedom: row.arguments[1])
    #expect(relativeDifference(value, row.value) <= 1e-9, "\(row)")
  }

  @Test(arguments: [1e-300, 1e-100, 1e-30, 1e-10, 1e-4, 0.01, 0.3, 0.5, 0.7, 0.99, 0.999_999])
  func normalRoundTrip(p: Double) throws {
    let z = try Distributions.normalQuantile(p)
    // A rounding of z by ε changes p by the factor z²ε (at z = −37, 1400ε); the quantile errs by a few ε itself.
    #expect(relativeDifference(Distributions.normalCDF(z), p) <= (20 + 4 * z * z) * epsilon)
  }

  /// P of the quantile is p again, to the 1e-10 at which GSL's iterations end, times the slope of log p against log t;
  /// that is ν in the tail, and below z² = 41 for normal-like tails at p ≥ 1e-10. 2ε is what "½ + …" loses.
  @Test(arguments: [0.5, 1, 2.5, 7.3, 29.9, 31, 1e3, 1e6, 1e7], [1e-10, 1e-4, 0.01, 0.3, 0.5, 0.7, 0.99, 1 - 1e-10])
  func studentRoundTrip(nu: Double, p: Double) throws {
    let t = try Distributions.studentQuantile(p, degreesOfFreedom: nu)
    let back = try Distributions.studentCDF(t, degreesOfFreedom: nu)
    #expect((back - p).magnitude <= min(nu + 1, 41) * 1e-10 * p + 2 * epsilon)
    let mirrored = try Distributions.studentQuantile(1 - p, degreesOfFreedom: nu)
    // 1 − p rounds by ε/2, which is large against a small p.
    if p > 1e-5 && p < 1 - 1e-5 { #expect((t + mirrored).magnitude <= 1e-9 * max(1, t.magnitude)) }
  }

  /// As ν grows Student's quantiles come down to the normal's, by z(z² + 1)/4ν; over the change of method at 1e8 too.
  @Test(arguments: [1e5, 9.9e7, 1.01e8, 1e12, 1e300], [1e-8, 0.025, 0.4, 0.995])
  func studentTendsToNormal(nu: Double, p: Double) throws {
    let z = try Distributions.normalQuantile(p)
    let difference = try Distributions.studentQuantile(p, degreesOfFreedom: nu) - z
    // The next term is z(5z⁴ + 16z² + 3)/96ν²; twice that, and the quantiles' own 1e-14.
    let next = z.magnitude * (5 * z * z * z * z + 16 * z * z + 3) / 96 / nu / nu
    #expect((difference - z * (z * z + 1) / (4 * nu)).magnitude <= 2 * next + 1e-13 * z.magnitude)
  }

  /// Student's distribution with 1 and 2 degrees of freedom in closed form.
  @Test(arguments: [-20, -3, -0.1, 0, 0.7, 5])
  func studentInClosedForm(t: Double) throws {
    let cauchy = 0.5 + atan(t) / .pi
    #expect((try Distributions.studentCDF(t, degreesOfFreedom: 1) - cauchy).magnitude <= 4 * epsilon)
    let two = 0.5 + t / (2 * (2 + t * t).squareRoot())
    #expect((try Distributions.studentCDF(t, degreesOfFreedom: 2) - two).magnitude <= 10 * epsilon)
  }

  /// Large ν are where GSL's quantile fails to converge.
  @Test(
    arguments: [0.3, 1, 2.5, 33.3, 1e3, 1e5, 1e7], [1e-10, 1e-4, 0.01, 0.3, 0.5, 0.7, 0.99, 1 - 1e-10])
  func chiSquaredRoundTrip(nu: Double, p: Double) throws {
    let x = try Distributions.chiSquaredQuantile(p, degreesOfFreedom: nu)
    let upper = try Distributions.chiSquaredUpperTail(x, degreesOfFreedom: nu)
    // GSL ends at a relative 1e-10 of x; x·density is at most √(ν/4π) + 1.
    let bound = 1e-10 * ((nu / (4 * .pi)).squareRoot() + 1) * min(1, 50 * min(p, 1 - p))
    #expect((upper - (1 - p)).magnitude <= bound + (4 + nu / 100) * epsilon)
  }

  /// χ² with 2 degrees of freedom is exponential: x = −2 log(1 − p).
  @Test(arguments: [1e-12, 0.1, 0.5, 0.9, 0.999])
  func chiSquaredInClosedForm(p: Double) throws {
    let x = try Distributions.chiSquaredQuantile(p, degreesOfFreedom: 2)
    #expect(relativeDifference(x, -2 * log1p(-p)) <= 1e-9)
    let upper = try Distributions.chiSquaredUpperTail(x, degreesOfFreedom: 2)
    #expect(relativeDifference(upper, exp(-x / 2)) <= 20 * epsilon)
  }

  /// Of a set of ten with four marked, three draws: P(X ≥ 2) = (6·6 + 4)/120; GSL sums at most four terms.
  @Test func hypergeometricTail() throws {
    func tail(_ k: Int, _ draws: Int, _ marked: Int) throws -> Double {
      try Distributions.hypergeometricUpperTail(k, draws: draws, marked: marked, population: 10)
    }
    #expect(abs(try tail(2, 3, 4) - 40.0 / 120) < 20 * epsilon)
    #expect(try tail(0, 3, 4) == 1)
    #expect(try tail(4, 3, 4) == 0)
    // Of nine draws at least three are among four.
    #expect(try tail(3, 9, 4) == 1)
    #expect(throws: GSLError.self) { try tail(1, 11, 4) }
  }

  /// At a whole shape a: P(G > x) = e^{−x} Σ_{k<a} x^k/k!, a sum of positive terms.
  @Test func upperTailOfGammas() throws {
    for x in [0.0, 1e-3, 1, 7.5, 40] {
      for a in [1, 2, 10, 60] {
        var (term, sum) = (exp(-x), 0.0)
        for k in 1...a {
          sum += term
          term *= x / Double(k)
        }
        let found = try Distributions.gammaUpperTail(x, shape: Double(a))
        // GSL's series and fractions for the incomplete gamma function keep about 14 digits.
        #expect((found - sum).magnitude <= 1e-13 * sum, "x = \(x), a = \(a)")
      }
    }
    #expect(try Distributions.gammaUpperTail(.infinity, shape: 3) == 0)
    #expect(try Distributions.gammaUpperTail(1e6, shape: 3) == 0)
    #expect(throws: GSLError.self) { try Distributions.gammaUpperTail(-1, shape: 3) }
    #expect(throws: GSLError.self) { try Distributions.gammaUpperTail(1, shape: 0) }
  }
}
