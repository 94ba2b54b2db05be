/// The scores of one predicted class.
public struct ClassRowScore: Sendable, Equatable {
  /// −log P(y), nats.
  public var negativeLogLikelihood: Double
  /// Σ_c (P(c) − 1{c = y})² over all classes, between 0 and 2 (Brier 1950); for two classes twice (P(1) − y)².
  public var brier: Double
  /// P of the most probable class.
  public var confidence: Double
  /// Whether the most probable class is the true one.
  public var isCorrect: Bool

  /// - Precondition: `observed` is one of the classes.
  public init(_ prediction: ClassPredictive, observed: Int) {
    let probabilities = prediction.probabilities
    negativeLogLikelihood = -prediction.logProbabilities[observed]
    brier = probabilities.enumerated().reduce(0) {
      let error = $1.element - ($1.offset == observed ? 1 : 0)
      return $0 + error * error
    }
    let best = prediction.mostProbable
    confidence = probabilities[best]
    isCorrect = best == observed
  }
}

/// Scores of predicted classes, means over rows.
public struct ClassScores: Sendable, Equatable {
  /// Share of rows whose most probable class is the true one.
  public var accuracy: Double
  /// Mean of −log P(y), nats per row.
  public var negativeLogLikelihood: Double
  /// Mean of the multiclass sum Σ_c (P(c) − 1{c = y})².
  public var brier: Double
  /// Expected calibration error of the most probable class: Σ_b (n_b/n)|accuracy_b − mean confidence_b| over 15 bins
  /// ((b − 1)/15, b/15] of confidence (Guo, Pleiss, Sun & Weinberger 2017, eq. 3). A sum of absolute errors of noisy
  /// means, it is biased upwards on few rows; it is not a proper score.
  public var expectedCalibrationError: Double

  /// - Precondition: there is a row.
  public init(_ rows: [ClassRowScore], bins: Int = 15) {
    precondition(!rows.isEmpty && bins > 0, "there must be a row to average over")
    let n = Double(rows.count)
    accuracy = Double(rows.count { $0.isCorrect }) / n
    negativeLogLikelihood = rows.reduce(0) { $0 + $1.negativeLogLikelihood } / n
    brier = rows.reduce(0) { $0 + $1.brier } / n
    var excess = [Double](repeating: 0, count: bins)
    for row in rows {
      let bin = Int((row.confidence * Double(bins)).rounded(.up)) - 1
      excess[min(max(bin, 0), bins - 1)] += (row.isCorrect ? 1 : 0) - row.confidence
    }
    // n_b cancels: (n_b/n)|Σ correct/n_b − Σ confidence/n_b|.
    expectedCalibrationError = excess.reduce(0) { $0 + abs($1) } / n
  }
}

extension PairedComparison {
  /// Two posteriors' classes scored on the same rows in the same order.
  public init(_ a: [ClassRowScore], _ b: [ClassRowScore]) {
    precondition(a.count == b.count, "the same rows of both")
    self.init(differences: zip(a, b).map { $0.negativeLogLikelihood - $1.negativeLogLikelihood })
  }
}
