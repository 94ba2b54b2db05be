import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

/// The loss whose gradients an optimiser averaged: of a batch, in the units of the network's outputs.
public enum TrainingLoss: String, CaseIterable, Sendable {
  case meanNLL = "mean-nll"
  case meanSquaredError = "mse"
  case halfMeanSquaredError = "half-mse"

  /// c in Λ₁ ≈ N·B·v̂·c: 1, T²/(4σ⁴) or T²/σ⁴ of T outputs, over which an error's mean goes as well.
  public func factor(noiseVariance: Double?, outputs: Int) -> Double {
    let (v, t) = (noiseVariance ?? 1, Double(outputs))
    switch self {
    case .meanNLL: return 1
    case .meanSquaredError: return t * t / (4 * v * v)
    case .halfMeanSquaredError: return t * t / (v * v)
    }
  }

  /// δ of the prior that an added ½λ‖θ‖² means: N·λ, of a squared error with the share of log p that the loss is.
  public func priorPrecision(weightDecay: Double, rows: Int, noiseVariance: Double?, outputs: Int) -> Double {
    Double(rows) * weightDecay * factor(noiseVariance: noiseVariance, outputs: outputs).squareRoot()
  }
}

/// What is known of D1 besides the weights that were trained on it.
public enum CurvatureSource: Sendable {
  /// The inputs of other rows (n × d, in their own units), with their targets if the noise is to be estimated on them. Fisher's
  /// matrix needs no targets: Λ₁ ≈ (N/n) Σᵢ Jᵢᵀ A Jᵢ.
  case inputs(Matrix, targets: Matrix?)
  /// Λ₁ ≈ N·B·v̂·c from averages of squared gradients (bias-corrected, in θ's order) of batches of B rows.
  case secondMoments([Double], batchSize: Int, loss: TrainingLoss)
}

extension Posterior {
  /// Laplace's approximation around weights that were trained elsewhere, from one pass over D1. Nothing is trained: prior
  /// precision and noise, where they are not given, are the evidence's at these weights, and the curvature is exact there.
  ///
  /// - Throws: `UpdateError`, `LinearAlgebraError` for a precision that is not positive definite.
  public static func imported(
    _ spec: NetworkSpec, theta: [Double], settings: LaplaceSettings, likelihood: LikelihoodKind, schema: Schema,
    rows batch: consuming CompactRows, normalisation: Normalisation, standardised: Bool = true,
    prior: PriorSettings = PriorSettings(), seed: UInt64 = 0, threads: Int = 1
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    let start = try importStart(spec, theta, settings, likelihood, schema, normalisation, standardised, prior)
    try start.checkTargets(Matrix(rows: batch.rows, columns: batch.targetCount, storage: batch.targets))
    let relative = try normalisation.relative(batch.weights)
    let rows = LaplaceRows(
      parameters: theta.count, taking: consume batch, relativeWeights: relative, normalisation: normalisation)
    let known: Double? =
      if case .given(let sd) = prior.noise { normalisation.noiseVariance(given: sd) } else { nil }
    let stream = RandomStream(seed: seed).split(0)
    var (posterior, report) = try start.formed(rows, count: 1, threads: threads) { _, workers in
      if rows.isSingle {
        return Formed(
          try start.importEngine(rows, rows.single, workers).aroundGiven(
            theta, prior, knownVariance: known, seed: stream))
      }
      return Formed(
        try start.importEngine(rows, rows.double, workers).aroundGiven(theta, prior, knownVariance: known, seed: stream)
      )
    }
    posterior.certificate.reasons.insert(
      "The weights were trained elsewhere and are as given; the curvature is the exact curvature of the given weights on \(rows.rows) rows.",
      at: 0)
    return (posterior, report)
  }

