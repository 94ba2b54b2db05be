import BNNDatasets
import BNNInference
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

/// E1–E3 for the filter where it is exact: a network without a hidden layer and Gaussian noise of known variance. The oracle is
/// the textbook's closed form (`LaplaceSequenceTests.ClosedForm`).
struct KalmanSequenceTests {
  static let d = LaplaceSequenceTests.d
  static let prior = LaplaceSequenceTests.prior
  static let rows = LaplaceSequenceTests.rows

  private func fit(_ range: Range<Int>) throws -> (Posterior, UpdateReport) {
    try Posterior.kalman(
      NetworkSpec(inputs: Self.d, hidden: [], outputs: 1, activation: .tanh), settings: LaplaceSettings(),
      schema: Schema(features: (0..<Self.d).map { "x\($0)" }, targets: ["y"]), features: Self.rows.x.rows(range),
      targets: Self.rows.y.rows(range), normalisation: .identity(features: Self.d, targets: 1), standardised: false,
      prior: Self.prior)
  }

  private func onePass(_ range: Range<Int>, prior: PriorSettings = Self.prior) throws -> (Posterior, UpdateReport) {
    try Posterior.kalmanOnePass(
      NetworkSpec(inputs: Self.d, hidden: [], outputs: 1, activation: .tanh), settings: LaplaceSettings(),
      schema: Schema(features: (0..<Self.d).map { "x\($0)" }, targets: ["y"]), features: Self.rows.x.rows(range),
      targets: Self.rows.y.rows(range), normalisation: .identity(features: Self.d, targets: 1), standardised: false,
      prior: prior)
  }

  private func update(
    _ posterior: Posterior, _ indices: some Sequence<Int>, _ settings: FilterSettings = FilterSettings()
  ) throws -> (Posterior, UpdateReport) {
    let own = Array(indices)
    var update = try SequentialUpdate(filtering: posterior, settings)
    try update.absorb(features: Self.rows.x.gathering(own[...]), targets: Self.rows.y.gathering(own[...]))
    return try update.finish()
  }

  /// 10·K·√P·ε·cond with up to K = 61 updates, five weights and a condition below 10 is 3e-12.
  @Test(arguments: [[30..<90], [30..<31, 31..<60, 60..<90], (30..<90).map { $0..<($0 + 1) }])
  func batchesAreTheUnion(_ batches: [Range<Int>]) throws {
    let expected = try LaplaceSequenceTests.ClosedForm(Self.rows.x, Self.rows.y)
    for onePass in [false, true] {
      var (posterior, report) = onePass ? try self.onePass(0..<30) : try fit(0..<30)
      var evidence = try #require(report.logEvidence)
      for range in batches {
        (posterior, report) = try update(posterior, range)
        evidence += try #require(report.logEvidence)
      }
      let member = posterior.members[0]
      let state = try #require(member.laplace)
      #expect(relativeDifference(member.theta, expected.mean) < 1e-11)
      #expect(relativeDifference(try state.factored().marginalVariances, expected.variances) < 1e-11)
      #expect(abs(evidence - expected.logEvidence) < 1e-11 * abs(expected.logEvidence))
      #expect(posterior.certificate.update == .exact && posterior.certificate.reasons.isEmpty)
      #expect(posterior.rows == 90)
    }
  }

  /// E2: another order of the later rows.
  @Test func orderDoesNotMatter() throws {
    let first = try fit(0..<30).0
    let a = try update(first, 30..<90).0
    let b = try update(try update(first, (50..<90).reversed()).0, 30..<50).0
    let difference = try PosteriorDifference(a, b)
    #expect(difference.isWithin(1e-10))
    #expect(try #require(difference.klForward) < 1e-12)
  }

