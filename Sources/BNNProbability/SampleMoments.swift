#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// How many numbers there were, their mean, and their central moments as variance μ₂ and skewness μ₃/μ₂^{3/2}.
public struct SampleMoments: Sendable, Equatable {
  /// What the numbers count as: less than their number where they are not independent.
  public var count: Double
  public var mean: Double
  public var variance: Double
  /// 0 where the variance is.
  public var skewness: Double

  public init(count: Double, mean: Double, variance: Double, skewness: Double) {
    self.count = count
    self.mean = mean
    self.variance = variance
    self.skewness = skewness
  }

  /// Of numbers that came `counts` times; nil for fewer than two, and where moments are not finite.
  public init?(_ values: [Double], counts: [Int], count effective: Double? = nil) {
    precondition(values.count == counts.count, "one count a number")
    let n = Double(counts.reduce(0, +))
    guard n >= 2 else { return nil }
    let mean = zip(values, counts).reduce(0) { $0 + $1.0 * Double($1.1) } / n
    var (second, third) = (0.0, 0.0)
    for (value, times) in zip(values, counts) {
      let d = value - mean
      second += Double(times) * d * d
      third += Double(times) * d * d * d
    }
    let variance = second / (n - 1)
    guard variance.isFinite, third.isFinite else { return nil }
    self.init(
      count: effective ?? n, mean: mean, variance: variance,
      skewness: second > 0 ? third / n / pow(second / n, 1.5) : 0)
  }

  /// The same where each set of numbers has a mean of its own, with this standard deviation: as few numbers as know their source's no
  /// better.
  public func widened(by deviation: Double) -> SampleMoments {
    var result = self
    if variance > 0 { result.count = variance / (variance / count + deviation * deviation) }
    return result
  }

  /// P(M > m) for the mean M of n more numbers from the same source as these, where their source's own mean is known from these
  /// only: M − mean has variance μ₂(1/n + 1/count) and skewness γ = μ₃(1/n² − 1/count²) over its 3/2th power, and its distribution
  /// is taken for a shifted gamma (Pearson's type III), which for sums of squares of normal numbers it is. Student's where γ is not
  /// above 0: a gamma to the left would end somewhere.
  public func upperTail(ofMean m: Double, of n: Double) throws(GSLError) -> Double {
    guard n > 0, variance > 0 else { return m > mean ? 0 : 1 }
    let spread = variance * (1 / n + 1 / count)
    let t = (m - mean) / spread.squareRoot()
    let third = skewness * pow(variance, 1.5) * (1 / (n * n) - 1 / (count * count))
    let gamma = third / pow(spread, 1.5)
    guard gamma > 1e-3 else { return try Distributions.studentCDF(-t, degreesOfFreedom: max(1, count - 1)) }
    let shape = 4 / (gamma * gamma)
    let x = shape + t * shape.squareRoot()
    return x > 0 ? try Distributions.gammaUpperTail(x, shape: shape) : 1
  }

  /// k = μ₂/2m² of squares e² with mean m: how much more than those of normal numbers, 1, they scatter. Tails that are lighter than normal
  /// are not believed.
  public var excessOfSquares: Double { max(1, variance / (2 * mean * mean)) }

  /// P(M > m) for the mean M of n more squares from the same source as these: M ÷ mean has the distribution F(n/k, count/k), as if each
  /// were of 1/k normal numbers (degrees of freedom as in Box 1953, "Non-normality and tests on variances"). Both means then have the
  /// heavy right tail that squares have; `upperTail(ofMean:of:)` takes the known one for normal, and so does not forgive that few
  /// numbers with a heavy tail show a mean below their source's.
  public func upperTail(ofMeanSquare m: Double, of n: Double) throws(GSLError) -> Double {
    guard n > 0, count > 0, mean > 0 else { return m > mean ? 0 : 1 }
    return try Distributions.fUpperTail(m / mean, n / excessOfSquares, count / excessOfSquares)
  }

  /// What of the square of these numbers' mean is more than chance, μ₂/count.
  public var squaredBias: Double { max(0, mean * mean - variance / count) }

  /// P(|M| > |m|) for the mean M of n more numbers about 0, by Student's t: its variance is μ₂(1/n + 1/count), and a bias that is another
  /// one for each set of numbers, of which `squaredBias` is all that is known.
  public func bothTails(ofMean m: Double, of n: Double) throws(GSLError) -> Double {
    guard n > 0, count > 1, variance > 0 else { return m == 0 ? 1 : 0 }
    let t = m / (variance * (1 / n + 1 / count) + squaredBias).squareRoot()
    return 2 * (try Distributions.studentCDF(-abs(t), degreesOfFreedom: count - 1))
  }
}
