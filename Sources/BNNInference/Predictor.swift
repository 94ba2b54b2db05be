import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

/// A posterior made ready to predict: a value, `Sendable`, without locks or shared state. Make it once, use it from any
/// thread, and go on using it while an update makes the next one.
///
/// A row costs O(C·P²) a member: a triangular solve with the stored factor.
///
/// **Effect on the host process:** the first prediction sets OpenBLAS to one thread (`BLASThreads`; a program that wants
/// more for its own work sets it again afterwards), the first quantile, density or score switches off GSL's error handler,
/// which would abort the process. Both are settings of the process, not of this value; nothing else is shared.
public struct Predictor: Sendable {
  /// Rows that are predicted in one piece; fixed, since it decides bits.
  static let piece = 512

  private struct ReadyMember: Sendable {
    let basis: any LinearBasis
    let posteriors: [LinearPosterior]
    /// Per output, what one unit of noise amounts to: Σ L_ck² for a whitened tangent, else 1.
    let spreads: [Double]
  }

  /// The columns that rows must have, in this order, and the targets that come out.
  public let schema: Schema
  private let normalisation: Normalisation
  private let members: [ReadyMember]
  /// Of a Laplace posterior: outputs are Gaussian, and the likelihood makes targets of them.
  private let laplace: ReadyLaplace?

  private struct ReadyLaplace: Sendable {
    let outputs: Outputs
    /// σ² in normalised units, per member and target.
    let noise: [[Double]]
    let likelihood: LikelihoodPredictor

    /// What is known of a network's outputs, by member.
    enum Outputs: Sendable {
      case linearised([LaplaceMoments])
      case propagated([MeanFieldMoments])
      case drawn([NetworkDraws])
    }

    /// Rows that are predicted in one piece.
    var piece: Int {
      guard case .drawn(let members) = outputs else { return Predictor.piece }
      return members.first?.piece ?? Predictor.piece
    }

    /// The predictions of normalised inputs; `heads` of every row, where classes are in heads.
    func callAsFunction(_ x: Matrix, heads: [Int]?) throws -> [RowPrediction] {
      switch outputs {
      case .linearised(let members):
        return try predictions(members.map { $0.linearised(x) }, heads: heads)
      case .propagated(let members): return try predictions(members.map { $0.propagated(x) }, heads: heads)
      case .drawn(let members):
        let outputs = members.map { $0.outputs(x) }
        return try (0..<x.rows).map { i in
          try likelihood(averaging: outputs.map { $0.map { Array($0.row(i)) } }, noiseVariances: noise, head: heads?[i])
        }
      }
    }

    private func predictions(_ moments: [OutputMoments], heads: [Int]?) throws -> [RowPrediction] {
      try (0..<(moments.first?.mean.rows ?? 0)).map { i in
        try likelihood(moments.map { $0.row(i) }, noiseVariances: noise, head: heads?[i])
      }
    }
  }

