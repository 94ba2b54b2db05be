import BNNModels
import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The predictive distribution of a count whose log rate is Gaussian, Y | f ~ Poisson(e^f), f ~ N(m, v): the
/// Poisson–lognormal mixture.
///
///     mean λ = e^{m + v/2},   variance λ (aleatoric) + λ²(e^v − 1) (epistemic)
///
/// Probabilities by the trapezoidal rule, which converges exponentially for the bell-shaped analytic integrands here
/// (Trefethen & Weideman 2014): errors are those of rounding in y log y and lnΓ, about 10⁻¹³ + 10⁻¹⁵ y log y relative.
/// 100 to 1,000 exponentials each.
public struct CountPredictive: AmountPredictive, Equatable {
  /// m and v of the log rate.
  public let logRateMean: Double
  public let logRateVariance: Double

  /// - Throws: `UpdateError.notFinite` for m above 690 (rates beyond every double) or what is not finite.
  public init(logRateMean m: Double, logRateVariance v: Double) throws {
    guard m <= 690, m.isFinite, v.isFinite else { throw UpdateError.notFinite("the predicted rate of a count") }
    logRateMean = m
    logRateVariance = max(0, v)
  }

  public static var isDiscrete: Bool { true }
  public var mean: Double { exp(logRateMean + 0.5 * logRateVariance) }
  public var aleatoricVariance: Double { mean }
  public var epistemicVariance: Double { mean * mean * expm1(logRateVariance) }
  public var standardDeviation: Double? { (aleatoricVariance + epistemicVariance).squareRoot() }

  /// Where the trapezoidal rule stops: e^{−45} = 3e-20.
  private static let depth = 45.0

  /// The least step: the integrands are analytic and bounded for |Im f| < π/2 only.
  private static let coarsest = 0.25

  /// log P(Y = y), −∞ for what is no count. Around the integrand's mode, with a quarter of its width as the step.
  public func logDensity(_ y: Double) throws -> Double {
    let (m, v) = (logRateMean, logRateVariance)
    guard v > 0, y >= 0, y.isFinite, y.rounded() == y else { return PoissonLikelihood.logDensity(y, logRate: m) }
    // e^f + (f − m)/v − y is convex and not negative at the start: Newton comes down to the root without passing it.
    var mode = max(m, log(y))
    for _ in 0..<2000 {
      let rate = exp(mode)
      let step = (rate + (mode - m) / v - y) / (rate + 1 / v)
      mode -= step
      if step <= 1e-9 * max(1, mode.magnitude) { break }
    }
    let rate = exp(mode)
    let width = 1 / (rate + 1 / v).squareRoot()
    // log of integrand over its value at the mode.
    let fall = { (t: Double) in y * t - rate * expm1(t) - t * (t + 2 * (mode - m)) / (2 * v) }
    let step = min(width / 4, Self.coarsest)
    let area =
      step
      * Self.sum(step: step) {
        exp(fall($0))
      } whileAbove: {
        fall($0) > -Self.depth
      }
    return PoissonLikelihood.logDensity(y, logRate: mode) - (mode - m) * (mode - m) / (2 * v)
      - 0.5 * log(2 * Double.pi * v) + log(area)
  }

  /// P(Y ≤ y) = P(e^f ≤ G), G ~ Gamma(⌊y⌋ + 1): the mean over the narrower of log G and f of the other's distribution
  /// function.
  public func cumulative(_ y: Double) throws -> Double {
    guard y >= 0 else { return y.isNaN ? .nan : 0 }
    guard y.isFinite else { return 1 }
    let shape = y.rounded(.down) + 1
    let (m, deviation) = (logRateMean, logRateVariance.squareRoot())
    guard deviation > 0 else { return try Distributions.gammaUpperTail(exp(m), shape: shape) }
    if deviation * shape.squareRoot() >= 1 {
      let center = log(shape)
      let fall = { (t: Double) in shape * (t - expm1(t)) }
      let step = min(0.25 / shape.squareRoot(), Self.coarsest)
      let above = { (t: Double) in fall(t) > -Self.depth }
      let total = Self.sum(step: step) {
        exp(fall($0))
      } whileAbove: {
        above($0)
      }
      let part = Self.sum(step: step) {
        exp(fall($0)) * Distributions.normalCDF((center + $0 - m) / deviation)
      } whileAbove: {
        above($0)
      }
      return min(1, part / total)
    }
    let step = min(0.25, Self.coarsest / deviation)
    let above = { (z: Double) in 0.5 * z * z < Self.depth }
    let total = Self.sum(step: step) {
      exp(-0.5 * $0 * $0)
    } whileAbove: {
      above($0)
    }
    let part = try Self.sum(step: step) {
      try exp(-0.5 * $0 * $0) * Distributions.gammaUpperTail(exp(m + deviation * $0), shape: shape)
    } whileAbove: {
      above($0)
    }
    return min(1, part / total)
  }

  /// The least count with P(Y ≤ y) ≥ p.
  public func quantile(_ p: Double) throws -> Double {
    let z = try Distributions.normalQuantile(p)
    let rate = exp(logRateMean + z * logRateVariance.squareRoot())
    // Plus zero: the least count is 0, not −0.
    var high = max(0, (rate + z * rate.squareRoot()).rounded()) + 0
    guard high.isFinite else { throw UpdateError.notFinite("a quantile of a count") }
    var low = high
    var reach = max(1, (0.1 * rate.squareRoot()).rounded())
    while try cumulative(high) < p {
      low = high
      high += reach
      reach *= 2
      guard high.isFinite else { throw UpdateError.notFinite("a quantile of a count") }
    }
    while low >= 0, try cumulative(low) >= p {
      high = low
      low -= reach
      reach *= 2
    }
    return try Bisection.leastCount(above: max(-1, low), upTo: high) { try cumulative($0) >= p }
  }

  /// Not computed.
  public static func crps(pooling components: [CountPredictive], _ y: Double) throws -> Double? { nil }

  /// Σ value(j·step) over all whole j from 0 outwards to either side while `condition` holds.
  private static func sum(
    step: Double, _ value: (Double) throws -> Double, whileAbove condition: (Double) -> Bool
  ) rethrows -> Double {
    var sum = try value(0)
    for direction in [step, -step] {
      var t = direction
      while condition(t) {
        sum += try value(t)
        t += direction
      }
    }
    return sum
  }
}

enum Bisection {
  /// The least whole number in (low, high] where a condition holds that holds from some number on, and at `high`.
  static func leastCount(above low: Double, upTo high: Double, _ holds: (Double) throws -> Bool) rethrows -> Double {
    var (low, high) = (low, high)
    while true {
      let middle = (low + 0.5 * (high - low)).rounded(.down)
      guard middle > low, middle < high else { return high }
      if try holds(middle) { high = middle } else { low = middle }
    }
  }
}