  /// The same without D1: from how many rows it had and what else is known. Prior precisions that are not given are those of the evidence,
  /// which knows of D1 its curvature, its rows and its error; so is the noise where D1's error is known (`LaplaceTuning`), unless the
  /// curvature is a diagonal, whose γ is too large: then it is that error.
  ///
  /// - Parameters:
  ///   - rows: N, of D1.
  ///   - trainingError: the mean squared error on D1 in the targets' units. Without it and without a given noise, targets of other rows
  ///     must tell the noise.
  /// - Throws: `UpdateError`, `LinearAlgebraError` for a precision that is not positive definite.
  public static func reconstructed(
    _ spec: NetworkSpec, theta: [Double], settings: LaplaceSettings, likelihood: LikelihoodKind, schema: Schema,
    from source: CurvatureSource, rows: Int, trainingError: Double? = nil, normalisation: Normalisation,
    standardised: Bool = true, prior: PriorSettings, seed: UInt64 = 0, threads: Int = 1
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    var result = try importStart(spec, theta, settings, likelihood, schema, normalisation, standardised, prior)
    guard rows >= 1 else { throw UpdateError.unsuitable("the first data had at least one row") }
    let network = Network(spec)
    let chosen = settings.layers ?? 0..<network.layers.count
    let shapes = network.shapes(ofLayers: chosen)
    var variance: Double?
    var residuals: (sum: Double, count: Double)?
    if likelihood.hasNoise {
      if case .given(let sd) = prior.noise {
        variance = normalisation.noiseVariance(given: sd)
      } else if let trainingError {
        let own = normalisation.noiseVariance(given: trainingError.squareRoot())
        let count = Double(rows * schema.targets.count)
        variance = own
        if settings.structure != .diagonal { residuals = (own * count, count) }
      } else {
        variance = result.estimatedNoise(theta, source, threads)
      }
      guard let own = variance, own > 0 else {
        throw UpdateError.unsuitable(
          "the noise is unknown: give the training error (--training-mse), or rows with their targets")
      }
    }
    // At unit noise.
    var curvature: AnyCurvature
    var averaged: ((LaplaceState) throws -> AnyCurvature)?
    let reason: String
    switch source {
    case .inputs(let x, _):
      guard settings.curvature != .empiricalFisher else {
        throw UpdateError.unsuitable("the empirical Fisher matrix needs D1's targets; use ggn or fisher")
      }
      let weight = Double(rows) / Double(x.rows)
      let batch = LaplaceRows(
        parameters: theta.count,
        taking: CompactRows(
          features: x, targets: Matrix(rows: x.rows, columns: schema.targets.count), weights: nil),
        relativeWeights: [Double](repeating: weight, count: x.rows), normalisation: normalisation)
      let stream = RandomStream(seed: seed).split(0)
      let found =
        batch.isSingle
        ? result.importEngine(batch, batch.single, threads).curvature(at: theta, 1, seed: stream)
        : result.importEngine(batch, batch.double, threads).curvature(at: theta, 1, seed: stream)
      curvature = try found.compressed(to: settings.products).curvature
      if settings.curvatureDraws > 0 {
        averaged = { [result] state in
          batch.isSingle
            ? try result.importEngine(batch, batch.single, threads).averaged(state, around: theta, seed: stream)
            : try result.importEngine(batch, batch.double, threads).averaged(state, around: theta, seed: stream)
        }
      }
      reason =
        "D1's curvature is reconstructed: that of the given weights at the inputs of \(x.rows) other rows, times "
        + "\(rows)/\(x.rows)."
    case .secondMoments(let moments, let batchSize, let loss):
      guard settings.structure == .diagonal else {
        throw UpdateError.unsuitable("an optimiser's averages are diagonal; the structure is diagonal too")
      }
      guard settings.curvatureDraws == 0 else {
        throw UpdateError.unsuitable(
          "an optimiser's averages are of the weights that it went through, and nothing tells the curvature at drawn ones"
        )
      }
      guard moments.count == theta.count, moments.allSatisfy({ $0 >= 0 && $0.isFinite }) else {
        throw UpdateError.unsuitable("averages of squared gradients are \(theta.count) numbers that are not negative")
      }
      let c = loss.factor(noiseVariance: variance, outputs: network.outputs)
      let scale = Double(rows) * Double(batchSize) * c * (variance ?? 1)
      curvature = .diagonal(
        DiagonalCurvature(
          layers: shapes, diagonal: moments[network.parameterRange(ofLayers: chosen)].map { $0 * scale })
      )
      reason =
        "D1's curvature is reconstructed from an optimiser's averages v of squared gradients: N·B·v·c with N = \(rows), "
        + "B = \(batchSize), c = \(Float(c)) (\(loss.rawValue))."
    }
    var precisions = [Double](repeating: prior.precision.value ?? 1, count: shapes.count)
    if prior.precision == .auto || residuals != nil {
      let found = LaplaceTuning(
        sweep: try curvature.sweep(), squares: network.squares(of: theta, chosen), residuals: residuals,
        isPerLayer: settings.priorScope == .layer
      ).tuned(precisions, variance ?? 1, tunesPrior: prior.precision == .auto, tunesNoise: residuals != nil)
      precisions = found.prior
      if variance != nil { variance = found.noiseVariance }
    }
    if let variance { curvature.scale(by: 1 / variance) }
    var state = LaplaceState(
      chosen: chosen, curvature: curvature, prior: .layers(precisions), noiseVariance: variance, logEvidence: 0,
      distanceToOptimum: 0)
    // Nothing tells how much of the spread predictions of classes should believe, as at a fit without held-out rows.
    if likelihood.isClassification { state.predictiveScale = 0 }
    _ = try state.factored()
    if let averaged { try state.takeAveraged(try averaged(state).compressed(to: settings.products).curvature) }
    result.rows = rows
    result.members = [
      Member(
        theta: theta, outputRoot: nil, statistics: LinearStatistics(weights: 0, responses: 0), responses: [],
        laplace: state)
    ]
    result.certificate.update = .reconstructed
    result.certificate.reasons.insert(reason, at: 0)
    if let variance, prior.noise == .auto, trainingError == nil, case .inputs(let x, _) = source {
      let sd =
        (variance * normalisation.targetScale.reduce(0) { $0 + $1 * $1 } / Double(normalisation.targetScale.count))
        .squareRoot()
      result.certificate.reasons.append(
        "The noise, \(Float(sd)), is the error of the given weights on those \(x.rows) rows.")
    }
    if case .inputs(let x, _) = source, let unlike = normalisation.unlikeness(of: x) {
      result.certificate.reasons.append(unlike)
    }
    result.certificate.reasons.append("The evidence is that of the rows since the import.")
    return (result, UpdateReport(rows: rows))
  }

