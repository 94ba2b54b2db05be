import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What an update tells a person, beside the posterior itself.
public struct UpdateReport: Sendable, Equatable {
  /// Data rows of this batch.
  public var rows: Int
  /// Mean over members of log p(batch | before) under the hyper-parameters held before it, nats, target units; nil
  /// where improper.
  public var logEvidence: Double?
  /// log p(all rows) at the tuned hyper-parameters, nats, target units; nil where improper.
  public var logEvidenceTotal: Double?
  /// ‖JS‖²_F/‖J‖²_F of this batch, mean over members: what of its derivatives lies in the subspace that D1 chose; nil
  /// without one.
  public var subspaceShare: Double?
  /// After a move of the linearisation point, the share of the derivatives there that the map of the earlier rows'
  /// statistics cannot say, the largest of the members; nil when nothing moved.
  public var misfit: Double?
  /// After an update of a tangent, a guess of what retraining on all rows would gain, nats a row (`GapGuess`); nil for every other.
  public var gapGuess: Double?
  /// After a Laplace update, the distance to the optimum in posterior standard deviations (`LaplaceState`), the largest of
  /// the members; nil for every other.
  public var distanceToOptimum: Double?
  /// After a Laplace update, how far it moved the mean, in standard deviations of the posterior before; the largest of the
  /// members, nil for every other.
  public var shift: Double?
  /// Of a Laplace fit or update; nil for every other.
  public var timings: Timings?
  /// Of a Kronecker-factored posterior, the relative error (Frobenius) of the single product that solves in the place of the
  /// sum over batches, the largest of the members; nil for every other.
  public var compressionError: Double?
  /// After a Laplace update, ½|log det(Λ₁ + H(θ₁)) − log det(Λ₁ + H(θ₂))|, nats: how much it matters at which of the means
  /// before and after it the batch's curvature H is taken; the largest of the members, nil for every other.
  public var curvatureDrift: Double?
  /// Of the batch's counts under a Poisson likelihood, the largest of the members; nil for every other.
  public var dispersion: Dispersion?
  /// Of mean-field inference, the first member's; nil for every other.
  public var variational: VariationalReport?
  /// Of trained weights that were continued; nil for every other.
  public var point: PointReport?
  /// What the rows before the batch count since this update; nil where they count whole.
  public var power: Double?
  /// After rows were forgotten by subtraction, the bound on the relative error that this made; nil for every other.
  public var forgettingBound: Double?
}

/// One batch absorbed by a posterior: rows in, block by block in bounded memory, then the new posterior out.
///
/// The posterior is formed once, at the end, from what all data said; so it is the same, to rounding, however the rows were
/// cut into batches and blocks.
public struct SequentialUpdate: Sendable {
  var before: Posterior
  private var statistics: [LinearStatistics]
  private let bases: [any LinearBasis]
  private var kept: [KeptSquares?]
  /// What the data said to a linear model, whose rows are the data's own; nil for every other.
  private var accumulator: RowAccumulator?
  /// What a moving tangent needs of the batch beside its statistics; nil for every other.
  private var moving: MovingBatch?
  private let moves: Bool
  /// The rows themselves, for a Laplace posterior; nil for every other.
  private var collected: LaplaceRows?
  /// The filter that takes the rows as they come; nil for every other.
  private var filter: FilterUpdate?
  /// Whether the posterior after the batch is a factorised Gaussian, by variational inference.
  private var isMeanField = false
  /// How trained weights are continued, of a point; nil for every other.
  private var point: PointSettings?
  /// Whether what this batch says is kept apart in the posterior (`Posterior.sites`).
  private let keepsSite: Bool
  /// Whether a noise that D1 estimated stays as it is, of a Gaussian over a network's weights.
  private let keepsNoise: Bool
  /// Whether the statistics are of this batch alone.
  let countsApart: Bool
  /// What the rows before count in this update; nil where they count whole.
  var power: Double?
  /// How a Laplace posterior finds the batch's optimum; may be changed until `finish`.
  public var training: TrainingSettings
  private var rows = 0

