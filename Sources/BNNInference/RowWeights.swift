import BNNDatasets
import BNNLinearAlgebra

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Rows that do not count alike: y_i ~ N(f(x_i), σ²/w_i). σ is the noise of a row of weight 1; a prediction is for such
/// a row. This is not "seen w times", which would count w rows: here a row counts once, whatever its weight, so that
/// with unknown noise only the ratios of the weights matter for what is learnt.
extension Normalisation {
  /// σ² of a row of relative weight 1 in normalised units, the mean over targets, for a noise that was given: sd is that of a
  /// row of weight 1 in the targets' units.
  func noiseVariance(given sd: Double) -> Double {
    targetScale.reduce(0) { $0 + (sd / $1) * (sd / $1) } / Double(targetScale.count) / (weightScale ?? 1)
  }

  /// Weights relative to `weightScale`.
  ///
  /// - Throws: `UpdateError.unsuitable` for a weight that is not a positive number.
  func relative(_ weights: [Double]?) throws -> [Double]? {
    guard let weights else { return nil }
    guard weights.allSatisfy({ $0 > 0 && $0.isFinite }) else {
      throw UpdateError.unsuitable("a row weight is not a positive number")
    }
    return weights.map { $0 / (weightScale ?? 1) }
  }
}

extension Matrix {
  /// Multiplies the rows that belong to each weight by its root; they stand in groups of equal size.
  ///
  /// - Returns: Σ log w over the rows of the matrix.
  mutating func scaleRows(by weights: ArraySlice<Double>) -> Double {
    guard !weights.isEmpty else { return 0 }
    let group = rows / weights.count
    var logs = 0.0
    for (i, weight) in weights.enumerated() {
      let root = weight.squareRoot()
      for k in i * group * columns..<(i + 1) * group * columns { storage[k] *= root }
      logs += Double(group) * log(weight)
    }
    return logs
  }
}

extension PredictiveDistribution {
  /// The predictive of a row of weight w: its aleatoric variance is σ²/w.
  func weighing(_ weight: Double) -> PredictiveDistribution {
    var result = self
    result.aleatoricVariance /= weight
    result.scale = (epistemicVariance + result.aleatoricVariance).squareRoot()
    return result
  }
}
