import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@testable import BNNDatasets
@testable import BNNInference

/// Simulation-based calibration (Talts et al. 2018) at fixed proper hyper-parameters and fixed features: draw (w, σ²) from
/// the prior and D1, D2 from the model, update sequentially, and rank the truth among posterior draws. The ranks of every
/// weight, of σ² and of the joint log likelihood are uniform iff the posterior is right; ranks of the weights alone cannot
/// see an engine that ignores D2, the log likelihood can.
@Suite("E11: simulation-based calibration") struct CalibrationTests {
  /// Posterior draws a replication; ranks 0 … 63 fall into 8 bins of 8.
  static let draws = 63
  static let bins = 8
  static let replications = 400

  /// What is ranked: P weights, σ² when unknown, the log likelihood; counts per bin.
  typealias Histograms = [[Int]]

  struct Model: Sendable {
    var features: Matrix
    var priorMean: [Double]?
    var ratio: Double
    var noise: NoisePrior
  }

  /// What stands in for the engine, from y = Φw + ε: sequential batches of rows, those before `cut` first.
  typealias Engine = (Model, [Double]) throws -> LinearPosterior?

  /// The array of the batches that are absorbed, and the posterior formed from it.
  static func formed(cut: Int, absorbing: [Bool] = [true, true]) -> Engine {
    { model, y in
      let p = model.features.columns
      var statistics = LinearStatistics(weights: p, responses: 1)
      for (range, absorbed) in zip([0..<cut, cut..<y.count], absorbing) where absorbed {
        var rows = Matrix(rows: range.count, columns: p + 1)
        for (i, row) in range.enumerated() {
          for j in 0..<p { rows[i, j] = model.features[row, j] }
          rows[i, p] = y[row]
        }
        statistics.absorb(&rows)
      }
      return try LinearFormation.posterior(
        statistics.system(response: 0), priorMean: model.priorMean, unpenalised: 0, ratio: model.ratio,
        noise: model.noise)
    }
  }

  /// Runs all replications.
  func histograms(_ model: Model, seed: UInt64, engine: Engine) throws -> Histograms {
    let p = model.features.columns
    let n = model.features.rows
    var unknown = false
    if case .inverseGamma = model.noise { unknown = true }
    var counts = Histograms(repeating: [Int](repeating: 0, count: Self.bins), count: p + (unknown ? 2 : 1))
    let root = RandomStream(seed: seed)
    for replication in 0..<Self.replications {
      var stream = root.split(UInt64(replication))
      let variance: Double
      switch model.noise {
      case .known(let known): variance = known
      case .inverseGamma(let shape, let rate): variance = 1 / stream.gamma(shape: shape, rate: rate)
      }
      let spread = (variance / model.ratio).squareRoot()
      let truth = stream.normals(p).enumerated().map { (model.priorMean?[$0] ?? 0) + spread * $1 }
      let clean = model.features.multiplied(by: truth)
      let y = zip(clean, stream.normals(n)).map { $0 + variance.squareRoot() * $1 }
      let posterior = try #require(try engine(model, y))
      let samples = posterior.samples(Self.draws, from: stream.split(9))
      let likelihood = { (w: [Double], variance: Double) -> Double in
        let fit = model.features.multiplied(by: w)
        let squares = zip(fit, y).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        return -0.5 * squares / variance - 0.5 * Double(n) * log(variance)
      }
      let truths = truth + (unknown ? [variance] : []) + [likelihood(truth, variance)]
      for (k, value) in truths.enumerated() {
        let rank = (0..<Self.draws).count { draw in
          let own: Double
          if k == truths.count - 1 {
            own = likelihood((0..<p).map { samples[draw, $0] }, samples[draw, p])
          } else {
            own = samples[draw, k]
          }
          return own < value
        }
        counts[k][rank * Self.bins / (Self.draws + 1)] += 1
      }
    }
    return counts
  }

  /// χ² upper tail of a histogram against the uniform one, 7 degrees of freedom.
  func tail(_ counts: [Int]) throws -> Double {
    let expected = Double(Self.replications) / Double(Self.bins)
    let statistic = counts.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
    return try Distributions.chiSquaredUpperTail(statistic, degreesOfFreedom: Double(Self.bins - 1))
  }

  /// Fixed seeds, at most some 100 histograms in all: one in 10⁵ each leaves a false alarm in 1,000 changes of seed.
  static let significance = 1e-5

  static let noises: [NoisePrior] = [.known(variance: 0.49), .inverseGamma(shape: 3, rate: 2)]

  @Test("linear: known and unknown noise", arguments: noises.indices) func linear(noise: Int) throws {
    var gen = Gen(seed: 11)
    var features = gen.matrix(rows: 30, columns: 4)
    for i in 0..<30 { features[i, 0] = 1 }
    let model = Model(features: features, priorMean: nil, ratio: 0.7, noise: Self.noises[noise])
    for (k, counts) in try histograms(model, seed: 1, engine: Self.formed(cut: 12)).enumerated() {
      #expect(try tail(counts) > Self.significance, "quantity \(k): \(counts)")
    }
  }

