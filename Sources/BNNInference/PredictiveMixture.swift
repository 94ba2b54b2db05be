import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The equally weighted mixture (1/K) Σ t_k of the members' predictives: an opinion pool, not a posterior. With one
/// member it is that member.
public struct PredictiveMixture: Sendable, Equatable {
  public let components: [PredictiveDistribution]

  public init(_ components: [PredictiveDistribution]) {
    precondition(!components.isEmpty, "a mixture needs a component")
    self.components = components
  }

  private func average(_ value: (PredictiveDistribution) throws -> Double) rethrows -> Double {
    try components.reduce(0) { try $0 + value($1) } / Double(components.count)
  }

  public var mean: Double { average(\.location) }

  /// Mean of the members' aleatoric variances.
  public var aleatoricVariance: Double { average(\.aleatoricVariance) }

  /// Mean of the members' epistemic variances and the variance of their means.
  public var epistemicVariance: Double {
    let center = mean
    return average { $0.epistemicVariance + ($0.location - center) * ($0.location - center) }
  }

  /// √ of the mixture's variance; nil where a member has none.
  public var standardDeviation: Double? {
    let center = mean
    var sum = 0.0
    for component in components {
      guard let sd = component.standardDeviation else { return nil }
      sum += sd * sd + (component.location - center) * (component.location - center)
    }
    return (sum / Double(components.count)).squareRoot()
  }

  /// log of the mean density, nats.
  public func logDensity(_ y: Double) throws -> Double {
    let values = try components.map { try $0.logDensity(y) }
    guard let highest = values.max(), values.count > 1 else { return values[0] }
    return highest + log(values.reduce(0) { $0 + exp($1 - highest) } / Double(values.count))
  }

  /// P(Y ≤ y).
  public func cumulative(_ y: Double) throws -> Double { try average { try $0.cumulative(y) } }

  /// y with P(Y ≤ y) = p: closed form for one member, else the root between the members' own quantiles.
  public func quantile(_ p: Double) throws -> Double {
    let own = try components.map { try $0.quantile(p) }
    guard let low = own.min(), let high = own.max(), low < high else { return own[0] }
    return try RootFinding.brent(low, high) { y in ((try? cumulative(y)) ?? .nan) - p }
  }

  /// ∫ (F(t) − 1{t ≥ y})² dt: closed form for one member, else numerically over the quantile range.
  public func crps(_ y: Double) throws -> Double? {
    if components.count == 1 { return try components[0].crps(y) }
    // CRPS = 2 ∫₀¹ (1{y ≤ q(p)} − p)(q(p) − y) dp, midpoint rule over probabilities.
    let points = 400
    var sum = 0.0
    for i in 0..<points {
      let p = (Double(i) + 0.5) / Double(points)
      let q = try quantile(p)
      sum += ((y <= q ? 1 : 0) - p) * (q - y)
    }
    return 2 * sum / Double(points)
  }
}
