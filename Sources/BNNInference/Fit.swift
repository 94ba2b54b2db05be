import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

extension Posterior {
  /// A linear regression that has seen nothing: the start of a stream of batches. O(p²) memory whatever the rows.
  public static func linear(
    schema: Schema, intercept: Bool = true, standardised: Bool = true, prior: PriorSettings = PriorSettings()
  ) -> Posterior {
    let model = ModelDescription(
      method: .linear, schema: schema, network: nil, intercept: intercept, standardised: standardised, prior: prior)
    let statistics = LinearStatistics(
      weights: schema.features.count + (intercept ? 1 : 0), responses: schema.targets.count)
    var conditions: [Certificate.Condition] = []
    if prior.precision != .auto || prior.noise != .auto { conditions.append(.init("hyper-parameters", fixedBy: nil)) }
    return Posterior(
      model: model, normalisation: statistics.normalisation(intercept: intercept, standardised: false),
      members: [Member(theta: [], outputRoot: nil, statistics: statistics, responses: [])], rows: 0,
      certificate: Certificate(
        update: .exact, conditionalOn: conditions,
        reasons: [
          "A linear model with Gaussian noise: the posterior is a function of the sums over all rows, in any order."
        ] + tuningReason(prior)), lineage: [])
  }

  /// Trains a network on D1 and linearises it there (`tangent`), or freezes its features (`lastLayer`, `parallelBranch`); then
  /// absorbs D1.
  ///
  /// - Parameters:
  ///   - features, targets: D1 in its own units, n × d and n × C.
  ///   - weights: of every row, as `SequentialUpdate.absorb` takes them.
  ///   - normalisation: fitted on D1, or identity.
  ///   - members: independently initialised networks, each with a posterior of its own. Member k depends on `seed` and k
  ///     alone: it is the same however many there are.
  ///   - isJoined: the members become one network, the mean of theirs, with one posterior (`JoinedMembers`): of a tangent of dense
  ///     networks, O((MP)²) memory.
  ///   - subspace: for `tangent`, M < P directions in which alone the weights may move (`TangentSubspace`): O(M²) memory
  ///     for what the data said and O(MP) for the directions, instead of O(P²).
  ///   - isSketch: the directions are drawn at random instead, and D1 has more rows than there are: what is kept says nothing of
  ///     single rows (`TangentSubspace.random`).
  ///   - threads: members are trained side by side; the result does not depend on it.
  ///   - progress: share of one member's training done, and words; called from the threads that train.
  /// - Throws: `UpdateError`, `LinearAlgebraError` for data that are not finite; `UpdateError.unsuitable` for a subspace
  ///   that is no smaller than the network, or larger than D1's rows can determine.
  public static func network(
    _ spec: NetworkSpec, method: Method, schema: Schema, features: Matrix, targets: Matrix, weights: [Double]? = nil,
    normalisation: Normalisation, standardised: Bool = true, prior: PriorSettings = PriorSettings(),
    training: TrainingSettings = TrainingSettings(), members: Int = 1, isJoined: Bool = false, subspace: Int? = nil,
    isSketch: Bool = false,
    seed: UInt64 = 0, threads: Int = 1, progress: @escaping @Sendable (Double, String) -> Void = { _, _ in }
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    precondition(method != .linear, "a linear model has no network")
    precondition(subspace == nil || method == .tangent, "a subspace belongs to the tangent")
    precondition(!isSketch || subspace != nil, "a sketch has a number of directions")
    if method == .movingTangent {
      guard schema.targets.count == 1 else {
        throw UpdateError.unsuitable(
          "a moving tangent takes one target, got \(schema.targets.count); use tangent for several")
      }
      guard weights == nil else { throw UpdateError.movingWithWeights }
      guard !prior.isFlat else {
        throw UpdateError.unsuitable("a moving tangent needs a prior; a flat one (--prior-precision 0) has no evidence")
      }
    }
    precondition(
      !isJoined || method.isTangent && subspace == nil && JoinedMembers.takes(spec), "a tangent joins dense networks")
    let trainee = Network(spec)
    if let subspace {
      try TangentSubspace.check(
        subspace, weights: trainee.parameterCount, rows: features.rows * trainee.outputs, isSketch: isSketch)
    }
    let x = normalisation.features(features)
    let y = normalisation.targets(targets)
    let known: Double? =
      if case .given(let sd) = prior.noise { normalisation.noiseVariance(given: sd) } else { nil }
    let relative = try normalisation.relative(weights)
    let root = RandomStream(seed: seed)
    // As many members at once as there are workers, one worker each; what is left over shares the workers.
    func inWaves<Value: Sendable>(_ count: Int, _ body: @Sendable (_ member: Int, _ threads: Int) throws -> Value)
      throws -> [Value]
    {
      var result: [Value] = []
      while result.count < count {
        let first = result.count
        let wave = min(BLASThreads.workers(threads), count - first)
        result += try parallelMap(wave, threads: wave) { try body(first + $0, max(1, threads / wave)) }
      }
      return result
    }
    var thetas = try inWaves(members) { k, threads in
      try NetworkTraining(
        network: trainee, settings: training, prior: prior, knownVariance: known, subspace: isSketch ? nil : subspace,
        threads: threads,
        progress: { progress($0, members > 1 ? "network \(k + 1) of \(members), \($1)" : $1) }
      ).train(x, y, weights: relative, seed: root.split(UInt64(k)))
    }
    var model = ModelDescription(
      method: method, schema: schema, network: spec, intercept: true, standardised: standardised, prior: prior,
      subspace: subspace)
    if isSketch { model.isSketch = true }
    if isJoined, members > 1 {
      let joined = JoinedMembers(spec, thetas)
      (model.network, model.joined, thetas) = (joined.spec, members, [joined.theta])
    }
    let network = Network(model.networkOrEmpty)
    let trained = thetas
    let fitted = try inWaves(trained.count) { k, threads in
      let theta = trained[k]
      var outputRoot: Matrix?
      if method == .tangent, network.outputs > 1 {
        outputRoot = try residualRoot(
          network, theta, x, y, weights: relative, normalisation: normalisation, noise: prior.noise)
      }
      var directions: Matrix?
      if let subspace, isSketch {
        directions = TangentSubspace.random(subspace, weights: theta.count, from: root.split(UInt64(k)).split(3))
      } else if let subspace {
        progress(1, "choosing \(subspace) of \(theta.count) directions")
        let tangent = TangentBasis(network: network, theta: theta, normalisation: normalisation, outputRoot: outputRoot)
        directions = try TangentSubspace.directions(
          subspace, of: tangent, features: features, stream: root.split(UInt64(k)).split(3), threads: threads)
      }
      let weights = method.isTangent ? network.parameterCount : method.frozenWeights(of: network)
      let empty = LinearStatistics(
        weights: subspace ?? weights, responses: method.isTangent ? 1 : network.outputs)
      let store =
        method == .movingTangent
        ? TangentStore(anchor: theta, network: network, from: root.split(UInt64(k)).split(3)) : nil
      return Member(
        theta: theta, outputRoot: outputRoot, subspace: directions, statistics: empty, responses: [], store: store)
    }
    let start = Posterior(
      model: model, normalisation: normalisation, members: fitted, rows: 0,
      certificate: certificate(
        method, standardised: standardised, prior: prior, outputs: network.outputs, subspace: subspace,
        isSketch: isSketch),
      lineage: [])
    var update = SequentialUpdate(start)
    try update.absorb(features: features, targets: targets, weights: weights, threads: threads)
    return try update.finish(threads: threads, seed: seed)
  }

