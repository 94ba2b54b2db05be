import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@testable import BNNInference

/// Mean-field posteriors of networks that are trained: their reports, their bytes and their predictions.
struct MeanFieldNetworkTests {
  static let n = 60

  static func data(_ kind: LikelihoodKind, seed: UInt64 = 2) -> (x: Matrix, y: Matrix) {
    var gen = Gen(seed: seed)
    let x = gen.matrix(rows: n, columns: 2)
    let noise = gen.normals(n)
    let y = (0..<n).map { i -> Double in
      let f = sin(2 * x[i, 0]) + x[i, 1]
      switch kind {
      case .gaussian, .heteroscedastic: return f + 0.2 * noise[i]
      case .poisson: return max(0, (2 + f + noise[i]).rounded())
      case .bernoulli: return f + 0.3 * noise[i] > 0 ? 1 : 0
      case .categorical: return f + 0.3 * noise[i] > 0.5 ? 2 : f > -0.5 ? 1 : 0
      }
    }
    return (x, Matrix(rows: n, columns: 1, storage: y))
  }

  static func schema(_ kind: LikelihoodKind) -> Schema {
    let columns = [FeatureColumn(name: "a"), FeatureColumn(name: "b")]
    switch kind {
    case .bernoulli: return Schema(featureColumns: columns, targets: ["y"], targetKind: .classes(["no", "yes"]))
    case .categorical: return Schema(featureColumns: columns, targets: ["y"], targetKind: .classes(["a", "b", "c"]))
    case .poisson: return Schema(featureColumns: columns, targets: ["y"], targetKind: .count)
    default: return Schema(features: ["a", "b"], targets: ["y"])
    }
  }

  static func fitted(
    _ kind: LikelihoodKind, rows: Range<Int> = 0..<30, hidden: [Int] = [4],
    training: TrainingSettings = TrainingSettings(epochs: 200, batchSize: 16), prior: PriorSettings = PriorSettings(),
    scope: PriorScope = .network, members: Int = 1, threads: Int = 1
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    let (x, y) = data(kind)
    return try Posterior.meanField(
      NetworkSpec(
        inputs: 2, hidden: hidden, outputs: kind.outputs(targets: 1, classes: 3), activation: .tanh),
      settings: LaplaceSettings(structure: .diagonal, priorScope: scope), likelihood: kind, schema: schema(kind),
      features: x.rows(rows), targets: y.rows(rows), normalisation: .identity(features: 2, targets: 1),
      standardised: false, prior: prior, training: training, members: members, seed: 5, threads: threads)
  }

  static func updated(
    _ posterior: Posterior, _ kind: LikelihoodKind, rows: Range<Int> = 30..<60,
    training: TrainingSettings = TrainingSettings(epochs: 200, batchSize: 16), threads: Int = 1
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    let (x, y) = data(kind)
    var update = try SequentialUpdate(meanField: posterior, training: training)
    try update.absorb(features: x.rows(rows), targets: y.rows(rows), threads: threads)
    return try update.finish(threads: threads, seed: 5)
  }

  // MARK: Reports

  /// The parts of the bound are those of the posterior that came out: the divergence from the one before, the expected log density
  /// by the same draws; and training gains on where it began.
  @Test(arguments: LikelihoodKind.allCases, VariationalSettings.Optimiser.allCases)
  func reportsAreOfThePosterior(_ kind: LikelihoodKind, _ optimiser: VariationalSettings.Optimiser) throws {
    let training = TrainingSettings(
      epochs: 300, batchSize: 16, variational: VariationalSettings(optimiser: optimiser))
    let first = try Self.fitted(kind, training: training)
    let second = try Self.updated(first.posterior, kind, training: training)
    let report = try #require(second.report.variational)
    let (before, after) = (first.posterior.members[0], second.posterior.members[0])
    let state = try #require(before.laplace)
    let prior = try VariationalPrior(mean: before.theta, state)
    let own = try #require(after.laplace)
    let q = FactorisedGaussian(mean: after.theta, variance: try own.factored().marginalVariances)
    // Variances go through 1/s² − δ and back: some roundings.
    #expect(relativeDifference(report.divergence, prior.divergence(q)) < 1e-9)
    #expect(report.standardError > 0 && report.bounds.allSatisfy(\.isFinite))
    let (x, y) = Self.data(kind)
    let expected = ExpectedLoss<Double>(
      spec: try #require(second.posterior.model.network), x: x.rows(30..<60).storage, y: y.rows(30..<60),
      weights: nil, likelihood: second.posterior.likelihood(own.noiseVariance ?? 1), threads: 1
    ).estimated(q, pairs: 200, stream: RandomStream(seed: 99))
    let error = (expected.standardError * expected.standardError + report.standardError * report.standardError)
      .squareRoot()
    // Thirty rows of two pairs tell their error to an eighth; eight errors.
    #expect(abs(report.bound + report.divergence + expected.mean) < 8 * error)
    // What was known before explains the batch worse than what is known now.
    #expect(report.bound > report.bounds[0] - 8 * report.standardError)
    #expect(second.report.logEvidence == report.bound && second.report.distanceToOptimum == nil)
    #expect(second.report.rows == 30 && second.posterior.rows == 60)
    #expect(own.prior == state.prior, "the prior of D1 stays")
  }

