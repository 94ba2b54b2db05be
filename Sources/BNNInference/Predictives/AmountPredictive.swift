/// The predictive distribution of one target at one row that is an amount or a count: what `predict` prints and
/// `evaluate` scores. Classes have `ClassPredictive`.
public protocol AmountPredictive: Sendable {
  var mean: Double { get }
  /// nil where it does not exist.
  var standardDeviation: Double? { get }
  /// What more data would remove of the variance.
  var epistemicVariance: Double { get }
  /// What no data will remove of it.
  var aleatoricVariance: Double { get }
  /// log density (log probability of a count), nats.
  func logDensity(_ y: Double) throws -> Double
  /// P(Y ≤ y).
  func cumulative(_ y: Double) throws -> Double
  /// The least y with P(Y ≤ y) ≥ p, 0 < p < 1.
  func quantile(_ p: Double) throws -> Double
  /// Whether values are whole numbers.
  static var isDiscrete: Bool { get }
  /// ∫ (F̄(t) − 1{t ≥ y})² dt for the equally weighted pool of these predictives; nil where it does not exist or is not
  /// computed.
  static func crps(pooling components: [Self], _ y: Double) throws -> Double?
}

extension AmountPredictive {
  public static var isDiscrete: Bool { false }

  /// Continuous ranked probability score of an observation, in the target's units; smaller is better; nil where it does
  /// not exist or is not computed.
  public func crps(_ y: Double) throws -> Double? { try Self.crps(pooling: [self], y) }
}
