import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The mixture of Student-t predictives.
public typealias PredictiveMixture = Pool<PredictiveDistribution>

/// The equally weighted mixture (1/K) Σ p_k of the members' predictives: an opinion pool, not a posterior. With one
/// member it is that member.
public struct Pool<Component: AmountPredictive>: Sendable {
  public let components: [Component]

  public init(_ components: [Component]) {
    precondition(!components.isEmpty, "a mixture needs a component")
    self.components = components
  }

  private func average(_ value: (Component) throws -> Double) rethrows -> Double {
    try components.reduce(0) { try $0 + value($1) } / Double(components.count)
  }

  public var mean: Double { average(\.mean) }

  /// Mean of the members' aleatoric variances.
  public var aleatoricVariance: Double { average(\.aleatoricVariance) }

  /// Mean of the members' epistemic variances and the variance of their means.
  public var epistemicVariance: Double {
    let center = mean
    return average { $0.epistemicVariance + ($0.mean - center) * ($0.mean - center) }
  }

  /// √ of the mixture's variance; nil where a member has none.
  public var standardDeviation: Double? {
    let center = mean
    var sum = 0.0
    for component in components {
      guard let sd = component.standardDeviation else { return nil }
      sum += sd * sd + (component.mean - center) * (component.mean - center)
    }
    return (sum / Double(components.count)).squareRoot()
  }

  /// log of the mean density, nats.
  public func logDensity(_ y: Double) throws -> Double {
    let values = try components.map { try $0.logDensity(y) }
    guard let highest = values.max(), values.count > 1, highest > -.infinity else { return values[0] }
    return highest + log(values.reduce(0) { $0 + exp($1 - highest) } / Double(values.count))
  }

  /// P(Y ≤ y).
  public func cumulative(_ y: Double) throws -> Double { try average { try $0.cumulative(y) } }

  /// y with P(Y ≤ y) = p: closed form for one member, else the root between the members' own quantiles.
  public func quantile(_ p: Double) throws -> Double {
    let own = try components.map { try $0.quantile(p) }
    guard let low = own.min(), let high = own.max(), low < high else { return own[0] }
    // Where the members' quantiles agree but for rounding, so may the signs at the ends.
    if try cumulative(low) >= p { return low }
    if try cumulative(high) <= p { return high }
    if Component.isDiscrete { return try Bisection.leastCount(above: low, upTo: high) { try cumulative($0) >= p } }
    return try RootFinding.brent(low, high) { y in ((try? cumulative(y)) ?? .nan) - p }
  }

  /// ∫ (F̄(t) − 1{t ≥ y})² dt, the continuous ranked probability score of an observation; nil where a member has none.
  public func crps(_ y: Double) throws -> Double? { try Component.crps(pooling: components, y) }
}

extension Pool: Equatable where Component: Equatable {}

extension Pool: AmountPredictive {
  public static var isDiscrete: Bool { Component.isDiscrete }

  /// nil for pools of different sizes.
  public static func crps(pooling pools: [Pool], _ y: Double) throws -> Double? {
    guard Set(pools.map(\.components.count)).count == 1 else { return nil }
    return try Component.crps(pooling: pools.flatMap(\.components), y)
  }
}

extension PredictiveDistribution {
  /// The members' closed forms, less what pooling gains, which is smooth in t and does not depend on y:
  ///
  ///     CRPS(F̄, y) = (1/K) Σ_k CRPS(F_k, y) − (1/K) Σ_k ∫ (F_k(t) − F̄(t))² dt
  ///
  /// Of normal distributions alone `NormalMixture.crps`.
  public static func crps(pooling components: [PredictiveDistribution], _ y: Double) throws -> Double? {
    if components.count > 1, components.allSatisfy({ !$0.degreesOfFreedom.isFinite }) {
      return NormalMixture(
        weights: components.map { _ in 1 / Double(components.count) }, locations: components.map(\.location),
        deviations: components.map(\.scale)
      ).crps(y)
    }
    var sum = 0.0
    for component in components {
      guard let own = try component.crps(y) else { return nil }
      sum += own
    }
    return try (sum - spread(of: components)) / Double(components.count)
  }

  /// Σ_k ∫ (F_k(t) − F̄(t))² dt to some 10⁻⁸ of the members' scale.
  private static func spread(of components: [PredictiveDistribution]) throws -> Double {
    guard components.count > 1 else { return 0 }
    let count = Double(components.count)
    let center = components.reduce(0) { $0 + $1.location } / count
    let unit = components.reduce(0) { $0 + $1.scale } / count
    let knots = components.flatMap { own in
      [-8.0, 0, 8].map { (own.location - center + $0 * own.scale) / unit }
    }.sorted()
    return try unit
      * Integration.overReals(knots: knots, tolerance: 1e-9) { x in
        guard let values = try? components.map({ try $0.cumulative(center + unit * x) }) else { return .nan }
        let pooled = values.reduce(0, +) / count
        return values.reduce(0) { $0 + ($1 - pooled) * ($1 - pooled) }
      }
  }
}