  /// - Parameters:
  ///   - method: how the uncertainty of the weights reaches the predictions. The linear family has one, and takes no other.
  ///   - seed: of the draws of a Monte Carlo method.
  /// - Throws: `UpdateError.notIdentified` while a flat prior leaves directions open; `UpdateError.unsuitable` for draws of
  ///   the network itself from a posterior of a linear model or a linearised network.
  public init(_ posterior: Posterior, method: PredictiveMethod = .automatic, seed: UInt64 = 0) throws {
    schema = posterior.schema
    normalisation = posterior.normalisation
    if posterior.model.method.keepsCurvature {
      let network = Network(posterior.model.networkOrEmpty)
      let targets = posterior.schema.targets.count
      let states = posterior.members.compactMap(\.laplace)
      let outputs: ReadyLaplace.Outputs
      var classMethod = posterior.model.likelihood.classMethod
      let isMeanField = posterior.model.method == .meanField
      if posterior.model.method == .point { try Self.checkPoint(method) }
      switch method == .automatic ? (isMeanField ? .moments(classes: nil) : .linearised(classes: nil)) : method {
      case .automatic, .moments:
        guard isMeanField else {
          throw UpdateError.unsuitable(
            "moments are propagated through independent weights, those of a mean-field posterior; this one is of "
              + posterior.model.methodName)
        }
        if case .moments(let asked?) = method { classMethod = asked }
        outputs = .propagated(
          try zip(posterior.members, states).map { try MeanFieldMoments(network, $0.theta, $1) })
      case .linearised(let asked):
        let isPoint = posterior.model.method == .point
        classMethod = asked ?? (isPoint ? .plugIn : classMethod)
        outputs = .linearised(
          try zip(posterior.members, states).map {
            try LaplaceMoments(network, $0.theta, $1, scale: isPoint ? 0 : asked.map { _ in 1 })
          })
      case .networkMonteCarlo(let samples):
        let root = RandomStream(seed: seed).split(0x6e65_7477)
        outputs = .drawn(
          try zip(posterior.members, states).enumerated().map { k, own in
            try NetworkDraws(network, own.0.theta, own.1, samples: samples, stream: root.split(UInt64(k)))
          })
      }
      // Noise is that of a row of weight 1.
      let unit = posterior.normalisation.weightScale ?? 1
      laplace = ReadyLaplace(
        outputs: outputs,
        noise: states.map { [Double](repeating: ($0.noiseVariance ?? 0) * unit, count: targets) },
        likelihood: LikelihoodPredictor(
          kind: posterior.model.likelihood, targets: targets, classes: posterior.schema.classes?.count ?? 2,
          heads: try posterior.schema.heads.map { groups in try ClassHeads(groups) },
          centers: normalisation.targetCenter, scales: normalisation.targetScale,
          classMethod: classMethod, seed: seed))
      members = []
      return
    }
    if case .networkMonteCarlo = method {
      throw UpdateError.unsuitable(
        "draws of a network's own weights need a Laplace posterior; the predictive of \(posterior.model.methodName) is exact "
          + "in closed form")
    }
    if case .moments = method {
      throw UpdateError.unsuitable(
        "moments are propagated through independent weights, those of a mean-field posterior; the predictive of "
          + "\(posterior.model.methodName) is exact in closed form")
    }
    laplace = nil
    let outputs = posterior.schema.targets.count
    members = try posterior.members.map { member in
      guard member.isProper else { throw UpdateError.notIdentified(try posterior.unidentifiedNames()) }
      let spreads = (0..<outputs).map { c in
        member.outputRoot.map { root in root.row(c).reduce(0) { $0 + $1 * $1 } } ?? 1
      }
      return ReadyMember(
        basis: posterior.basis(of: member), posteriors: member.responses.compactMap(\.posterior), spreads: spreads)
    }
  }

  /// - Throws: `UpdateError.unsuitable` for a method that asks for the uncertainty of weights which have none.
  private static func checkPoint(_ method: PredictiveMethod) throws {
    switch method {
    case .automatic, .linearised(classes: nil), .linearised(classes: .plugIn): return
    case .linearised, .networkMonteCarlo, .moments:
      throw UpdateError.unsuitable(
        "a point is weights without a posterior, and its predictions are the network's own (plug-in); fit with --method laplace for "
          + "the uncertainty of the weights")
    }
  }

  /// One row of features in the schema's order → one predictive per target.
  ///
  /// - Throws: `UpdateError.unsuitable` for another number of features, `UpdateError.notFinite` when a prediction overflows.
  public func predict(_ row: [Double]) throws -> [PredictiveMixture] {
    try predict(features: Matrix(rows: 1, columns: row.count, storage: row))
  }

  /// n rows of features (n × d) → what is predicted of each, for every likelihood: amounts, counts or classes.
  ///
  /// - Parameter heads: where classes are in heads (`Schema.heads`), the number of the one that each row is about, which its
  ///   features do not tell: the prediction is of that head's classes, in order. Otherwise nil.
  /// - Throws: as for one row; `UpdateError.unsuitable` for heads that are missing or do not exist.
  public func predictions(features: Matrix, heads: [Int]? = nil, threads: Int = 1) throws -> [RowPrediction] {
    try schema.check(features)
    try schema.check(heads, rows: features.rows)
    guard let laplace else {
      let outputs = schema.targets.count
      let all = try predict(features: features, threads: threads)
      return (0..<features.rows).map { i in .amounts((0..<outputs).map { all[i * outputs + $0] }) }
    }
    let size = laplace.piece
    return try parallelMap((features.rows + size - 1) / size, threads: threads) { piece in
      let start = piece * size
      let range = start..<min(start + size, features.rows)
      return try laplace(normalisation.features(features.rows(range)), heads: heads.map { Array($0[range]) })
    }.flatMap { $0 }
  }

  /// n rows of features (n × d) → one mixture per row and target, index i·C + c.
  ///
  /// - Throws: as for one row; `UpdateError.unsuitable` for a likelihood that is not Gaussian (`predictions` has them all).
  public func predict(features: Matrix, threads: Int = 1) throws -> [PredictiveMixture] {
    let all = try components(features: features, threads: threads)
    return (all.first ?? []).indices.map { i in PredictiveMixture(all.map { $0[i] }) }
  }