  /// - Parameters:
  ///   - moving: false keeps a moving tangent where it is, for this batch: exact, as a tangent is.
  ///   - keepingSite: keeps what this batch says apart (`Posterior.sites`), as that of the lineage entry that is written next, so
  ///     that `forgetting` and `merged` need no subtraction. In the linear family as large again as what all data said; see
  ///     `checkKeepsSites` for what cannot.
  ///   - keepingNoise: of a Gaussian over a network's weights, whose noise follows the batches otherwise, if D1 estimated it: keeps
  ///     it, as `merged` needs it and as `keepingSite` does by itself. No effect on others.
  ///   - countingApart: in the linear family, sums over this batch first and joins it to the rows before at the end, so that it
  ///     can be compared with them (`Posterior.driftTest`).
  ///   - training: how a Laplace posterior finds the batch's optimum.
  public init(
    _ prior: Posterior, moving moves: Bool = true, keepingSite keepsSite: Bool = false,
    keepingNoise keepsNoise: Bool = false, countingApart: Bool = false,
    training: TrainingSettings = TrainingSettings()
  ) {
    self.keepsSite = keepsSite
    self.keepsNoise = keepsNoise || !prior.followsNoise(keepingSite: keepsSite)
    countsApart = (countingApart || keepsSite || !prior.sites.isEmpty) && !prior.model.method.keepsCurvature
    self.moves = moves
    self.training = training
    before = prior
    if prior.model.method.keepsCurvature {
      (statistics, bases, kept) = ([], [], [])
      isMeanField = prior.model.method == .meanField
      point = prior.model.method == .point ? PointSettings() : nil
      collected = LaplaceRows(parameters: Network(prior.model.networkOrEmpty).parameterCount)
      return
    }
    let apart = countsApart
    statistics = prior.members.map {
      apart ? LinearStatistics(weights: $0.statistics.weights, responses: $0.statistics.responses) : $0.statistics
    }
    bases = prior.members.map { prior.basis(of: $0) }
    kept = prior.members.map { _ in nil }
    if prior.model.method == .linear, let only = statistics.first {
      accumulator = RowAccumulator(onto: only.array, ones: prior.model.intercept)
    }
    if prior.model.method == .movingTangent {
      moving = MovingBatch(
        prior.members.compactMap(\.store), network: Network(prior.model.networkOrEmpty),
        normalisation: prior.normalisation)
    }
  }

  /// An update that ends in a factorised Gaussian by variational inference, of a posterior of `mean-field`, `laplace` or
  /// `kalman`, which is its prior whole.
  ///
  /// - Throws: `UpdateError.unsuitable` for any other posterior.
  public init(
    meanField prior: Posterior, keepingSite: Bool = false, keepingNoise: Bool = false,
    training: TrainingSettings = TrainingSettings()
  ) throws {
    try prior.checkMeanField()
    self.init(prior, keepingSite: keepingSite, keepingNoise: keepingNoise, training: training)
    isMeanField = true
  }

  /// An update that continues trained weights as `settings` say and ends in a point, of a posterior of `point`, or of `laplace` over
  /// all layers of a network that is not linearised, whatever its structure: its mean and the diagonal of what its data said.
  ///
  /// - Parameter training: of Adam; where `epochs` is nil, `TrainingSettings.pointEpochs` or what is left of a schedule that is
  ///   taken up.
  /// - Throws: `UpdateError.unsuitable` for any other posterior and for settings that do not fit the method or the network.
  public init(
    point settings: PointSettings, of prior: Posterior, keepingNoise: Bool = false,
    training: TrainingSettings = TrainingSettings()
  ) throws {
    try prior.checkPoint(settings)
    self.init(prior, keepingNoise: keepingNoise, training: training)
    point = settings
  }

