import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Settings of a network's training on D1: settings of an update, not properties of the posterior.
public struct TrainingSettings: Sendable, Equatable {
  /// Minibatch Adam for this many passes; nil: all rows at once (`schedule`, `refinement`), the better choice up
  /// to some 10⁴ rows.
  public var epochs: Int?
  /// Passes that the cosine of a training with its optimiser kept is spread over (`Posterior.point`, `PointMethod.hotStart`), of which
  /// this one is the first `epochs`; nil: those alone.
  public var scheduleEpochs: Int?
  public var batchSize: Int
  /// Adam's first rate; falls to 0 along a cosine.
  public var learningRate: Double
  /// L-BFGS iterations of every round; prior precision and noise are re-tuned by the evidence between rounds. Minibatch
  /// training spreads its passes evenly over as many rounds.
  /// Nil is by the network's size: `shortRoundsFirst`, or `longRounds` beyond `NetworkTraining.fullEvidenceLimit` weights, where
  /// the evidence of a part of the weights is too coarse a guide to start with.
  public var schedule: [Int]?
  /// Levenberg–Marquardt iterations of a last round on all rows, which come closer to the optimum than hundreds of L-BFGS's;
  /// 0 leaves it out. Beyond `NetworkTraining.fullEvidenceLimit` weights, where P × P matrices cost too much, it is L-BFGS
  /// with 60 iterations for each of them.
  public var refinement: Int
  /// How mean-field inference goes, which takes its passes from `epochs` (nil: some 40,000 steps).
  public var variational: VariationalSettings

  /// Short rounds first, from a noise as large as the target's spread: noise and prior settle while the network is still
  /// smooth, before it can fit what is noise. Papers/immer-2021-marginal-likelihood.md
  /// has why.
  public static let shortRoundsFirst = [10, 10, 15, 20, 30, 50, 100, 150, 150]
  /// Seven rounds of 150, from a noise variance of a tenth of the targets'.
  public static let longRounds = [Int](repeating: 150, count: 7)

  public init(
    epochs: Int? = nil, batchSize: Int = 64, learningRate: Double = 5e-3, schedule: [Int]? = nil,
    refinement: Int = 15, variational: VariationalSettings = VariationalSettings(), scheduleEpochs: Int? = nil
  ) {
    precondition(schedule?.isEmpty != true && refinement >= 0, "training has at least one round")
    self.epochs = epochs
    self.scheduleEpochs = scheduleEpochs
    self.batchSize = batchSize
    self.learningRate = learningRate
    self.schedule = schedule
    self.refinement = refinement
    self.variational = variational
  }
}

/// Maximum a posteriori weights with prior precision and noise chosen by the evidence, in alternation: minimise E(θ) at
/// fixed (α, σ²), then choose (α, σ²) by the evidence of the model linearised at θ (MacKay 1992, "A practical Bayesian
/// framework for backpropagation networks"; Immer et al. 2021, "Scalable marginal likelihood estimation").
public struct NetworkTraining: Sendable {
  /// Up to this many weights the evidence is the whole network's; beyond, that of its leading directions if the posterior
  /// will live in a subspace, else the last layer's.
  public static let fullEvidenceLimit = 2000
  /// Directions that training asks at most: a round of evidence costs 10·n·P times as many flops.
  static let evidenceDirections = 300

  let network: Network
  let settings: TrainingSettings
  let prior: PriorSettings
  /// σ² when the user gave the noise, in normalised units, averaged over targets.
  let knownVariance: Double?
  /// M, if the posterior will live in a subspace.
  var subspace: Int?
  let threads: Int
  /// Called with (share done, message); may be slow.
  let progress: @Sendable (Double, String) -> Void

  /// Trained weights from normalised rows (x n × d, y n × C); `weights` of the rows relative to their mean.
  func train(_ x: Matrix, _ y: Matrix, weights: [Double]? = nil, seed: RandomStream) throws -> [Double] {
    var stream = seed.split(1)
    var theta = network.initialParameters(using: &stream)
    var objective = NetworkObjective(
      network: network, x: x, y: y, weights: weights,
      noiseVariance: knownVariance ?? (isLarge ? 0.1 : 1), priorPrecision: 1,
      threads: threads)
    if case .given(let alpha) = prior.precision { objective.priorPrecision = alpha }
    var adam = Adam<Double>(dimension: theta.count)
    let rounds = schedule.count + (settings.epochs == nil && settings.refinement > 0 ? 1 : 0)
    for round in 0..<rounds {
      if let epochs = settings.epochs {
        let share = (epochs * round / rounds)..<(epochs * (round + 1) / rounds)
        runAdam(&theta, &adam, objective, x, y, weights, epochs: share, of: epochs, stream: seed.split(2))
      } else {
        theta = minimised(objective, from: theta, round: round)
      }
      guard theta.allSatisfy(\.isFinite) else {
        throw UpdateError.notFinite("a weight of the network; try a smaller --learning-rate")
      }
      if round + 1 < rounds { try tune(&objective, theta, x, y, weights, stream: seed.split(4)) }
      progress(
        Double(round + 1) / Double(rounds),
        "training: round \(round + 1) of \(rounds), noise \(rounded(objective.noiseVariance.squareRoot())) of the target's sd"
      )
    }
    return theta
  }

