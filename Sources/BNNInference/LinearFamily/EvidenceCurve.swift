import BNNLinearAlgebra
import BNNPosteriors
import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The evidence of a linear-Gaussian model as a function of κ, the prior precision relative to the noise, from one
/// decomposition of what the data said; O(P) for every κ.
///
///     w | σ² ~ N(w₀, σ²/κ I) on all but the first f columns, which are unpenalised; σ² known or ~ IG(a₀, b₀)
///     S(κ) = ρ² + Σ κ z̃²/(s² + κ)          z̃ = Uᵀ(z − R w₀), R = U S Vᵀ
///     ℓ(κ) = ½ Σ log w − n/2 log 2π − Σ_{i<f} log R_ii + ½ Σ log(κ/(s² + κ)) + a₀ log b₀ − lnΓ(a₀) − a log b + lnΓ(a)
///     a = a₀ + (n − f)/2,  b = b₀ + S/2
///     dℓ/dlog κ = ½[γ − κ‖m − w₀‖²/σ̂²],  γ = Σ s²/(s² + κ),  σ̂² = b/a
///
/// For a₀ = b₀ = 0 the derivative's root is MacKay's fixed point exactly (MacKay 1992, "Bayesian interpolation").
/// The terms of a₀ and b₀ are left out when they are 0, and unpenalised columns are integrated over dw/√(2π): then ℓ is
/// relative to an improper measure, and only differences between batches mean something.
public struct EvidenceCurve: Sendable {
  private let squares: [Double]
  private let projections: [Double]
  private let residual: Double
  private let constant: Double
  private let count: Double
  private let noise: NoisePrior

  /// - Parameters:
  ///   - system: R, z, ρ² and n.
  ///   - priorMean: w₀ of the penalised columns.
  ///   - unpenalised: f leading columns with a flat prior.
  public init(_ system: LinearSystem, priorMean: [Double]?, unpenalised f: Int, noise: NoisePrior) throws {
    let k = system.root.rows
    let lead = min(f, k)
    let p = system.weights - f
    var sub = Matrix(rows: k - lead, columns: p)
    for i in lead..<k { for j in i..<system.weights { sub[i - lead, j - f] = system.root[i, j] } }
    var target = Array(system.rightHandSide[lead...])
    if let priorMean {
      precondition(priorMean.count == p, "the prior mean must have one entry per penalised column")
      let shift = sub.multiplied(by: priorMean)
      for i in target.indices { target[i] -= shift[i] }
    }
    let reduction = try SpectralReduction(of: sub, rightHandSides: [target])
    squares = reduction.singularValues.map { $0 * $0 }
    projections = reduction.projections[0].map { $0 * $0 }
    residual = system.residualSquares
    count = system.effectiveObservations - Double(f)
    constant = Self.constant(system, unpenalised: lead)
    self.noise = noise
  }

  /// S(κ): the smallest penalised sum of squares.
  public func penalisedSquares(_ kappa: Double) -> Double {
    var sum = residual
    // A direction the data say nothing of (s = 0) adds its whole projection for every κ, and in the limit κ → 0.
    for i in squares.indices {
      let total = squares[i] + kappa
      sum += total > 0 ? kappa * projections[i] / total : projections[i]
    }
    return sum
  }

  /// γ(κ) = Σ s²/(s² + κ): the number of directions that the data, not the prior, determine.
  public func effectiveWeights(_ kappa: Double) -> Double {
    squares.reduce(0) { $0 + $1 / ($1 + kappa) }
  }

  /// σ̂² = b/a, or the known variance.
  public func noiseVariance(_ kappa: Double) -> Double {
    switch noise {
    case .known(let variance): variance
    case .inverseGamma(let shape, let rate): (rate + 0.5 * penalisedSquares(kappa)) / (shape + 0.5 * count)
    }
  }

  /// ℓ(κ), κ > 0, nats, in the units of z.
  public func logEvidence(_ kappa: Double) throws -> Double {
    let volume = squares.reduce(0) { $0 - 0.5 * log1p($1 / kappa) }
    return try Self.logEvidence(constant + volume, count: count, noise: noise, squares: penalisedSquares(kappa))
  }

