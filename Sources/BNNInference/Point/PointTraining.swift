import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

/// The quadratic of a `PointMethod`: ½(θ − m)ᵀD(θ − m).
struct PointPenalty: Sendable, Equatable {
  /// D.
  let precision: [Double]
  /// m.
  let mean: [Double]
  /// λ or c, where the method has one that belongs to the quadratic.
  let strength: Double?

  /// - Parameters:
  ///   - theta: θ₁.
  ///   - data: F, the diagonal of what data said before.
  ///   - prior: δ.
  ///   - renewed: weights that begin anew.
  init(
    _ settings: PointSettings, theta: [Double], data: [Double], prior: [Double], renewed: Range<Int>
  ) {
    let held: [Double]
    switch settings.method {
    case .hotStart, .freeze, .layerRates, .distil: (held, strength) = (data.map { _ in 0 }, nil)
    case .oversample: (held, strength) = (data, nil)
    case .ewc:
      let lambda = settings.strength ?? 1
      (held, strength) = (data.map { lambda * $0 }, lambda)
    case .l2Start:
      let c = settings.strength ?? data.reduce(0, +) / Double(max(1, data.count))
      (held, strength) = (data.map { _ in c }, c)
    }
    // The earlier rows' log likelihood as a quadratic around where with the prior it makes a mean of θ₁: λF times its own center is
    // λ(F + δ)θ₁. At λ = 1 the share is 1 and the mean θ₁ to the last bit.
    let share: (Int) -> Double = { j in
      switch settings.method {
      case .hotStart, .freeze, .layerRates, .distil: 0
      case .l2Start, .oversample: 1
      case .ewc: (settings.strength ?? 1) * (data[j] + prior[j]) / (held[j] + prior[j])
      }
    }
    precision = theta.indices.map { renewed.contains($0) ? prior[$0] : held[$0] + prior[$0] }
    mean = theta.indices.map { renewed.contains($0) ? 0 : share($0) * theta[$0] }
  }

  /// Its value at weights.
  func value(_ theta: [Double]) -> Double {
    theta.indices.reduce(0) { sum, j in
      let d = theta[j] - mean[j]
      return sum + 0.5 * precision[j] * d * d
    }
  }
}

/// Trained weights and what there is to say of them.
struct PointTrained: Sendable {
  var theta: [Double]
  var optimiser: OptimiserState
  var strength: Double?
  var epochs: Int
  var resumedAfter: Int?
}

extension LaplaceEngine {
  /// Continues trained weights on the rows.
  ///
  /// - Parameters:
  ///   - theta: θ₁.
  ///   - before: prior, noise and the diagonal of what data said.
  ///   - earlierRows: N₁.
  ///   - order: of the passes' orders, which a training that is taken up goes on with by its own seed.
  ///   - anew: of layers that begin anew.
  /// - Throws: `UpdateError.unsuitable` for more passes than a schedule that is taken up has left, `.diverged`, `.notFinite`.
  func continued(
    _ theta: [Double], _ before: LaplaceState, _ settings: PointSettings, earlierRows: Int, member k: Int,
    seed: UInt64, anew: RandomStream
  ) throws -> PointTrained {
    let top = network.layers.count
    let moving = network.parameterRange(
      ofLayers: (settings.method == .freeze ? settings.frozenLayers ?? top - 1 : 0)..<top)
    let renewed = network.parameterRange(ofLayers: (top - settings.newLayers)..<top)
    let data = before.curvature.diagonal
    let penalty = PointPenalty(
      settings, theta: theta, data: data, prior: before.prior.expanded(shapes), renewed: renewed)
    let start = beginning(theta, renewed, anew)
    let variance = before.noiseVariance ?? 1
    var rows = loss(variance)
    let copies = settings.strength ?? Double(earlierRows) / Double(max(1, y.rows))
    if settings.method == .oversample { rows = rows.sampled(Array(0..<y.rows), weight: copies) }
    let (first, epochs, resumedAfter) = try schedule(before, settings, seed: seed)
    var optimiser = first
    var own = MinibatchTraining(
      epochs: epochs, batchSize: training.batchSize, learningRate: training.learningRate)
    if settings.method == .layerRates {
      own.rateDecay = settings.rateDecay
      own.unfreezesGradually = settings.unfreezesGradually
    }
    let agreement =
      settings.method == .distil
      ? Agreement(
        strength: settings.strength ?? 1, outputs: rows.outputs(theta), heads: rows.likelihood.heads,
        informed: data[...]) : nil
    let diagonal = Array(penalty.precision[moving])
    let objective = PenalisedLoss(
      loss: rows, frame: start, moving: moving, mean: Array(penalty.mean[moving]), diagonal: diagonal,
      precisionTimes: { zip(diagonal, $0).map { $0 * $1 } })
    let order = Self.stream(ofPasses: RandomStream(seed: optimiser.seed).split(UInt64(k)))
    let result = objective.whole(
      own.minimise(
        objective, of: rows, from: start, agreement: agreement, continuing: &optimiser, stream: order,
        progress: report))
    try check(result)
    let gain = max(0, penalty.value(start) - penalty.value(result))
    try checkConvergence(from: start, to: result, variance, slack: gain / Double(max(1, y.rows)))
    let strength: Double? =
      switch settings.method {
      case .oversample: copies
      case .distil: agreement?.strength
      default: penalty.strength
      }
    return PointTrained(
      theta: result, optimiser: optimiser, strength: strength, epochs: epochs, resumedAfter: resumedAfter)
  }

  /// θ₁ with new random weights where layers begin anew.
  private func beginning(_ theta: [Double], _ renewed: Range<Int>, _ stream: RandomStream) -> [Double] {
    guard !renewed.isEmpty else { return theta }
    var stream = stream
    var result = theta
    result.replaceSubrange(renewed, with: network.initialParameters(using: &stream)[renewed])
    return result
  }

  /// Where Adam begins, and how many passes it makes. A schedule with passes left is taken up where it ended; one that is over
  /// begins anew, with the running means it had.
  private func schedule(
    _ before: LaplaceState, _ settings: PointSettings, seed: UInt64
  ) throws -> (start: OptimiserState, epochs: Int, resumedAfter: Int?) {
    let usual = TrainingSettings.pointEpochs(rows: y.rows, batchSize: training.batchSize)
    let resumed =
      settings.method == .hotStart && settings.resumesOptimiser && settings.newLayers == 0 ? before.optimiser : nil
    guard var state = resumed?.scaled(toRows: y.rows) else {
      let epochs = training.epochs ?? usual
      let fresh = OptimiserState(
        weights: network.parameterCount, rows: y.rows, scheduleEpochs: training.scheduleEpochs ?? epochs, seed: seed)
      return (fresh, epochs, nil)
    }
    let left = state.scheduleEpochs - state.epochs
    let done = state.epochs
    if left > 0 {
      let epochs = training.epochs ?? left
      guard epochs <= left, training.scheduleEpochs.map({ $0 == state.scheduleEpochs }) ?? true else {
        throw UpdateError.unsuitable(
          "the optimiser's schedule has \(left) of \(state.scheduleEpochs) passes left; ask for no more and no other, or begin "
            + "anew (--fresh-optimizer)")
      }
      return (state, epochs, done)
    }
    let epochs = training.epochs ?? usual
    state.epochs = 0
    state.scheduleEpochs = training.scheduleEpochs ?? epochs
    return (state, epochs, done)
  }
}
