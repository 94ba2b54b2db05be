import BNNDatasets
import BNNInference
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

/// E1–E3 for Laplace's approximation where it is exact: a network without a hidden layer and Gaussian noise is linear, and
/// its posterior has a closed form.
struct LaplaceSequenceTests {
  static let d = 4
  static let prior = PriorSettings(precision: .given(0.5), noise: .given(0.4))

  static let rows: (x: Matrix, y: Matrix) = {
    var stream = RandomStream(seed: 11)
    let x = Matrix(rows: 90, columns: d, storage: stream.normals(90 * d))
    let noise = stream.normals(90)
    let y = Matrix(
      rows: 90, columns: 1,
      storage: (0..<90).map { i in
        0.3 + x[i, 0] - 2 * x[i, 1] + 0.5 * x[i, 3] + 0.4 * noise[i]
      })
    return (x, y)
  }()

  /// The posterior of W̃ = [w b] by the textbook: Λ = X̃ᵀX̃/σ² + κI, and log p(y) = log N(y; 0, σ²I + X̃X̃ᵀ/κ).
  struct ClosedForm {
    var mean: [Double]
    var variances: [Double]
    var logEvidence: Double

    init(_ x: Matrix, _ y: Matrix) throws {
      let (kappa, variance) = (0.5, 0.16)
      var design = Matrix(rows: x.rows, columns: d + 1, repeating: 1)
      for i in 0..<x.rows { for j in 0..<d { design[i, j] = x[i, j] } }
      var precision = design.gram
      for i in precision.storage.indices { precision.storage[i] /= variance }
      for j in 0...d { precision[j, j] += kappa }
      let factor = try TriangularFactor(choleskyOf: precision)
      mean = factor.solve(design.multiplied(by: y.storage, transposed: true).map { $0 / variance })
      variances = factor.marginalVariances()
      var covariance = Matrix.product(design, design, transposeB: true)
      for i in covariance.storage.indices { covariance.storage[i] /= kappa }
      for i in 0..<x.rows { covariance[i, i] += variance }
      let marginal = try TriangularFactor(choleskyOf: covariance)
      let n = Double(x.rows)
      let quadratic = zip(y.storage, marginal.solve(y.storage)).reduce(0) { $0 + $1.0 * $1.1 }
      logEvidence = -0.5 * (n * log(2 * Double.pi) + marginal.logDeterminant + quadratic)
    }
  }

  private func fit(
    _ range: Range<Int>, _ structure: CurvatureStructure, draws: Int = 0
  ) throws -> (Posterior, UpdateReport) {
    let own = Self.rows
    return try Posterior.laplace(
      NetworkSpec(inputs: Self.d, hidden: [], outputs: 1, activation: .tanh),
      settings: LaplaceSettings(structure: structure, curvatureDraws: draws),
      schema: Schema(features: (0..<Self.d).map { "x\($0)" }, targets: ["y"]), features: own.x.rows(range),
      targets: own.y.rows(range), normalisation: .identity(features: Self.d, targets: 1), standardised: false,
      prior: Self.prior)
  }

  private func update(_ posterior: Posterior, _ range: Range<Int>) throws -> (Posterior, UpdateReport) {
    var update = SequentialUpdate(posterior)
    try update.absorb(features: Self.rows.x.rows(range), targets: Self.rows.y.rows(range))
    return try update.finish()
  }

  /// y ~ N(f, σ²/w): rows of weight 4 and noise 2σ are rows of weight 1 and noise σ to the weights of the network, and a
  /// prediction is for a row of weight 1, whose noise is 2σ. Both fits are one computation, but for a few roundings.
  @Test func noiseIsThatOfARowOfWeightOne() throws {
    let own = Self.rows
    func fit(_ weights: [Double]?, _ noise: Setting) throws -> Posterior {
      let data = Dataset(
        features: own.x.storage, featureCount: Self.d, targets: own.y.storage, targetCount: 1, rows: 90,
        weights: weights)
      return try Posterior.laplace(
        NetworkSpec(inputs: Self.d, hidden: [], outputs: 1, activation: .tanh), settings: LaplaceSettings(),
        schema: Schema(features: (0..<Self.d).map { "x\($0)" }, targets: ["y"]), features: own.x, targets: own.y,
        weights: weights, normalisation: .fit(data, rule: .none), standardised: false,
        prior: PriorSettings(precision: .given(0.5), noise: noise)
      ).posterior
    }
    func noiseVariance(_ posterior: Posterior) throws -> Double {
      guard case .amounts(let amounts) = try Predictor(posterior).predictions(features: own.x.rows(0..<1))[0] else {
        return .nan
      }
      return amounts[0].aleatoricVariance
    }
    let fours = [Double](repeating: 4, count: 90)
    for (plain, weighted) in [(Setting.given(0.4), Setting.given(0.8)), (.auto, .auto)] {
      let (a, b) = (try fit(nil, plain), try fit(fours, weighted))
      #expect(relativeDifference(a.members[0].theta, b.members[0].theta) < 1e-9)
      let noise = try #require(a.members[0].laplace?.noiseVariance)
      let (first, second) = (try noiseVariance(a), try noiseVariance(b))
      #expect(relativeDifference(first, noise) < 1e-12 && relativeDifference(second, 4 * noise) < 1e-9)
    }
  }

