import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@Suite struct TwoSampleTestsTests {
  /// SciPy 1.x: stats.kstwobign.sf.
  @Test(arguments: [
    (0.3, 0.9999906941986655), (0.5, 0.9639452436648751), (0.8276, 0.49995841656354456), (1.0, 0.26999967167735456),
    (1.19, 0.11774229287977166), (1.21, 0.10697010207551334), (1.63, 0.009846364888486529),
    (2.5, 7.453306344157342e-06), (4, 2.532833109818835e-14),
  ])
  func kolmogorov(lambda: Double, tail: Double) {
    // Both series end where terms are below 1e-20 of the sum; the small tail of the second is 1 minus a number near 1.
    #expect(abs(TwoSampleTests.kolmogorovUpperTail(lambda) - tail) <= 1e-13 * tail + 4 * epsilon)
  }

  /// Uniform samples of 10 and 15: at the 5 % point of the statement the true share of larger distances is within the 2 % that
  /// Stephens states; 20,000 pairs have a standard error of 0.15 %.
  @Test func smallSamples() {
    var gen = Gen(seed: 3)
    var alarms = 0
    for _ in 0..<20_000 {
      let a = gen.normals(10).sorted()
      let b = gen.normals(15).sorted()
      let distance =
        (a + b).map { x in
          abs(Double(a.count { $0 <= x }) / 10 - Double(b.count { $0 <= x }) / 15)
        }.max() ?? 0
      if TwoSampleTests.kolmogorovSmirnov(distance: distance, 10, 15) < 0.05 { alarms += 1 }
    }
    #expect(abs(Double(alarms) / 20_000 - 0.05) < 0.02)
  }

  /// SciPy 1.x: stats.chi2_contingency without correction, bins pooled by hand as the rule says (of 1,000 against 100 rows, 55).
  @Test func homogeneity() throws {
    let four = try TwoSampleTests.homogeneity([40, 30, 20, 10], [10, 25, 30, 35])
    #expect(relativeDifference(four, 1.6765420958149007e-07) < 1e-12)
    let pooled = try TwoSampleTests.homogeneity([900, 60, 30, 4, 3, 3], [70, 20, 6, 2, 1, 1])
    let by = try TwoSampleTests.homogeneity([900, 70, 60], [70, 20, 10])
    #expect(relativeDifference(by, 2.5947832967506767e-06) < 1e-11)
    // 3 + 1, 3 + 1, 4 + 2 and 36 come to 50: they join the 80.
    let joined = try TwoSampleTests.homogeneity([900, 100], [70, 30])
    #expect(relativeDifference(pooled, joined) < 1e-12)
    #expect(try TwoSampleTests.homogeneity([5, 0], [7, 0]) == 1)
    #expect(try TwoSampleTests.homogeneity([5, 2], [0, 0]) == 1)
    // Half the weight is half the rows.
    let halved = try TwoSampleTests.homogeneity([80, 60, 40, 20], [20, 50, 60, 70], effective: 100, 100)
    #expect(relativeDifference(halved, four) < 1e-12)
  }

  /// Four of 20 in a bin that 1,000 rows never met: 2·hypergeom.sf(3, 1020, 4, 20) of SciPy.
  @Test func newValuesInAFewRows() throws {
    let p = try TwoSampleTests.homogeneity([1000, 0], [16, 4])
    #expect(relativeDifference(p, 2.1611849376625255e-07) < 1e-9)
  }

  @Test func holm() {
    #expect(TwoSampleTests.holm([0.004, 0.5, 0.0026, 0.001], level: 0.01) == [true, false, true, true])
    // The second smallest is above 0.01/3, which ends it for the third.
    #expect(TwoSampleTests.holm([0.0045, 0.5, 0.0034, 0.001], level: 0.01) == [false, false, false, true])
    #expect(TwoSampleTests.holm([], level: 0.01).isEmpty)
  }
}

