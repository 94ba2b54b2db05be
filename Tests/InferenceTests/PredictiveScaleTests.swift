import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@testable import BNNInference

/// Leaving a row out by formula, against leaving it out.
struct PredictiveScaleTests {
  static let n = 120

  /// Logistic regression on two inputs: Laplace's posterior of all rows, or of all but one.
  private static func posterior(without left: Int?) throws -> (Posterior, Matrix, Matrix) {
    var stream = RandomStream(seed: 21)
    let x = Matrix(rows: n, columns: 2, storage: stream.normals(2 * n))
    let noise = stream.normals(n)
    let y = Matrix(rows: n, columns: 1, storage: (0..<n).map { x[$0, 0] - x[$0, 1] + 1.5 * noise[$0] > 0 ? 1 : 0 })
    let kept = (0..<n).filter { $0 != left }[...]
    let made = try Posterior.laplace(
      NetworkSpec(inputs: 2, hidden: [], outputs: 1, activation: .tanh), settings: LaplaceSettings(),
      likelihood: .bernoulli,
      schema: Schema(
        featureColumns: [FeatureColumn(name: "a"), FeatureColumn(name: "b")], targets: ["y"],
        targetKind: .classes(["no", "yes"])),
      features: x.gathering(kept), targets: y.gathering(kept), normalisation: .identity(features: 2, targets: 1),
      standardised: false, prior: PriorSettings(precision: .given(0.5)))
    return (made.posterior, x, y)
  }

