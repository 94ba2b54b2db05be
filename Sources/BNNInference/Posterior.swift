import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors

/// The engines by name.
public enum Method: String, Codable, CaseIterable, Sendable {
  /// Linear regression on the inputs.
  case linear
  /// The last layer on the features of a network frozen at D1.
  case lastLayer = "last-layer"
  /// The same with the inputs themselves beside the features.
  case parallelBranch = "parallel-branch"
  /// The whole network linearised at its D1 weights.
  case tangent
  /// The whole network linearised at weights that every update moves.
  case movingTangent = "moving-tangent"
  /// The network itself, by Laplace's approximation at the optimum of every batch under the posterior before it.
  case laplace
  /// The network itself, one row at a time by the extended Kalman filter.
  case kalman
  /// The network itself, by the factorised Gaussian nearest to the posterior under the posterior before every batch.
  case meanField = "mean-field"
  /// The network itself with its weights taken for certain, continued in one of the ways of `PointMethod`; what data said is kept for
  /// those that ask.
  case point

  /// Whether the posterior is one Gaussian over the network's weights: a mean, what rows said in the structure of
  /// `LaplaceState`, and the prior.
  public var keepsCurvature: Bool { self == .laplace || self == .kalman || self == .meanField || self == .point }

  /// The whole network linearised, wherever.
  public var isTangent: Bool { self == .tangent || self == .movingTangent }
}

/// What a posterior is about: properties that no update may change.
public struct ModelDescription: Codable, Sendable, Equatable {
  public var method: Method
  public var schema: Schema
  /// Null for `linear`.
  public var network: NetworkSpec?
  public var likelihood: LikelihoodKind
  public var intercept: Bool
  /// False for `--normalize none`.
  public var standardised: Bool
  public var prior: PriorSettings
  /// M, the directions in which a tangent's weights may move; nil for all.
  public var subspace: Int?
  /// True where those directions were drawn at random; nil where D1 chose them.
  public var isSketch: Bool?
  /// Networks that were trained apart and joined into `network`; nil where it was trained as it is.
  public var joined: Int?
  /// Nil for every method of the linear family.
  public var laplace: LaplaceSettings?

  public init(
    method: Method, schema: Schema, network: NetworkSpec?, intercept: Bool, standardised: Bool, prior: PriorSettings,
    subspace: Int? = nil, likelihood: LikelihoodKind = .gaussian, laplace: LaplaceSettings? = nil
  ) {
    self.method = method
    self.schema = schema
    self.network = network
    self.likelihood = likelihood
    self.laplace = laplace
    self.intercept = intercept
    self.standardised = standardised
    self.prior = prior
    self.subspace = subspace
  }
}

/// One network (or one linear model) with everything that is known of its weights.
public struct Member: Sendable, Equatable {
  /// θ₁, the weights of the network trained on D1; empty for `linear`. Never θ₁ + w. For `laplace` the posterior mean.
  public var theta: [Double]
  /// L (C × C, lower triangular) with LLᵀ the covariance of D1's residuals, by which a tangent with several outputs whitens
  /// them; nil for everything else.
  public var outputRoot: Matrix?
  /// Sᵀ (M × P, orthonormal rows) of a tangent w = S v restricted to a subspace; nil for everything else.
  public var subspace: Matrix?
  /// What the data said.
  public var statistics: LinearStatistics
  /// Prior and data together, one per response; a function of everything above.
  public var responses: [LinearResponse]
  /// What a moving tangent carries from one linearisation point to the next; nil for everything else.
  public var store: TangentStore?
  /// Curvature and prior of a Laplace posterior; nil for everything else. Then there are no statistics and no responses.
  public var laplace: LaplaceState?

  public init(
    theta: [Double], outputRoot: Matrix?, subspace: Matrix? = nil, statistics: LinearStatistics,
    responses: [LinearResponse], store: TangentStore? = nil, laplace: LaplaceState? = nil
  ) {
    self.theta = theta
    self.outputRoot = outputRoot
    self.subspace = subspace
    self.statistics = statistics
    self.responses = responses
    self.store = store
    self.laplace = laplace
  }