  /// An update that takes its rows one at a time by the extended Kalman filter, of a `kalman` posterior or a `laplace` one in
  /// a structure that a filter keeps. Memory does not grow with the rows; `finish` may be asked at any time, and the update goes
  /// on.
  ///
  /// - Throws: `UpdateError.unsuitable` for any other posterior, `LinearAlgebraError` for a precision that is not positive
  ///   definite.
  public init(
    filtering prior: Posterior, _ settings: FilterSettings = FilterSettings(), keepingSite: Bool = false,
    keepingNoise: Bool = false
  ) throws {
    moves = false
    (keepsSite, countsApart) = (keepingSite, false)
    training = TrainingSettings()
    before = prior
    (statistics, bases, kept) = ([], [], [])
    keepsNoise = keepingNoise || !prior.followsNoise(keepingSite: keepingSite)
    filter = try FilterUpdate(prior, settings, followsNoise: !keepsNoise)
  }

  /// Absorbs data rows in their own units: features n × d, targets n × C. O(n·C·P²).
  ///
  /// - Parameter weights: w of every row, whose noise has the variance σ²/w: its rows of [Φ y] count times √w. Nil is 1 for
  ///   all. A row of weight 0 would say nothing and is no row; leave it out.
  /// - Throws: `UpdateError.notFinite` when a model output or derivative overflows, `UpdateError.unsuitable` for a weight
  ///   that is not a positive number.
  public mutating func absorb(
    features: Matrix, targets: Matrix, weights: [Double]? = nil, threads: Int = 1
  ) throws {
    precondition(features.rows == targets.rows, "one target row per feature row")
    precondition(weights == nil || weights?.count == features.rows, "one weight per feature row")
    let relative = try before.normalisation.relative(weights)
    guard weights == nil || moving == nil else { throw UpdateError.movingWithWeights }
    if filter != nil {
      try before.checkTargets(targets)
      try filter?.absorb(features: features, targets: targets, relativeWeights: relative, threads: threads)
      rows += features.rows
      return
    }
    if collected != nil {
      try before.checkTargets(targets)
      collected?.append(
        features: features, targets: targets, relativeWeights: relative?[...], normalisation: before.normalisation)
      rows += features.rows
      return
    }
    if relative != nil {
      // The accumulator's column of ones would be one of roots of weights.
      statistics = settledStatistics
      accumulator = nil
    }
    guard accumulator == nil else { return try absorbDirectly(features: features, targets: targets) }
    let piece = bases.first?.piece ?? max(1, features.rows)
    for start in stride(from: 0, to: features.rows, by: piece) {
      let range = start..<min(start + piece, features.rows)
      let x = range.count == features.rows ? features : features.rows(range)
      let y = range.count == targets.rows ? targets : targets.rows(range)
      let (bases, current) = (bases, statistics)
      let absorbed = try parallelMap(bases.count, threads: threads) { k in
        var own = current[k]
        var (rows, kept) = bases[k].measuredRows(features: x, targets: y)
        let logWeights = relative.map { rows.scaleRows(by: $0[range]) } ?? 0
        guard rows.isFinite else { throw UpdateError.notFinite("a row of the linearised model") }
        own.absorb(&rows, logWeights: logWeights)
        return (own, kept)
      }
      statistics = absorbed.map(\.0)
      kept = zip(kept, absorbed).map { before, own in own.1.map { (before ?? KeptSquares()) + $0 } }
      try moving?.absorb(features: x, targets: y, threads: threads)
    }
    rows += features.rows
  }

  /// Whether the rows of a buffer can be absorbed as they are.
  public var takesBuffers: Bool { accumulator != nil }

  /// Absorbs rows [x y] of a linear model in their own units. O(n·(P + C)²), nothing copied or allocated a row.
  public mutating func absorb(_ buffer: RowBuffer) {
    precondition(takesBuffers, "only a linear model takes rows as they are")
    buffer.withUnsafeValues { accumulator?.absorb($0, count: buffer.rows) }
    rows += buffer.rows
  }

  /// Takes the products of the rows so far of a buffer that will be absorbed next, while they are in the processor's
  /// cache; optional, and without effect on the result.
  public mutating func prepare(_ buffer: RowBuffer) {
    buffer.withUnsafeValues { accumulator?.prepare($0, count: buffer.rows) }
  }

  /// The rows of a linear model are [x y], side by side.
  private mutating func absorbDirectly(features: Matrix, targets: Matrix) throws {
    guard features.isFinite, targets.isFinite else { throw UpdateError.notFinite("a feature or target") }
    let side = Matrix(sideBySide: features, targets)
    side.storage.withUnsafeBufferPointer { accumulator?.absorb($0, count: side.rows) }
    rows += side.rows
  }