  /// One Newton step leaves of the shift that a row makes its square: leverages are at most some 6 % here, so means agree to
  /// (0.06)² and variances to the third derivative's share, 6 % · 10 %, of the outputs' deviations.
  @Test func cavitiesAreRefits() throws {
    let (all, x, y) = try Self.posterior(without: nil)
    let network = Network(try #require(all.model.network))
    let state = try #require(all.members[0].laplace)
    let moments = try LaplaceMoments(network, all.members[0].theta, state, scale: 1).linearised(x)
    let cavities = PredictiveScale.cavities(moments, y, BernoulliLikelihood(targets: 1))
    for i in [0, 17, 60, 119] {
      let without = try Self.posterior(without: i).0
      let own = try #require(without.members[0].laplace)
      let exact = try LaplaceMoments(network, without.members[0].theta, own, scale: 1).linearised(x).row(i)
      let deviation = exact.covariance[0, 0].squareRoot()
      let shift = abs(exact.mean[0] - moments.mean[i, 0])
      #expect(shift > 0, "the row says something")
      #expect(abs(cavities[i].mean[0] - exact.mean[0]) < max(0.15 * shift, 0.004 * deviation))
      #expect(abs(cavities[i].covariance[0, 0].squareRoot() / deviation - 1) < 0.03)
    }
  }

  /// Targets drawn at outputs that scatter as S says bear it out; targets at the means do not.
  @Test func scaleFollowsTheTargets() {
    var stream = RandomStream(seed: 3)
    let rows = 4000
    let mean = Matrix(rows: rows, columns: 1, storage: stream.normals(rows).map { 2 * $0 })
    let moments = OutputMoments(mean: mean, covariance: Matrix(rows: rows, columns: 1, repeating: 9))
    var scattered = mean
    let noise = stream.normals(rows)
    for i in 0..<rows { scattered[i, 0] += 3 * noise[i] }
    // A likelihood that says nothing leaves the moments as they are.
    let flat = Flat()
    let own = BernoulliLikelihood(targets: 1)
    let wide = PredictiveScale.best(
      moments, own.sample(outputs: scattered, like: scattered, using: &stream), flat, .probit)
    let narrow = PredictiveScale.best(moments, own.sample(outputs: mean, like: mean, using: &stream), flat, .probit)
    // The score's curvature in log τ puts τ = 1 within a factor of two, six standard errors, of the maximum.
    #expect(wide >= 0.5)
    #expect(narrow <= 0.25)
  }

  /// Rows that are all predicted right with certainty gain nothing by spread, and then there is none.
  @Test func nothingGainedIsNothingBelieved() {
    let rows = (0..<50).map { _ in OutputGaussian(mean: [4, -4, 0], covariance: .identity(3)) }
    #expect(PredictiveScale.best(rows, Matrix(rows: 50, columns: 1), .pairwiseProbit) == 0)
    // Two targets of two classes each have outputs of their own.
    let pairs = (0..<50).map { _ in OutputGaussian(mean: [4, -4], covariance: .identity(2)) }
    let targets = Matrix(rows: 50, columns: 2, storage: (0..<100).map { $0 % 2 == 0 ? 1 : 0 })
    #expect(PredictiveScale.best(pairs, targets, .probit) == 0)
  }

  // MARK: Rows held out

  private static func classes(_ n: Int, seed: UInt64) -> (x: Matrix, y: Matrix) {
    var stream = RandomStream(seed: seed)
    let x = Matrix(rows: n, columns: 2, storage: stream.normals(2 * n))
    let noise = stream.normals(n)
    let y = Matrix(
      rows: n, columns: 1,
      storage: (0..<n).map { i in
        let f = sin(2 * x[i, 0]) + x[i, 1] + 0.7 * noise[i]
        return f > 0.6 ? 2 : f > -0.6 ? 1 : 0
      })
    return (x, y)
  }

  private static func fit(
    _ x: Matrix, _ y: Matrix, _ structure: CurvatureStructure, _ training: TrainingSettings, threads: Int = 1
  ) throws -> Posterior {
    try Posterior.laplace(
      NetworkSpec(inputs: 2, hidden: [12], outputs: 3, activation: .tanh),
      settings: LaplaceSettings(structure: structure), likelihood: .categorical,
      schema: Schema(
        featureColumns: [FeatureColumn(name: "a"), FeatureColumn(name: "b")], targets: ["y"],
        targetKind: .classes(["a", "b", "c"])),
      features: x, targets: y, normalisation: .identity(features: 2, targets: 1), standardised: false,
      training: training, threads: threads
    ).posterior
  }

  /// Enough rows: τ is of the lattice, the same for any number of threads, and on fresh rows the predictive is not worse than
  /// the network itself by more than two standard errors. Too few rows: the spread is not believed.
  @Test(arguments: [CurvatureStructure.kronecker, .diagonal], [5, nil])
  func heldRowsChoose(_ structure: CurvatureStructure, _ epochs: Int?) throws {
    let (x, y) = Self.classes(5200, seed: 31)
    let training = TrainingSettings(epochs: epochs, batchSize: 64, learningRate: 5e-3)
    let own = try Self.fit(x, y, structure, training)
    #expect(try own == Self.fit(x, y, structure, training, threads: 3))
    let scale = try #require(own.members[0].laplace?.predictiveScale)
    #expect(PredictiveScale.lattice.contains(scale))
    let test = Self.classes(3000, seed: 32)
    func scores(_ method: PredictiveMethod) throws -> [ClassRowScore] {
      guard case .classes(let rows) = try own.tableScores(features: test.x, targets: test.y, method: method) else {
        throw UpdateError.unsuitable("classes")
      }
      return rows
    }
    let comparison = PairedComparison(try scores(.automatic), try scores(.linearised(classes: .plugIn)))
    #expect(!comparison.isWorse)
    let few = try Self.fit(x.rows(0..<600), y.rows(0..<600), structure, training)
    #expect(few.members[0].laplace?.predictiveScale == 0)
  }

  /// Passes over some rows are passes over a table of these rows alone that count for all: the same steps, to the rounding
  /// of a few hundred of them.
  @Test func passesOverSomeRows() {
    let (x, y) = Self.classes(200, seed: 5)
    let network = Network(NetworkSpec(inputs: 2, hidden: [4], outputs: 3, activation: .tanh))
    let all = NetworkLoss(
      network: network, likelihood: CategoricalLikelihood(classes: 3), x: x.storage, y: y, weights: nil, threads: 1)
    var stream = RandomStream(seed: 1)
    let start = network.initialParameters(using: &stream)
    func objective(_ loss: NetworkLoss<Double>) -> PenalisedLoss {
      let prior = start.map { _ in 0.3 }
      return PenalisedLoss(
        loss: loss, frame: start, moving: start.indices, mean: start.map { _ in 0 }, diagonal: prior,
        precisionTimes: { $0.map { 0.3 * $0 } })
    }
    let rows = (0..<200).filter { $0 % 4 != 1 }
    let training = MinibatchTraining(epochs: 8, batchSize: 25, learningRate: 0.01)
    let some = training.minimise(
      objective(all), of: all, from: start, rows: rows, stream: RandomStream(seed: 2)
    ) { _ in }
    let alone = all.sampled(rows, weight: 200.0 / Double(rows.count))
    let expected = training.minimise(
      objective(alone), of: alone, from: start, stream: RandomStream(seed: 2)
    ) { _ in }
    #expect(relativeDifference(some, expected) < 1e-9)
    #expect(relativeDifference(some, start) > 0.01)
  }

  private struct Flat: Likelihood {
    var outputs: Int { 1 }
    var targets: Int { 1 }
    func logDensities(outputs f: Matrix, targets y: Matrix) -> [Double] { [Double](repeating: 0, count: f.rows) }
    func gradients(outputs f: Matrix, targets y: Matrix) -> Matrix { Matrix(rows: f.rows, columns: 1) }
    func curvatureRoots(outputs f: Matrix, targets _: Matrix) -> [Matrix] { [Matrix(rows: f.rows, columns: 1)] }
    func sample(outputs f: Matrix, like _: Matrix, using stream: inout RandomStream) -> Matrix { f }
    func firstInvalid(targets y: Matrix) -> InvalidTarget? { nil }
  }
}
