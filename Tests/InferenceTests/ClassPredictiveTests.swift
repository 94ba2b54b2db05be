import BNNInference
import BNNLinearAlgebra
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@Suite struct ClassPredictiveTests {
  private static let closed: [ClassMethod] = [.plugIn, .probit, .pairwiseProbit, .laplaceBridge]

  private func logit(_ m: Double, _ v: Double) -> OutputGaussian {
    OutputGaussian(mean: [m], covariance: Matrix([[v]]))
  }

  private func sigma(_ f: Double) -> Double { 1 / (1 + exp(-f)) }

  /// ∫ g(m + √v z) φ(z) dz.
  private func expectation(_ m: Double, _ v: Double, _ g: @escaping (Double) -> Double) throws -> Double {
    try quadrature(-12, 12) { z in exp(-0.5 * z * z) / (2 * Double.pi).squareRoot() * g(m + v.squareRoot() * z) }
  }

  /// The logistic function and Φ(√(π/8)x) are nowhere more than .0177 apart; the approximation replaces one by the
  /// other twice.
  @Test func probitIsWithinItsBoundOfTheIntegral() throws {
    for m in [-6.0, -2, -0.3, 0, 1, 4] {
      for v in [0.0, 0.1, 1, 9, 100] {
        let exact = try expectation(m, v, sigma)
        for method in [ClassMethod.probit, .pairwiseProbit] {
          let found = ClassPredictor(method: method, outputs: 1)(logit(m, v)).probabilities
          #expect((found[1] - exact).magnitude < 2 * 0.0177, "m = \(m), v = \(v)")
          #expect((found[0] + found[1] - 1).magnitude < 4 * epsilon)
        }
      }
    }
  }

  /// Within 6 standard errors (chance 2e-9); antithetic pairs have at most the variance of single draws.
  @Test func drawsOfALogitAgreeWithTheIntegral() throws {
    let samples = 4000
    let predictor = ClassPredictor(method: .monteCarlo(samples: samples), outputs: 1, seed: 3)
    for (m, v) in [(-2.0, 0.5), (0.3, 1), (1, 9), (4, 25)] {
      let exact = try expectation(m, v, sigma)
      let square = try expectation(m, v) { sigma($0) * sigma($0) }
      let found = predictor(logit(m, v))
      #expect(
        (found.probabilities[1] - exact).magnitude < 6 * ((square - exact * exact) / Double(samples)).squareRoot())
      let entropy: @Sendable (Double) -> Double = { f in
        let (p, q) = (1 / (1 + exp(-f)), 1 / (1 + exp(f)))
        return p * log1p(exp(-f)) + q * log1p(exp(f))
      }
      let rest = try expectation(m, v, entropy)
      let whole = -exact * log(exact) - (1 - exact) * log(1 - exact)
      // Entropies lie in [0, log 2]: their standard deviation is at most half of it; the other term is of the same
      // order.
      let allowed = 12 * 0.35 / Double(samples).squareRoot()
      #expect(try (#require(found.mutualInformation) - (whole - rest)).magnitude < allowed)
    }
  }

  /// Two classes are one logit, whatever the two outputs have in common; `probit` as published sees the variances one
  /// by one and is left out.
  @Test func twoClassesAreALogit() throws {
    let two = OutputGaussian(mean: [0.4, 1.7], covariance: Matrix([[2, 0.3], [0.3, 0.9]]))
    for method in [ClassMethod.plugIn, .pairwiseProbit, .laplaceBridge] {
      let found = ClassPredictor(method: method, outputs: 2)(two).probabilities
      let expected = ClassPredictor(method: method, outputs: 1)(logit(1.3, 2.3)).probabilities
      #expect(relativeDifference(found, expected) < 16 * epsilon, "\(method)")
    }
    let samples = 4000
    let exact = try expectation(1.3, 2.3, sigma)
    let found = ClassPredictor(method: .monteCarlo(samples: samples), outputs: 2, seed: 1)(two).probabilities
    #expect((found[1] - exact).magnitude < 6 * 0.5 / Double(samples).squareRoot())
  }

  /// S = uuᵀ leaves one random number, and the probabilities are integrals in one dimension. S is singular.
  @Test func drawsOfSeveralClassesAgreeWithTheIntegral() throws {
    let (m, u) = ([0.5, -1, 2, 0.0], [1.0, 0.5, -2, 0.0])
    let covariance = Matrix(u.map { a in u.map { a * $0 } })
    let samples = 4000
    let found = ClassPredictor(method: .monteCarlo(samples: samples), outputs: 4, seed: 5)(
      OutputGaussian(mean: m, covariance: covariance))
    for c in 0..<4 {
      let exact = try expectation(0, 1) { z in
        let f = zip(m, u).map { exp($0 + $1 * z) }
        return f[c] / f.reduce(0, +)
      }
      #expect((found.probabilities[c] - exact).magnitude < 6 * 0.5 / Double(samples).squareRoot(), "class \(c)")
    }
  }

  /// On random Gaussians the pairwise form is closer to a large plain Monte Carlo estimate than the plug-in
  /// (Kullback–Leibler divergence, 30 cases; the estimate's own error is about C/2n = 5e-5).
  @Test func moderationHelps() {
    var gen = Gen(seed: 12)
    var (plain, pairs) = (0.0, 0.0)
    for _ in 0..<30 {
      let c = 5
      let root = gen.matrix(rows: c, columns: c)
      let f = OutputGaussian(mean: gen.normals(c).map { 2 * $0 }, covariance: root.gram)
      let upper = root.transposed
      var mean = [Double](repeating: 0, count: c)
      let n = 20_000
      for _ in 0..<n {
        let z = gen.normals(c)
        let moved = (0..<c).map { a in f.mean[a] + (0..<c).reduce(0) { $0 + upper[a, $1] * z[$1] } }
        let e = moved.map { exp($0) }
        let sum = e.reduce(0, +)
        for a in 0..<c { mean[a] += e[a] / sum / Double(n) }
      }
      func divergence(_ method: ClassMethod) -> Double {
        let logs = ClassPredictor(method: method, outputs: c)(f).logProbabilities
        return (0..<c).reduce(0) { $0 + mean[$1] * (log(mean[$1]) - logs[$1]) }
      }
      plain += divergence(.plugIn) / 30
      pairs += divergence(.pairwiseProbit) / 30
    }
    #expect(pairs < 0.25 * plain, "\(pairs), \(plain)")
  }

  /// The Gaussian that the bridge makes of Dirichlet(α) comes back as α: means α/Σα, and the entropy that is left is
  /// the Dirichlet's (draws of gammas, 6 standard errors).
  @Test func bridgeReturnsTheDirichletThatItCameFrom() throws {
    var stream = RandomStream(seed: 7)
    for alpha in [[2.0, 5], [0.4, 3, 1.5], [8.0, 1, 2, 30, 0.9]] {
      let k = Double(alpha.count)
      let center = alpha.reduce(0) { $0 + log($1) } / k
      let sum = alpha.reduce(0) { $0 + 1 / $1 } / k
      var covariance = Matrix.diagonal(alpha.map { 1 / $0 })
      for a in alpha.indices {
        for b in alpha.indices { covariance[a, b] += (sum - 1 / alpha[a] - 1 / alpha[b]) / k }
      }
      let found = ClassPredictor(method: .laplaceBridge, outputs: alpha.count)(
        OutputGaussian(mean: alpha.map { log($0) - center }, covariance: covariance))
      let whole = alpha.reduce(0, +)
      #expect(relativeDifference(found.probabilities, alpha.map { $0 / whole }) < 1e-13)
      let entropies = (0..<20_000).map { _ -> Double in
        let g = alpha.map { stream.gamma(shape: $0, rate: 1) }
        let total = g.reduce(0, +)
        return g.reduce(0) { $1 > 0 ? $0 - $1 / total * log($1 / total) : $0 }
      }
      let mean = entropies.reduce(0, +) / 20_000
      let variance = entropies.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 20_000
      let left = found.entropy - (try #require(found.mutualInformation))
      #expect((left - mean).magnitude < 6 * (variance / 20_000).squareRoot())
    }
  }

  /// softmax does not see a number added to all outputs, random or not; only the published probit does.
  @Test func commonShiftsChangeNothing() {
    var gen = Gen(seed: 2)
    let covariance = gen.positiveDefinite(4, condition: 20)
    let mean = gen.normals(4)
    var moved = covariance
    for i in moved.storage.indices { moved.storage[i] += 3 }
    for method in [ClassMethod.plugIn, .pairwiseProbit, .laplaceBridge] {
      let predictor = ClassPredictor(method: method, outputs: 4)
      let a = predictor(OutputGaussian(mean: mean, covariance: covariance)).probabilities
      let b = predictor(OutputGaussian(mean: mean.map { $0 + 5 }, covariance: moved)).probabilities
      // Centring cancels numbers ten times the covariance's size.
      #expect(relativeDifference(a, b) < 1e-12, "\(method)")
    }
  }

  @Test func withoutVarianceAllArePlugIn() {
    for outputs in [1, 3] {
      let f = OutputGaussian(
        mean: Array([0.7, -1, 3].prefix(outputs)), covariance: Matrix(rows: outputs, columns: outputs))
      let plain = ClassPredictor(method: .plugIn, outputs: outputs)(f)
      #expect(plain.mutualInformation == 0)
      for method in Self.closed + [.monteCarlo(samples: 3)] {
        let found = ClassPredictor(method: method, outputs: outputs)(f)
        #expect(relativeDifference(found.probabilities, plain.probabilities) < 8 * epsilon, "\(method)")
      }
    }
  }

  @Test func farOutProbabilitiesAreStillProbabilities() {
    for outputs in [1, 3] {
      for v in [0.0, 1, 1e8] {
        let f = OutputGaussian(
          mean: Array([-800.0, 800, 0].prefix(outputs)),
          covariance: Matrix.diagonal([Double](repeating: v, count: outputs)))
        for method in Self.closed + [.monteCarlo(samples: 5)] {
          let found = ClassPredictor(method: method, outputs: outputs)(f)
          #expect((found.probabilities.reduce(0, +) - 1).magnitude < 1e-13, "\(method), v = \(v)")
          #expect(found.logProbabilities.allSatisfy { $0.isFinite && $0 <= 1e-14 }, "\(method), v = \(v)")
        }
      }
    }
    let plain = ClassPredictor(method: .plugIn, outputs: 1)(logit(-800, 0))
    #expect(plain.logProbabilities[1] == -800 && plain.mostProbable == 0)
  }

  @Test func poolsAverageProbabilities() throws {
    let predictor = ClassPredictor(method: .plugIn, outputs: 1)
    let members = [0.5, -2.0, 1].map { predictor(logit($0, 0)) }
    let pool = ClassPredictive(pooling: members)
    let p = [0.5, -2.0, 1].reduce(0) { $0 + sigma($1) } / 3
    #expect(relativeDifference(pool.probabilities, [1 - p, p]) < 8 * epsilon)
    let entropies = members.reduce(0) { $0 + $1.entropy } / 3
    #expect(try (#require(pool.mutualInformation) - (pool.entropy - entropies)).magnitude < 8 * epsilon)
    #expect(ClassPredictive(pooling: [members[1]]) == members[1])
    let unknowing = ClassPredictor(method: .probit, outputs: 1)(logit(1, 1))
    #expect(ClassPredictive(pooling: [members[0], unknowing]).mutualInformation == nil)
  }

  @Test func drawsOfOutputsAreAveraged() throws {
    let found = ClassPredictive(averaging: [[0.5], [-2]])
    let p = (sigma(0.5) + sigma(-2)) / 2
    #expect(relativeDifference(found.probabilities, [1 - p, p]) < 8 * epsilon)
    let members = [0.5, -2].map { ClassPredictive(averaging: [[$0]]) }
    let pooled = ClassPredictive(pooling: members)
    #expect(try (#require(found.mutualInformation) - #require(pooled.mutualInformation)).magnitude < 8 * epsilon)
  }

  @Test func rowsOfABatch() {
    let means = Matrix([[1, 2], [3, 4]])
    let covariances = Matrix([[1, 0, 0, 1], [2, 0.5, 0.5, 3]])
    let second = OutputGaussian(row: 1, means: means, covariances: covariances)
    #expect(second == OutputGaussian(mean: [3, 4], covariance: Matrix([[2, 0.5], [0.5, 3]])))
  }

  @Test func drawsAreAFunctionOfTheSeed() {
    let f = OutputGaussian(mean: [1, 0, 2], covariance: .identity(3))
    let predict = { (seed: UInt64) in ClassPredictor(method: .monteCarlo(samples: 7), outputs: 3, seed: seed)(f) }
    #expect(predict(1) == predict(1))
    #expect(predict(1) != predict(2))
  }
}