  /// 10·K·√P·ε·cond: with K = 4 batches, five weights and normal inputs of 90 rows (condition below 10) some 2e-13. A curvature that is
  /// the same at all weights is its own mean over draws.
  @Test(arguments: [CurvatureStructure.full, .block, .kronecker, .kroneckerEigenvalue], [0, 3])
  func batchesAreTheUnion(_ structure: CurvatureStructure, draws: Int) throws {
    let expected = try ClosedForm(Self.rows.x, Self.rows.y)
    var (posterior, report) = try fit(0..<30, structure, draws: draws)
    var evidence = try #require(report.logEvidence)
    for range in [30..<31, 31..<60, 60..<90] {
      (posterior, report) = try update(posterior, range)
      evidence += try #require(report.logEvidence)
    }
    let member = posterior.members[0]
    let state = try #require(member.laplace)
    #expect(relativeDifference(member.theta, expected.mean) < 1e-11)
    #expect(relativeDifference(try state.factored().marginalVariances, expected.variances) < 1e-11)
    #expect(abs(evidence - expected.logEvidence) < 1e-11 * abs(expected.logEvidence))
    #expect(state.distanceToOptimum < 1e-9)
    #expect(posterior.rows == 90)
  }

  /// A curvature that does not depend on the weights cannot drift: the same sums, bit for bit.
  @Test(arguments: CurvatureStructure.allCases)
  func curvatureOfALinearModelDoesNotDrift(_ structure: CurvatureStructure) throws {
    let report = try update(try fit(0..<30, structure).0, 30..<90).1
    #expect(report.curvatureDrift == 0)
    #expect(report.dispersion == nil, "amounts are no counts")
  }

  /// E2: another order of the later batches.
  @Test func orderDoesNotMatter() throws {
    let first = try fit(0..<30, .full).0
    let a = try update(try update(first, 30..<50).0, 50..<90).0
    let b = try update(try update(first, 50..<90).0, 30..<50).0
    #expect(relativeDifference(a.members[0].theta, b.members[0].theta) < 1e-11)
    let difference = try PosteriorDifference(a, b)
    #expect(difference.isWithin(1e-10))
    #expect(try #require(difference.klForward) < 1e-12)
  }

  /// E12: neither threads nor earlier work show.
  @Test func threadsDoNotMatter() throws {
    func made(_ threads: Int) throws -> Posterior {
      try Posterior.laplace(
        NetworkSpec(inputs: Self.d, hidden: [6], outputs: 1, activation: .tanh),
        settings: LaplaceSettings(structure: .kronecker),
        schema: Schema(features: (0..<Self.d).map { "x\($0)" }, targets: ["y"]), features: Self.rows.x,
        targets: Self.rows.y, normalisation: .identity(features: Self.d, targets: 1), standardised: false, members: 2,
        threads: threads
      ).posterior
    }
    #expect(try made(1) == made(3))
  }

  /// What tuning finds is a maximum of the evidence that is reported: no neighbour in noise or prior precision is better, the
  /// network's weights being re-optimised there.
  @Test func tuningMaximisesTheEvidence() throws {
    func evidence(_ prior: PriorSettings) throws -> (Double, LaplaceState) {
      let made = try Posterior.laplace(
        NetworkSpec(inputs: Self.d, hidden: [], outputs: 1, activation: .tanh), settings: LaplaceSettings(),
        schema: Schema(features: (0..<Self.d).map { "x\($0)" }, targets: ["y"]), features: Self.rows.x,
        targets: Self.rows.y, normalisation: .identity(features: Self.d, targets: 1), standardised: false, prior: prior)
      return (try #require(made.report.logEvidence), try #require(made.posterior.members[0].laplace))
    }
    let (best, state) = try evidence(PriorSettings())
    let sd = try #require(state.noiseVariance).squareRoot()
    guard case .layers(let prior) = state.prior else { throw UpdateError.unsuitable("one a layer") }
    for (a, b) in [(1.05, 1.0), (0.95, 1.0), (1.0, 1.1), (1.0, 0.9)] {
      let other = try evidence(PriorSettings(precision: .given(prior[0] * b), noise: .given(sd * a))).0
      #expect(other < best)
    }
  }
}
