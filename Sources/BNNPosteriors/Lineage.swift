/// One update in the life of a posterior. No clock time, host, path or thread count: equal work gives equal bytes.
public struct LineageEntry: Codable, Sendable, Equatable {
  /// 1 is the fit.
  public var number: Int
  /// `fit`, `import`, `update`, `merge` or `forget`. A merge stands behind the entries of the posteriors that it put together, and has
  /// their rows once more; a `forget` takes the newest entry of its rows and digest before it away.
  public var action: String
  /// Data rows of this batch.
  public var rows: Int
  /// Sum modulo 2^128 of the rows' XXH3-128 digests, 32 hexadecimal digits: for finding accidents, not forgery.
  public var rowDigest: String
  /// The engine's name.
  public var method: String
  /// Settings of this update that are not properties of the posterior.
  public var settings: [String: String]
  /// log p(this batch | everything before), nats, in target units, under the hyper-parameters held before it; null
  /// where improper. Of rows that were forgotten its negative, given those that stay.
  public var logEvidence: Double?
  /// By how many nats this batch made the entropy of the weights smaller; null of a fit and where that cannot be said.
  public var informationGain: Double?
  /// The share of this batch's squared derivatives that a tangent's subspace keeps; null without a subspace.
  public var subspaceShare: Double?
  public var seed: UInt64
  /// Version of the library that did it.
  public var version: String
  /// Digest of the file it started from; null for a fit.
  public var parent: String?
  /// The user's words.
  public var label: String?
  /// First and last time of the rows, as the table wrote them; null without a column of times.
  public var timeRange: [String]?
  /// Whether the batch was like the rows before it; null where that was not asked or could not be.
  public var drift: DriftRecord?

  public init(
    number: Int, action: String, rows: Int, rowDigest: String, method: String, settings: [String: String],
    logEvidence: Double?, seed: UInt64, version: String, parent: String?, label: String?, subspaceShare: Double? = nil,
    timeRange: [String]? = nil, drift: DriftRecord? = nil, informationGain: Double? = nil
  ) {
    self.number = number
    self.action = action
    self.rows = rows
    self.rowDigest = rowDigest
    self.method = method
    self.settings = settings
    self.logEvidence = logEvidence
    self.informationGain = informationGain
    self.subspaceShare = subspaceShare
    self.seed = seed
    self.version = version
    self.parent = parent
    self.label = label
    self.timeRange = timeRange
    self.drift = drift
  }

  enum CodingKeys: String, CodingKey {
    case number, action, rows, method, settings, seed, version, parent, label, drift
    case rowDigest = "row_digest"
    case logEvidence = "log_evidence"
    case informationGain = "information_gain"
    case subspaceShare = "subspace_share"
    case timeRange = "time_range"
  }

  /// Absent values are written as null, so that every entry has every key.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(number, forKey: .number)
    try container.encode(action, forKey: .action)
    try container.encode(rows, forKey: .rows)
    try container.encode(rowDigest, forKey: .rowDigest)
    try container.encode(method, forKey: .method)
    try container.encode(settings, forKey: .settings)
    try container.encode(logEvidence, forKey: .logEvidence)
    try container.encode(informationGain, forKey: .informationGain)
    try container.encode(subspaceShare, forKey: .subspaceShare)
    try container.encode(seed, forKey: .seed)
    try container.encode(version, forKey: .version)
    try container.encode(parent, forKey: .parent)
    try container.encode(label, forKey: .label)
    try container.encode(timeRange, forKey: .timeRange)
    try container.encode(drift, forKey: .drift)
  }
}

/// The verdict on a batch before it was absorbed.
public struct DriftRecord: Codable, Sendable, Equatable {
  /// The chance of something as unlike the earlier rows from the same source.
  public var pValue: Double
  /// `scatter` and `level` of the targets about their predictions, and names of columns; empty where nothing differs.
  public var reasons: [String]

  public init(pValue: Double, reasons: [String]) {
    self.pValue = pValue
    self.reasons = reasons
  }

  enum CodingKeys: String, CodingKey {
    case reasons
    case pValue = "p_value"
  }
}
