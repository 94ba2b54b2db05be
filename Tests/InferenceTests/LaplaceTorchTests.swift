import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@testable import BNNInference

/// Five small networks by laplace-torch and by explicit Jacobians (Fixtures/laplace_torch.py), agreeing with each other to
/// 1.3e-14. Their weights are a stationary point, so the engine must stay there.
struct LaplaceTorchTests {
  struct File: Decodable {
    var networks: [Case]
  }

  struct Case: Decodable, Sendable, CustomStringConvertible {
    var name: String
    var sizes: [Int]
    var likelihood: LikelihoodKind
    var noise: Double?
    var theta: [Double]
    var x: [[Double]]
    var y: Targets
    var test_x: [[Double]]
    var mean: [[Double]]
    var posteriors: [Expected]
    var description: String { name }

    /// Class indices come as a list of numbers, amounts as a list of rows.
    struct Targets: Decodable, Sendable {
      var rows: [[Double]]
      init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        rows = try (try? container.decode([[Double]].self)) ?? container.decode([Double].self).map { [$0] }
      }
    }
  }

  struct Expected: Decodable, Sendable {
    var structure: String
    var layers: String
    var marginal_variances: [Double]
    var functional_covariances: [[[Double]]]
    var log_marginal_likelihood: Double
    var effective_weights: [Double]
  }

  static let cases: [Case] = {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures")
    guard let data = try? Data(contentsOf: folder.appendingPathComponent("laplace_torch.json")) else { return [] }
    return (try? JSONDecoder().decode(File.self, from: data))?.networks ?? []
  }()

  @Test func areThere() { #expect(Self.cases.count == 5) }

  /// Everything to a few hundred roundings of numbers that were compared to 1e-14 and stored with 17 digits; the optimum is one
  /// to 2e-14 in the gradient.
  @Test(arguments: cases) func agrees(_ own: Case) throws {
    let spec = NetworkSpec(
      inputs: own.sizes[0], hidden: Array(own.sizes[1..<(own.sizes.count - 1)]), outputs: own.sizes.last ?? 1,
      activation: .tanh)
    let y = Matrix(own.y.rows)
    let variance = (own.noise ?? 1) * (own.noise ?? 1)
    var compared = 0
    for expected in own.posteriors {
      guard let structure = CurvatureStructure(rawValue: expected.structure) else { continue }
      let count = spec.layers.count
      let layers: Range<Int>? = expected.layers == "last" ? (count - 1)..<count : nil
      let likelihood = own.likelihood
      let targets = y.columns
      let engine = LaplaceEngine<Double>(
        network: Network(spec), settings: LaplaceSettings(structure: structure, layers: layers),
        training: TrainingSettings(), x: own.x.flatMap { $0 }, y: y, weights: nil,
        kind: likelihood,
        likelihood: { noise in
          switch likelihood {
          case .gaussian: GaussianLikelihood(variance: noise, targets: targets)
          case .heteroscedastic: HeteroscedasticLikelihood(targets: targets)
          case .bernoulli: BernoulliLikelihood(targets: targets)
          case .categorical: CategoricalLikelihood(classes: spec.outputsForTests)
          case .poisson: PoissonLikelihood(targets: targets)
          }
        }, threads: 1, progress: { _, _ in })
      let values = LaplaceTuning.Values(
        prior: .layers([Double](repeating: 0.7, count: count)), noiseVariance: variance)
      let outcome = try engine.formed(at: own.theta, values, seed: RandomStream(seed: 0))
      let tolerance = 1e-11
      #expect(relativeDifference(outcome.theta, own.theta) < 1e-12)
      let factor = try outcome.state.factored()
      #expect(relativeDifference(factor.marginalVariances, expected.marginal_variances) < tolerance)
      #expect(
        abs(outcome.logEvidence - expected.log_marginal_likelihood) < tolerance * abs(expected.log_marginal_likelihood))
      let moments = try LaplaceMoments(Network(spec), outcome.theta, outcome.state)
      let outputs = moments.linearised(Matrix(own.test_x))
      #expect(relativeDifference(outputs.mean.storage, own.mean.flatMap { $0 }) < tolerance)
      #expect(
        relativeDifference(outputs.covariance.storage, expected.functional_covariances.flatMap { $0.flatMap { $0 } })
          < tolerance)
      let gammas = try outcome.state.curvature.sweep().effectiveWeights(outcome.state.prior)
      #expect(relativeDifference(gammas, expected.effective_weights) < tolerance)
      compared += 1
    }
    #expect(compared >= 4)
  }
}

extension NetworkSpec {
  fileprivate var outputsForTests: Int {
    guard case .dense(let units, _)? = layers.last else { return 0 }
    return units
  }
}
