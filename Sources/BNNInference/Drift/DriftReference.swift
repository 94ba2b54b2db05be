import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

/// What a posterior keeps to tell whether rows are like those it was fitted on.
public struct DriftReference: Sendable, Equatable {
  /// How the columns of all rows are spread; nil where that is not kept.
  public var inputs: InputSketch?
  /// How well D1's rows are predicted where they were not learnt from. In the linear family one a member and response, member by member; else
  /// one, of the members' mixture. Empty where it was not possible.
  public var scores: [ScoreReference]

  public init(inputs: InputSketch?, scores: [ScoreReference]) {
    self.inputs = inputs
    self.scores = scores
  }
}

/// Moments of D1's rows as rows that the posterior had not seen.
public struct ScoreReference: Sendable, Equatable {
  /// Of e = (y − its prediction)/(its prediction's spread); nil for targets that are no amounts.
  public var residual: SampleMoments?
  /// Of e²; nil likewise.
  public var square: SampleMoments?
  /// Of −log p(y), outside the linear family.
  public var loss: SampleMoments?

  public init(residual: SampleMoments? = nil, square: SampleMoments? = nil, loss: SampleMoments? = nil) {
    self.residual = residual
    self.square = square
    self.loss = loss
  }
}

extension Posterior {
  /// Rows of D1 below which their moments say too little: then tests are those of the model itself.
  static var leastScoredRows: Double { 30 }
  /// The same of rows that a second network is not trained on: fits to fewer than four times as many differ too much.
  static var leastHeldRows: Double { 60 }

  /// Products of weights, rows times those of a row, up to which a network is trained once more for its reference: about a second.
  static var refittedNumbers: Double { 2e6 }

  /// By how much, relatively, e² differs between networks fitted alike to other rows (20 % on boston); of −log p, in nats, half.
  private static var spreadOfFits: Double { 0.2 }

  /// The reference of a posterior that has seen D1 and nothing else.
  ///
  /// Of a linear model each row is left out in closed form. A network has learnt from every row before it was linearised, which no
  /// formula takes back (boston, half of it, 20 tanh units: the left-out rows scatter as expected, others 2 to 3 times as much): where
  /// D1 is small a second network is trained without a quarter of the rows, and those are the reference; where rows are at
  /// least ten times the weights they are left out to one Newton step; else there is none.
  ///
  /// - Parameters:
  ///   - sample: of D1's rows.
  ///   - keepsColumns: whether it is to know how columns are spread.
  ///   - refit: makes a posterior of one member from other rows, as this one was made from D1; nil where that cannot be.
  public func driftReference(
    _ sample: RowSample, keepsColumns: Bool, threads: Int = 1, refitting refit: ((Dataset) throws -> Posterior)? = nil
  ) throws -> DriftReference {
    DriftReference(
      inputs: keepsColumns && sample.rows > 0 ? InputSketch(sample, schema) : nil,
      scores: try scores(sample, threads: threads, refit))
  }

  private func scores(
    _ sample: RowSample, threads: Int, _ refit: ((Dataset) throws -> Posterior)?
  ) throws -> [ScoreReference] {
    guard model.method != .linear, let spec = model.network else {
      return try leftOut(sample.prefix(scoredRows), threads: threads)
    }
    let network = Network(spec)
    let weights = Double(network.parameterCount)
    let isSmall = sample.isWhole && Double(rows * network.productsPerRow) <= Self.refittedNumbers
    if let refit, isSmall, model.method != .point {
      let held = Array(stride(from: 0, to: sample.rows, by: 4))
      let rest = (0..<sample.rows).filter { $0 % 4 != 0 }
      let own = sample.keeping(held)
      guard own.effectiveRows >= Self.leastHeldRows else { return [] }
      return try refit(sample.picking(rest)).scores(ofUnseen: own, members: members.count, threads: threads)
    }
    return Double(rows) >= 10 * weights ? try leftOut(sample.prefix(scoredRows), threads: threads) : []
  }

