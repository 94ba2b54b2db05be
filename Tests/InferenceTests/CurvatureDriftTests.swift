import BNNDatasets
import BNNInference
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

/// What a Laplace update reports of the batch: how its curvature depends on the weights, and how counts scatter.
struct CurvatureDriftTests {
  /// Generalised linear regression on two inputs, which a network without a hidden layer is.
  private static func fit(
    _ x: Matrix, _ y: Matrix, _ likelihood: LikelihoodKind, isLinearised: Bool = false
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    try Posterior.laplace(
      NetworkSpec(inputs: 2, hidden: [], outputs: 1, activation: .tanh),
      settings: LaplaceSettings(isLinearised: isLinearised), likelihood: likelihood,
      schema: Schema(
        featureColumns: [FeatureColumn(name: "a"), FeatureColumn(name: "b")], targets: ["y"],
        targetKind: likelihood == .poisson ? .count : .classes(["no", "yes"])),
      features: x, targets: y, normalisation: .identity(features: 2, targets: 1), standardised: false,
      prior: PriorSettings(precision: .given(0.5)))
  }

  private static func inputs(_ n: Int, _ stream: inout RandomStream) -> Matrix {
    Matrix(rows: n, columns: 2, storage: stream.normals(2 * n))
  }

  /// w·Σ p(1 − p)x̃x̃ᵀ of logistic regression.
  private static func curvature(_ x: Matrix, _ theta: [Double], weight: Double = 1) -> Matrix {
    var design = Matrix(rows: x.rows, columns: 3, repeating: 1)
    for i in 0..<x.rows {
      let f = theta[0] * x[i, 0] + theta[1] * x[i, 1] + theta[2]
      let root = (weight / ((1 + exp(-f)) * (1 + exp(f)))).squareRoot()
      for (j, value) in [x[i, 0], x[i, 1], 1].enumerated() { design[i, j] = root * value }
    }
    return design.gram
  }

  /// By the textbook, for a batch that is looked at whole and for one of which every so-manieth row is; conditions are below
  /// 100. Logistic regression linearised at its own weights is itself.
  @Test(arguments: [(90, false), (90, true), (5000, false)])
  func driftIsOfLogDeterminants(_ n: Int, _ isLinearised: Bool) throws {
    var stream = RandomStream(seed: 17)
    let (x1, x2) = (Self.inputs(60, &stream), Self.inputs(n, &stream))
    let noise = stream.normals(60 + n)
    func targets(_ x: Matrix, _ shift: Double, from: Int) -> Matrix {
      Matrix(
        rows: x.rows, columns: 1,
        storage: (0..<x.rows).map { x[$0, 0] + shift * x[$0, 1] + noise[from + $0] > 0 ? 1 : 0 })
    }
    let first = try Self.fit(x1, targets(x1, 0, from: 0), .bernoulli, isLinearised: isLinearised)
    #expect(first.report.curvatureDrift == nil)
    var update = SequentialUpdate(first.posterior)
    try update.absorb(features: x2, targets: targets(x2, 1, from: 60))
    let (next, report) = try update.finish()
    func mean(_ own: Posterior) -> [Double] {
      zip(own.members[0].theta, own.members[0].laplace?.displacement ?? [0, 0, 0]).map { $0 + $1 }
    }
    let (theta1, theta2) = (mean(first.posterior), mean(next))
    var before = Self.curvature(x1, theta1)
    for j in 0..<3 { before[j, j] += 0.5 }
    let count = min(n, 2048)
    let rows = x2.gathering((0..<count).map { $0 * n / count }[...])
    let logs = try [theta1, theta2].map { theta in
      var sum = before
      accumulate(
        1, Self.curvature(rows, theta, weight: Double(n) / Double(count)).storage, into: &sum.storage)
      return try TriangularFactor(choleskyOf: sum).logDeterminant
    }
    let expected = 0.5 * abs(logs[0] - logs[1])
    #expect(expected > 0.01, "the mean moves")
    #expect(abs(try #require(report.curvatureDrift) - expected) < 1e-10)
    #expect(
      next.certificate.reasons.contains { $0.contains("taken at the mean before it, the log volume would differ by") })
  }

  /// Poisson counts have the dispersion 1, three times Poisson counts of a third of the rate have 3, at the fit and at an
  /// update. Pearson's sum varies by 2 + 1/μ a row, of φ times Poisson counts by φ²(2 + φ/μ); six standard deviations.
  @Test(arguments: [1.0, 3])
  func dispersionOfCounts(_ factor: Double) throws {
    var stream = RandomStream(seed: 23)
    let n = 1500
    let x = Self.inputs(n, &stream)
    let rates = (0..<n).map { exp(1.2 + 0.3 * x[$0, 0] - 0.2 * x[$0, 1]) }
    let y = Matrix(
      rows: n, columns: 1, storage: stream.poissons(means: rates.map { $0 / factor }).map { factor * $0 })
    let first = try Self.fit(x.rows(0..<500), y.rows(0..<500), .poisson)
    var update = SequentialUpdate(first.posterior)
    try update.absorb(features: x.rows(500..<n), targets: y.rows(500..<n))
    let (next, report) = try update.finish()
    for (own, range, posterior) in [
      (first.report, 0..<500, first.posterior), (report, 500..<n, next),
    ] {
      let found = try #require(own.dispersion)
      let variance = rates[range].reduce(0) { $0 + factor * factor * (2 + factor / $1) }
      #expect(abs(found.value - factor) < 6 * variance.squareRoot() / Double(range.count))
      #expect(found.isOver == (factor > 1))
      // The formula itself at the posterior's own mean: three weights, of which all rows have determined nearly all.
      let theta = posterior.members[0].theta
      let sum = range.reduce(0.0) { sum, i in
        let rate = exp(theta[0] * x[i, 0] + theta[1] * x[i, 1] + theta[2])
        return sum + (y[i, 0] - rate) * (y[i, 0] - rate) / rate
      }
      let free = sum / found.value
      let share = Double(range.count) / Double(posterior.rows)
      #expect(free > Double(range.count) - 3 * share && free < Double(range.count) - 2.9 * share)
    }
  }
}
