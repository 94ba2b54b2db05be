import BNNLinearAlgebra
import BNNModels

/// What a posterior's predictions are worth on some rows, row by row.
struct Assessment: Sendable {
  /// −log p of every row's targets together, nats.
  var nll: [Double]
  /// Amounts: squared error, of several targets the mean of theirs in units of each one's spread; classes: 0 or 1.
  var error: [Double]
  /// Amounts: P(Y ≤ y) of the first target.
  var probability: [Double] = []
  /// Classes: confidence and whether it was right.
  var confidence: [(value: Double, isCorrect: Bool)] = []

  init(_ posterior: Posterior, _ rows: ComparisonRows, spreads: [Double], seed: UInt64, threads: Int) throws {
    let scores = try posterior.tableScores(
      features: rows.features, targets: rows.targets, weights: rows.weights, seed: seed, threads: threads)
    switch scores {
    case .classes(let all):
      nll = all.map(\.negativeLogLikelihood)
      error = all.map { $0.isCorrect ? 0 : 1 }
      confidence = all.map { ($0.confidence, $0.isCorrect) }
    case .amounts(let all):
      nll = (0..<rows.count).map { i in all.reduce(0) { $0 + $1[i].negativeLogLikelihood } }
      let scale = all.count == 1 ? [1] : spreads
      error = (0..<rows.count).map { i in
        zip(all, scale).reduce(0) { $0 + $1.0[i].squaredError / ($1.1 * $1.1) } / Double(all.count)
      }
    }
  }

  /// Of the first target, P(Y ≤ y) of every row, and mean and 90 % interval of some of them.
  mutating func look(
    _ posterior: Posterior, _ rows: ComparisonRows, at picture: [Int], seed: UInt64, threads: Int
  ) throws -> [(mean: Double, low: Double, high: Double)] {
    let predictions = try Predictor(posterior, seed: seed).predictions(features: rows.features, threads: threads)
    probability = try predictions.enumerated().compactMap { i, row in
      guard case .amounts(let all) = row else { return nil }
      let y = rows.targets[i, 0]
      // A count's is the middle of its step.
      let upTo = try all[0].cumulative(y)
      return type(of: all[0]).isDiscrete ? 0.5 * (upTo + (try all[0].cumulative(y - 1))) : upTo
    }
    return try picture.compactMap { i in
      guard case .amounts(let all) = predictions[i] else { return nil }
      return (all[0].mean, try all[0].quantile(0.05), try all[0].quantile(0.95))
    }
  }

  /// Share of rows below the predicted quantile, at 0.05, 0.1, …, 0.95.
  static func coverage(_ probabilities: [Double]) -> [(predicted: Double, observed: Double)] {
    guard !probabilities.isEmpty else { return [] }
    return (1..<20).map { step in
      let level = Double(step) / 20
      return (level, Double(probabilities.count { $0 <= level }) / Double(probabilities.count))
    }
  }

  /// Of every tenth of confidence that has rows.
  static func reliability(
    _ all: [(value: Double, isCorrect: Bool)]
  ) -> [(confidence: Double, accuracy: Double, rows: Int)] {
    (0..<10).compactMap { bin in
      let own = all.filter { min(9, Int($0.value * 10)) == bin }
      guard !own.isEmpty else { return nil }
      let n = Double(own.count)
      return (own.reduce(0) { $0 + $1.value } / n, Double(own.count { $0.isCorrect }) / n, own.count)
    }
  }
}