  /// What all data said, the accumulator's rows included.
  private var settledStatistics: [LinearStatistics] {
    guard let accumulator, let own = statistics.first else { return statistics }
    return [
      LinearStatistics(
        weights: own.weights, responses: own.responses, observations: own.observations + accumulator.count,
        array: accumulator.settled(), logWeights: own.logWeights, discount: own.discount)
    ]
  }

  /// The posterior of everything seen. O(P³) a member; members are formed side by side. A moving tangent is trained on the
  /// batch first.
  ///
  /// - Parameters:
  ///   - seed: of the random numbers of a moving tangent; the other methods draw none. The certificate counts updates by
  ///     the lineage, whose entries the caller writes.
  ///   - progress: share done and words, for a moving tangent; called from the threads that train.
  public func finish(
    threads: Int = 1, seed: UInt64 = 0, progress: @escaping @Sendable (Double, String) -> Void = { _, _ in }
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    var (posterior, report) = try finishedWhole(threads: threads, seed: seed, progress: progress)
    if let power { posterior.noteTempering(power, number: before.lineage.count + 1) }
    report.power = power
    return (posterior, report)
  }

  private func finishedWhole(
    threads: Int, seed: UInt64, progress: @escaping @Sendable (Double, String) -> Void
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    if keepsSite { try before.checkKeepsSites() }
    if var result = try finishedGaussian(threads: threads, seed: seed, progress: progress) {
      if rows > 0 { result.posterior.noteNoise(kept: keepsNoise) }
      // What was kept apart is in the structure of its method.
      if result.posterior.model.method != before.model.method { result.posterior.sites = [] }
      if keepsSite, rows > 0 { result.posterior = try result.posterior.keepingSite(after: before) }
      return result
    }
    var posterior = before
    posterior.rows += rows
    let statistics = countsApart ? posterior.joinSites(absorbedStatistics, keeping: keepsSite) : settledStatistics
    for k in posterior.members.indices {
      posterior.members[k].statistics = statistics[k]
      posterior.members[k].statistics.normalise()
    }
    var report: UpdateReport
    (posterior, report) = try posterior.formed(after: before, threads: threads)
    report.subspaceShare = Posterior.mean(kept.map { $0?.share })
    report.gapGuess = power == nil ? GapGuess.nats(before: before, after: posterior) : nil
    if let moving {
      (posterior, report.misfit) = try before.moved(
        posterior, by: moving, staying: !moves, threads: threads, seed: seed, progress: progress)
      if report.misfit != nil { report.gapGuess = nil }
      report.logEvidenceTotal = Posterior.mean(posterior.members.indices.map { posterior.logEvidence(ofMember: $0) })
    }
    return (posterior, report)
  }

  /// Of a Gaussian over a network's weights; nil for the linear family.
  private func finishedGaussian(
    threads: Int, seed: UInt64, progress: @escaping @Sendable (Double, String) -> Void
  ) throws -> (posterior: Posterior, report: UpdateReport)? {
    if let filter { return try filter.finished() }
    guard let collected else { return nil }
    if isMeanField {
      return try before.meanFieldUpdated(
        by: collected, followsNoise: !keepsNoise, training: training, threads: threads, seed: seed, progress: progress)
    }
    if let point {
      return try before.pointUpdated(
        by: collected, point, followsNoise: !keepsNoise, training: training, threads: threads, seed: seed,
        progress: progress)
    }
    return try before.updated(
      by: collected, followsNoise: !keepsNoise, power: power ?? 1, training: training, threads: threads, seed: seed,
      progress: progress)
  }

  /// What this batch said so far; nil of an update that does not count apart.
  var batchStatistics: [LinearStatistics]? { countsApart ? absorbedStatistics : nil }

  /// What this batch said so far, of an update that counts apart or of a posterior that had seen nothing.
  var absorbedStatistics: [LinearStatistics] {
    settledStatistics.map {
      var own = $0
      own.normalise()
      return own
    }
  }
}
