/// How the last update relates to the union of all data, and on what that statement is conditional.
public struct Certificate: Codable, Sendable, Equatable {
  public enum Update: String, Codable, Sendable {
    /// The posterior is the one of the same linear model given all rows at once, to rounding.
    case exact
    /// The same of rows that count less than they are, since an update said so: not the posterior of all rows.
    case tempered
    /// An approximation was made; `reasons` say which.
    case approximate
    /// D1's curvature was not kept but estimated.
    case reconstructed
  }

  /// Something that was fixed before the rows were absorbed, and the update (1 = the fit) whose batch fixed it.
  public struct Condition: Codable, Sendable, Equatable {
    /// `normalisation`, `features`, `linearisation point`, `hyper-parameters`, `output covariance`, `subspace`.
    public let what: String
    /// Number of the update that fixed it: 1 is the fit; null when the user gave it.
    public let fixedBy: Int?

    public init(_ what: String, fixedBy: Int?) {
      self.what = what
      self.fixedBy = fixedBy
    }

    enum CodingKeys: String, CodingKey {
      case what
      case fixedBy = "fixed_by"
    }

    /// Null, not absent, for what the user gave.
    public func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(what, forKey: .what)
      try container.encode(fixedBy, forKey: .fixedBy)
    }
  }

  public var update: Update
  public var conditionalOn: [Condition]
  /// Plain sentences.
  public var reasons: [String]

  public init(update: Update, conditionalOn: [Condition], reasons: [String]) {
    self.update = update
    self.conditionalOn = conditionalOn
    self.reasons = reasons
  }

  enum CodingKeys: String, CodingKey {
    case update, reasons
    case conditionalOn = "conditional_on"
  }
}
