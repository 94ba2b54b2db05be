import BNNDatasets
import BNNInference
import BNNPosteriors

/// The JSON text in a posterior file's metadata: everything that is not a tensor. Keys are sorted, so equal posteriors
/// give equal bytes; no clock time, path, host or thread count is in it.
public struct Manifest: Codable, Sendable, Equatable {
  /// What this version writes and the newest it reads.
  public static let currentVersion = 1

  public var formatVersion: Int
  public var model: ModelDescription
  public var normalisation: Normalisation
  /// Data rows absorbed.
  public var rows: Int
  public var members: [MemberEntry]
  public var certificate: Certificate
  public var lineage: [LineageEntry]
  /// Batches whose part is kept apart; null where none is.
  public var sites: [SiteEntry]?

  enum CodingKeys: String, CodingKey {
    case model, normalisation, rows, members, certificate, lineage, sites
    case formatVersion = "format_version"
  }

  /// One member's numbers that are no tensors.
  public struct MemberEntry: Codable, Sendable, Equatable {
    /// Rows of the information array's data (n, or n·C where outputs share weights).
    public var observations: Int
    public var weights: Int
    public var responses: [ResponseEntry]
    /// Σ log w over those rows; null if every row weighs 1.
    public var logWeights: Double?
    /// By how much those rows count less than they are; null if every row counts once.
    public var discount: Double?
    /// Null for every method but `laplace`.
    public var laplace: LaplaceEntry?

    enum CodingKeys: String, CodingKey {
      case observations, weights, responses, discount, laplace
      case logWeights = "log_weights"
    }
  }

  /// Hyper-parameters and noise of a Laplace posterior, in normalised units.
  public struct LaplaceEntry: Codable, Sendable, Equatable {
    /// First of the layers whose weights are uncertain, and the one after the last.
    public var layers: [Int]
    /// δ, one for each of them; null where tensors `prior.` hold one for each of their weights.
    public var prior: [Double]?
    public var noiseVariance: Double?
    public var logEvidence: Double
    /// √(gᵀΛ⁻¹g) at the last batch's optimum.
    public var distanceToOptimum: Double
    /// τ.
    public var predictiveScale: Double
    /// Of a curvature that was averaged over draws; null for every other.
    public var surplusWeights: Double?
    /// Of a mean-field posterior with rows in memory, `logEvidence` without them; null for every other.
    public var evidenceWithoutMemory: Double?
    /// Of a point that keeps its optimiser, what is no tensor of it; null for every other.
    public var optimiser: OptimiserEntry?

    enum CodingKeys: String, CodingKey {
      case layers, prior
      case optimiser = "optimizer"
      case noiseVariance = "noise_variance"
      case logEvidence = "log_evidence"
      case distanceToOptimum = "distance_to_optimum"
      case predictiveScale = "predictive_scale"
      case surplusWeights = "surplus_weights"
      case evidenceWithoutMemory = "evidence_without_memory"
    }
  }

  /// Adam's counters (`OptimiserState`).
  public struct OptimiserEntry: Codable, Sendable, Equatable {
    public var steps: Int
    public var rows: Int
    public var epochs: Int
    public var scheduleEpochs: Int
    public var seed: UInt64

    enum CodingKeys: String, CodingKey {
      case steps, rows, epochs, seed
      case scheduleEpochs = "schedule_epochs"
    }
  }

  /// Hyper-parameters and noise of one response, in normalised units.
  public struct ResponseEntry: Codable, Sendable, Equatable {
    /// κ.
    public var priorRatio: Double
    /// σ² when it was given.
    public var knownVariance: Double?
    /// a₀ and b₀ otherwise.
    public var priorShape: Double?
    public var priorRate: Double?
    /// a and b of the posterior; null while it is not identified or the noise is given.
    public var shape: Double?
    public var rate: Double?
    public var identified: Bool
    public var logEvidence: Double?
    public var effectiveWeights: Double

    enum CodingKeys: String, CodingKey {
      case shape, rate, identified
      case priorRatio = "prior_ratio"
      case knownVariance = "known_variance"
      case priorShape = "prior_shape"
      case priorRate = "prior_rate"
      case logEvidence = "log_evidence"
      case effectiveWeights = "effective_weights"
    }
  }
}

extension Manifest {
  init(of posterior: Posterior) {
    formatVersion = Self.currentVersion
    model = posterior.model
    normalisation = posterior.normalisation
    rows = posterior.rows
    certificate = posterior.certificate
    lineage = posterior.lineage
    sites = posterior.sites.isEmpty ? nil : posterior.sites.map(SiteEntry.init)
    members = posterior.members.map { member in
      MemberEntry(
        observations: member.laplace == nil ? member.statistics.observations : posterior.rows,
        weights: member.laplace == nil ? member.statistics.weights : member.theta.count,
        responses: member.responses.map(ResponseEntry.init),
        logWeights: member.statistics.logWeights == 0 ? nil : member.statistics.logWeights,
        discount: member.statistics.discount == 0 ? nil : member.statistics.discount,
        laplace: member.laplace.map { own in
          LaplaceEntry(
            layers: [own.chosen.lowerBound, own.chosen.upperBound], prior: own.prior.perLayer,
            noiseVariance: own.noiseVariance, logEvidence: own.logEvidence,
            distanceToOptimum: own.distanceToOptimum, predictiveScale: own.predictiveScale,
            surplusWeights: own.surplusWeights == 0 ? nil : own.surplusWeights,
            evidenceWithoutMemory: own.withoutMemory?.logEvidence,
            optimiser: own.optimiser.map {
              OptimiserEntry(
                steps: $0.steps, rows: $0.rows, epochs: $0.epochs, scheduleEpochs: $0.scheduleEpochs, seed: $0.seed)
            })
        })
    }
  }
}

extension Manifest.ResponseEntry {
  init(_ response: LinearResponse) {
    priorRatio = response.ratio
    logEvidence = response.logEvidence
    effectiveWeights = response.effectiveWeights
    identified = response.posterior != nil
    switch response.noisePrior {
    case .known(let variance): knownVariance = variance
    case .inverseGamma(let a, let b): (priorShape, priorRate) = (a, b)
    }
    if case .inverseGamma(let a, let b)? = response.posterior?.noise { (shape, rate) = (a, b) }
  }

  /// The noise prior, or nil when the entry is inconsistent.
  var noisePrior: NoisePrior? {
    if let knownVariance { return knownVariance > 0 && knownVariance.isFinite ? .known(variance: knownVariance) : nil }
    guard let priorShape, let priorRate, priorShape >= 0, priorRate >= 0 else { return nil }
    return .inverseGamma(shape: priorShape, rate: priorRate)
  }

  /// The noise belief of an identified response, or nil when the entry is inconsistent.
  var noiseBelief: NoiseBelief? {
    if let knownVariance { return .known(variance: knownVariance) }
    guard let shape, let rate, shape > 0, rate > 0, shape.isFinite, rate.isFinite else { return nil }
    return .inverseGamma(shape: shape, rate: rate)
  }
}