  /// Moments of rows that this posterior, of one member, has not seen; for `members` like it.
  func scores(ofUnseen sample: RowSample, members count: Int, threads: Int) throws -> [ScoreReference] {
    guard isProper else { return [] }
    if model.method.keepsCurvature {
      let rows = try losses(sample, threads: threads)
      var own = reference(rows, sample)
      own.loss = own.loss?.widened(by: 0.5 * Self.spreadOfFits)
      own.square = own.square.map { $0.widened(by: Self.spreadOfFits * $0.mean) }
      return [own]
    }
    let member = members[0]
    let (phi, y) = try observed(sample, member)
    let counts = sample.multiplicities.flatMap { Array(repeating: $0, count: phi.rows / max(1, sample.rows)) }
    let own = member.responses.indices.compactMap { c -> ScoreReference? in
      guard let posterior = member.responses[c].posterior else { return nil }
      let spread = posterior.factor.variances(along: phi).map { (posterior.noise.scaleSquared * (1 + $0)).squareRoot() }
      let predicted = phi.multiplied(by: posterior.mean)
      let residuals = y[c].indices.map { (y[c][$0] - predicted[$0]) / spread[$0] }
      return ScoreReference(
        residual: SampleMoments(residuals, counts: counts),
        square: SampleMoments(residuals.map { $0 * $0 }, counts: counts).map {
          $0.widened(by: Self.spreadOfFits * $0.mean)
        })
    }
    return own.count == member.responses.count ? (0..<count).flatMap { _ in own } : []
  }

  private func reference(_ rows: RowLosses, _ sample: RowSample) -> ScoreReference {
    func moments(_ values: [Double]) -> SampleMoments? {
      SampleMoments(values, counts: sample.multiplicities, count: sample.effectiveRows)
    }
    return ScoreReference(
      residual: rows.residuals.flatMap(moments), square: rows.squares.flatMap(moments), loss: moments(rows.losses))
  }

  /// Rows whose predictions cost some seconds at most.
  var scoredRows: Int {
    let p = Double(model.method.keepsCurvature ? members[0].theta.count : members[0].statistics.weights)
    return max(200, Int(min(1e9, model.method.keepsCurvature ? 2e8 / p : 4e9 / (p * p))))
  }

  private func leftOut(_ sample: RowSample, threads: Int) throws -> [ScoreReference] {
    guard isProper, sample.effectiveRows >= Self.leastScoredRows, model.method != .point else { return [] }
    if model.method.keepsCurvature {
      let rows = try leftOutPredictions(sample, threads: threads)
      guard !rows.losses.isEmpty else { return [] }
      return [reference(rows, sample)]
    }
    return try members.flatMap { member in
      let (phi, y) = try observed(sample, member)
      return member.responses.indices.map { c in
        guard let own = member.responses[c].posterior else { return ScoreReference() }
        return leftOut(own, phi, y[c], sample)
      }
    }
  }

  /// φ (one row an observation) and y of every response, in the units of the posterior, of rows times √w.
  private func observed(_ sample: RowSample, _ member: Member) throws -> (phi: Matrix, y: [[Double]]) {
    let x = Matrix(rows: sample.rows, columns: sample.featureCount, storage: sample.features)
    let y = Matrix(rows: sample.rows, columns: sample.targetCount, storage: sample.targets)
    let relative = try normalisation.relative(sample.weights)
    let own = basis(of: member)
    var rows: Matrix
    if model.method == .linear {
      rows = Matrix(sideBySide: own.design(features: x).rows, normalisation.targets(y))
    } else {
      rows = own.rows(features: x, targets: y)
    }
    if let relative { _ = rows.scaleRows(by: relative[...]) }
    let p = own.weights
    var phi = Matrix(rows: rows.rows, columns: p)
    for i in 0..<rows.rows { for j in 0..<p { phi[i, j] = rows[i, j] } }
    return (phi, (p..<rows.columns).map { rows.column($0) })
  }

  private func leftOut(
    _ posterior: LinearPosterior, _ phi: Matrix, _ y: [Double], _ sample: RowSample
  ) -> ScoreReference {
    let each = phi.rows / max(1, sample.rows)
    var (residuals, counts): ([Double], [Int]) = ([], [])
    for (i, residual) in posterior.leftOutResiduals(phi, y).enumerated() {
      guard let residual else { continue }
      residuals.append(residual)
      counts.append(sample.multiplicities[i / each])
    }
    guard residuals.count > phi.rows / 2 else { return ScoreReference() }
    let effective = sample.effectiveRows * Double(each * residuals.count) / Double(phi.rows)
    return ScoreReference(
      residual: SampleMoments(residuals, counts: counts, count: effective),
      square: SampleMoments(residuals.map { $0 * $0 }, counts: counts, count: effective))
  }

  // MARK: Gaussians over a network's weights

  /// −log p of every row of the sample and, for amounts with normal noise, e and e², means over targets.
  typealias RowLosses = (losses: [Double], residuals: [Double]?, squares: [Double]?)

