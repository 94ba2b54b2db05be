import BNNModels
import BNNPosteriors

/// One answer to "how do I update a network with new data", as a comparison runs it.
public struct ComparisonMethod: Sendable {
  public let name: String
  /// One line: what it does.
  public let summary: String
  let base: ComparisonBase
  let step: Step

  /// What is done with D2.
  enum Step: Sendable, Equatable {
    case nothing
    /// The engine's own update.
    case absorb
    case point(PointSettings)
    case retrain
  }

  /// The reference: needs D1's rows.
  public var needsOldData: Bool { step == .retrain }

  public var givesPosterior: Bool { if case .point = step { false } else { true } }

  /// Bytes that must be kept of D1 for the update.
  func keptBytes(_ before: Posterior, _ problem: ComparisonProblem, rows: ComparisonRows) throws -> Int {
    let point = problem.weights * problem.members * 8
    switch step {
    case .nothing, .absorb: return try problem.size(before)
    case .retrain: return rows.count * (rows.features.columns + rows.targets.columns) * 8
    case .point(let settings):
      // Weights, and where the penalty asks for it a curvature of each; l2-start's mean is one number.
      return settings.method.usesCurvature ? 2 * point : point
    }
  }

  /// The posterior after one more batch.
  func updated(
    _ before: Posterior, by batch: ComparisonRows, _ problem: ComparisonProblem, seed: UInt64, threads: Int
  ) throws -> Posterior {
    var update: SequentialUpdate
    switch step {
    case .nothing, .retrain: return before
    case .absorb:
      var training = problem.training
      if base == .meanField { training.epochs = nil }
      update =
        base == .kalman
        ? try SequentialUpdate(filtering: before)
        : base == .meanField
          ? try SequentialUpdate(meanField: before, training: training)
          : SequentialUpdate(before, training: training)
    case .point(let settings):
      // Their own passes: some 4,000 steps.
      var training = problem.training
      training.epochs = nil
      update = try SequentialUpdate(point: settings, of: before, training: training)
    }
    try update.absorb(features: batch.features, targets: batch.targets, weights: batch.weights, threads: threads)
    return try update.finish(threads: threads, seed: seed).posterior
  }
}

extension ComparisonMethod {
  /// Every method that these data and this network allow, in the order of a table, between `stale` and `union`.
  public static func all(_ problem: ComparisonProblem) -> [ComparisonMethod] {
    let standard = ComparisonBase.standard(problem)
    let trained = ComparisonBase.trained(problem)
    let isSmall = problem.weights <= NetworkTraining.fullEvidenceLimit
    var result = [
      ComparisonMethod(name: "stale", summary: "do nothing: D1 only", base: standard, step: .nothing)
    ]
    func point(_ method: PointMethod, _ summary: String) {
      result.append(
        ComparisonMethod(
          name: method.rawValue, summary: summary, base: trained, step: .point(PointSettings(method: method))))
    }
    func engine(_ name: String, _ base: ComparisonBase, _ summary: String, if holds: Bool = true) {
      if holds { result.append(ComparisonMethod(name: name, summary: summary, base: base, step: .absorb)) }
    }
    point(.hotStart, "train on from D1's weights with D2 alone")
    point(.freeze, "as hot-start, all layers but the last held")
    point(.layerRates, "as hot-start, rates halving from the last layer to the first")
    point(.ewc, "elastic weight consolidation, λ = 1")
    point(.l2Start, "a quadratic pull to D1's weights")
    if problem.likelihood != .heteroscedastic { point(.distil, "learning without forgetting, λ = 1") }
    point(.oversample, "D2's rows weighted by N1/N2 against D1's penalty")
    let isGaussian = problem.isGaussian
    engine("linear", .linear, "linear regression on the inputs", if: isGaussian)
    engine("parallel-branch", .network(.parallelBranch), "inputs beside the frozen network's features", if: isGaussian)
    engine(
      "last-layer", isGaussian ? .network(.lastLayer) : .laplaceLastLayer, "the last layer on frozen features")
    engine(
      "tangent", isGaussian ? .network(.tangent) : .linearised, "the network linearised at D1's weights", if: isSmall)
    engine(
      "joint-tangent", .joinedTangent, "the members as one network, linearised",
      if: isGaussian && problem.members > 1 && JoinedMembers.takes(problem.network)
        && problem.joinedWeights <= 2 * NetworkTraining.fullEvidenceLimit)
    engine(
      "moving-tangent", .network(.movingTangent), "linearised at weights that D2 moves",
      if: isGaussian && isSmall && problem.schema.targets.count == 1 && problem.schema.weights == nil
        && !problem.prior.isFlat)
    guard !problem.prior.isFlat else { return result.filter { !$0.needsLaplace } + [union(standard)] }
    engine("laplace", .laplace(.full), "Laplace's approximation, full", if: isSmall)
    engine(
      "laplace-averaged", .laplace(.full, draws: averagedPairs), "the same, its curvature averaged over draws",
      if: isSmall)
    engine("laplace-block", .laplace(.block), "Laplace's approximation, a block every layer", if: isSmall)
    engine("laplace-kronecker", .laplace(.kronecker), "Laplace's approximation, Kronecker factors")
    engine(
      "laplace-kronecker-averaged", .laplace(.kronecker, draws: averagedPairs),
      "the same, its curvature averaged over draws")
    engine(
      "laplace-kronecker-eigenvalue", .laplace(.kroneckerEigenvalue),
      "Kronecker factors with exact second moments in their basis")
    engine("laplace-diagonal", .laplace(.diagonal), "Laplace's approximation, a diagonal")
    engine("mean-field", .meanField, "variational, independent weights")
    engine("kalman", .kalman, "extended Kalman filter, row by row")
    return result + [union(standard)]
  }

