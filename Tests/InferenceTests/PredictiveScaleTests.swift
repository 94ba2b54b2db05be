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
    let wide = PredictiveScale.best(moments, own.sample(outputs: scattered, using: &stream), flat, .probit)
    let narrow = PredictiveScale.best(moments, own.sample(outputs: mean, using: &stream), flat, .probit)
    // The score's curvature in log τ puts τ = 1 within a factor of two, six standard errors, of the maximum.
    #expect(wide >= 0.5)
    #expect(narrow <= 0.25)
  }

  private struct Flat: Likelihood {
    var outputs: Int { 1 }
    var targets: Int { 1 }
    func logDensities(outputs f: Matrix, targets y: Matrix) -> [Double] { [Double](repeating: 0, count: f.rows) }
    func gradients(outputs f: Matrix, targets y: Matrix) -> Matrix { Matrix(rows: f.rows, columns: 1) }
    func curvatureRoots(outputs f: Matrix) -> [Matrix] { [Matrix(rows: f.rows, columns: 1)] }
    func sample(outputs f: Matrix, using stream: inout RandomStream) -> Matrix { f }
    func firstInvalid(targets y: Matrix) -> InvalidTarget? { nil }
  }
}
