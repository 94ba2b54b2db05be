import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@testable import BNNInference

/// The two parts of the bound against quadrature: the divergence from a prior of any structure, and the expected log density.
struct VariationalBoundTests {
  // MARK: KL

  @Test(arguments: [(0.0, 1.0, 0.0, 1.0), (1, 0.5, -1, 0.5), (0.3, 0.01, 0.2, 90), (-4, 3, 3, 0.7)])
  func divergenceInOneDimension(_ m: Double, _ variance: Double, _ m1: Double, _ precision: Double) throws {
    let prior = VariationalPrior(mean: [m1], diagonal: [precision])
    let found = prior.divergence(FactorisedGaussian(mean: [m], variance: [variance]))
    let expected = try quadrature(-12, 12) { t in
      let w = m + variance.squareRoot() * t
      let logQ = -0.5 * (t * t + log(2 * Double.pi * variance))
      let logP = -0.5 * (precision * (w - m1) * (w - m1) - log(precision / (2 * Double.pi)))
      return exp(-0.5 * t * t) / (2 * Double.pi).squareRoot() * (logQ - logP)
    }
    #expect(abs(found - expected) < 1e-10 * (1 + abs(expected)))
  }

  /// A posterior of two weights or more, with its precision as dense numbers.
  private static func state(
    _ structure: CurvatureStructure, inputs: Int = 1, hidden: [Int] = []
  ) throws -> (state: LaplaceState, mean: [Double], dense: Matrix) {
    var gen = Gen(seed: 4)
    var x = gen.matrix(rows: 12, columns: inputs)
    for i in x.storage.indices { x.storage[i] += 0.8 }
    let posterior = try Posterior.laplace(
      NetworkSpec(inputs: inputs, hidden: hidden, outputs: 1, activation: .tanh),
      settings: LaplaceSettings(structure: structure, rank: 2), likelihood: .bernoulli,
      schema: Schema(
        featureColumns: (0..<inputs).map { FeatureColumn(name: "x\($0)") }, targets: ["y"],
        targetKind: .classes(["no", "yes"])),
      features: x, targets: Matrix(rows: 12, columns: 1, storage: (0..<12).map { $0 % 3 == 0 ? 1 : 0 }),
      normalisation: .identity(features: inputs, targets: 1), standardised: false,
      prior: PriorSettings(precision: .given(0.4)), training: TrainingSettings(schedule: [20])
    ).posterior
    let member = posterior.members[0]
    let state = try #require(member.laplace)
    let p = member.theta.count
    var dense = Matrix(rows: p, columns: p)
    for j in 0..<p {
      for (i, value) in state.precisionTimes((0..<p).map { $0 == j ? 1 : 0 }).enumerated() { dense[i, j] = value }
    }
    return (state, member.theta, dense)
  }

  @Test(arguments: CurvatureStructure.allCases) func divergenceInTwoDimensions(_ structure: CurvatureStructure) throws {
    let (state, m1, dense) = try Self.state(structure)
    let prior = try VariationalPrior(mean: m1, state)
    let q = FactorisedGaussian(mean: [m1[0] + 0.7, m1[1] - 0.4], variance: [0.3, 0.05])
    let (a, b, c) = (dense[0, 0], dense[0, 1], dense[1, 1])
    #expect(structure == .diagonal ? b == 0 : abs(b) > 0.01)
    let expected = try quadrature(-9, 9) { t in
      let inner = try? quadrature(-9, 9) { u in
        let (dw, db) = (
          q.mean[0] + q.variance[0].squareRoot() * t - m1[0], q.mean[1] + q.variance[1].squareRoot() * u - m1[1]
        )
        let logQ = -0.5 * (t * t + u * u + log(q.variance[0] * q.variance[1])) - log(2 * Double.pi)
        let logP = -0.5 * (a * dw * dw + 2 * b * dw * db + c * db * db - log(a * c - b * b)) - log(2 * Double.pi)
        return exp(-0.5 * (t * t + u * u)) / (2 * Double.pi) * (logQ - logP)
      }
      return inner ?? .nan
    }
    // Beyond nine deviations lies 2e-19 of the mass.
    #expect(abs(prior.divergence(q) - expected) < 1e-9 * (1 + abs(expected)))
  }

