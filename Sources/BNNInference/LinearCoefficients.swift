import BNNLinearAlgebra
import BNNPosteriors

/// One coefficient of a linear model in the data's own units.
public struct Coefficient: Sendable, Equatable {
  /// The column's name, or `(intercept)`.
  public var name: String
  public var target: String
  /// Posterior mean; nil while the posterior is not identified.
  public var mean: Double?
  /// Scale of its Student-t: under a flat prior the classical standard error.
  public var scale: Double?
  /// Degrees of freedom, 2a; nil when the noise is known (normal).
  public var degreesOfFreedom: Double?
}

extension Posterior {
  /// A `linear` response in the data's own units, whatever the normalisation: with β_j = m_j s_y/s_j and
  /// intercept c_y + s_y m₀ − Σ c_j β_j the factor's columns become R_j s_j + R₀ c_j, and σ² gains s_y².
  ///
  /// - Returns: nil while the posterior is not identified.
  public func inDataUnits(response c: Int, of member: Member) -> LinearPosterior? {
    guard model.method == .linear, member.responses.indices.contains(c), let own = member.responses[c].posterior
    else { return nil }
    let first = model.intercept ? 1 : 0
    let scaleY = normalisation.targetScale[c]
    var upper = own.factor.upper
    var mean = own.mean.map { $0 * scaleY }
    for j in normalisation.featureScale.indices {
      mean[first + j] /= normalisation.featureScale[j]
      for i in 0...(first + j) {
        let lead = model.intercept ? own.factor.upper[i, 0] * normalisation.featureCenter[j] : 0
        upper[i, first + j] = upper[i, first + j] * normalisation.featureScale[j] + lead
      }
      if model.intercept { mean[0] -= normalisation.featureCenter[j] * mean[first + j] }
    }
    if model.intercept { mean[0] += normalisation.targetCenter[c] }
    let noise: NoiseBelief
    switch own.noise {
    case .known(let variance): noise = .known(variance: variance * scaleY * scaleY)
    case .inverseGamma(let a, let b): noise = .inverseGamma(shape: a, rate: b * scaleY * scaleY)
    }
    return (try? TriangularFactor(upper: upper)).map { LinearPosterior(mean: mean, factor: $0, noise: noise) }
  }

  /// Coefficients of a `linear` posterior in the data's own units, target after target, intercept first.
  public func coefficients() -> [Coefficient] {
    guard model.method == .linear, let member = members.first else { return [] }
    let names = weightNames()
    return model.schema.targets.enumerated().flatMap { c, target -> [Coefficient] in
      guard let posterior = inDataUnits(response: c, of: member) else {
        return names.map { Coefficient(name: $0, target: target, mean: nil, scale: nil, degreesOfFreedom: nil) }
      }
      let scales = posterior.marginalScales()
      let nu = posterior.noise.degreesOfFreedom
      return names.indices.map { j in
        Coefficient(
          name: names[j], target: target, mean: posterior.mean[j], scale: scales[j],
          degreesOfFreedom: nu.isFinite ? nu : nil)
      }
    }
  }
}