  /// The filter continues a Laplace posterior to where Laplace's own update gets.
  @Test func continuesLaplace() throws {
    let own = Self.rows
    let first = try Posterior.laplace(
      NetworkSpec(inputs: Self.d, hidden: [], outputs: 1, activation: .tanh), settings: LaplaceSettings(),
      schema: Schema(features: (0..<Self.d).map { "x\($0)" }, targets: ["y"]), features: own.x.rows(0..<30),
      targets: own.y.rows(0..<30), normalisation: .identity(features: Self.d, targets: 1), standardised: false,
      prior: Self.prior
    ).posterior
    var other = SequentialUpdate(first)
    try other.absorb(features: own.x.rows(30..<90), targets: own.y.rows(30..<90))
    #expect(try PosteriorDifference(other.finish().posterior, update(first, 30..<90).0).isWithin(1e-10))
  }

  /// Unknown noise in one pass is normal–inverse-gamma: the closed form of conjugate regression, with the weak prior
  /// IG(½, ½e-4) and κ given relative to the noise. The tolerance is that of 90 subtractions of the evidence.
  @Test func unknownNoiseIsConjugate() throws {
    let kappa = 0.3
    let (posterior, report) = try onePass(0..<90, prior: PriorSettings(precision: .given(kappa), noise: .auto))
    let own = Self.rows
    var design = Matrix(rows: 90, columns: Self.d + 1, repeating: 1)
    for i in 0..<90 { for j in 0..<Self.d { design[i, j] = own.x[i, j] } }
    var precision = design.gram
    for j in 0...Self.d { precision[j, j] += kappa }
    let factor = try TriangularFactor(choleskyOf: precision)
    let right = design.multiplied(by: own.y.storage, transposed: true)
    let mean = factor.solve(right)
    let (a0, b0) = (0.5, 0.5e-4)
    let squares = own.y.storage.reduce(0) { $0 + $1 * $1 } - zip(mean, right).reduce(0) { $0 + $1.0 * $1.1 }
    let (a, b) = (a0 + 45, b0 + 0.5 * squares)
    let evidence =
      -45 * log(2 * Double.pi) + 0.5 * (Double(Self.d + 1) * log(kappa) - factor.logDeterminant) + a0 * log(b0)
      - a * log(b) + (try SpecialFunctions.logGamma(a) - SpecialFunctions.logGamma(a0))
    let state = try #require(posterior.members[0].laplace)
    #expect(relativeDifference(posterior.members[0].theta, mean) < 1e-12)
    #expect(abs(try #require(state.noiseVariance) / (b / a) - 1) < 1e-11)
    let variances = factor.marginalVariances().map { $0 * b / a }
    #expect(relativeDifference(try state.factored().marginalVariances, variances) < 1e-11)
    #expect(abs(try #require(report.logEvidence) - evidence) < 1e-10 * abs(evidence))
  }

  /// Forgetting on a linear model is exponentially weighted least squares, prior included.
  @Test func forgettingIsWeightedLeastSquares() throws {
    let tau = 0.9
    let first = try fit(0..<30).0
    let state = try #require(first.members[0].laplace)
    let own = Self.rows
    let n = 60
    var precision = Matrix(rows: Self.d + 1, columns: Self.d + 1)
    for j in 0...Self.d {
      let unit = (0...Self.d).map { $0 == j ? 1.0 : 0 }
      let column = state.precisionTimes(unit)
      for i in 0...Self.d { precision[i, j] = pow(tau, Double(n)) * column[i] }
    }
    var right = precision.multiplied(by: first.members[0].theta)
    for (k, i) in (30..<90).enumerated() {
      let row = (0..<Self.d).map { own.x[i, $0] } + [1]
      let weight = pow(tau, Double(n - 1 - k)) / 0.16
      for a in 0...Self.d {
        right[a] += weight * row[a] * own.y[i, 0]
        for b in 0...Self.d { precision[a, b] += weight * row[a] * row[b] }
      }
    }
    let factor = try TriangularFactor(choleskyOf: precision)
    let made = try update(first, 30..<90, FilterSettings(dynamics: FilterDynamics(forgetting: tau))).0
    #expect(relativeDifference(made.members[0].theta, factor.solve(right)) < 1e-11)
    let found = try #require(made.members[0].laplace)
    #expect(relativeDifference(try found.factored().marginalVariances, factor.marginalVariances()) < 1e-11)
    #expect(made.certificate.update == .approximate)
  }
}