  /// An open δ is the fixed point of MacKay's evidence at the most probable weights, δ_l = γ_l/‖θ_l‖², with the full
  /// curvature: that of Laplace's approximation on the same rows, which starts from the same weights. Its tuning stops at changes of
  /// 1e-9, and its own weights move after it, by less than its distance to the optimum.
  @Test(arguments: [PriorScope.network, .layer]) func priorPrecisionIsLaplaces(_ scope: PriorScope) throws {
    let own = try #require(try Self.fitted(.gaussian, scope: scope).posterior.members[0].laplace)
    let (x, y) = Self.data(.gaussian)
    let model = try Self.fitted(.gaussian, scope: scope).posterior
    let laplace = try Posterior.laplace(
      try #require(model.model.network), settings: LaplaceSettings(structure: .full, priorScope: scope),
      schema: model.schema, features: x.rows(0..<model.rows), targets: y.rows(0..<model.rows),
      normalisation: model.normalisation, standardised: model.model.standardised, prior: model.model.prior, seed: 5
    ).posterior.members[0].laplace
    guard case .layers(let precisions) = own.prior, case .layers(let expected) = try #require(laplace).prior else {
      Issue.record("one a layer")
      return
    }
    #expect(relativeDifference(precisions, expected) < 1e-6)
  }

  // MARK: E12

  @Test(arguments: VariationalSettings.Optimiser.allCases)
  func threadsDoNotShow(_ optimiser: VariationalSettings.Optimiser) throws {
    let training = TrainingSettings(epochs: 40, batchSize: 16, variational: VariationalSettings(optimiser: optimiser))
    let one = try Self.fitted(.bernoulli, training: training, members: 3)
    let many = try Self.fitted(.bernoulli, training: training, members: 3, threads: 4)
    #expect(one.posterior == many.posterior && one.report.variational == many.report.variational)
    let next = try Self.updated(one.posterior, .bernoulli, training: training)
    #expect(try next.posterior == Self.updated(many.posterior, .bernoulli, training: training, threads: 3).posterior)
    // Member k is the same however many there are.
    let two = try Self.fitted(.bernoulli, training: training, members: 2, threads: 2)
    #expect(two.posterior.members == Array(one.posterior.members[0..<2]))
    #expect(one.posterior.members[0] != one.posterior.members[1])
  }

  // MARK: Predictions

  /// Units of a hidden layer are independent given the inputs, so that moments of the output are exact but for those of tanh of a
  /// normal number: against 20,000 draws of the weights, eight standard errors.
  @Test func momentsAreThoseOfDraws() throws {
    let posterior = try Self.fitted(.gaussian).posterior
    let member = posterior.members[0]
    let variances = try #require(member.laplace).factored().marginalVariances
    let network = Network(try #require(posterior.model.network))
    let x = Matrix([[0.3, -0.2], [-2, 1], [4, 4]])
    var gen = Gen(seed: 14)
    let draws = 20_000
    var outputs = [[Double]](repeating: [], count: x.rows)
    for _ in 0..<draws {
      let theta = zip(zip(member.theta, variances), gen.normals(member.theta.count)).map {
        $0.0 + $0.1.squareRoot() * $1
      }
      let f = network.forward(x, network.parameters(theta))
      for i in 0..<x.rows { outputs[i].append(f[i, 0]) }
    }
    let predictor = try Predictor(posterior)
    let drawn = try Predictor(posterior, method: .networkMonteCarlo(samples: draws / 2), seed: 3)
    let (all, other) = (try predictor.predictions(features: x), try drawn.predictions(features: x))
    for i in 0..<x.rows {
      guard case .amounts(let own) = all[i], case .amounts(let sampled) = other[i] else {
        Issue.record("amounts")
        continue
      }
      let count = Double(draws)
      let mean = outputs[i].reduce(0, +) / count
      let second = outputs[i].reduce(0) { $0 + pow($1 - mean, 2) } / count
      let fourth = outputs[i].reduce(0) { $0 + pow($1 - mean, 4) } / count
      #expect(abs(own[0].mean - mean) < 8 * (second / count).squareRoot())
      let error = ((fourth - second * second) / count).squareRoot()
      #expect(abs(own[0].epistemicVariance - second) < 8 * error)
      // Pairs have at most twice the variance of their halves.
      #expect(abs(sampled[0].mean - own[0].mean) < 8 * (2 * second / count).squareRoot())
      #expect(abs(sampled[0].epistemicVariance - own[0].epistemicVariance) < 8 * 2.0.squareRoot() * error)
      // Σ over draws of one and the same number.
      #expect(relativeDifference(sampled[0].aleatoricVariance, own[0].aleatoricVariance) < 1e-10)
    }
  }

  @Test func otherPosteriorsHaveNoMoments() throws {
    let (x, y) = Self.data(.gaussian)
    let laplace = try Posterior.laplace(
      NetworkSpec(inputs: 2, hidden: [2], outputs: 1, activation: .tanh),
      settings: LaplaceSettings(structure: .diagonal),
      schema: Self.schema(.gaussian), features: x, targets: y, normalisation: .identity(features: 2, targets: 1),
      standardised: false, training: TrainingSettings(schedule: [10])
    ).posterior
    #expect(throws: UpdateError.self) { try Predictor(laplace, method: .moments(classes: nil)) }
    var linear = SequentialUpdate(.linear(schema: Self.schema(.gaussian)))
    try linear.absorb(features: x, targets: y)
    let other = try linear.finish().posterior
    #expect(throws: UpdateError.self) { try Predictor(other, method: .moments(classes: nil)) }
  }

  // MARK: What is refused

  @Test func unsuitablePosteriorsAreRefused() throws {
    let (x, y) = Self.data(.gaussian)
    func laplace(_ settings: LaplaceSettings) throws -> Posterior {
      try Posterior.laplace(
        NetworkSpec(inputs: 2, hidden: [2], outputs: 1, activation: .tanh), settings: settings,
        schema: Self.schema(.gaussian), features: x, targets: y, normalisation: .identity(features: 2, targets: 1),
        standardised: false, training: TrainingSettings(schedule: [10])
      ).posterior
    }
    #expect(throws: UpdateError.self) { try SequentialUpdate(meanField: laplace(LaplaceSettings(layers: 0..<1))) }
    #expect(throws: UpdateError.self) { try SequentialUpdate(meanField: laplace(LaplaceSettings(isLinearised: true))) }
    #expect(throws: UpdateError.self) { try SequentialUpdate(meanField: .linear(schema: Self.schema(.gaussian))) }
    let own = try Self.fitted(.gaussian, training: TrainingSettings(epochs: 2)).posterior
    #expect(throws: UpdateError.self) { try SequentialUpdate(filtering: own) }
    #expect(try laplace(LaplaceSettings(layers: 1..<2)).canUpdateMeanField)
    for settings in [
      LaplaceSettings(structure: .full), LaplaceSettings(structure: .diagonal, isLinearised: true),
      LaplaceSettings(structure: .diagonal, layers: 0..<1), LaplaceSettings(structure: .diagonal, layers: 0..<9),
    ] {
      #expect(throws: UpdateError.self) {
        try Posterior.meanField(
          NetworkSpec(inputs: 2, hidden: [2], outputs: 1, activation: .tanh), settings: settings,
          schema: Self.schema(.gaussian), features: x, targets: y, normalisation: .identity(features: 2, targets: 1))
      }
    }
    #expect(throws: UpdateError.self) {
      try Self.fitted(.gaussian, prior: PriorSettings(precision: .given(0)))
    }
  }
}
