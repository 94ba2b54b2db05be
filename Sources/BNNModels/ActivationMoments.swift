import BNNLinearAlgebra
import BNNProbability

/// E h(z), Var h(z) and E h′(z) for a normal z.
struct ActivationMoments {
  private(set) var mean = 0.0
  private(set) var variance = 0.0
  private(set) var slope = 0.0

  /// `relu` in closed form, to some hundred roundings of each moment's own size however far in a tail it is; the others by
  /// the trapezoidal rule over 17 standard deviations with steps of at most 0.7 of them and 0.4 of z, whose error falls
  /// as e^{−2πd/0.4} with the distance d ≥ π/2 of h's nearest pole (Trefethen & Weideman 2014, "The exponentially convergent
  /// trapezoidal rule", theorem 5.1): within 1e-8 of the integrals for tanh, less for sigmoid, softplus and gelu. Beyond
  /// standard deviations of 400 the steps grow with them. O(1 + standard deviation) points.
  init(_ activation: Activation, mean mu: Double, variance v: Double, points: inout [Double]) {
    let deviation = v.squareRoot()
    if activation == .identity {
      (mean, variance, slope) = (mu, v, 1)
    } else if !(v > 0) {
      points = [mu]
      activation.apply(to: &points)
      mean = points[0]
      // NaN stays NaN; a certain unit passes no variance on, whatever its slope.
      variance = v
    } else if activation == .relu {
      rectified(mu, deviation)
    } else {
      integrate(activation, mu, deviation, &points)
    }
  }

  /// z⁺ and z⁻ = z⁺ − z: the one in its tail first, by E z⁻ = σψ₁ and E (z⁻)² = σ²ψ₂; from there Var z = Var z⁺ + Var z⁻ +
  /// 2 E z⁺ E z⁻ without a difference of near numbers.
  private mutating func rectified(_ mu: Double, _ deviation: Double) {
    let x = mu.magnitude / deviation
    let tail = Distributions.normalCDF(-x)
    let (first, second) = Self.partialMoments(x, tail: tail)
    let minorMean = deviation * first
    let minorVariance = deviation * deviation * (second - first * first)
    if mu <= 0 {
      (mean, variance, slope) = (minorMean, minorVariance, tail)
    } else {
      mean = mu + minorMean
      variance = deviation * deviation - minorVariance - 2 * mean * minorMean
      slope = 1 - tail
    }
  }

  /// ψₙ = E ((ε − x)⁺)ⁿ for n = 1, 2 and x ≥ 0, from Φ(−x). Iₙ = ∫₀^∞ tⁿ/n! e^{−xt − t²/2} dt obeys (n+1)Iₙ₊₁ = Iₙ₋₁ − xIₙ; its
  /// ratios backwards are sums of positive numbers (Gautschi 1967, "Computational aspects of three-term recurrence
  /// relations"), and converge to rounding from n = 100 for x ≥ 2. Below, the differences lose at most 1.5 digits.
  private static func partialMoments(_ x: Double, tail: Double) -> (Double, Double) {
    guard x >= 2 else {
      let density = 0.398_942_280_401_432_7 * Double.exponential(-0.5 * x * x)
      return (density - x * tail, (1 + x * x) * tail - x * density)
    }
    var ratio = 0.0
    for n in stride(from: 100, through: 2, by: -1) { ratio = 1 / (x + Double(n + 1) * ratio) }
    let first = tail / (x + 2 * ratio)
    return (first, 2 * first * ratio)
  }

  private mutating func integrate(
    _ activation: Activation, _ mu: Double, _ deviation: Double, _ points: inout [Double]
  ) {
    let half = Int((8.5 / min(0.7, max(0.4 / deviation, 0.001))).rounded(.up))
    let step = 8.5 / Double(half)
    points = (-half...half).map { mu + deviation * step * Double($0) }
    activation.apply(to: &points)
    var (total, sum) = (0.0, 0.0)
    let weights = (0...half).map { Double.exponential(-0.5 * (step * Double($0)) * (step * Double($0))) }
    for k in -half...half {
      total += weights[abs(k)]
      sum += weights[abs(k)] * points[k + half]
    }
    mean = sum / total
    for k in -half...half {
      let weight = weights[abs(k)] / total
      let difference = points[k + half] - mean
      variance += weight * difference * difference
      slope += weight * difference * step * Double(k) / deviation
    }
  }
}