@Suite struct SampleMomentsTests {
  /// Squares of normal numbers, of which as many are known as are asked about: F itself.
  @Test func meansOfSquares() throws {
    let known = SampleMoments(count: 40, mean: 1.7, variance: 2 * 1.7 * 1.7, skewness: 8.0.squareRoot())
    #expect(known.excessOfSquares == 1)
    for m in [0.5, 1.7, 3] {
      #expect(
        relativeDifference(
          try known.upperTail(ofMeanSquare: m, of: 25), try Distributions.fUpperTail(m / 1.7, 25, 40)) < 1e-14)
    }
    // Twice the scatter: as half as many numbers; less than that of normal ones is not believed.
    let heavy = SampleMoments(count: 40, mean: 1, variance: 4, skewness: 5)
    #expect(try heavy.upperTail(ofMeanSquare: 2, of: 30) == (try Distributions.fUpperTail(2, 15, 20)))
    #expect(SampleMoments(count: 40, mean: 1, variance: 1, skewness: 1).excessOfSquares == 1)
    #expect(try known.upperTail(ofMeanSquare: 2, of: 0) == 0)
  }

  /// Squares of normal numbers, 60 known and 60 more: at a level of 1 % the share called larger stays within 6 standard errors of it over
  /// 4,000 sets; taking the known mean for normal does not.
  @Test func squaresFromFew() throws {
    var stream = RandomStream(seed: 12)
    func squares(_ n: Int) -> [Double] { stream.normals(n).map { $0 * $0 } }
    let sets = 4000
    var found = (f: 0, gamma: 0)
    for _ in 0..<sets {
      let known = try #require(SampleMoments(squares(60), counts: [Int](repeating: 1, count: 60)))
      let mean = squares(60).reduce(0, +) / 60
      if try known.upperTail(ofMeanSquare: mean, of: 60) < 0.01 { found.f += 1 }
      if try known.upperTail(ofMean: mean, of: 60) < 0.01 { found.gamma += 1 }
    }
    let bound = 0.01 + 6 * (0.01 * 0.99 / Double(sets)).squareRoot()
    #expect(Double(found.f) / Double(sets) < bound, "\(found)")
    #expect(Double(found.gamma) / Double(sets) > bound, "\(found)")
  }

  @Test func moments() throws {
    let own = try #require(SampleMoments([1, 2, 6], counts: [2, 1, 1]))
    // 1, 1, 2, 6: mean 2.5, squares 1.5² + 1.5² + 0.5² + 3.5² = 17, cubes −6.75 − 0.125 + 42.875 = 36.
    #expect(own.count == 4 && own.mean == 2.5)
    #expect(relativeDifference(own.variance, 17.0 / 3) < 4 * epsilon)
    #expect(relativeDifference(own.skewness, 9 / pow(4.25, 1.5)) < 8 * epsilon)
    #expect(SampleMoments([1], counts: [1]) == nil)
  }

  /// Sums of squares of n normal numbers are χ²_n: a gamma distribution, which the statement is then exactly.
  @Test(arguments: [1.0, 7, 300]) func gammaIsExact(n: Double) throws {
    let squares = SampleMoments(count: 1e300, mean: 1, variance: 2, skewness: 8.0.squareRoot())
    for mean in [0.2, 1, 1.3, 4] {
      let tail = try squares.upperTail(ofMean: mean, of: n)
      let exact = try Distributions.chiSquaredUpperTail(n * mean, degreesOfFreedom: n)
      #expect(abs(tail - exact) < 1e-12)
    }
  }

  @Test func symmetricIsStudents() throws {
    let own = SampleMoments(count: 400, mean: 3, variance: 4, skewness: 0)
    // Standard error √(4(1/100 + 1/400)).
    let error = (4.0 / 100 + 4.0 / 400).squareRoot()
    let t = try Distributions.studentCDF(-2, degreesOfFreedom: 399)
    #expect(abs(try own.upperTail(ofMean: 3 + 2 * error, of: 100) - t) < 1e-14)
    // Of more numbers than are known of their source the difference leans to the left, and no tail ends.
    let known = SampleMoments(count: 10, mean: 1, variance: 2, skewness: 3)
    #expect(try known.upperTail(ofMean: 40, of: 1e6) > 0)
    let centred = SampleMoments(count: 400, mean: 0.05, variance: 4, skewness: 0)
    #expect(centred.squaredBias == 0)
    #expect(abs(try centred.bothTails(ofMean: -2 * error, of: 100) - 2 * t) < 1e-14)
    // 3² less 4/400 more.
    #expect(abs(own.squaredBias - 8.99) < 1e-12)
    let wide = (error * error + 8.99).squareRoot()
    #expect(abs(try own.bothTails(ofMean: 2 * wide, of: 100) - 2 * t) < 1e-14)
    // 4/100 + 0.3² = 0.13.
    #expect(
      relativeDifference(SampleMoments(count: 100, mean: 1, variance: 4, skewness: 0).widened(by: 0.3).count, 4 / 0.13)
        < 1e-14)
    let constant = SampleMoments(count: 9, mean: 1, variance: 0, skewness: 0)
    #expect(try constant.upperTail(ofMean: 1, of: 3) == 1)
    #expect(try constant.upperTail(ofMean: 2, of: 3) == 0)
  }
}
