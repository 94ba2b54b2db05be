/// What a comparison found: every method's scores on the same test rows, between doing nothing and retraining.
public struct ComparisonReport: Sendable {
  /// Whether targets are classes: then `error` is the error rate, else the root mean squared error.
  public var isClassification: Bool
  /// Rows of D1, D2 and the test, of the first split.
  public var rows: (first: Int, second: Int, test: Int)
  /// Splits, or seeds on the same split.
  public var splits: Int
  /// Batches that D2 was cut into.
  public var batches: Int
  /// The gap of doing nothing against retraining, by negative log-likelihood and by error.
  public var nll: Gap
  public var error: Gap
  /// In the order in which they were asked for; `stale` is the first, `union` the last.
  public var methods: [MethodResult]
  /// What the frozen layers hide; nil where there is no tangent to tell.
  public var information: InformationLost?
  /// The test rows of the first split, along which predictions are drawn; nil for classes.
  public var picture: PictureAxis?

  /// The distance between D1 only and the union, in one score.
  public struct Gap: Sendable, Equatable {
    /// Mean over splits of score(D1 only) − score(union).
    public var size: Double
    /// 90 % of a paired bootstrap.
    public var interval: ClosedRange<Double>
    /// Standard deviation of the union's score from seed to seed, over the root of the seeds.
    public var unionError: Double
    /// Whether no method can be said to close anything: the interval reaches 0, or the gap is less than two of `unionError`.
    public var isNone: Bool
    /// What the union retrained with another seed closes; nil without a gap.
    public var ceiling: Double?
    /// Whether linear regression on the union beats the union; false where it was not asked.
    public var isWeakReference: Bool
  }

  /// One score of one method.
  public struct GapClosed: Sendable, Equatable {
    /// Mean over splits of the score itself, in the target's units, nats a row, or a share.
    public var score: Double
    /// Of that mean over test rows and splits.
    public var standardError: Double
    /// score − score(union).
    public var regret: Double
    /// 1 − Σ regret / Σ gap over paired splits; nil without a gap.
    public var share: Double?
    /// 90 % of a paired bootstrap; nil without a gap.
    public var interval: ClosedRange<Double>?
  }

  public struct MethodResult: Sendable {
    public var name: String
    /// One line: what it does.
    public var summary: String
    public var needsOldData: Bool
    /// Whether it ends in a posterior; else in weights alone.
    public var givesPosterior: Bool
    /// `exact`, `approximate`, …; empty for the union and for doing nothing.
    public var certificate: String
    /// Nil where it failed, and then `failure` says why.
    public var nll: GapClosed?
    public var error: GapClosed?
    public var failure: String?
    /// Of the update, wall time, mean over splits; of the union, of retraining.
    public var seconds: Double
    /// What must be kept of D1 for it.
    public var keptBytes: Int
    /// Mean negative log-likelihood on rows like D1's and on rows like D2's, after the update; nil where it is not known which
    /// are which, or there are none.
    public var oldRows: Double?
    public var newRows: Double?
    /// Mean negative log-likelihood of the test rows after every batch, mean over splits; one number without a stream.
    public var stream: [Double]
    /// Amounts: share of the test's targets below the predicted quantile, at 0.05, 0.1, …, 0.95. Classes: empty.
    public var coverage: [(predicted: Double, observed: Double)]
    /// Classes: mean confidence, accuracy and rows of every tenth of confidence that has rows. Amounts: empty.
    public var reliability: [(confidence: Double, accuracy: Double, rows: Int)]
    /// Predictions of the rows of `picture`, of the first split and target; empty for classes.
    public var predictions: [(mean: Double, low: Double, high: Double)]
  }

  /// Where predictions are drawn: at most 400 test rows in ascending order of one column.
  public struct PictureAxis: Sendable {
    public var name: String
    public var target: String
    public var at: [Double]
    public var observed: [Double]
    /// Whether a row is like D2's; empty where that is not known.
    public var isNew: [Bool]
  }

  /// How much of what D2 says does not pass the frozen layers.
  public struct InformationLost: Sendable, Equatable {
    /// (log p of all rows under the tangent − under the last layer) / rows: a log Bayes factor, nats a row; positive where the
    /// last layer's features hide something. Nil where an evidence is improper.
    public var logBayesFactor: Double?
    /// Mean over test rows of nll(last layer) − nll(tangent), nats a row: estimates the information lost where both are calibrated.
    public var heldOut: Double
    public var heldOutStandardError: Double?
  }
}