  private var isLarge: Bool { network.parameterCount > Self.fullEvidenceLimit }

  private var schedule: [Int] {
    settings.schedule ?? (isLarge ? TrainingSettings.longRounds : TrainingSettings.shortRoundsFirst)
  }

  /// θ after one round on all rows at fixed noise and prior precision.
  private func minimised(_ objective: NetworkObjective, from theta: [Double], round: Int) -> [Double] {
    let isRefinement = round == schedule.count
    if isRefinement, !isLarge {
      return LevenbergMarquardt(maximumIterations: settings.refinement).minimise(
        from: theta, { objective.evaluate($0) }, curvature: { objective.curvature($0) }
      ).theta
    }
    let iterations = isRefinement ? 30 * settings.refinement : schedule[round]
    return LBFGS(maximumIterations: iterations).minimise(from: theta) { objective.evaluate($0) }.theta
  }

  private func rounded(_ value: Double) -> String {
    let thousandths = Int((value * 1000).rounded())
    let digits = String(1000 + thousandths % 1000).dropFirst()
    return "\(thousandths / 1000).\(digits)"
  }

  /// Passes over the rows in random order; the minibatch gradient is scaled to the sum over all rows.
  private func runAdam(
    _ theta: inout [Double], _ adam: inout Adam<Double>, _ objective: NetworkObjective, _ x: Matrix, _ y: Matrix,
    _ weights: [Double]?, epochs: Range<Int>, of total: Int, stream: RandomStream
  ) {
    let batch = min(settings.batchSize, x.rows)
    for epoch in epochs {
      var own = stream.split(UInt64(epoch))
      let order = own.permutation(x.rows)
      let rate = settings.learningRate * 0.5 * (1 + cos(Double.pi * Double(epoch) / Double(max(1, total))))
      for start in stride(from: 0, to: order.count, by: batch) {
        let indices = order[start..<min(start + batch, order.count)]
        let scale = Double(x.rows) / Double(indices.count)
        var (_, gradient) = objective.dataTerm(
          x.gathering(indices), y.gathering(indices), weights.map { own in indices.map { own[$0] } },
          network.parameters(theta))
        for i in gradient.indices { gradient[i] = scale * gradient[i] + objective.priorPrecision * theta[i] }
        adam.update(&theta, gradient: gradient, rate: rate)
      }
    }
  }

  /// (α, σ²) ← the maximum of the linearised evidence at θ, where the user left them open.
  private func tune(
    _ objective: inout NetworkObjective, _ theta: [Double], _ x: Matrix, _ y: Matrix, _ weights: [Double]?,
    stream: RandomStream
  ) throws {
    let noise = knownVariance.map { NoisePrior.known(variance: $0) } ?? .weak
    let basis = try evidenceBasis(theta, x, y, stream: stream)
    var statistics = LinearStatistics(weights: basis.weights, responses: basis.responses)
    for start in stride(from: 0, to: x.rows, by: basis.piece) {
      let range = start..<min(start + basis.piece, x.rows)
      var rows = basis.rows(features: x.rows(range), targets: y.rows(range))
      let logWeights = weights.map { rows.scaleRows(by: $0[range]) } ?? 0
      guard rows.isFinite else { throw UpdateError.notFinite("a derivative of the network") }
      statistics.absorb(&rows, logWeights: logWeights)
    }
    var variance = 0.0
    var logPrecision = 0.0
    for c in 0..<basis.responses {
      let curve = try EvidenceCurve(
        statistics.system(response: c), priorMean: basis.priorMean, unpenalised: 0, noise: noise)
      let kappa: Double
      switch prior.precision {
      case .auto: kappa = try curve.best()
      case .given(let alpha): kappa = alpha > 0 ? try curve.ratio(forPrecision: alpha) : 1e-12
      }
      let own = curve.noiseVariance(kappa)
      variance += own / Double(basis.responses)
      logPrecision += log(kappa / own) / Double(basis.responses)
    }
    objective.noiseVariance = variance
    if prior.precision == .auto { objective.priorPrecision = exp(logPrecision) }
  }

  /// The model linear at θ whose evidence tunes (α, σ²), for rows that are normalised already.
  private func evidenceBasis(
    _ theta: [Double], _ x: Matrix, _ y: Matrix, stream: RandomStream
  ) throws -> any LinearBasis {
    let identity = Normalisation.identity(features: x.columns, targets: y.columns)
    let tangent = TangentBasis(network: network, theta: theta, normalisation: identity, outputRoot: nil)
    if network.parameterCount <= Self.fullEvidenceLimit { return tangent }
    guard let subspace else { return LastLayerBasis(network: network, theta: theta, normalisation: identity) }
    // The same seed in every round: the directions move with θ alone.
    let directions = try TangentSubspace.directions(
      min(subspace, Self.evidenceDirections), of: tangent, features: x, stream: stream, threads: threads)
    return TangentBasis(
      network: network, theta: theta, normalisation: identity, outputRoot: nil, subspace: directions)
  }
}