  /// ℓ from its volume Σ ½ log(κ/(s² + κ)) and S at one κ.
  static func logEvidence(
    _ system: LinearSystem, unpenalised f: Int, noise: NoisePrior, volume: Double, squares: Double
  ) throws -> Double {
    try logEvidence(
      constant(system, unpenalised: f) + volume, count: system.effectiveObservations - Double(f), noise: noise,
      squares: squares)
  }

  private static func constant(_ system: LinearSystem, unpenalised f: Int) -> Double {
    0.5 * system.logWeights - 0.5 * system.effectiveObservations * 1.837_877_066_409_345_3
      - (0..<f).reduce(0) { $0 + log(abs(system.root[$1, $1])) }
  }

  private static func logEvidence(
    _ start: Double, count: Double, noise: NoisePrior, squares squaresLeft: Double
  ) throws -> Double {
    var sum = start
    switch noise {
    case .known(let variance): return sum - 0.5 * count * log(variance) - 0.5 * squaresLeft / variance
    case .inverseGamma(let shape, let rate):
      let a = shape + 0.5 * count
      guard a > 0 else { return sum }
      if shape > 0, rate > 0 { sum += shape * log(rate) - (try SpecialFunctions.logGamma(shape)) }
      return sum - a * log(rate + 0.5 * squaresLeft) + (try SpecialFunctions.logGamma(a))
    }
  }

  /// dℓ/dlog κ.
  public func derivative(_ kappa: Double) -> Double {
    var gamma = 0.0
    var shrink = 0.0
    for i in squares.indices {
      let total = squares[i] + kappa
      gamma += squares[i] / total
      shrink += kappa * projections[i] * squares[i] / (total * total)
    }
    return 0.5 * (gamma - shrink / noiseVariance(kappa))
  }

  /// Decades of κ that are searched, eight points a decade.
  static let lattice: [Double] = (-96...96).map { Double($0) / 8 }

  /// The κ of the largest evidence: a function of the data's statement alone, to rounding.
  ///
  /// The derivative's sign is scanned over a fixed lattice; each change from + to − is refined to the root itself, and
  /// the best root (or end of the lattice) wins, ties to the larger κ. A search by function values would fix κ to 1e-8
  /// only; a start from the previous value would make the answer depend on the order of the batches.
  public func best() throws -> Double {
    let points = Self.lattice.map { pow(10, $0) }
    let slopes = points.map(derivative)
    var candidates: [Double] = []
    if slopes[0] <= 0 { candidates.append(points[0]) }
    for i in 1..<points.count where slopes[i - 1] > 0 && slopes[i] <= 0 {
      let root = try RootFinding.brent(log(points[i - 1]), log(points[i])) { derivative(exp($0)) }
      candidates.append(exp(root))
    }
    if slopes[points.count - 1] > 0 { candidates.append(points[points.count - 1]) }
    guard var best = candidates.first else { throw UpdateError.notFinite("the evidence") }
    var highest = -Double.infinity
    for kappa in candidates {
      let value = try logEvidence(kappa)
      if value >= highest { (best, highest) = (kappa, value) }
    }
    return best
  }

  /// The κ at which κ/σ̂²(κ) = α: the user's absolute precision. The left side rises with κ, so there is one.
  public func ratio(forPrecision alpha: Double) throws -> Double {
    switch noise {
    case .known(let variance): return alpha * variance
    // No rows beyond those that fix the intercept: the noise has no scale yet, and no posterior is formed.
    case .inverseGamma(let shape, _) where shape + 0.5 * count <= 0: return alpha
    case .inverseGamma: break
    }
    let excess: (Double) -> Double = { logKappa in
      let kappa = exp(logKappa)
      return logKappa - log(self.noiseVariance(kappa)) - log(alpha)
    }
    // σ̂² lies between its values at κ → 0 and κ → ∞.
    let low = log(alpha) + log(max(noiseVariance(1e-300), .leastNormalMagnitude))
    let high = log(alpha) + log(max(noiseVariance(1e300), .leastNormalMagnitude))
    guard excess(low) < 0 else { return exp(low) }
    guard excess(high) > 0 else { return exp(high) }
    return exp(try RootFinding.brent(low, high, excess))
  }
}