  /// Many weights: ½[tr ΛS + dᵀΛd − log|Λ||S| − P] with a dense Λ. The divergence from its own diagonal is what it misses of Λ.
  @Test(arguments: CurvatureStructure.allCases) func divergenceOfANetwork(_ structure: CurvatureStructure) throws {
    let (state, m1, dense) = try Self.state(structure, inputs: 2, hidden: [3])
    let p = m1.count
    let prior = try VariationalPrior(mean: m1, state)
    var gen = Gen(seed: 6)
    let q = FactorisedGaussian(
      mean: zip(m1, gen.normals(p)).map { $0 + $1 }, variance: gen.normals(p).map { 0.01 + $0 * $0 })
    let step = zip(q.mean, m1).map { $0 - $1 }
    let pull = (0..<p).map { i in (0..<p).reduce(0) { $0 + dense[i, $1] * step[$1] } }
    let logDeterminant = Dense.factored(
      (0..<p).map { dense.row($0).map { Wide($0) } }, [Wide](repeating: 0, count: p)
    ).logDeterminant
    let trace = (0..<p).reduce(0) { $0 + dense[$1, $1] * q.variance[$1] }
    let expected =
      0.5
      * (trace + zip(step, pull).reduce(0) { $0 + $1.0 * $1.1 } - logDeterminant
        - q.variance.reduce(0) { $0 + log($1) } - Double(p))
    let tolerance = 1e3 * epsilon * Double(p) * (1 + abs(expected))
    #expect(abs(prior.divergence(q) - expected) < tolerance)
    #expect(relativeDifference(prior.pull(q.mean), pull) < 1e3 * epsilon)
    #expect(relativeDifference(prior.diagonal, (0..<p).map { dense[$0, $0] }) < 1e3 * epsilon)
  }

  // MARK: Expected log density

  private func estimated(_ own: VariationalCase, pairs: Int, seed: UInt64, threads: Int = 1) -> (
    mean: Double, standardError: Double
  ) {
    ExpectedLoss<Double>(
      spec: own.spec, x: own.x, y: own.y, weights: own.weights, likelihood: own.likelihood, threads: threads
    ).estimated(own.q, pairs: pairs, stream: RandomStream(seed: seed))
  }

  /// Within eight of its own standard errors of the integral, with some hundred degrees of freedom a chance below 1e-11.
  @Test(arguments: VariationalCase.all) func expectedLossIsTheIntegral(_ own: VariationalCase) throws {
    let expected = try own.expectedLoss()
    let found = estimated(own, pairs: 400, seed: 1)
    #expect(abs(found.mean - expected) < 8 * found.standardError)
    #expect(found.standardError < 0.05 * abs(expected), "the test can tell")
  }

  /// The reported error is that of the estimates over seeds: the ratio of the variances has for 200 nearly normal estimates the
  /// relative deviation √(2/199) = 0.1, and six of those.
  @Test(arguments: VariationalCase.all) func standardErrorIsTheSpread(_ own: VariationalCase) throws {
    let expected = try own.expectedLoss()
    let all = (0..<200).map { estimated(own, pairs: 2, seed: UInt64($0)) }
    let mean = all.reduce(0) { $0 + $1.mean } / 200
    let spread = all.reduce(0) { $0 + ($1.mean - mean) * ($1.mean - mean) } / 199
    let reported = all.reduce(0) { $0 + $1.standardError * $1.standardError } / 200
    #expect(abs(spread / reported - 1) < 6 * (2 / 199.0).squareRoot())
    #expect(abs(mean - expected) < 6 * (spread / 200).squareRoot())
  }

  /// A hidden unit between: the output's pre-activation is normal given the unit, an integral in two dimensions.
  @Test func expectedLossOfAHiddenUnit() throws {
    let own = VariationalCase(.bernoulli, rows: 6)
    let q = FactorisedGaussian(mean: [0.9, 0.2, 1.4, -0.3], variance: [0.5, 0.2, 0.3, 0.1])
    let spec = NetworkSpec(inputs: 1, hidden: [1], outputs: 1, activation: .tanh)
    let normal = { (t: Double) in exp(-0.5 * t * t) / (2 * Double.pi).squareRoot() }
    var expected = 0.0
    for i in own.x.indices {
      let x = own.x[i]
      let (m, s) = (q.mean[0] * x + q.mean[1], (q.variance[0] * x * x + q.variance[1]).squareRoot())
      expected += try quadrature(-9, 9) { t in
        let h = tanh(m + s * t)
        let (mean, deviation) = (q.mean[2] * h + q.mean[3], (q.variance[2] * h * h + q.variance[3]).squareRoot())
        let inner = try? quadrature(-9, 9) { normal($0) * own.loss(own.y[i, 0], mean + deviation * $0).value }
        return normal(t) * (inner ?? .nan)
      }
    }
    let found = ExpectedLoss<Double>(
      spec: spec, x: own.x, y: own.y, weights: nil, likelihood: own.likelihood, threads: 1
    ).estimated(q, pairs: 2000, stream: RandomStream(seed: 3))
    #expect(abs(found.mean - expected) < 8 * found.standardError)
    #expect(found.standardError < 0.01 * expected)
  }

  /// E12: pieces have streams of their own, whatever the threads.
  @Test func threadsDoNotShow() {
    let own = VariationalCase(.poisson, rows: 1300)
    let (one, many) = (estimated(own, pairs: 2, seed: 5), estimated(own, pairs: 2, seed: 5, threads: 3))
    #expect(one == many)
  }
}