  /// Of draws that a curvature is averaged over: what 16 gain beyond is within the spread of the data sets.
  private static let averagedPairs = 4

  private static func union(_ base: ComparisonBase) -> ComparisonMethod {
    ComparisonMethod(name: "union", summary: "retrained on D1 and D2: the reference", base: base, step: .retrain)
  }

  private var needsLaplace: Bool {
    if case .laplace = base { true } else { false }
  }

  /// Seconds that it may take on a split: its own fit of D1, which it has for nothing where `stale` has made it, and its update.
  /// Training goes through the rows some 800 times, or `epochs` times; a curvature that is full costs 2·n·P² flops and a factor of
  /// it up to 8·P³, a dozen times a fit and once an update. At the 20 GFlop/s of one core on matrices of that size, and 5 on
  /// thin ones.
  ///
  /// - Parameter rows: of D1 and D2.
  public func estimatedSeconds(_ problem: ComparisonProblem, rows: Int) -> Double {
    let (p, n, m) = (Double(problem.weights), Double(rows), Double(problem.members))
    let outputs = Double(Network(problem.network).outputs)
    let passes = problem.training.epochs.map(Double.init) ?? 800
    // A convolution multiplies with every weight at many places.
    let training = 6 * Double(Network(problem.network).productsPerRow) * n * passes / 5e9
    func full(_ p: Double) -> Double { (2 * n * outputs * p * p + 8 * p * p * p) / 2e10 }
    let (fit, update): (Double, Double) =
      switch base {
      case .linear: (0, 0)
      case .network(.movingTangent): (training + 12 * full(p), full(p) + moving(problem))
      case .joinedTangent: (training + 12 * full(p) + full(m * p) / m, full(m * p) / m)
      case .network(.tangent), .linearised, .laplace(.full, _): (training + 12 * full(p), full(p) + training)
      case .kalman: (training + 12 * full(p), n * 6 * p * p / 5e9)
      case .meanField: (training + 40_000 * 64 * p * 12 / 5e9, 40_000 * 64 * p * 12 / 5e9)
      default: (training, training)
      }
    return m * (update + (base == .standard(problem) ? 0 : fit))
  }

  private func moving(_ problem: ComparisonProblem) -> Double {
    let width = problem.weights + problem.network.inputs + TangentStore.hiddenUnits
    return MovingTangent.cost(parameters: problem.weights, storeWidth: width).flops / 2e10
  }
}