  /// The predictive of every member: result[k][i·C + c] for member k, row i, output c. Of `networkMonteCarlo` that of every
  /// draw, a member's draws side by side.
  public func components(features: Matrix, threads: Int = 1) throws -> [[PredictiveDistribution]] {
    try schema.check(features)
    if let laplace { return try components(features: features, laplace, threads: threads) }
    let pieces = (features.rows + Self.piece - 1) / Self.piece
    return try members.map { member in
      try parallelMap(pieces, threads: threads) { piece in
        let start = piece * Self.piece
        let x = features.rows(start..<min(start + Self.piece, features.rows))
        return try self.predictive(member, member.basis.design(features: x), rows: x.rows)
      }.flatMap { $0 }
    }
  }

  /// The same of rows whose outputs are given: N(m, S) by member and row, in normalised units.
  func predictions(from members: [[OutputGaussian]], heads: [Int]? = nil) throws -> [RowPrediction] {
    guard let laplace else { preconditionFailure("a model that is linear in its weights has no outputs to be given") }
    return try (members.first ?? []).indices.map { i in
      try laplace.likelihood(members.map { $0[i] }, noiseVariances: laplace.noise, head: heads?[i])
    }
  }

  private func components(
    features: Matrix, _ laplace: ReadyLaplace, threads: Int
  ) throws -> [[PredictiveDistribution]] {
    let rows = try predictions(features: features, threads: threads)
    let pools = try rows.flatMap { row -> [PredictiveMixture] in
      guard case .amounts(let all) = row, let pools = all as? [PredictiveMixture] else {
        throw UpdateError.unsuitable("the targets are classes or counts, and have no normal predictive")
      }
      return pools
    }
    return (0..<(pools.first?.components.count ?? 0)).map { k in pools.map { $0.components[k] } }
  }

  private func predictive(
    _ member: ReadyMember, _ design: LinearDesign, rows n: Int
  ) throws -> [PredictiveDistribution] {
    let outputs = schema.targets.count
    let sharesWeights = member.basis.responses == 1
    var result = [PredictiveDistribution?](repeating: nil, count: n * outputs)
    for (c, posterior) in member.posteriors.enumerated() {
      let locations = design.rows.multiplied(by: posterior.mean)
      let variances = posterior.factor.variances(along: design.rows)
      let noise = posterior.noise.scaleSquared
      for row in 0..<design.rows.rows {
        // Shared weights: row = i·C + output; weights of their own: row = i, output = c.
        let (i, output) = sharesWeights ? (row / outputs, row % outputs) : (row, c)
        let index = i * outputs + output
        let scaleY = normalisation.targetScale[output]
        let location = (design.base?.storage[index] ?? 0) + locations[row]
        let epistemic = noise * variances[row]
        let aleatoric = noise * member.spreads[output] * (normalisation.weightScale ?? 1)
        guard location.isFinite, epistemic.isFinite, aleatoric.isFinite else {
          throw UpdateError.notFinite("a prediction")
        }
        result[index] = PredictiveDistribution(
          location: normalisation.targetCenter[output] + scaleY * location,
          scale: scaleY * (epistemic + aleatoric).squareRoot(), degreesOfFreedom: posterior.noise.degreesOfFreedom,
          epistemicVariance: scaleY * scaleY * epistemic, aleatoricVariance: scaleY * scaleY * aleatoric)
      }
    }
    return result.compactMap { $0 }
  }
}

extension Posterior {
  /// The predictive of every member, `Predictor.components`; for many calls make a `Predictor` once.
  public func predict(features: Matrix, threads: Int = 1) throws -> [[PredictiveDistribution]] {
    try Predictor(self).components(features: features, threads: threads)
  }

  /// One mixture per row and output, index i·C + c.
  public func predictMixture(features: Matrix, threads: Int = 1) throws -> [PredictiveMixture] {
    try Predictor(self).predict(features: features, threads: threads)
  }
}

extension Schema {
  /// - Throws: `UpdateError.unsuitable` for rows with another number of features.
  func check(_ features: Matrix) throws {
    guard features.columns == self.features.count else {
      throw UpdateError.unsuitable(
        "a row has \(features.columns) features and the model \(self.features.count): "
          + self.features.joined(separator: ", "))
    }
  }

  /// - Throws: `UpdateError.unsuitable` for heads that are missing, do not exist, or are not asked for.
  func check(_ heads: [Int]?, rows: Int) throws {
    guard let groups = self.heads else {
      if heads != nil { throw UpdateError.unsuitable("the model has no heads") }
      return
    }
    guard let heads else {
      throw UpdateError.unsuitable("classes are in \(groups.count) heads, and a prediction needs the head of every row")
    }
    guard heads.count == rows, heads.allSatisfy(groups.indices.contains) else {
      throw UpdateError.unsuitable("every row has a head from 0 to \(groups.count - 1)")
    }
  }
}