  /// By the posterior without each row, to one Newton step (`PredictiveScale.cavities`).
  private func leftOutPredictions(_ sample: RowSample, threads: Int) throws -> RowLosses {
    guard let spec = model.network else { return ([], nil, nil) }
    let network = Network(spec)
    let x = normalisation.features(Matrix(rows: sample.rows, columns: sample.featureCount, storage: sample.features))
    let y = normalisation.targets(Matrix(rows: sample.rows, columns: sample.targetCount, storage: sample.targets))
    let weights = try normalisation.relative(sample.weights)
    let outputs = try members.compactMap { member -> [OutputGaussian]? in
      guard let state = member.laplace else { return nil }
      let moments = try LaplaceMoments(network, member.theta, state, scale: 1)
      let own = likelihood(state.noiseVariance ?? 1)
      let pieces = (sample.rows + Predictor.piece - 1) / Predictor.piece
      return parallelMap(pieces, threads: threads) { piece in
        let range = piece * Predictor.piece..<min(sample.rows, (piece + 1) * Predictor.piece)
        return PredictiveScale.cavities(
          moments.linearised(x.rows(range)), y.rows(range), own, weights: weights.map { Array($0[range]) }
        ).map { $0.scaled(state.predictiveScale) }
      }.flatMap { $0 }
    }
    let heads = try heads(of: sample)
    let predictor = try Predictor(self, method: .linearised(classes: nil))
    return try losses(try predictor.predictions(from: outputs, heads: heads?.map(\.head)), sample, heads)
  }

  /// By this posterior, of rows that it has not seen.
  func losses(_ sample: RowSample, threads: Int) throws -> RowLosses {
    let heads = try heads(of: sample)
    let predictor = try Predictor(self, method: .linearised(classes: nil))
    let predictions = try predictor.predictions(
      features: Matrix(rows: sample.rows, columns: sample.featureCount, storage: sample.features),
      heads: heads?.map(\.head), threads: threads)
    return try losses(predictions, sample, heads)
  }

  private func heads(of sample: RowSample) throws -> [(head: Int, position: Int)]? {
    try model.schema.heads.map { groups in
      let heads = try ClassHeads(groups)
      return sample.targets.map { heads.place(of: Int($0)) }
    }
  }

  private func losses(
    _ predictions: [RowPrediction], _ sample: RowSample, _ heads: [(head: Int, position: Int)]?
  ) throws -> RowLosses {
    let (targets, weights, count) = (sample.targets, sample.weights, sample.targetCount)
    var (losses, residuals, squares): ([Double], [Double], [Double]) = ([], [], [])
    for (i, row) in predictions.enumerated() {
      switch row {
      case .classes(let own):
        losses.append(
          own.enumerated().reduce(0) { sum, one in
            sum - one.element.logProbabilities[heads?[i].position ?? Int(targets[i * count + one.offset])]
          })
      case .amounts(let own):
        var (loss, residual, square) = (0.0, 0.0, 0.0)
        for (t, prediction) in own.enumerated() {
          let y = targets[i * count + t]
          guard let pool = prediction as? PredictiveMixture else {
            loss -= try prediction.logDensity(y)
            continue
          }
          let weighed = weights.map { all in PredictiveMixture(pool.components.map { $0.weighing(all[i]) }) } ?? pool
          loss -= try weighed.logDensity(y)
          let e = (y - weighed.mean) / (weighed.standardDeviation ?? .infinity)
          (residual, square) = (residual + e, square + e * e)
        }
        losses.append(loss)
        residuals.append(residual / Double(max(1, own.count)))
        squares.append(square / Double(max(1, own.count)))
      }
    }
    let isNormal = model.likelihood == .gaussian
    return (losses, isNormal ? residuals : nil, isNormal ? squares : nil)
  }
}

extension LinearPosterior {
  /// How far rows that it holds are from what the other rows predict, in units of that prediction's scale: with h = φᵀΛ⁻¹φ and
  /// r = y − φᵀm the prediction is t_{2a−1} about y − r/(1 − h), with scale² (b − r²/(2(1 − h)))/((a − ½)(1 − h)). Nil for a row
  /// that alone says something. O(n·P²).
  func leftOutResiduals(_ phi: Matrix, _ y: [Double]) -> [Double?] {
    let leverages = factor.variances(along: phi)
    let predicted = phi.multiplied(by: mean)
    return y.indices.map { i in
      let rest = 1 - leverages[i]
      guard rest > 1e-8 else { return nil }
      let r = y[i] - predicted[i]
      let variance: Double
      switch noise {
      case .known(let known): variance = known
      case .inverseGamma(let a, let b): variance = (b - 0.5 * r * r / rest) / (a - 0.5)
      }
      return variance > 0 ? r / (rest * variance).squareRoot() : nil
    }
  }
}
