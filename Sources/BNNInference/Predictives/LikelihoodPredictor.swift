import BNNLinearAlgebra
import BNNModels

/// What is predicted for one row, target by target.
public enum RowPrediction: Sendable {
  /// Amounts and counts, in the targets' own units.
  case amounts([any AmountPredictive])
  /// Classes; `categorical` has one target.
  case classes([ClassPredictive])
}

/// From the Gaussian over a row's outputs, one per member, to what is predicted of the targets, for every likelihood.
/// Members are pooled with equal weights. Make it once and use it from any thread.
public struct LikelihoodPredictor: Sendable {
  public let kind: LikelihoodKind
  public let targets: Int
  /// y = center + scale·(normalised y), one each per target; of Gaussian kinds only.
  private let centers: [Double]
  private let scales: [Double]
  /// One a head, or one.
  private let classes: [ClassPredictor]
  private let heads: ClassHeads?

  /// - Parameters:
  ///   - classes: C of `categorical`.
  ///   - heads: of `categorical`: groups of its classes, of which every row is about one.
  ///   - centers, scales: of the targets' normalisation; counts and classes have none. Empty is 0 and 1.
  ///   - seed: of the draws of `monteCarlo`.
  public init(
    kind: LikelihoodKind, targets: Int = 1, classes: Int = 2, heads: ClassHeads? = nil, centers: [Double] = [],
    scales: [Double] = [], classMethod: ClassMethod = .probit, seed: UInt64 = 0
  ) {
    self.kind = kind
    self.targets = targets
    self.centers = centers.isEmpty ? [Double](repeating: 0, count: targets) : centers
    self.scales = scales.isEmpty ? [Double](repeating: 1, count: targets) : scales
    precondition(self.centers.count >= targets && self.scales.count >= targets, "one center and scale per target")
    precondition(heads.map { kind == .categorical && $0.classes == classes } ?? true, "heads are of the classes")
    self.heads = heads
    let outputs = heads?.groups.map(\.count) ?? [kind == .categorical ? classes : 1]
    self.classes = outputs.map { ClassPredictor(method: classMethod, outputs: $0, seed: seed) }
  }

  /// The prediction of a row.
  ///
  /// - Parameters:
  ///   - members: f ~ N(m, S) of every member.
  ///   - noiseVariances: σ² in normalised units, per member and target; of `gaussian` only.
  ///   - head: the one that the row is about, where classes are in heads: the prediction is of its classes.
  /// - Throws: `UpdateError.notFinite` when a prediction overflows.
  public func callAsFunction(
    _ members: [OutputGaussian], noiseVariances: [[Double]] = [], head: Int? = nil
  ) throws -> RowPrediction {
    switch kind {
    case .gaussian:
      return .amounts(
        try (0..<targets).map { t in
          Pool(
            try members.indices.map {
              try gaussian(members[$0].mean[t], members[$0].covariance[t, t], t, noise: noiseVariances[$0][t])
            })
        })
    case .heteroscedastic:
      return .amounts(
        try (0..<targets).map { t in
          Pool(
            try members.map { try HeteroscedasticPredictive($0, target: t, center: centers[t], scale: scales[t]) })
        })
    case .poisson:
      return .amounts(
        try (0..<targets).map { t in
          Pool(
            try members.map { try CountPredictive(logRateMean: $0.mean[t], logRateVariance: $0.covariance[t, t]) })
        })
    case .bernoulli:
      return .classes(
        (0..<targets).map { t in ClassPredictive(pooling: members.map { classes[0]($0.marginal(t)) }) })
    case .categorical:
      guard let outputs = outputs(of: head), let head else {
        return .classes([ClassPredictive(pooling: members.map { classes[0]($0) })])
      }
      return .classes([ClassPredictive(pooling: members.map { classes[head]($0.marginal(outputs)) })])
    }
  }

  /// The prediction of a row from draws of its outputs, as from networks with drawn weights: the likelihood averaged over
  /// them.
  ///
  /// - Parameters:
  ///   - members: draws × C of every member, as many of each.
  ///   - noiseVariances: σ² in normalised units, per member and target; of `gaussian` only.
  ///   - head: the one that the row is about, where classes are in heads: the prediction is of its classes.
  /// - Throws: `UpdateError.notFinite` when a prediction overflows.
  public func callAsFunction(
    averaging members: [[[Double]]], noiseVariances: [[Double]] = [], head: Int? = nil
  ) throws -> RowPrediction {
    switch kind {
    case .gaussian:
      return .amounts(
        try (0..<targets).map { t in
          Pool(
            try members.indices.flatMap { k in
              try members[k].map { try gaussian($0[t], 0, t, noise: noiseVariances[k][t]) }
            })
        })
    case .heteroscedastic:
      return .amounts(
        try (0..<targets).map { t in
          Pool(
            try members.map {
              try HeteroscedasticPredictive(averaging: $0, target: t, center: centers[t], scale: scales[t])
            })
        })
    case .poisson:
      return .amounts(
        try (0..<targets).map { t in
          Pool(try members.flatMap { try $0.map { try CountPredictive(logRateMean: $0[t], logRateVariance: 0) } })
        })
    case .bernoulli:
      return .classes(
        (0..<targets).map { t in
          ClassPredictive(pooling: members.map { ClassPredictive(averaging: $0.map { [$0[t]] }) })
        })
    case .categorical:
      let outputs = outputs(of: head)
      return .classes([
        ClassPredictive(
          pooling: members.map { draws in
            ClassPredictive(averaging: outputs.map { own in draws.map { draw in own.map { draw[$0] } } } ?? draws)
          })
      ])
    }
  }

  /// Those of the head that a row is about; nil where there are no heads.
  private func outputs(of head: Int?) -> [Int]? {
    guard let heads else { return nil }
    guard let head, heads.groups.indices.contains(head) else {
      preconditionFailure("of classes in heads a row is about one of \(heads.groups.count)")
    }
    return heads.groups[head]
  }

  private func gaussian(_ mean: Double, _ variance: Double, _ t: Int, noise: Double) throws -> PredictiveDistribution {
    let (scale, variance) = (scales[t], max(0, variance))
    let prediction = PredictiveDistribution(
      location: centers[t] + scale * mean, scale: abs(scale) * (variance + noise).squareRoot(),
      degreesOfFreedom: .infinity, epistemicVariance: scale * scale * variance,
      aleatoricVariance: scale * scale * noise)
    guard prediction.location.isFinite, prediction.scale.isFinite else { throw UpdateError.notFinite("a prediction") }
    return prediction
  }
}