  /// True when every response has a posterior; before the first rows there are no responses.
  public var isProper: Bool { laplace != nil || !responses.isEmpty && responses.allSatisfy { $0.posterior != nil } }
}

/// The posterior after everything seen so far, which is the prior for what comes next.
public struct Posterior: Sendable, Equatable {
  public var model: ModelDescription
  /// Fitted on D1 and frozen; for `linear` read off the statistics each time.
  public var normalisation: Normalisation
  public var members: [Member]
  /// Data rows absorbed.
  public var rows: Int
  public var certificate: Certificate
  public var lineage: [LineageEntry]
  /// Where the inputs lay, for a moving tangent; nil for everything else.
  public var inputs: InputSummary?
  /// Rows that are kept as they are; nil where none is.
  public var memory: RowMemory?
  /// A sample of the rows' fingerprints, written by the caller as the lineage is; nil where none is kept.
  public var rowSketch: RowSketch?
  /// What tells whether rows are like those it has seen, written by the caller likewise; nil where nothing is kept.
  public var drift: DriftReference?
  /// What single batches said, where it is kept apart; of the linear family these sum to the members' statistics.
  public var sites: [BatchSite] = []

  public init(
    model: ModelDescription, normalisation: Normalisation, members: [Member], rows: Int, certificate: Certificate,
    lineage: [LineageEntry], inputs: InputSummary? = nil, memory: RowMemory? = nil
  ) {
    self.model = model
    self.normalisation = normalisation
    self.members = members
    self.rows = rows
    self.certificate = certificate
    self.lineage = lineage
    self.inputs = inputs
    self.memory = memory
  }

  /// True when every member's weights are identified.
  public var isProper: Bool { members.allSatisfy(\.isProper) }

  /// Schema of the tables it reads.
  public var schema: Schema { model.schema }

  /// The same model with nothing seen: features, linearisation point and normalisation stay, what the data said goes.
  /// The start of the union that a chain of updates is compared with.
  public func forgettingData() -> Posterior {
    var result = self
    result.rows = 0
    result.lineage = []
    result.inputs = nil
    result.memory = nil
    result.sites = []
    result.rowSketch = nil
    result.drift = nil
    for k in members.indices {
      let own = members[k].statistics
      result.members[k].statistics = LinearStatistics(weights: own.weights, responses: own.responses)
      result.members[k].responses = []
      if let store = members[k].store {
        result.members[k].store?.statistics = LinearStatistics(weights: store.statistics.weights, responses: 1)
      }
    }
    return result
  }

  /// The basis of one member of the linear family: how its rows are made.
  public func basis(of member: Member) -> any LinearBasis {
    switch model.method {
    case .laplace, .kalman, .meanField, .point:
      preconditionFailure("a posterior of the network's own weights has no basis: it is not linear in them")
    case .linear:
      return LinearRegressionBasis(
        features: model.schema.features.count, outputs: model.schema.targets.count, intercept: model.intercept,
        normalisation: normalisation)
    case .lastLayer:
      return LastLayerBasis(network: Network(model.networkOrEmpty), theta: member.theta, normalisation: normalisation)
    case .parallelBranch:
      return ParallelBranchBasis(
        network: Network(model.networkOrEmpty), theta: member.theta, normalisation: normalisation)
    case .tangent, .movingTangent:
      return TangentBasis(
        network: Network(model.networkOrEmpty), theta: member.theta, normalisation: normalisation,
        outputRoot: member.outputRoot, subspace: member.subspace)
    }
  }
}

extension ModelDescription {
  /// The method as a user asks for it: a tangent whose likelihood is not Gaussian is a Laplace posterior of the linearised
  /// network.
  public var methodName: String { (laplace?.isLinearised == true ? Method.tangent : method).rawValue }

  /// The numbers that a network must give a row.
  public var outputs: Int {
    likelihood.outputs(targets: schema.targets.count, classes: schema.classes?.count ?? 2)
  }

  /// The network, or one without layers where the method has none.
  var networkOrEmpty: NetworkSpec { network ?? NetworkSpec(inputs: schema.features.count, layers: []) }
}
