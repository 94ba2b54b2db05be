import BNNLinearAlgebra

/// Scores of predictions on rows whose targets are known, in the target's own units; per target.
public struct RegressionScores: Sendable, Equatable {
  /// Mean of −log predictive density, nats per row.
  public var negativeLogLikelihood: Double
  /// Root mean squared error of the predictive mean.
  public var rootMeanSquaredError: Double
  /// Mean continuous ranked probability score; nil where it does not exist (ν ≤ 1).
  public var crps: Double?
  /// Share of targets inside the central 90 % interval.
  public var coverage90: Double
}

extension Posterior {
  /// Scores per target; targets n × C.
  ///
  /// - Throws: `UpdateError.notIdentified`, or `UpdateError.unsuitable` for no rows.
  public func scores(features: Matrix, targets: Matrix, threads: Int = 1) throws -> [RegressionScores] {
    guard features.rows > 0 else { throw UpdateError.unsuitable("there are no rows to score") }
    let predictions = try predictMixture(features: features, threads: threads)
    let outputs = targets.columns
    let n = Double(targets.rows)
    return try (0..<outputs).map { c in
      var scores = RegressionScores(negativeLogLikelihood: 0, rootMeanSquaredError: 0, crps: 0, coverage90: 0)
      let perRow = try parallelMap(targets.rows, threads: threads) { i in
        let prediction = predictions[i * outputs + c]
        let y = targets[i, c]
        let error = y - prediction.mean
        let probability = try prediction.cumulative(y)
        return (
          nll: -(try prediction.logDensity(y)), square: error * error, crps: try prediction.crps(y),
          inside: probability >= 0.05 && probability <= 0.95
        )
      }
      for row in perRow {
        scores.negativeLogLikelihood += row.nll / n
        scores.rootMeanSquaredError += row.square / n
        scores.crps = scores.crps.flatMap { sum in row.crps.map { sum + $0 / n } }
        scores.coverage90 += row.inside ? 1 / n : 0
      }
      scores.rootMeanSquaredError = scores.rootMeanSquaredError.squareRoot()
      return scores
    }
  }
}
