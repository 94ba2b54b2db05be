import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

/// An update by the filter on its way: rows in, in any blocks, and at any time the posterior of the rows so far.
struct FilterUpdate: Sendable {
  let before: Posterior
  let settings: FilterSettings
  private var filters: [any RowFilter]
  private(set) var rows = 0

  /// - Throws: `UpdateError.unsuitable` for a posterior whose precision no filter keeps, `LinearAlgebraError`.
  init(_ before: Posterior, _ settings: FilterSettings, followsNoise: Bool) throws {
    self.before = before
    self.settings = settings
    try before.checkFilter()
    filters = try before.members.map { member in
      guard let state = member.laplace else { throw UpdateError.unsuitable("the posterior has no curvature") }
      let noise = before.earlierTerms(followsNoise: followsNoise).flatMap { terms in
        state.noiseVariance.map { FilterNoise.after(terms: terms, variance: $0) }
      }
      return try before.filter(member.theta, state, settings, noise: noise)
    }
  }

  mutating func absorb(features: Matrix, targets: Matrix, relativeWeights: [Double]?, threads: Int) throws {
    let x = before.normalisation.features(features)
    let y = before.normalisation.targets(targets)
    // Side by side the filters' states are copied, which costs as much as many rows.
    if filters.count > 1, features.rows >= 256 {
      let own = filters
      filters = try parallelMap(filters.count, threads: threads) { k in
        var filter = own[k]
        try filter.absorb(x, y, weights: relativeWeights?[...])
        return filter
      }
    } else {
      for k in filters.indices { try filters[k].absorb(x, y, weights: relativeWeights?[...]) }
    }
    rows += features.rows
  }

  func finished() throws -> (posterior: Posterior, report: UpdateReport) {
    var result = before
    result.rows += rows
    guard rows > 0 else {
      return (before, UpdateReport(rows: 0, logEvidence: 0, logEvidenceTotal: before.meanLogEvidence))
    }
    let outcomes = try filters.map { try $0.outcome() }
    for (k, outcome) in outcomes.enumerated() {
      result.members[k].theta = outcome.theta
      result.members[k].laplace = outcome.state
    }
    result.certificate = before.filterCertificate(after: settings)
    let evidence = outcomes.reduce(0) { $0 + $1.logEvidence } / Double(max(1, outcomes.count))
    return (
      result,
      UpdateReport(
        rows: rows, logEvidence: evidence - result.logTargetUnits(rows: rows),
        logEvidenceTotal: result.meanLogEvidence, shift: outcomes.map(\.shift).max())
    )
  }
}

extension Posterior {
  /// Whether `update` may take rows one at a time by the extended Kalman filter.
  public var canFilter: Bool { (try? checkFilter()) != nil }

  /// - Throws: `UpdateError.unsuitable` with the reason why not.
  func checkFilter() throws {
    guard model.method == .kalman || model.method == .laplace, let own = model.laplace else {
      throw UpdateError.unsuitable(
        "the filter continues a posterior of kalman or laplace, and this one is of \(model.methodName)")
    }
    guard !own.isLinearised else {
      throw UpdateError.unsuitable(
        "the filter moves the network's own weights, and this posterior is of a network linearised at D1's")
    }
    if let spec = model.network {
      try Self.checkLayers(of: spec, chosen: own.layers ?? 0..<spec.layers.count, for: .kalman)
    }
    guard KalmanStructure.all.contains(own.structure) else {
      throw UpdateError.unsuitable(
        "the filter keeps a precision that is full, low-rank or diagonal, and this posterior's is \(own.structure.rawValue)"
      )
    }
  }

  /// Mean over members, target units; nil where improper.
  var meanLogEvidence: Double? {
    let all = members.indices.compactMap { logEvidence(ofMember: $0) }
    return all.count == members.count && !all.isEmpty ? all.reduce(0, +) / Double(all.count) : nil
  }

