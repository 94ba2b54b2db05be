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

/// How near one network comes to the predictions that it was fitted to: root mean squares of the differences of amounts in the network's
/// own standard deviations (the noise), or of the differences of probabilities.
public struct SingleNetworkCost: Sendable, Equatable {
  public var fittedRows: Int
  public var fitted: Double
  /// At inputs that were held out of the fit; nil where there were too few.
  public var heldRows: Int
  public var held: Double?
}

extension Posterior {
  /// Inputs that the file keeps, in their own units: rows in memory, or draws from what a moving tangent keeps of where inputs lay; nil
  /// where there are none. Sketches of single columns do not say which values come together.
  public func keptInputs(seed: UInt64 = 0) -> Matrix? {
    if let memory, memory.rows > 0 { return memory.features }
    guard let inputs else { return nil }
    var x = inputs.probes(min(2000, max(200, rows)), from: RandomStream(seed: seed).split(0x7369_6e67))
    for i in 0..<x.rows {
      for j in 0..<x.columns { x[i, j] = normalisation.featureCenter[j] + normalisation.featureScale[j] * x[i, j] }
    }
    return x
  }

  /// Weights of the network itself that predict nearly as this posterior's mean does (distillation; Hinton, Vinyals & Dean 2015), as a
  /// point: from the first member's θ, damped Gauss–Newton steps (L-BFGS beyond 2,000 weights) on
  ///
  ///     Σᵢ ‖f(xᵢ; θ) − f̂(xᵢ)‖²/(2σ²) + ½δ‖θ − θ₁‖²,   δ = 10⁻³,
  ///
  /// f̂ the predicted amounts, the logarithms of predicted counts, or the log probabilities of classes above 10⁻⁴. Of eight or more
  /// inputs every fourth is held out to measure by.
  ///
  /// - Parameter x: inputs like those that will come, in their own units, n × d.
  /// - Throws: `UpdateError.unsuitable` for a posterior that has no network or no single output a prediction, and without inputs.
  public func singleNetwork(at x: Matrix, seed: UInt64 = 0, threads: Int = 1) throws -> (
    network: Posterior, cost: SingleNetworkCost
  ) {
    guard let spec = model.network, let start = members.first?.theta else {
      throw UpdateError.unsuitable("a linear model is plain weights as it is; leave --single-network out")
    }
    guard model.likelihood != .heteroscedastic, schema.heads == nil else {
      throw UpdateError.unsuitable("one network for all is fitted to amounts, counts or classes without heads")
    }
    guard x.rows > 0 else {
      throw UpdateError.unsuitable("one network is fitted to predictions at some inputs, and there are none")
    }
    let predictor = try Predictor(self, seed: seed)
    let before = try predictor.predictions(features: x, threads: threads)
    let network = Network(spec)
    let y = Matrix(rows: x.rows, columns: network.outputs, storage: before.flatMap(outputs))
    let held = x.rows < 8 ? [] : Array(stride(from: 3, to: x.rows, by: 4))
    let chosen = (0..<x.rows).filter { x.rows < 8 || $0 % 4 != 3 }
    let variance = meanNoise
    var objective = NetworkObjective(
      network: network, x: normalisation.features(x).gathering(chosen[...]), y: y.gathering(chosen[...]),
      noiseVariance: variance ?? 1, priorPrecision: 1e-3, threads: threads)
    objective.priorMean = start
    let theta =
      start.count <= NetworkTraining.fullEvidenceLimit
      ? LevenbergMarquardt(maximumIterations: 100).minimise(
        from: start, { objective.evaluate($0) }, curvature: { objective.curvature($0) }
      ).theta : LBFGS(maximumIterations: 500).minimise(from: start) { objective.evaluate($0) }.theta
    guard theta.allSatisfy(\.isFinite) else { throw UpdateError.notFinite("a weight of the fitted network") }
    var result = try Self.laplaceStart(
      .point, spec, settings: LaplaceSettings(structure: .diagonal), likelihood: model.likelihood, schema: schema,
      normalisation: normalisation, standardised: model.standardised, prior: PriorSettings(precision: .given(1)))
    result.rows = rows
    result.members = [
      Member(
        theta: theta, outputRoot: nil, statistics: LinearStatistics(weights: 0, responses: 0), responses: [],
        laplace: LaplaceState(
          chosen: 0..<network.layers.count, curvature: .diagonal(DiagonalCurvature(layers: network.shapes)),
          prior: .layers([Double](repeating: 1, count: network.shapes.count)), noiseVariance: variance, logEvidence: 0,
          distanceToOptimum: 0))
    ]
    let after = try Predictor(result).predictions(features: x, threads: threads)
    let differences = zip(before, after).map(Self.squaredDifference)
    func root(_ indices: [Int]) -> Double {
      (indices.reduce(0) { $0 + differences[$1] } / Double(max(1, indices.count))).squareRoot()
    }
    return (
      result,
      SingleNetworkCost(
        fittedRows: chosen.count, fitted: root(chosen), heldRows: held.count, held: held.isEmpty ? nil : root(held))
    )
  }

  /// The network's outputs, in normalised units, that say what is predicted.
  private func outputs(_ row: RowPrediction) -> [Double] {
    switch row {
    case .amounts(let own):
      return own.enumerated().map { c, one in
        model.likelihood == .poisson
          ? log(max(one.mean, 1e-12)) : (one.mean - normalisation.targetCenter[c]) / normalisation.targetScale[c]
      }
    case .classes(let own):
      let logs = own.map { $0.logProbabilities.map { max($0, log(1e-4)) } }
      return model.likelihood == .bernoulli ? logs.map { $0[1] - $0[0] } : logs.flatMap { $0 }
    }
  }

  /// Mean over what was predicted of a row.
  private static func squaredDifference(_ a: RowPrediction, _ b: RowPrediction) -> Double {
    var terms: [Double] = []
    switch (a, b) {
    case (.amounts(let a), .amounts(let b)):
      terms = zip(a, b).map { ($0.mean - $1.mean) / ($1.standardDeviation ?? .infinity) }
    case (.classes(let a), .classes(let b)):
      terms = zip(a, b).flatMap { zip($0.probabilities, $1.probabilities).map { $0 - $1 } }
    default: break
    }
    return terms.reduce(0) { $0 + $1 * $1 } / Double(max(1, terms.count))
  }

  /// σ² in normalised units, over members and targets; nil where the likelihood has none.
  private var meanNoise: Double? {
    guard model.likelihood.hasNoise else { return nil }
    let all = members.flatMap { member -> [Double] in
      if let own = member.laplace { return own.noiseVariance.map { [$0] } ?? [] }
      return member.responses.indices.flatMap { c -> [Double] in
        guard let own = member.responses[c].posterior?.noise.scaleSquared else { return [] }
        guard let root = member.outputRoot else { return [own] }
        return (0..<root.rows).map { row in own * root.row(row).reduce(0) { $0 + $1 * $1 } }
      }
    }
    return all.isEmpty ? nil : all.reduce(0, +) / Double(all.count)
  }
}