  @Test(
    "tangent at a fixed linearisation point: prior mean −θ₁, more weights than rows of D1", arguments: noises.indices)
  func tangent(noise: Int) throws {
    var gen = Gen(seed: 12)
    let network = Network(NetworkSpec(inputs: 2, hidden: [3], outputs: 1, activation: .tanh))
    let theta = gen.normals(network.parameterCount)
    let jacobian = network.jacobian(gen.matrix(rows: 40, columns: 2), theta)
    let model = Model(features: jacobian, priorMean: theta.map { -$0 }, ratio: 0.3, noise: Self.noises[noise])
    for (k, counts) in try histograms(model, seed: 2, engine: Self.formed(cut: 8)).enumerated() {
      #expect(try tail(counts) > Self.significance, "quantity \(k): \(counts)")
    }
  }

  @Test("last-layer at the features of a fixed network", arguments: noises.indices) func lastLayer(noise: Int) throws {
    var gen = Gen(seed: 14)
    let network = Network(NetworkSpec(inputs: 2, hidden: [4, 3], outputs: 1, activation: .tanh))
    let basis = LastLayerBasis(
      network: network, theta: gen.normals(network.parameterCount), normalisation: .identity(features: 2, targets: 1))
    let model = Model(
      features: basis.design(features: gen.matrix(rows: 30, columns: 2)).rows, priorMean: nil, ratio: 0.4,
      noise: Self.noises[noise])
    for (k, counts) in try histograms(model, seed: 4, engine: Self.formed(cut: 11)).enumerated() {
      #expect(try tail(counts) > Self.significance, "quantity \(k): \(counts)")
    }
  }

  /// The whole way of a command's update, rows in and posterior out, with precision and noise given: κ = α σ².
  @Test("SequentialUpdate at a fixed network, noise and precision given", arguments: [0, 1, 2])
  func wholeEngine(kind: Int) throws {
    var gen = Gen(seed: 15)
    let spec = NetworkSpec(inputs: 2, hidden: [3], outputs: 1, activation: .tanh)
    let network = Network(spec)
    let theta = gen.normals(network.parameterCount)
    let x = gen.matrix(rows: 36, columns: 2)
    let subspace = kind == 2 ? gen.orthonormal(rows: theta.count, columns: 5).transposed : nil
    let (deviation, alpha) = (0.6, 1.5)
    let description = ModelDescription(
      method: kind == 0 ? .lastLayer : .tangent, schema: Schema(features: ["a", "b"], targets: ["y"]), network: spec,
      intercept: true, standardised: false, prior: PriorSettings(precision: .given(alpha), noise: .given(deviation)),
      subspace: subspace?.rows)
    let width = subspace?.rows ?? (kind == 0 ? 4 : theta.count)
    let start = Posterior(
      model: description, normalisation: .identity(features: 2, targets: 1),
      members: [
        Member(
          theta: theta, outputRoot: nil, subspace: subspace, statistics: LinearStatistics(weights: width, responses: 1),
          responses: [])
      ], rows: 0, certificate: Certificate(update: .exact, conditionalOn: [], reasons: []), lineage: [])
    let basis = start.basis(of: start.members[0])
    let design = basis.design(features: x)
    let model = Model(
      features: design.rows, priorMean: basis.priorMean, ratio: alpha * deviation * deviation,
      noise: .known(variance: deviation * deviation))
    let all = try histograms(model, seed: UInt64(5 + kind)) { _, y in
      let targets = zip(y, design.base?.storage ?? y.map { _ in 0 }).map { $0 + $1 }
      var posterior = start
      for range in [0..<9, 9..<20, 20..<36] {
        var update = SequentialUpdate(posterior)
        try update.absorb(
          features: x.rows(range), targets: Matrix(rows: range.count, columns: 1, storage: Array(targets[range])))
        posterior = try update.finish().posterior
      }
      return posterior.members[0].responses[0].posterior
    }
    #expect(all.count == width + 1)
    for (k, counts) in all.enumerated() {
      #expect(try tail(counts) > Self.significance, "quantity \(k): \(counts)")
    }
  }

  /// Of D1 and D2, of D1 alone, of neither: what the ranks can and cannot see.
  @Test(
    "an engine that ignores D2, or all data, passes on its weights and noise and is exposed by the likelihood",
    arguments: [[true, false], [false, false]], noises.indices)
  func ignoringIsExposed(absorbing: [Bool], noise: Int) throws {
    var gen = Gen(seed: 13)
    let model = Model(
      features: gen.matrix(rows: 30, columns: 3), priorMean: nil, ratio: 0.7, noise: Self.noises[noise])
    let all = try histograms(model, seed: 3, engine: Self.formed(cut: 12, absorbing: absorbing))
    for counts in all.dropLast() { #expect(try tail(counts) > Self.significance) }
    let likelihood = try #require(all.last)
    #expect(try tail(likelihood) < Self.significance, "\(likelihood)")
  }
}
