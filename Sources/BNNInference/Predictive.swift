import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The predictive distribution of one target at one row, in the target's units: Student-t with location, scale and
/// degrees of freedom (normal when they are infinite).
///
///     t_{2a}( f₀ + φᵀm, (b/a)(1 + φᵀΛ⁻¹φ) )
public struct PredictiveDistribution: AmountPredictive, Equatable {
  public var location: Double
  public var scale: Double
  public var degreesOfFreedom: Double
  /// (b/a)φᵀΛ⁻¹φ: what more data would remove.
  public var epistemicVariance: Double
  /// b/a: what no data will remove.
  public var aleatoricVariance: Double

  public init(
    location: Double, scale: Double, degreesOfFreedom: Double, epistemicVariance: Double, aleatoricVariance: Double
  ) {
    self.location = location
    self.scale = scale
    self.degreesOfFreedom = degreesOfFreedom
    self.epistemicVariance = epistemicVariance
    self.aleatoricVariance = aleatoricVariance
  }

  public var mean: Double { location }

  /// scale·√(ν/(ν − 2)); nil for ν ≤ 2, where it does not exist.
  public var standardDeviation: Double? {
    guard degreesOfFreedom.isFinite else { return scale }
    guard degreesOfFreedom > 2 else { return nil }
    return scale * (degreesOfFreedom / (degreesOfFreedom - 2)).squareRoot()
  }

  /// log density, nats.
  public func logDensity(_ y: Double) throws -> Double {
    let z = (y - location) / scale
    let nu = degreesOfFreedom
    guard nu.isFinite else { return -0.5 * z * z - log(scale) - 0.918_938_533_204_672_7 }
    return try SpecialFunctions.logGamma(0.5 * (nu + 1)) - SpecialFunctions.logGamma(0.5 * nu)
      - 0.5 * log(nu * Double.pi) - log(scale) - 0.5 * (nu + 1) * log1p(z * z / nu)
  }

  /// P(Y ≤ y).
  public func cumulative(_ y: Double) throws -> Double {
    let z = (y - location) / scale
    return degreesOfFreedom.isFinite
      ? try Distributions.studentCDF(z, degreesOfFreedom: degreesOfFreedom) : Distributions.normalCDF(z)
  }

  /// y with P(Y ≤ y) = p.
  public func quantile(_ p: Double) throws -> Double {
    let z =
      degreesOfFreedom.isFinite
      ? try Distributions.studentQuantile(p, degreesOfFreedom: degreesOfFreedom) : try Distributions.normalQuantile(p)
    return location + scale * z
  }

  /// Continuous ranked probability score of an observation, in the target's units; smaller is better. Closed forms of
  /// Jordan, Krüger & Lerch 2019 ("Evaluating probabilistic forecasts with scoringRules", appendix A); nil for ν ≤ 1.
  public func crps(_ y: Double) throws -> Double? {
    let z = (y - location) / scale
    let nu = degreesOfFreedom
    let cdf = try cumulative(y)
    guard nu.isFinite else {
      let density = 0.398_942_280_401_432_7 * exp(-0.5 * z * z)
      return scale * (z * (2 * cdf - 1) + 2 * density - 0.564_189_583_547_756_3)
    }
    guard nu > 1 else { return nil }
    let density = exp(try logDensity(y)) * scale
    // 2√ν B(½, ν − ½) / ((ν − 1) B(½, ν/2)²), with B(½, x) = √π Γ(x)/Γ(x + ½).
    let logRatio =
      try SpecialFunctions.logGamma(nu - 0.5) - SpecialFunctions.logGamma(nu)
      - 2 * (SpecialFunctions.logGamma(0.5 * nu) - SpecialFunctions.logGamma(0.5 * nu + 0.5))
    let spread = 2 * nu.squareRoot() / (nu - 1) * exp(logRatio) / Double.pi.squareRoot()
    return scale * (z * (2 * cdf - 1) + 2 * density * (nu + z * z) / (nu - 1) - spread)
  }
}
