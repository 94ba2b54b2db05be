import BNNLinearAlgebra
import BNNModels

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

/// The scores of one prediction.
public struct RowScore: Sendable, Equatable {
  /// −log predictive density, nats.
  public var negativeLogLikelihood: Double
  /// Squared error of the predictive mean.
  public var squaredError: Double
  /// Continuous ranked probability score; nil where it does not exist (ν ≤ 1) or is not computed.
  public var crps: Double?
  /// Whether the target is inside the central 90 % interval.
  public var isInside90: Bool
}

extension RowScore {
  /// The scores of a prediction at what was observed.
  public init<Predictive: AmountPredictive>(_ prediction: Predictive, at y: Double) throws {
    let error = y - prediction.mean
    let upTo = try prediction.cumulative(y)
    let below = Predictive.isDiscrete ? try prediction.cumulative(y - 1) : upTo
    self.init(
      negativeLogLikelihood: -(try prediction.logDensity(y)), squaredError: error * error,
      crps: try prediction.crps(y), isInside90: upTo >= 0.05 && below <= 0.95)
  }
}

extension RegressionScores {
  /// Means over rows.
  public init(_ rows: [RowScore]) {
    precondition(!rows.isEmpty, "there must be a row to average over")
    let n = Double(rows.count)
    negativeLogLikelihood = rows.reduce(0) { $0 + $1.negativeLogLikelihood } / n
    rootMeanSquaredError = (rows.reduce(0) { $0 + $1.squaredError } / n).squareRoot()
    let ranked = rows.compactMap(\.crps)
    crps = ranked.count == rows.count ? ranked.reduce(0, +) / n : nil
    coverage90 = Double(rows.count { $0.isInside90 }) / n
  }
}

/// The scores of every row of a table, by what its targets are.
public enum TableScores: Sendable {
  /// Amounts and counts, one list per target.
  case amounts([[RowScore]])
  case classes([ClassRowScore])
}

extension Posterior {
  /// Scores of every row, for every likelihood; where classes are in heads, each within the head of its class.
  ///
  /// - Parameters: as `rowScores`.
  /// - Throws: as `rowScores`.
  public func tableScores(
    features: Matrix, targets: Matrix, weights: [Double]? = nil, method: PredictiveMethod = .automatic,
    seed: UInt64 = 0,
    threads: Int = 1
  ) throws -> TableScores {
    guard features.rows > 0 else { throw UpdateError.unsuitable("there are no rows to score") }
    guard model.likelihood != .gaussian else {
      return .amounts(
        try rowScores(
          features: features, targets: targets, weights: weights, method: method, seed: seed, threads: threads))
    }
    // A class says which head it belongs to.
    let places = try model.schema.heads.map { groups in
      let heads = try ClassHeads(groups)
      return (0..<targets.rows).map { heads.place(of: Int(targets[$0, 0])) }
    }
    let predictions = try Predictor(self, method: method, seed: seed).predictions(
      features: features, heads: places?.map(\.head), threads: threads)
    if model.likelihood.isClassification {
      return .classes(
        predictions.enumerated().compactMap { i, row in
          guard case .classes(let own) = row else { return nil }
          return ClassRowScore(own[0], observed: places?[i].position ?? Int(targets[i, 0]))
        })
    }
    return .amounts(
      try (0..<targets.columns).map { t in
        try predictions.enumerated().compactMap { i, row in
          guard case .amounts(let own) = row else { return nil }
          return try RowScore(own[t], at: targets[i, t])
        }
      })
  }

  /// Scores of every row, one list per target; features n × d, targets n × C.
  ///
  /// - Parameters:
  ///   - weights: w of every row, which is scored under its own noise σ²/w; nil is 1 for all. Means over rows count each row
  ///     once.
  ///   - method, seed: as `Predictor`'s.
  /// - Throws: `UpdateError.notIdentified`, or `UpdateError.unsuitable` for no rows and as `Predictor`.
  public func rowScores(
    features: Matrix, targets: Matrix, weights: [Double]? = nil, method: PredictiveMethod = .automatic,
    seed: UInt64 = 0,
    threads: Int = 1
  ) throws -> [[RowScore]] {
    guard features.rows > 0 else { throw UpdateError.unsuitable("there are no rows to score") }
    let predictions = try Predictor(self, method: method, seed: seed).predict(features: features, threads: threads)
    let outputs = targets.columns
    return try (0..<outputs).map { c in
      try parallelMap(targets.rows, threads: threads) { i in
        var prediction = predictions[i * outputs + c]
        if let weights { prediction = PredictiveMixture(prediction.components.map { $0.weighing(weights[i]) }) }
        return try RowScore(prediction, at: targets[i, c])
      }
    }
  }

  /// Scores per target, means over rows.
  ///
  /// - Throws: as `rowScores`.
  public func scores(features: Matrix, targets: Matrix, threads: Int = 1) throws -> [RegressionScores] {
    try rowScores(features: features, targets: targets, threads: threads).map { RegressionScores($0) }
  }
}

/// Two posteriors scored on the same rows: Δ = mean over rows of nll(a) − nll(b), summed over targets, with the standard
/// error of that paired mean.
public struct PairedComparison: Sendable, Equatable {
  /// Δ, nats per row; positive when the first is worse.
  public var difference: Double
  /// √(Σ(δᵢ − Δ)²/(n(n − 1))); nil for a single row.
  public var standardError: Double?

  /// `a` and `b` per target, with the same rows in the same order.
  public init(_ a: [[RowScore]], _ b: [[RowScore]]) {
    precondition(a.count == b.count && zip(a, b).allSatisfy { $0.count == $1.count }, "the same rows of both")
    let n = a.first?.count ?? 0
    self.init(
      differences: (0..<n).map { i in
        a.indices.reduce(0) { $0 + a[$1][i].negativeLogLikelihood - b[$1][i].negativeLogLikelihood }
      })
  }

  /// From δᵢ = nllᵢ(a) − nllᵢ(b) of every row.
  public init(differences each: [Double]) {
    let n = each.count
    let mean = each.reduce(0, +) / Double(max(1, n))
    difference = mean
    let squares = each.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    standardError = n > 1 ? (squares / Double(n * (n - 1))).squareRoot() : nil
  }

  /// True when the first is worse by more than two standard errors.
  public var isWorse: Bool { standardError.map { difference > 2 * $0 } ?? false }
}