  private static func certificate(
    _ method: Method, standardised: Bool, prior: PriorSettings, outputs: Int, subspace: Int?, isSketch: Bool
  ) -> Certificate {
    var conditions: [Certificate.Condition] = []
    if standardised { conditions.append(.init("normalisation", fixedBy: 1)) }
    conditions.append(.init(method.isTangent ? "linearisation point" : "features", fixedBy: 1))
    if method == .tangent, outputs > 1 { conditions.append(.init("output covariance", fixedBy: 1)) }
    if subspace != nil { conditions.append(.init("subspace", fixedBy: 1)) }
    if prior.precision != .auto || prior.noise != .auto { conditions.append(.init("hyper-parameters", fixedBy: nil)) }
    let what =
      method.isTangent
      ? "The network is linearised at the weights trained on the first batch"
      : method == .parallelBranch
        ? "A linear model of the features trained on the first batch and of the inputs is estimated beside the network"
        : "The last layer is re-estimated on the features trained on the first batch"
    return Certificate(
      update: .exact, conditionalOn: conditions,
      reasons: [
        "\(what); in that model the posterior after the batches one by one is the posterior of all rows at once.",
        "Exact does not mean equal to retraining, which would choose its own features from all rows.",
      ] + (subspace.map { subspaceReason($0, isSketch: isSketch) } ?? []) + tuningReason(prior))
  }

  private static func subspaceReason(_ count: Int, isSketch: Bool) -> [String] {
    [
      "The weights move in \(isSketch ? "\(count) directions drawn at random" : "the \(count) directions that the first batch's derivatives need most"); "
        + "in all others they are held at their trained values."
    ]
  }

  private static func tuningReason(_ prior: PriorSettings) -> [String] {
    var reasons: [String] = []
    if prior.precision == .auto {
      reasons.append("The prior precision is chosen by the evidence of all rows seen (empirical Bayes).")
    }
    if prior.noise == .auto { reasons.append("The noise is unknown and integrated out.") }
    return reasons
  }

  /// L with LLᵀ the residual covariance of D1 at θ₁ scaled to mean variance 1, or the given noise.
  private static func residualRoot(
    _ network: Network, _ theta: [Double], _ x: Matrix, _ y: Matrix, weights: [Double]?, normalisation: Normalisation,
    noise: Setting
  ) throws -> Matrix {
    let c = network.outputs
    if case .given(let sd) = noise {
      let unit = (normalisation.weightScale ?? 1).squareRoot()
      return .diagonal(normalisation.targetScale.map { sd / $0 / unit })
    }
    var residual = network.forward(x, network.parameters(theta))
    for i in residual.storage.indices { residual.storage[i] = y.storage[i] - residual.storage[i] }
    if let weights { _ = residual.scaleRows(by: weights[...]) }
    var covariance = residual.gram
    let scale = (0..<c).reduce(0) { $0 + covariance[$1, $1] } / Double(c)
    for i in covariance.storage.indices { covariance.storage[i] /= max(scale, .leastNormalMagnitude) }
    // Residuals that are exactly collinear would leave nothing to whiten by.
    for i in 0..<c { covariance[i, i] += 1e-10 }
    return try TriangularFactor(choleskyOf: covariance).upper.transposed
  }
}
