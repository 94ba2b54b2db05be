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

/// Moves the linearisation point of a tangent to where training on everything seen would have put it, without the earlier
/// rows:
///
/// 1. probes are drawn from the summary of the earlier inputs, and new inputs added to them;
/// 2. in a few rounds, θ is trained on the new rows and on what the store says of the earlier ones (`MovingObjective`), and
///    noise and prior precision are chosen by the evidence at θ, as in the training on D1 (`NetworkTraining`);
/// 3. the earlier rows' statistics are mapped from the store to the new point (`FunctionSurrogate.statistics`), the new rows
///    are absorbed there exactly, and the posterior is formed as for any tangent.
///
/// The store is never mapped: it absorbs every batch exactly at the anchor, so errors of one move are not carried into the
/// next. The posterior is approximate; the store's own tangent at the anchor stays exact.
struct MovingTangent: Sendable {
  /// Rounds of training and tuning, and Levenberg–Marquardt iterations of each.
  static let rounds = 3
  static let iterations = 15
  /// Growth of the noise variance beyond which a move is not made; moves that helped changed
  /// it by −45 to +7 % on single splits of energy, concrete, boston and kin8nm.
  static let noiseLimit = 1.5
  /// Probes: this many, or three for every column of the store if that is more.
  static let probes = 2500

  let network: Network
  let normalisation: Normalisation
  let precision: Setting
  let threads: Int
  let progress: @Sendable (Double, String) -> Void

  struct Result: Sendable {
    var theta: [Double]
    var statistics: LinearStatistics
    /// tr EᵀE / tr J̃ᵀJ̃ at the probes: the share of the new derivatives that the store's basis cannot say.
    var misfit: Double
  }

  /// - Parameters:
  ///   - member: before the new rows, its store with it.
  ///   - stay: the response formed with the new rows at the old point, which noise and precision start from.
  ///   - batch: the new rows, in their own units.
  ///   - summary: of the inputs before them.
  /// - Throws: `UpdateError.notFinite`, `LinearAlgebraError` for networks that overflow.
  func move(
    _ member: Member, store: TangentStore, stay: LinearResponse, batch: MovingBatch, summary: InputSummary,
    from stream: RandomStream
  ) throws -> Result {
    guard let (features, targets) = batch.joined else {
      throw UpdateError.unsuitable("a batch without rows moves nothing")
    }
    let x = normalisation.features(features)
    let basis = store.basis(network, normalisation)
    let surrogate = try FunctionSurrogate(basis, probes: probes(summary, x, width: basis.weights, stream))
    var theta = member.theta
    var objective = MovingObjective(
      network: network, surrogate: surrogate, x: x, y: normalisation.targets(targets),
      noiseVariance: stay.posterior?.noise.scaleSquared ?? 1, priorPrecision: stay.priorPrecision ?? 1, threads: threads
    )
    var result = Result(theta: theta, statistics: LinearStatistics(weights: 0, responses: 1), misfit: 0)
    for round in 0..<Self.rounds {
      let found = LevenbergMarquardt(maximumIterations: Self.iterations).minimise(
        from: theta, { objective.evaluate($0) }, curvature: { objective.curvature($0) })
      theta = found.theta
      guard theta.allSatisfy(\.isFinite) else { throw UpdateError.notFinite("a weight of the moved network") }
      let carried = surrogate.statistics(of: network, at: theta)
      var statistics = carried.statistics
      try absorb(features, targets, at: theta, into: &statistics)
      result = Result(theta: theta, statistics: statistics, misfit: carried.misfit)
      if round + 1 < Self.rounds { try tune(&objective, statistics, theta, stay.noisePrior) }
      progress(Double(round + 1) / Double(Self.rounds), "moving: round \(round + 1) of \(Self.rounds)")
    }
    return result
  }

  /// M for a store of so many columns.
  static func probeCount(width: Int) -> Int { max(probes, 3 * width) }

  private func probes(_ summary: InputSummary, _ x: Matrix, width: Int, _ stream: RandomStream) -> Matrix {
    var own = stream.split(0)
    let fresh = x.rows <= width ? x : x.gathering(own.permutation(x.rows)[..<width])
    let drawn = summary.probes(Self.probeCount(width: width) - fresh.rows, from: stream.split(1))
    return Matrix(
      rows: drawn.rows + fresh.rows, columns: x.columns, storage: drawn.storage + fresh.storage)
  }

