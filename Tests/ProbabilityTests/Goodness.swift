import BNNProbability
import BNNTestSupport
import Testing

/// Pearson's χ² of counts against expected counts; the P of exceeding it.
func chiSquaredP(_ counts: [Int], expected: [Double]) throws -> Double {
  let statistic = zip(counts, expected).reduce(0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) / $1.1 }
  return try Distributions.chiSquaredUpperTail(statistic, degreesOfFreedom: Double(counts.count - 1))
}

/// Seeds are fixed, so a test either always passes or always fails: a correct generator's chance of failing when the
/// seed was chosen is 2e-6. Also too good a fit (a P above 1 − 1e-6) is no chance.
let significance = 1e-6

func expectFits(
  _ counts: [Int], _ expected: [Double], _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let p = try chiSquaredP(counts, expected: expected)
  #expect(p > significance && p < 1 - significance, comment, sourceLocation: sourceLocation)
}

/// The sample's mean of f within 6 standard errors of its expectation (chance 2e-9 each).
func expectMean(
  _ sample: [Double], of f: (Double) -> Double = { $0 }, is mean: Double, variance: Double, _ comment: Comment? = nil,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let n = Double(sample.count)
  let estimate = sample.reduce(0) { $0 + f($1) } / n
  #expect((estimate - mean).magnitude < 6 * (variance / n).squareRoot(), comment, sourceLocation: sourceLocation)
}
