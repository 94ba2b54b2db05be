import BNNModels
import BNNPosteriors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Prior precision and noise of D1 by the evidence of Laplace's approximation at fixed weights:
///
///     log p(D1) ≈ −L(θ) − ½Σ_l δ_l‖θ_l‖² + ½Σ_l P_l log δ_l − ½ log|H + δ|
///
/// Its stationary points satisfy δ_l = γ_l/‖θ_l‖² and σ² = RSS/(N − γ), γ the number of weights that the data determine
/// (MacKay 1992, "A practical Bayesian framework for backpropagation networks", equations 2.22 and 2.23). Iterated to their
/// fixed point from one decomposition of the curvature.
struct LaplaceTuning {
  /// Curvature at unit noise (for a Gaussian likelihood; as it is otherwise), decomposed.
  let sweep: any PriorSweep
  /// ‖θ_l‖² of every layer.
  let squares: [Double]
  /// Σ w(y − f)² over all rows and outputs and how many they are; nil for a likelihood without noise.
  let residuals: (sum: Double, count: Double)?
  /// One δ for all layers, or one for each.
  let isPerLayer: Bool

  struct Values: Equatable {
    var prior: PriorPrecision
    var noiseVariance: Double
  }

  /// The fixed point from δ of every layer and σ²; what is given stays.
  func tuned(
    _ prior: [Double], _ noiseVariance: Double, tunesPrior: Bool, tunesNoise: Bool
  ) -> (prior: [Double], noiseVariance: Double) {
    var values = (prior: prior, noiseVariance: noiseVariance)
    for _ in 0..<500 {
      let gammas = sweep.effectiveWeights(.layers(values.prior.map { $0 * values.noiseVariance }))
      var next = values
      if tunesNoise, let residuals {
        next.noiseVariance = Self.noiseVariance(residuals, effectiveWeights: gammas.reduce(0, +))
      }
      if tunesPrior {
        if isPerLayer {
          next.prior = zip(gammas, squares).map { Self.precision($0, $1) }
        } else {
          let one = Self.precision(gammas.reduce(0, +), squares.reduce(0, +))
          next.prior = [Double](repeating: one, count: squares.count)
        }
      }
      let change = zip(next.prior + [next.noiseVariance], values.prior + [values.noiseVariance]).reduce(0) {
        max($0, abs(log($1.0 / $1.1)))
      }
      values = next
      if change < 1e-9 { break }
    }
    return values
  }

  /// RSS/(N − γ). At least one row is left over; an exact fit has the noise of rounding.
  static func noiseVariance(_ residuals: (sum: Double, count: Double), effectiveWeights: Double) -> Double {
    max(residuals.sum / max(residuals.count - effectiveWeights, 1), 1e-12)
  }

  private static func precision(_ gamma: Double, _ square: Double) -> Double {
    min(max(max(gamma, 1e-8) / max(square, 1e-300), 1e-8), 1e8)
  }
}

extension Network {
  /// ‖θ_l‖² of those of neighbouring layers that have weights.
  func squares(of theta: [Double], _ chosen: Range<Int>) -> [Double] {
    chosen.filter { layers[$0].shape != nil }.map { index in
      theta[parameterRange(ofLayers: index..<(index + 1))].reduce(0) { $0 + $1 * $1 }
    }
  }
}
