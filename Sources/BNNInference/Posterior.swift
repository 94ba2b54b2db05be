import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors

/// The engines of the linear family by name.
public enum Method: String, Codable, CaseIterable, Sendable {
  /// Linear regression on the inputs.
  case linear
  /// The last layer on the features of a network frozen at D1.
  case lastLayer = "last-layer"
  /// The whole network linearised at its D1 weights.
  case tangent
  /// The whole network linearised at weights that every update moves.
  case movingTangent = "moving-tangent"

  /// The whole network linearised, wherever.
  public var isTangent: Bool { self == .tangent || self == .movingTangent }
}

/// What a posterior is about: properties that no update may change.
public struct ModelDescription: Codable, Sendable, Equatable {
  public var method: Method
  public var schema: Schema
  /// Null for `linear`.
  public var network: NetworkSpec?
  /// `gaussian`.
  public var likelihood: String
  public var intercept: Bool
  /// False for `--normalize none`.
  public var standardised: Bool
  public var prior: PriorSettings
  /// M, the directions in which a tangent's weights may move; nil for all.
  public var subspace: Int?

  public init(
    method: Method, schema: Schema, network: NetworkSpec?, intercept: Bool, standardised: Bool, prior: PriorSettings,
    subspace: Int? = nil
  ) {
    self.method = method
    self.schema = schema
    self.network = network
    likelihood = "gaussian"
    self.intercept = intercept
    self.standardised = standardised
    self.prior = prior
    self.subspace = subspace
  }
}

/// One network (or one linear model) with everything that is known of its weights.
public struct Member: Sendable, Equatable {
  /// θ₁, the weights of the network trained on D1; empty for `linear`. Never θ₁ + w.
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

  public init(
    theta: [Double], outputRoot: Matrix?, subspace: Matrix? = nil, statistics: LinearStatistics,
    responses: [LinearResponse], store: TangentStore? = nil
  ) {
    self.theta = theta
    self.outputRoot = outputRoot
    self.subspace = subspace
    self.statistics = statistics
    self.responses = responses
    self.store = store
  }

  /// True when every response has a posterior; before the first rows there are no responses.
  public var isProper: Bool { !responses.isEmpty && responses.allSatisfy { $0.posterior != nil } }
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

  public init(
    model: ModelDescription, normalisation: Normalisation, members: [Member], rows: Int, certificate: Certificate,
    lineage: [LineageEntry], inputs: InputSummary? = nil
  ) {
    self.model = model
    self.normalisation = normalisation
    self.members = members
    self.rows = rows
    self.certificate = certificate
    self.lineage = lineage
    self.inputs = inputs
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

  /// The basis of one member: how its rows are made.
  public func basis(of member: Member) -> any LinearBasis {
    switch model.method {
    case .linear:
      return LinearRegressionBasis(
        features: model.schema.features.count, outputs: model.schema.targets.count, intercept: model.intercept,
        normalisation: normalisation)
    case .lastLayer:
      return LastLayerBasis(network: Network(model.networkOrEmpty), theta: member.theta, normalisation: normalisation)
    case .tangent, .movingTangent:
      return TangentBasis(
        network: Network(model.networkOrEmpty), theta: member.theta, normalisation: normalisation,
        outputRoot: member.outputRoot, subspace: member.subspace)
    }
  }
}

extension ModelDescription {
  /// The network, or one without layers where the method has none.
  var networkOrEmpty: NetworkSpec { network ?? NetworkSpec(inputs: schema.features.count, layers: []) }
}
