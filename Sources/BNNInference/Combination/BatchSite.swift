import BNNPosteriors

/// What one batch said, kept beside the sum over all batches: with it the batch can be taken out again, or go into the posterior
/// of several shards, without a subtraction.
public struct BatchSite: Sendable, Equatable {
  /// One member's part.
  public enum Part: Sendable, Equatable {
    case linear(LinearStatistics)
    case gaussian(GaussianSite)
  }

  /// Number of the batch's lineage entry; 0 is everything that has no site of its own (of the linear family only).
  public var number: Int
  /// One a member.
  public var parts: [Part]

  public init(number: Int, parts: [Part]) {
    self.number = number
    self.parts = parts
  }

  /// The statistics of every member; nil for sites of another kind.
  var statistics: [LinearStatistics]? {
    let own = parts.compactMap { if case .linear(let own) = $0 { own } else { nil } }
    return own.count == parts.count ? own : nil
  }
}

/// What one batch added to a Gaussian over the uncertain weights.
public struct GaussianSite: Sendable, Equatable {
  /// Λ_k − Λ_{k−1}.
  public var curvature: AnyCurvature
  /// Λ_k m_k − Λ_{k−1} m_{k−1}.
  public var information: [Double]
  /// log p(D_k | D_<k) in normalised units.
  public var logEvidence: Double

  public init(curvature: AnyCurvature, information: [Double], logEvidence: Double) {
    self.curvature = curvature
    self.information = information
    self.logEvidence = logEvidence
  }
}

extension Posterior {
  /// The statistics of every member's batches `numbers`; nil where one of them was not kept.
  func statistics(ofSites numbers: [Int]) -> [[LinearStatistics]]? {
    let kept = Dictionary(sites.map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
    let found = numbers.compactMap { kept[$0]?.statistics }
    return found.count == numbers.count ? found : nil
  }

  /// Sites of the linear family made to sum to the statistics again: what has no site of its own becomes site 0.
  mutating func keep(_ sites: [BatchSite], rest: [LinearStatistics]) {
    let sites = sites.filter { $0.number > 0 }
    let isNothing = rest.allSatisfy { $0.observations == 0 }
    self.sites =
      sites.isEmpty ? [] : (isNothing ? [] : [BatchSite(number: 0, parts: rest.map { .linear($0) })]) + sites
  }

  /// What has no site of its own, of every member.
  var unkept: [LinearStatistics] {
    guard !sites.isEmpty else { return members.map(\.statistics) }
    return sites.first { $0.number == 0 }?.statistics
      ?? members.map { LinearStatistics(weights: $0.statistics.weights, responses: $0.statistics.responses) }
  }
}