  func filter(
    _ theta: [Double], _ state: LaplaceState, _ settings: FilterSettings, noise: FilterNoise? = nil
  ) throws -> any RowFilter {
    let network = Network(model.networkOrEmpty)
    let isSingle = settings.usesSinglePrecision ?? (network.parameterCount > LaplaceRows.doubleLimit)
    func make<B: FilterBelief>(_: B.Type) throws -> any RowFilter {
      try KalmanFilter<B>(
        network, theta, state, kind: model.likelihood, likelihood: likelihood(state.noiseVariance ?? 1),
        dynamics: settings.dynamics, noise: noise)
    }
    switch state.curvature.structure {
    case .full: return isSingle ? try make(FullBelief<Float>.self) : try make(FullBelief<Double>.self)
    case .diagonal: return isSingle ? try make(DiagonalBelief<Float>.self) : try make(DiagonalBelief<Double>.self)
    case .lowRank: return isSingle ? try make(LowRankBelief<Float>.self) : try make(LowRankBelief<Double>.self)
    case .block, .kronecker, .kroneckerEigenvalue:
      throw UpdateError.unsuitable("the filter has no \(state.curvature.structure.rawValue) precision")
    }
  }

  /// Whether the outputs are linear in the weights that are uncertain, with normal noise and a full precision: then a filter
  /// without drift is Bayes' rule.
  var isLinearGaussian: Bool {
    guard let own = model.laplace, let network = model.network, model.likelihood == .gaussian, own.structure == .full
    else { return false }
    return own.layers.map { $0 == (network.layers.count - 1)..<network.layers.count } ?? (network.layers.count == 1)
  }

  private static var dynamicsReason: String { "Earlier rows count less: an update" }

  func filterCertificate(after settings: FilterSettings) -> Certificate {
    var certificate = certificate
    if !settings.dynamics.isStill {
      certificate.update = .approximate
      var words: [String] = []
      if settings.dynamics.forgetting < 1 { words.append("forgot by \(settings.dynamics.forgetting) before every row") }
      if settings.dynamics.processNoise > 0 {
        words.append("added process noise of variance \(settings.dynamics.processNoise) before every row")
      }
      add("\(Self.dynamicsReason) \(words.joined(separator: " and ")).", to: &certificate)
    }
    if !isLinearGaussian {
      certificate.update = .approximate
      add(Self.filterReason, to: &certificate)
    }
    return certificate
  }

  private func add(_ reason: String, to certificate: inout Certificate) {
    if !certificate.reasons.contains(reason) { certificate.reasons.append(reason) }
  }

  private static var filterReason: String {
    "An extended Kalman filter: every row is linearised once, at the mean before it, and its order matters."
  }

  /// The certificate of a posterior that a filter is to continue, fitted on D1.
  func kalmanCertificate(onePass: Bool) -> Certificate {
    guard let own = model.laplace else { return certificate }
    var conditions: [Certificate.Condition] = []
    if model.standardised { conditions.append(.init("normalisation", fixedBy: 1)) }
    let isGiven = model.prior.precision != .auto && (model.prior.noise != .auto || !model.likelihood.hasNoise)
    conditions.append(.init("hyper-parameters", fixedBy: isGiven ? nil : 1))
    if own.layers != nil { conditions.append(.init("features", fixedBy: 1)) }
    if isLinearGaussian { return Certificate(update: .exact, conditionalOn: conditions, reasons: []) }
    var reasons: [String] = []
    if onePass {
      reasons.append(Self.filterReason)
    } else {
      reasons.append("Laplace's approximation at the weights trained on the first batch, continued by a filter.")
    }
    if !isGiven { reasons.append(Self.hyperParameterReason(model.prior, model.likelihood)) }
    switch own.structure {
    case .lowRank: reasons.append("The precision keeps \(own.rank) directions and a diagonal.")
    case .diagonal: reasons.append("The precision keeps no dependence between weights.")
    default: break
    }
    return Certificate(update: .approximate, conditionalOn: conditions, reasons: reasons)
  }
}

/// The structures that a filter keeps.
public enum KalmanStructure {
  public static let all: [CurvatureStructure] = [.full, .lowRank, .diagonal]
}
