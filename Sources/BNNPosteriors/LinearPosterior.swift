import BNNLinearAlgebra
import BNNProbability

/// What is known of the noise variance σ² after the data.
public enum NoiseBelief: Sendable, Equatable {
  /// σ² given by the user.
  case known(variance: Double)
  /// σ² ~ IG(a, b): density ∝ σ^{−2(a+1)} exp(−b/σ²).
  case inverseGamma(shape: Double, rate: Double)

  /// σ² itself, or b/a: the scale² of the Student-t of a noisy observation.
  public var scaleSquared: Double {
    switch self {
    case .known(let variance): variance
    case .inverseGamma(let shape, let rate): rate / shape
    }
  }

  /// 2a, or infinity when the noise is known.
  public var degreesOfFreedom: Double {
    switch self {
    case .known: .infinity
    case .inverseGamma(let shape, _): 2 * shape
    }
  }
}

/// The posterior of one linear response: w | σ² ~ N(m, σ² (RᵀR)⁻¹), with σ² known or inverse-gamma (normal–inverse-gamma).
///
/// Marginally w_j is Student-t with 2a degrees of freedom, location m_j and scale² (b/a)·[(RᵀR)⁻¹]_jj.
public struct LinearPosterior: Sendable, Equatable {
  /// m (P entries).
  public let mean: [Double]
  /// R: the square root of the precision relative to the noise.
  public let factor: TriangularFactor
  public let noise: NoiseBelief

  public init(mean: [Double], factor: TriangularFactor, noise: NoiseBelief) {
    precondition(mean.count == factor.dimension, "mean and factor must have one dimension")
    self.mean = mean
    self.factor = factor
    self.noise = noise
  }

  /// The Gaussian N(m, (b/a) (RᵀR)⁻¹) that other engines start from.
  public var gaussian: Gaussian<FullPrecision> {
    let scale = 1 / noise.scaleSquared.squareRoot()
    var root = factor.upper
    for i in root.storage.indices { root.storage[i] *= scale }
    return Gaussian(mean: mean, precision: FullPrecision(root: InformationArray(array: root)))
  }

  /// The scale of every weight's marginal, √((b/a)·diag Λ⁻¹): for a flat prior the classical standard error.
  public func marginalScales() -> [Double] {
    factor.marginalVariances().map { ($0 * noise.scaleSquared).squareRoot() }
  }

  /// Draws of (w, σ²), one a row: P weights, then σ². Draw i uses the child stream i.
  public func samples(_ count: Int, from stream: RandomStream) -> Matrix {
    let p = mean.count
    var result = Matrix(rows: count, columns: p + 1)
    for i in 0..<count {
      var child = stream.split(UInt64(i))
      let variance: Double
      switch noise {
      case .known(let known): variance = known
      case .inverseGamma(let shape, let rate): variance = 1 / child.gamma(shape: shape, rate: rate)
      }
      let step = factor.backSolve(child.normals(p))
      for j in 0..<p { result[i, j] = mean[j] + variance.squareRoot() * step[j] }
      result[i, p] = variance
    }
    return result
  }
}

/// KL between the posteriors of one model, in nats; null where the noise of one is known and the other's is not,
/// or where an inverse-gamma is improper.
///
///     ½[(a₁/b₁) dᵀΛ₂d + tr(Λ₂Λ₁⁻¹) − P + log|Λ₁|/|Λ₂|] + (a₁−a₂)ψ(a₁) − lnΓ(a₁) + lnΓ(a₂) + a₂ log(b₁/b₂) + a₁(b₂−b₁)/b₁
///
/// With known noise: the KL of N(m₁, σ₁²Λ₁⁻¹) from N(m₂, σ₂²Λ₂⁻¹).
public func kullbackLeibler(_ p: LinearPosterior, _ q: LinearPosterior) throws -> Double? {
  switch (p.noise, q.noise) {
  case (.known, .known): return try kullbackLeibler(p.gaussian, q.gaussian)
  case (.inverseGamma(let a1, let b1), .inverseGamma(let a2, let b2)):
    guard a1 > 0, b1 > 0, a2 > 0, b2 > 0 else { return nil }
    let d = zip(p.mean, q.mean).map { $0 - $1 }
    let weights =
      0.5
      * ((a1 / b1) * dot(d, q.factor.precisionTimes(d)) + TriangularFactor.traceOfRatio(p.factor, q.factor)
        - Double(d.count) + p.factor.logDeterminant - q.factor.logDeterminant)
    let noise =
      try (a1 - a2) * SpecialFunctions.digamma(a1) - SpecialFunctions.logGamma(a1) + SpecialFunctions.logGamma(a2)
      + a2 * naturalLogarithm(b1 / b2) + a1 * (b2 - b1) / b1
    return weights + noise
  default: return nil
  }
}
