import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@testable import BNNInference

/// A prior precision for every weight, against SciPy's maximum of the evidence and against its own condition.
struct WeightPrecisionTests {
  private struct Reference: Decodable {
    struct Best: Decodable {
      var precisions: [Double]
      var noise_variance: Double
      var log_evidence: Double
    }
    var x: [[Double]]
    var y: [Double]
    var given: Best
    var free: Best
  }

  private static func fit(
    _ x: Matrix, _ y: Matrix, hidden: [Int] = [], _ settings: LaplaceSettings, likelihood: LikelihoodKind = .gaussian,
    prior: PriorSettings = PriorSettings(), training: TrainingSettings = TrainingSettings()
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    try Posterior.laplace(
      NetworkSpec(inputs: x.columns, hidden: hidden, outputs: 1, activation: .tanh), settings: settings,
      likelihood: likelihood,
      schema: Schema(
        featureColumns: (0..<x.columns).map { FeatureColumn(name: "x\($0)") }, targets: ["y"],
        targetKind: likelihood == .bernoulli ? .classes(["no", "yes"]) : .number),
      features: x, targets: y, normalisation: .identity(features: x.columns, targets: 1), standardised: false,
      prior: prior, training: training)
  }

  /// Without a hidden layer Laplace's evidence is exact, and one search is for its maximum: slopes below 1e-7 and a curvature
  /// in log δ above .01 for a weight that the data determine. Weights that are better left out have δ without bound, where
  /// the evidence is flat.
  @Test(arguments: [true, false])
  func linearModelsHaveTheLargestEvidence(_ isGiven: Bool) throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
      "Fixtures/weight_precisions.json")
    let reference = try JSONDecoder().decode(Reference.self, from: Data(contentsOf: file))
    let expected = isGiven ? reference.given : reference.free
    let (x, y) = (Matrix(reference.x), Matrix(rows: reference.y.count, columns: 1, storage: reference.y))
    let made = try Self.fit(
      x, y, LaplaceSettings(priorScope: .weight),
      prior: PriorSettings(noise: isGiven ? .given(expected.noise_variance.squareRoot()) : .auto))
    let state = try #require(made.posterior.members[0].laplace)
    guard case .weights(let found) = state.prior else { throw UpdateError.unsuitable("one a weight") }
    #expect(try #require(made.report.logEvidence) > expected.log_evidence - 1e-5)
    #expect(try #require(made.report.logEvidence) < expected.log_evidence + 1e-5)
    for (own, other) in zip(found, expected.precisions) {
      if other < 100 { #expect(abs(log(own / other)) < 1e-4) } else { #expect(own > 100) }
    }
    #expect(expected.precisions.count { $0 > 100 } == 3, "three inputs say nothing")
    #expect(abs(log(try #require(state.noiseVariance) / expected.noise_variance)) < 1e-3)

    // The next batch is learnt under these precisions, and none of them is chosen again.
    var update = SequentialUpdate(made.posterior)
    try update.absorb(features: x.rows(0..<9), targets: y.rows(0..<9))
    let after = try #require(try update.finish().posterior.members[0].laplace)
    #expect(after.prior == state.prior)
    // Its precision is the sum of X̃ᵀX̃/σ² of both batches and δ.
    var design = Matrix(rows: 79, columns: 7, repeating: 1)
    for i in 0..<79 { for j in 0..<6 { design[i, j] = x[i < 70 ? i : i - 70, j] } }
    var precision = design.gram
    for i in precision.storage.indices { precision.storage[i] /= after.noiseVariance ?? .nan }
    for j in 0..<7 { precision[j, j] += found[j] }
    let exact = try TriangularFactor(choleskyOf: precision)
    // Conditions up to 1e8/1e2.
    #expect(relativeDifference(try after.factored().marginalVariances, exact.marginalVariances()) < 1e-9)
  }

  /// Evidence is gained over one precision for all, in every structure that takes such precisions, on logistic regression and
  /// on a network. On the first MacKay's condition δ_i(θ_i² + Σ_ii) = 1 holds: an evidence that gains less than 1e-4 nats has
  /// slopes below √(2·1e-4·½) = .01; twice that each. A network's curvature moves with its weights, which the condition
  /// leaves out.
  @Test(arguments: CurvatureStructure.allCases.filter(\.takesWeightPrecisions), [[], [3]])
  func precisionsAreStationary(_ structure: CurvatureStructure, _ hidden: [Int]) throws {
    var stream = RandomStream(seed: 9)
    let n = 150
    let x = Matrix(rows: n, columns: 3, storage: stream.normals(3 * n))
    let noise = stream.normals(n)
    let y = Matrix(
      rows: n, columns: 1, storage: (0..<n).map { 2 * x[$0, 0] - x[$0, 1] + noise[$0] > 0.3 ? 1 : 0 })
    let single = try Self.fit(
      x, y, hidden: hidden, LaplaceSettings(structure: structure, rank: 3), likelihood: .bernoulli)
    let made = try Self.fit(
      x, y, hidden: hidden, LaplaceSettings(structure: structure, rank: 3, priorScope: .weight), likelihood: .bernoulli)
    #expect(try #require(made.report.logEvidence) > #require(single.report.logEvidence))
    let member = made.posterior.members[0]
    let state = try #require(member.laplace)
    guard case .weights(let delta) = state.prior else { throw UpdateError.unsuitable("one a weight") }
    let variances = try state.factored().marginalVariances
    for j in delta.indices where delta[j] < 1e7 && hidden.isEmpty {
      let slope = 0.5 * (delta[j] * (member.theta[j] * member.theta[j] + variances[j]) - 1)
      #expect(abs(slope) < 0.02, "weight \(j): δ = \(delta[j])")
    }
  }

  /// Minibatches have no optimum to take turns with: the condition holds at the weights where they ended.
  @Test func minibatches() throws {
    var stream = RandomStream(seed: 9)
    let x = Matrix(rows: 100, columns: 2, storage: stream.normals(200))
    let y = Matrix(rows: 100, columns: 1, storage: (0..<100).map { x[$0, 0] > 0.2 ? 1 : 0 })
    let made = try Self.fit(
      x, y, hidden: [4], LaplaceSettings(structure: .diagonal, priorScope: .weight), likelihood: .bernoulli,
      training: TrainingSettings(epochs: 20))
    let member = made.posterior.members[0]
    let state = try #require(member.laplace)
    guard case .weights(let delta) = state.prior else { throw UpdateError.unsuitable("one a weight") }
    let variances = try state.factored().marginalVariances
    for j in delta.indices where delta[j] < 1e7 && delta[j] > 1e-7 {
      #expect(abs(delta[j] * (member.theta[j] * member.theta[j] + variances[j]) - 1) < 1e-3)
    }
  }

  @Test func kroneckerProductsTakeNone() {
    let (x, y) = (Matrix([[0], [1], [2]]), Matrix([[0], [1], [0.5]]))
    #expect(throws: UpdateError.self) {
      try Self.fit(x, y, LaplaceSettings(structure: .kronecker, priorScope: .weight))
    }
  }
}
