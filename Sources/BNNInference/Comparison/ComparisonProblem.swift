import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors

/// Rows of features (n × d), targets (n × C) and weights, in their own units.
public struct ComparisonRows: Sendable {
  public var features: Matrix
  public var targets: Matrix
  public var weights: [Double]?

  public init(features: Matrix, targets: Matrix, weights: [Double]? = nil) {
    precondition(
      features.rows == targets.rows && (weights.map { $0.count == features.rows } ?? true), "rows are paired")
    self.features = features
    self.targets = targets
    self.weights = weights
  }

  public var count: Int { features.rows }

  public func gathering(_ indices: [Int]) -> ComparisonRows {
    ComparisonRows(
      features: features.gathering(indices[...]), targets: targets.gathering(indices[...]),
      weights: weights.map { own in indices.map { own[$0] } })
  }

  func joined(_ other: ComparisonRows) -> ComparisonRows {
    ComparisonRows(
      features: Matrix(
        rows: count + other.count, columns: features.columns, storage: features.storage + other.features.storage),
      targets: Matrix(
        rows: count + other.count, columns: targets.columns, storage: targets.storage + other.targets.storage),
      weights: weights.flatMap { own in other.weights.map { own + $0 } })
  }

  /// In `count` batches of neighbouring rows, as equal as can be.
  func batches(_ count: Int) -> [ComparisonRows] {
    let parts = max(1, min(count, self.count))
    return (0..<parts).map { k in
      gathering(Array((self.count * k / parts)..<(self.count * (k + 1) / parts)))
    }
  }
}

/// D1, D2 and test rows.
public struct ComparisonSplit: Sendable {
  public var first: ComparisonRows
  public var second: ComparisonRows
  public var test: ComparisonRows
  /// Rows like D1's on which to see what was forgotten, and rows like D2's on which to see what was learned; nil for none.
  public var old: ComparisonRows?
  public var new: ComparisonRows?
  /// Whether a row of the test is like D2's; nil where that is not known.
  public var isNew: [Bool]?

  public init(
    first: ComparisonRows, second: ComparisonRows, test: ComparisonRows, old: ComparisonRows? = nil,
    new: ComparisonRows? = nil, isNew: [Bool]? = nil
  ) {
    self.first = first
    self.second = second
    self.test = test
    self.old = old
    self.new = new
    self.isNew = isNew
  }
}

/// What is learned, by every method alike.
public struct ComparisonProblem: Sendable {
  public var schema: Schema
  public var network: NetworkSpec
  public var likelihood: LikelihoodKind
  public var rule: NormalisationRule
  public var prior: PriorSettings
  public var training: TrainingSettings
  public var members: Int
  /// Batches that D2 is cut into.
  public var batches: Int
  /// Of a posterior, what it takes to keep.
  public var size: @Sendable (Posterior) throws -> Int

  public init(
    schema: Schema, network: NetworkSpec, likelihood: LikelihoodKind, rule: NormalisationRule = .standard,
    prior: PriorSettings = PriorSettings(), training: TrainingSettings = TrainingSettings(), members: Int = 1,
    batches: Int = 1, size: @escaping @Sendable (Posterior) throws -> Int
  ) {
    self.schema = schema
    self.network = network
    self.likelihood = likelihood
    self.rule = rule
    self.prior = prior
    self.training = training
    self.members = members
    self.batches = batches
    self.size = size
  }

  var weights: Int { Network(network).parameterCount }
  /// Of the members as one network.
  var joinedWeights: Int { Network(JoinedMembers.spec(network, count: members)).parameterCount }
  var isGaussian: Bool { likelihood == .gaussian }
}

/// Posteriors of D1 that methods start from; methods with the same one share it.
enum ComparisonBase: Hashable, Sendable {
  case linear
  /// Of the linear family on a network.
  case network(Method)
  /// The tangent of the members as one network.
  case joinedTangent
  /// The curvature averaged over so many pairs of draws.
  case laplace(CurvatureStructure, draws: Int = 0)
  /// Of classes and counts, the last layer under Laplace's approximation.
  case laplaceLastLayer
  /// Of classes and counts, the linearised network.
  case linearised
  case kalman
  case meanField

  /// What doing nothing and retraining are: what `fit` makes by default.
  static func standard(_ problem: ComparisonProblem) -> ComparisonBase {
    problem.isGaussian
      ? .network(problem.weights <= NetworkTraining.fullEvidenceLimit ? .tangent : .lastLayer) : trained(problem)
  }

  /// A trained network with the most complete curvature that is affordable.
  static func trained(_ problem: ComparisonProblem) -> ComparisonBase {
    .laplace(problem.weights <= NetworkTraining.fullEvidenceLimit ? .full : .kronecker)
  }

  /// The posterior of some rows.
  func fit(_ rows: ComparisonRows, _ problem: ComparisonProblem, seed: UInt64, threads: Int) throws -> Posterior {
    let compact = CompactRows(features: rows.features, targets: rows.targets, weights: rows.weights)
    let normalisation = Normalisation.fit(compact, rule: problem.rule, targetKind: problem.schema.targetKind)
    let standardised = problem.rule != .none
    switch self {
    case .linear:
      var update = SequentialUpdate(
        .linear(schema: problem.schema, standardised: standardised, prior: problem.prior))
      try update.absorb(features: rows.features, targets: rows.targets, weights: rows.weights, threads: threads)
      return try update.finish(threads: threads).posterior
    case .network, .joinedTangent:
      let method: Method = if case .network(let own) = self { own } else { .tangent }
      return try Posterior.network(
        problem.network, method: method, schema: problem.schema, features: rows.features, targets: rows.targets,
        weights: rows.weights, normalisation: normalisation, standardised: standardised, prior: problem.prior,
        training: problem.training, members: problem.members, isJoined: self == .joinedTangent, seed: seed,
        threads: threads
      ).posterior
    case .kalman:
      let structure: CurvatureStructure = problem.weights <= NetworkTraining.fullEvidenceLimit ? .full : .diagonal
      return try Posterior.kalman(
        problem.network, settings: LaplaceSettings(structure: structure), likelihood: problem.likelihood,
        schema: problem.schema, features: rows.features, targets: rows.targets, weights: rows.weights,
        normalisation: normalisation, standardised: standardised, prior: problem.prior, training: problem.training,
        members: problem.members, seed: seed, threads: threads
      ).posterior
    case .meanField:
      var own = problem.training
      own.epochs = nil
      return try Posterior.meanField(
        problem.network, likelihood: problem.likelihood, schema: problem.schema, rows: compact,
        normalisation: normalisation, standardised: standardised, prior: problem.prior, training: own,
        members: problem.members, seed: seed, threads: threads
      ).posterior
    case .laplace, .laplaceLastLayer, .linearised:
      return try Posterior.laplace(
        problem.network, settings: laplaceSettings(problem), likelihood: problem.likelihood, schema: problem.schema,
        rows: compact, normalisation: normalisation, standardised: standardised, prior: problem.prior,
        training: problem.training, members: problem.members, seed: seed, threads: threads
      ).posterior
    }
  }

  private func laplaceSettings(_ problem: ComparisonProblem) -> LaplaceSettings {
    let layers = problem.network.layers.count
    return switch self {
    case .laplace(let structure, let draws): LaplaceSettings(structure: structure, curvatureDraws: draws)
    case .laplaceLastLayer: LaplaceSettings(structure: .full, layers: (layers - 1)..<layers)
    default: LaplaceSettings(structure: .full, isLinearised: true)
    }
  }
}
