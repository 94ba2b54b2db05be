import BNNLinearAlgebra
import BNNPosteriors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// How much more counts scatter than a Poisson distribution's: Pearson's Σ w(y − μ)²/μ over the degrees of freedom (McCullagh
/// & Nelder 1989, "Generalized linear models", section 6.2.3). About 1 if they are Poisson; a variance φ times the mean
/// makes it φ.
public struct Dispersion: Sendable, Equatable {
  public let value: Double
  /// Of the value, were the counts Poisson: √(Σ(2 + 1/μ))/ν.
  public let standardError: Double

  /// - Parameters:
  ///   - sum: Σ w(y − μ)²/μ.
  ///   - variance: Σ (2 + 1/μ), the sum's variance for Poisson counts of unit weight.
  ///   - freedom: ν, the counts less the weights that they determined. Below 1 there is no dispersion.
  init?(sum: Double, variance: Double, freedom: Double) {
    guard freedom >= 1, sum.isFinite, variance.isFinite else { return nil }
    value = sum / freedom
    standardError = variance.squareRoot() / freedom
  }

  /// Whether a Poisson posterior is much too sure: half more variance than Poisson, and no accident.
  public var isOver: Bool { value > 1.5 && value > 1 + 4 * standardError }
}

/// What a batch's counts say of the dispersion.
struct PearsonSum: Sendable {
  var sum: Double
  var variance: Double
  var counts: Int
  /// Σ (1 − δ_i Σ_ii), the weights that all rows so far have determined.
  var effectiveWeights: Double

  /// - Parameter share: of the batch among all rows: each row determined as much as the next, on average.
  func dispersion(share: Double) -> Dispersion? {
    Dispersion(sum: sum, variance: variance, freedom: Double(counts) - effectiveWeights * share)
  }

  /// At outputs f, the logarithms of rates (n × T).
  init(_ f: Matrix, _ y: Matrix, weights: [Double]?, _ state: LaplaceState) throws {
    (sum, variance, counts) = (0, 0, f.storage.count)
    for i in f.storage.indices {
      let (rate, weight) = (exp(f.storage[i]), weights?[i / f.columns] ?? 1)
      let error = y.storage[i] - rate
      sum += weight * error * error / rate
      variance += 2 + 1 / rate
    }
    let prior = state.prior.expanded(state.curvature.layers)
    effectiveWeights = zip(prior, try state.factored().marginalVariances).reduce(0) { $0 + 1 - $1.0 * $1.1 }
  }
}