  private static func importStart(
    _ spec: NetworkSpec, _ theta: [Double], _ settings: LaplaceSettings, _ likelihood: LikelihoodKind, _ schema: Schema,
    _ normalisation: Normalisation, _ standardised: Bool, _ prior: PriorSettings
  ) throws -> Posterior {
    guard settings.priorScope != .weight, !settings.isLinearised else {
      throw UpdateError.unsuitable("imported weights have one prior precision, or one a layer, and are not linearised")
    }
    let start = try laplaceStart(
      .laplace, spec, settings: settings, likelihood: likelihood, schema: schema, normalisation: normalisation,
      standardised: standardised, prior: prior)
    guard theta.count == Network(spec).parameterCount, theta.allSatisfy(\.isFinite) else {
      throw UpdateError.unsuitable("the network takes \(Network(spec).parameterCount) finite weights")
    }
    guard Network(spec).outputs == start.model.outputs else {
      throw UpdateError.unsuitable(
        "the network has \(Network(spec).outputs) outputs, and the \(likelihood.rawValue) likelihood of this target takes "
          + "\(start.model.outputs)")
    }
    return start
  }

  private func importEngine<Scalar: BLASScalar>(
    _ rows: LaplaceRows, _ x: [Scalar], _ threads: Int
  ) -> LaplaceEngine<Scalar> {
    // With passes of Adam asked for, and none made, the weights stay where they are.
    engine(rows, x, TrainingSettings(epochs: 1), threads, { _, _ in })
  }

  /// Mean squared residual in normalised units; nil without targets.
  private func estimatedNoise(_ theta: [Double], _ source: CurvatureSource, _ threads: Int) -> Double? {
    guard case .inputs(let x, let targets?) = source else { return nil }
    let rows = LaplaceRows(
      parameters: theta.count, taking: CompactRows(features: x, targets: targets, weights: nil), relativeWeights: nil,
      normalisation: normalisation)
    let (sum, count) =
      rows.isSingle
      ? importEngine(rows, rows.single, threads).loss(1).residuals(theta)
      : importEngine(rows, rows.double, threads).loss(1).residuals(theta)
    return sum / count
  }
}

extension LaplaceEngine {
  /// The posterior of the first batch around weights that stay as they are.
  func aroundGiven(
    _ theta: [Double], _ prior: PriorSettings, knownVariance: Double?, seed: RandomStream
  ) throws -> Outcome {
    let open = (prior: prior.precision == .auto, noise: hasNoise && knownVariance == nil)
    var values = LaplaceTuning.Values(
      prior: .layers([Double](repeating: prior.precision.value ?? 1, count: shapes.count)),
      noiseVariance: knownVariance ?? 1)
    let unit = curvature(at: theta, 1, seed: seed)
    try tune(&values, theta, open, by: unit)
    var outcome = try formed(at: theta, values, known: atNoise(values.noiseVariance, unit), seed: seed)
    if kind.isClassification {
      outcome.state.predictiveScale = settings.holdsRows ? try scale(outcome) : 0
    }
    return outcome
  }
}

extension Normalisation {
  /// How rows differ from those that this normalisation was made for, in which every column (or all together, where they
  /// share center and scale) has mean 0 and deviation 1; nil where they are alike, or where nothing was normalised.
  ///
  /// Unlike is a mean off by half a deviation, or a deviation that is twice as large or half: far beyond what sampling does to
  /// some dozen rows, and about where a curvature, quadratic in the inputs, is wrong by a factor of four.
  public func unlikeness(of x: Matrix) -> String? {
    guard featureCenter.contains(where: { $0 != 0 }) || featureScale.contains(where: { $0 != 1 }), x.rows > 1 else {
      return nil
    }
    let isShared = Set(featureCenter).count == 1 && Set(featureScale).count == 1
    let z = features(x)
    var worst: (column: Int, mean: Double, deviation: Double)?
    func judge(_ column: Int, _ values: [Double]) {
      let mean = values.reduce(0, +) / Double(values.count)
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
      let own = (column, mean, variance.squareRoot())
      func size(_ mean: Double, _ deviation: Double) -> Double {
        max(abs(mean) / 0.5, deviation / 2, 0.5 / max(deviation, 1e-300))
      }
      if size(own.1, own.2) > (worst.map { size($0.mean, $0.deviation) } ?? 1) { worst = own }
    }
    if isShared {
      judge(0, z.storage)
    } else {
      for c in 0..<z.columns { judge(c, (0..<z.rows).map { z[$0, c] }) }
    }
    return worst.map { found in
      "The inputs are unlike those that the network was normalised for: "
        + (isShared ? "all together" : "column \(found.column + 1)")
        + " has mean \(Float(found.mean)) and deviation \(Float(found.deviation)) in normalised units, not 0 and 1; the "
        + "reconstructed curvature is theirs, not D1's."
    }
  }
}