  /// The new rows at θ, piece by piece.
  private func absorb(
    _ features: Matrix, _ targets: Matrix, at theta: [Double], into statistics: inout LinearStatistics
  ) throws {
    let basis = TangentBasis(network: network, theta: theta, normalisation: normalisation, outputRoot: nil)
    for start in stride(from: 0, to: features.rows, by: basis.piece) {
      let range = start..<min(start + basis.piece, features.rows)
      var rows = basis.rows(features: features.rows(range), targets: targets.rows(range))
      guard rows.isFinite else { throw UpdateError.notFinite("a derivative of the moved network") }
      statistics.absorb(&rows)
    }
  }

  /// (α, σ²) ← the maximum of the evidence of all rows at θ, where the user left them open.
  private func tune(
    _ objective: inout MovingObjective, _ statistics: LinearStatistics, _ theta: [Double], _ noise: NoisePrior
  ) throws {
    let curve = try EvidenceCurve(
      statistics.system(response: 0), priorMean: theta.map { -$0 }, unpenalised: 0, noise: noise)
    let kappa: Double =
      switch precision {
      case .auto: try curve.best()
      case .given(let alpha): try curve.ratio(forPrecision: alpha)
      }
    objective.noiseVariance = curve.noiseVariance(kappa)
    objective.priorPrecision = kappa / objective.noiseVariance
  }
}

extension Member {
  /// What moving this member takes beside a tangent's update, whatever the rows: numbers held at once, and flops at most.
  /// Nil for everything that does not move.
  public var costOfMove: (numbers: Double, flops: Double)? {
    guard let store else { return nil }
    return MovingTangent.cost(parameters: theta.count, storeWidth: store.statistics.weights)
  }
}

extension MovingTangent {
  /// Numbers held at once and flops of a move, at most, of P weights and a store of W columns.
  static func cost(parameters: Int, storeWidth: Int) -> (numbers: Double, flops: Double) {
    let (w, p) = (Double(storeWidth), Double(parameters))
    let m = Double(probeCount(width: storeWidth))
    let steps = Double(rounds * iterations)
    // Probes on the basis and their derivatives, whole and left over; W × W triangles.
    let numbers = 2 * m * w + 3 * m * p + 6 * w * w
    // A curvature is a product M × W × P, one W × W × P and the Gram matrices; then its Cholesky factor.
    let flops = steps * (2 * m * w * p + 2 * w * w * p + m * p * p + p * p * p / 3) + 2 * m * w * w
    return (numbers, flops)
  }
}

/// A batch as a moving tangent needs it: its rows, since the network is trained on them, and what they add to each store.
struct MovingBatch: Sendable {
  private var features: [Matrix] = []
  private var targets: [Matrix] = []
  /// The members' stores with the batch absorbed so far.
  private(set) var stores: [TangentStore]
  private let bases: [StoreBasis]

  init(_ stores: [TangentStore], network: Network, normalisation: Normalisation) {
    self.stores = stores
    bases = stores.map { $0.basis(network, normalisation) }
  }

  mutating func absorb(features x: Matrix, targets y: Matrix, threads: Int) throws {
    features.append(x)
    targets.append(y)
    let (bases, current) = (bases, stores)
    stores = try parallelMap(bases.count, threads: threads) { k in
      var own = current[k]
      var rows = bases[k].rows(features: x, targets: y)
      guard rows.isFinite else { throw UpdateError.notFinite("a row of the store") }
      own.statistics.absorb(&rows)
      return own
    }
  }

  /// All rows of the batch in their own units, n × d and n × 1; nil when there are none.
  var joined: (features: Matrix, targets: Matrix)? {
    guard let d = features.first?.columns else { return nil }
    let n = targets.reduce(0) { $0 + $1.rows }
    return (
      Matrix(rows: n, columns: d, storage: features.flatMap(\.storage)),
      Matrix(rows: n, columns: 1, storage: targets.flatMap(\.storage))
    )
  }
}
