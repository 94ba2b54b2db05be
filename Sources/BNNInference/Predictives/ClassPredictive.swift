import BNNModels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The predictive distribution of a class at one row: ∫ p(c | f) N(f; m, S) df by a `ClassMethod`, kept as logarithms
/// so that an impossible-looking class still has a score.
public struct ClassPredictive: Sendable, Equatable {
  /// log P(c), classes in order; of `bernoulli` y = 0 and y = 1.
  public let logProbabilities: [Double]
  /// Of the entropy, what more data would remove: the mutual information of class and outputs, H(E p) − E H(p), nats.
  /// nil where the method knows no distribution of p.
  public let mutualInformation: Double?

  init(logProbabilities: [Double], mutualInformation: Double? = nil) {
    self.logProbabilities = logProbabilities
    self.mutualInformation = mutualInformation
  }

  /// P(c).
  public var probabilities: [Double] { logProbabilities.map { exp($0) } }

  /// The most probable class, the first of equals.
  public var mostProbable: Int {
    logProbabilities.indices.reduce(0) { logProbabilities[$1] > logProbabilities[$0] ? $1 : $0 }
  }

  /// −Σ P log P, nats.
  public var entropy: Double { Self.entropy(logProbabilities) }

  static func entropy(_ logs: [Double]) -> Double { logs.reduce(0) { $1 > -.infinity ? $0 - exp($1) * $1 : $0 } }

  /// The mean of the probabilities at several draws of the outputs (one number each is a logit), from a Gaussian or
  /// from networks with drawn weights.
  ///
  /// - Precondition: there is a draw.
  public init(averaging outputs: [[Double]]) {
    precondition(!outputs.isEmpty, "there is a draw")
    let logs = outputs.map { LinkFunctions.logClassProbabilities($0) }
    let means = logs.count == 1 ? logs[0] : logs[0].indices.map { c in LinkFunctions.logMeanExp(logs.map { $0[c] }) }
    let entropy = logs.reduce(0) { $0 + Self.entropy($1) } / Double(logs.count)
    self.init(logProbabilities: means, mutualInformation: logs.count == 1 ? 0 : max(0, Self.entropy(means) - entropy))
  }

  /// The members' probabilities averaged with equal weights. What the members disagree on counts as epistemic: the
  /// pool's mutual information is its entropy less the mean of what each member leaves unexplained.
  public init(pooling members: [ClassPredictive]) {
    precondition(!members.isEmpty, "a pool needs a member")
    guard members.count > 1 else {
      self = members[0]
      return
    }
    let count = Double(members.count)
    let logs = members[0].logProbabilities.indices.map { c in
      LinkFunctions.logMeanExp(members.map { $0.logProbabilities[c] })
    }
    let informed = members.compactMap { member in member.mutualInformation.map { member.entropy - $0 } }
    self.init(
      logProbabilities: logs,
      mutualInformation: informed.count == members.count
        ? max(0, Self.entropy(logs) - informed.reduce(0, +) / count) : nil)
  }
}

extension LinkFunctions {
  /// log (1/n) Σ e^{f_i}; −∞ when every term is nothing.
  static func logMeanExp(_ f: [Double]) -> Double {
    guard let highest = f.max(), highest > -.infinity else { return -.infinity }
    return highest + log(f.reduce(0) { $0 + exp($1 - highest) } / Double(f.count))
  }

  /// log P(0) and log P(1) of one logit, log softmax of several outputs.
  static func logClassProbabilities(_ f: [Double]) -> [Double] {
    f.count == 1 ? [-logOnePlusExp(f[0]), -logOnePlusExp(-f[0])] : logSoftmax(f)
  }

  /// f − log Σ e^f.
  static func logSoftmax(_ f: [Double]) -> [Double] {
    let (highest, excess) = logSumExp(f)
    return f.map { ($0 - highest) - excess }
  }
}
