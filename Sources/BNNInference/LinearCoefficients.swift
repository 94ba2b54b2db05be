import BNNLinearAlgebra

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
  /// Coefficients of a `linear` posterior in the data's own units whatever the normalisation, intercept first.
  ///
  ///     β_j = m_j s_y/s_j,   intercept = c_y + s_y m_0 − Σ c_j β_j
  ///
  /// and their scales by the same linear map of the factor: x = R⁻ᵀt for the map's row t gives ‖x‖²·b/a.
  public func coefficients() throws -> [Coefficient] {
    guard model.method == .linear, let member = members.first else { return [] }
    let names = weightNames()
    let first = model.intercept ? 1 : 0
    return model.schema.targets.enumerated().flatMap { c, target -> [Coefficient] in
      guard let posterior = member.responses[c].posterior else {
        return names.map { Coefficient(name: $0, target: target, mean: nil, scale: nil, degreesOfFreedom: nil) }
      }
      let scaleY = normalisation.targetScale[c]
      var map = Matrix(rows: names.count, columns: names.count)
      for j in 0..<normalisation.featureCenter.count {
        let slope = scaleY / normalisation.featureScale[j]
        map[first + j, first + j] = slope
        if model.intercept { map[0, first + j] = -slope * normalisation.featureCenter[j] }
      }
      if model.intercept { map[0, 0] = scaleY }
      let variances = posterior.factor.variances(along: map)
      var means = map.multiplied(by: posterior.mean)
      if model.intercept { means[0] += normalisation.targetCenter[c] }
      let nu = posterior.noise.degreesOfFreedom
      return names.indices.map { j in
        Coefficient(
          name: names[j], target: target, mean: means[j],
          scale: (variances[j] * posterior.noise.scaleSquared).squareRoot(), degreesOfFreedom: nu.isFinite ? nu : nil)
      }
    }
  }

  /// Weight [C, d] and bias [C] of a proper `linear` posterior in the data's own units, as PyTorch would hold them.
  public func linearCoefficients(of member: Member) -> (weight: [Double], bias: [Double]) {
    let first = model.intercept ? 1 : 0
    var weight: [Double] = []
    var bias: [Double] = []
    for (c, response) in member.responses.enumerated() {
      guard let posterior = response.posterior else { continue }
      let scaleY = normalisation.targetScale[c]
      let slopes = normalisation.featureScale.indices.map { j in
        posterior.mean[first + j] * scaleY / normalisation.featureScale[j]
      }
      let center = model.intercept ? normalisation.targetCenter[c] + scaleY * posterior.mean[0] : 0
      weight += slopes
      bias.append(center - dot(slopes, normalisation.featureCenter))
    }
    return (weight, bias)
  }
}
