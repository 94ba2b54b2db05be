import BNNLinearAlgebra
import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The predictive distribution of a target with mean and log variance (μ, s) ~ N(m, S), Y | μ, s ~ N(μ, e^s).
///
///     E Y = m_μ,   Var Y = S_μμ (epistemic) + E e^s = e^{m_s + S_ss/2} (aleatoric)
///     Y | s ~ N(m_μ + (S_μs/S_ss)(s − m_s), S_μμ − S_μs²/S_ss + e^s)
///
/// The moments are exact. (Of drawn weights, (μ, s) are the draws.) Density, distribution function, quantiles and CRPS are those of the finite mixture of normals
/// that the trapezoidal rule over s makes of the last line; it converges exponentially, and the step (½ of s's
/// deviation, at most ¼, and half a component's width where the mean moves with s) leaves 10⁻⁹ of the density's
/// maximum, less usually.
public struct HeteroscedasticPredictive: AmountPredictive, Equatable {
  public let mean: Double
  public let epistemicVariance: Double
  public let aleatoricVariance: Double
  /// The mixture: weights sum to 1.
  let weights: [Double]
  let locations: [Double]
  let deviations: [Double]

  /// - Parameters:
  ///   - f: outputs of a row, (μ_1 … μ_T, s_1 … s_T).
  ///   - target: t.
  ///   - center, scale: of the target in its own units, y = center + scale · (normalised y).
  /// - Throws: `UpdateError.notFinite` when a moment overflows.
  public init(_ f: OutputGaussian, target t: Int = 0, center: Double = 0, scale: Double = 1) throws {
    let targets = f.mean.count / 2
    precondition(f.mean.count == 2 * targets && t < targets, "two outputs for every target")
    let s = targets + t
    let (variance, spread) = (max(0, f.covariance[t, t]), max(0, f.covariance[s, s]).squareRoot())
    mean = center + scale * f.mean[t]
    epistemicVariance = scale * scale * variance
    aleatoricVariance = scale * scale * exp(f.mean[s] + 0.5 * spread * spread)
    guard mean.isFinite, epistemicVariance.isFinite, aleatoricVariance.isFinite else {
      throw UpdateError.notFinite("a prediction")
    }
    // The mean's shift for one deviation of s, and what is left of its variance.
    let shift = spread > 0 ? f.covariance[t, s] / spread : 0
    let rest = max(0, variance - shift * shift)
    let least = (rest + exp(f.mean[s] - 3 * spread)).squareRoot()
    let step = spread > 0 ? max(Self.finest, min(0.5, 0.25 / spread, shift == 0 ? 0.5 : 0.5 * least / abs(shift))) : 1
    let reach = spread > 0 ? Int((Self.range / step).rounded(.up)) : 0
    let z = (-reach...reach).map { Double($0) * step }
    let densities = z.map { exp(-0.5 * $0 * $0) }
    let total = densities.reduce(0, +)
    weights = densities.map { $0 / total }
    locations = z.map { center + scale * (f.mean[t] + shift * $0) }
    deviations = z.map { abs(scale) * (rest + exp(f.mean[s] + spread * $0)).squareRoot() }
  }

  /// From draws of a row's outputs, all counting alike: a normal distribution each.
  ///
  /// - Throws: `UpdateError.notFinite` when a moment overflows.
  init(averaging draws: [[Double]], target t: Int = 0, center: Double = 0, scale: Double = 1) throws {
    let count = Double(draws.count)
    let s = (draws.first?.count ?? 0) / 2 + t
    locations = draws.map { center + scale * $0[t] }
    deviations = draws.map { abs(scale) * exp(0.5 * $0[s]) }
    weights = [Double](repeating: 1 / count, count: draws.count)
    let middle = locations.reduce(0, +) / count
    mean = middle
    epistemicVariance = locations.reduce(0) { $0 + ($1 - middle) * ($1 - middle) } / count
    aleatoricVariance = deviations.reduce(0) { $0 + $1 * $1 } / count
    guard mean.isFinite, epistemicVariance.isFinite, aleatoricVariance.isFinite else {
      throw UpdateError.notFinite("a prediction")
    }
  }

  /// In deviations of s: beyond is 10⁻¹⁶.
  private static let range = 8.3
  /// The least step: 1,661 components at most.
  private static let finest = 0.01

  public var standardDeviation: Double? { (epistemicVariance + aleatoricVariance).squareRoot() }

  public func logDensity(_ y: Double) throws -> Double {
    var highest = -Double.infinity
    let logs = weights.indices.map { k in
      let z = (y - locations[k]) / deviations[k]
      let value = log(weights[k]) - 0.5 * z * z - log(deviations[k])
      highest = max(highest, value)
      return value
    }
    guard highest > -.infinity else { return highest }
    return highest + log(logs.reduce(0) { $0 + exp($1 - highest) }) - 0.918_938_533_204_672_7
  }

  public func cumulative(_ y: Double) throws -> Double {
    weights.indices.reduce(0) { $0 + weights[$1] * Distributions.normalCDF((y - locations[$1]) / deviations[$1]) }
  }

  public func quantile(_ p: Double) throws -> Double {
    let z = try Distributions.normalQuantile(p)
    let own = weights.indices.map { locations[$0] + z * deviations[$0] }
    guard let low = own.min(), let high = own.max(), low < high else { return own[0] }
    if try cumulative(low) >= p { return low }
    if try cumulative(high) <= p { return high }
    return try RootFinding.brent(low, high) { y in ((try? cumulative(y)) ?? .nan) - p }
  }

  /// `NormalMixture.crps` of the pooled mixture.
  public static func crps(pooling components: [HeteroscedasticPredictive], _ y: Double) throws -> Double? {
    let count = Double(components.count)
    return NormalMixture(
      weights: components.flatMap { $0.weights.map { $0 / count } }, locations: components.flatMap(\.locations),
      deviations: components.flatMap(\.deviations)
    ).crps(y)
  }
}
