import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A finite mixture of normal distributions with weights that sum to 1.
struct NormalMixture {
  var weights: [Double]
  var locations: [Double]
  var deviations: [Double]

  /// The continuous ranked probability score at y (Grimit, Gneiting, Berrocal & Johnson 2006), with X and X′ from the
  /// mixture:
  ///
  ///     E|X − y| − ½E|X − X′|,   E|X − y| = Σ_i w_i A(y − μ_i, σ_i²),   A(d, σ²) = d(2Φ(d/σ) − 1) + 2σφ(d/σ)
  ///
  /// The last term is ½Σ_ij w_i w_j A(μ_i − μ_j, σ_i² + σ_j²), quadratic in the components, or ∫F(1 − F)dt by the
  /// trapezoidal rule, whichever is cheaper. That integrand's Fourier transform falls as e^{−σ²ω²/4}, σ the least deviation,
  /// so that steps of σ/2 leave e^{−4π²} = 7e-18.
  func crps(_ y: Double) -> Double {
    let parts = weights.indices.filter { weights[$0] > 1e-18 }
    let distance = parts.reduce(0) { $0 + weights[$1] * Self.meanDistance(y - locations[$1], deviations[$1]) }
    // Beyond nine deviations the tails are below 1e-18.
    let low = parts.reduce(Double.infinity) { min($0, locations[$1] - 9 * deviations[$1]) }
    let high = parts.reduce(-Double.infinity) { max($0, locations[$1] + 9 * deviations[$1]) }
    let step = parts.reduce(Double.infinity) { min($0, 0.5 * deviations[$1]) }
    let points = (high - low) / step
    guard points.isFinite, points < Double(parts.count) / 2 else { return distance - 0.5 * pairDistance(parts) }
    var spread = 0.0
    for j in 0...Int(points.rounded(.up)) {
      let t = low + Double(j) * step
      let below = parts.reduce(0) { $0 + weights[$1] * Distributions.normalCDF((t - locations[$1]) / deviations[$1]) }
      spread += below * (1 - below)
    }
    return distance - step * spread
  }

  /// E|X − X′|.
  private func pairDistance(_ parts: [Int]) -> Double {
    var sum = 0.0
    for (place, i) in parts.enumerated() {
      sum += weights[i] * weights[i] * Self.meanDistance(0, deviations[i] * 2.0.squareRoot())
      for j in parts[..<place] {
        let deviation = (deviations[i] * deviations[i] + deviations[j] * deviations[j]).squareRoot()
        sum += 2 * weights[i] * weights[j] * Self.meanDistance(locations[i] - locations[j], deviation)
      }
    }
    return sum
  }

  /// E|X| for X ~ N(d, σ²).
  private static func meanDistance(_ d: Double, _ sd: Double) -> Double {
    let z = d / sd
    return d * (2 * Distributions.normalCDF(z) - 1) + 2 * sd * 0.398_942_280_401_432_7 * exp(-0.5 * z * z)
  }
}
