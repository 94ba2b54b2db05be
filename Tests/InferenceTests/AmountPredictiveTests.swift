import BNNInference
import BNNLinearAlgebra
import BNNModels
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

/// Counts with a Gaussian log rate, and amounts whose noise is uncertain.
@Suite struct AmountPredictiveTests {
  // MARK: Counts

  private static let counts: [(m: Double, v: Double)] = [
    (0, 1), (1.5, 0.2), (-3, 4), (3, 1e-6), (2, 0), (0, 25), (5, 0.5), (-20, 1),
  ]

  /// log Poisson(y | e^f).
  private func logPoisson(_ y: Double, _ f: Double) -> Double { y * f - exp(f) - lgamma(y + 1) }

  @Test(arguments: counts)
  func countsAreThePoissonLognormalIntegral(_ own: (m: Double, v: Double)) throws {
    let predictive = try CountPredictive(logRateMean: own.m, logRateVariance: own.v)
    let deviation = own.v.squareRoot()
    for y in [0.0, 1, 2, 7, 40, 300] {
      // In pieces, and after dividing by the integrand's maximum over a grid: GSL is asked for 1e-11 of the whole.
      let log = { (z: Double) in
        logPoisson(y, own.m + deviation * z) - 0.5 * z * z - 0.5 * Foundation.log(2 * Double.pi)
      }
      let grid = stride(from: -40.0, through: 40, by: 0.01).map(log)
      let highest = grid.max() ?? 0
      var area = 0.0
      for start in stride(from: -40.0, to: 40, by: 1) {
        area += try quadrature(start, start + 1) { exp(log($0) - highest) }
      }
      let expected = own.v == 0 ? logPoisson(y, own.m) : highest + Foundation.log(area)
      let found = try predictive.logDensity(y)
      // lnΓ and y log y are of the size of a few thousand at most.
      #expect((found - expected).magnitude < 1e-9 + 1e-12 * expected.magnitude, "y = \(y): \(found), \(expected)")
    }
    #expect(try predictive.logDensity(-1) == -.infinity)
    #expect(try predictive.logDensity(0.5) == -.infinity)
  }

  /// Sums of probabilities over all counts: 1, mean and variance, and on the way the distribution function.
  @Test func countsAddUp() throws {
    for (m, v) in [(0.0, 0.6), (1.5, 0.2), (3, 1e-6), (2, 0), (-3, 1)] {
      let own = try CountPredictive(logRateMean: m, logRateVariance: v)
      var (sum, first, second) = (0.0, 0.0, 0.0)
      for y in 0..<4000 {
        let p = try exp(own.logDensity(Double(y)))
        sum += p
        first += p * Double(y)
        second += p * Double(y) * Double(y)
        if y < 30 || y % 500 == 0 {
          #expect(try (own.cumulative(Double(y)) - sum).magnitude < 1e-11, "m = \(m), v = \(v), y = \(y)")
        }
      }
      #expect((sum - 1).magnitude < 1e-10)
      #expect((first / own.mean - 1).magnitude < 1e-8)
      let variance = own.aleatoricVariance + own.epistemicVariance
      #expect(((second - first * first) / variance - 1).magnitude < 1e-6, "m = \(m), v = \(v)")
      #expect(own.standardDeviation == variance.squareRoot())
    }
  }

  /// The distribution function of large counts against draws of both stages (6 standard errors), and quantiles by their
  /// definition.
  @Test func largeCountsAndQuantiles() throws {
    for (m, v) in [(14.0, 0.5), (14, 1e-9), (20, 1e-4), (0, 9), (8, 3e-8), (2, 0)] {
      let own = try CountPredictive(logRateMean: m, logRateVariance: v)
      var stream = RandomStream(seed: 4)
      let n = 40_000
      let drawn = stream.poissons(means: stream.normals(n).map { exp(m + v.squareRoot() * $0) })
      for p in [1e-6, 0.05, 0.5, 0.95, 0.9999] {
        let y = try own.quantile(p)
        let reached = try own.cumulative(y)
        #expect(y >= 0 && y.rounded() == y)
        #expect(reached >= p, "m = \(m), v = \(v), p = \(p)")
        #expect(try y == 0 || own.cumulative(y - 1) < p, "m = \(m), v = \(v), p = \(p)")
        let share = Double(drawn.count { $0 <= y }) / Double(n)
        #expect((share - reached).magnitude <= 6 * (reached * (1 - reached) / Double(n)).squareRoot() + 1e-4)
      }
    }
    #expect(throws: UpdateError.self) { try CountPredictive(logRateMean: 1000, logRateVariance: 1) }
    #expect(throws: UpdateError.self) { try CountPredictive(logRateMean: .nan, logRateVariance: 1) }
  }

  @Test func poolsOfCounts() throws {
    let pool = Pool([
      try CountPredictive(logRateMean: 1, logRateVariance: 0.3),
      try CountPredictive(logRateMean: 3, logRateVariance: 0.1),
    ])
    for p in [0.01, 0.3, 0.5, 0.77, 0.999] {
      let y = try pool.quantile(p)
      #expect(try y.rounded() == y && pool.cumulative(y) >= p && (y == 0 || pool.cumulative(y - 1) < p), "p = \(p)")
    }
    let mean = pool.components.reduce(0) { $0 + $1.mean } / 2
    #expect((pool.mean - mean).magnitude < 8 * epsilon * mean)
    #expect(try pool.logDensity(-1) == -.infinity)
    // P(Y ≤ 0) is above .05 for a rate of 1: 0 is inside the interval, though F(−1) = 0 and F(0) exceed it on either
    // side.
    let rare = Pool([try CountPredictive(logRateMean: -4, logRateVariance: 0.1)])
    #expect(try RowScore(rare, at: 0).isInside90)
    #expect(try !RowScore(rare, at: 3).isInside90)
    #expect(try RowScore(rare, at: 0).crps == nil)
  }

  // MARK: Uncertain noise

  /// μ and s of a row: mean, covariance.
  private static let noises: [OutputGaussian] = [
    OutputGaussian(mean: [1, -1], covariance: Matrix([[0.2, 0], [0, 0.1]])),
    OutputGaussian(mean: [0, 0], covariance: Matrix([[0.5, 0.3], [0.3, 0.4]])),
    OutputGaussian(mean: [2, -3], covariance: Matrix([[1, -0.5], [-0.5, 0.9]])),
    OutputGaussian(mean: [0, -2], covariance: Matrix([[0, 0], [0, 4]])),
    OutputGaussian(mean: [-1, 0.5], covariance: Matrix([[0.3, 0], [0, 0]])),
  ]

  /// ∫ g(a, sd) N(z; 0, 1) dz over the conditional normals of the definition.
  private func integral(_ f: OutputGaussian, _ g: @escaping (Double, Double) -> Double) throws -> Double {
    let spread = f.covariance[1, 1].squareRoot()
    let shift = spread > 0 ? f.covariance[0, 1] / spread : 0
    let rest = f.covariance[0, 0] - shift * shift
    var sum = 0.0
    for start in stride(from: -10.0, to: 10, by: 1) {
      sum += try quadrature(start, start + 1) { z in
        exp(-0.5 * z * z) / (2 * Double.pi).squareRoot()
          * g(f.mean[0] + shift * z, (rest + exp(f.mean[1] + spread * z)).squareRoot())
      }
    }
    return sum
  }

  @Test(arguments: noises)
  func noiseIsIntegrated(_ f: OutputGaussian) throws {
    let own = try HeteroscedasticPredictive(f)
    let deviation = (own.epistemicVariance + own.aleatoricVariance).squareRoot()
    #expect(own.standardDeviation == deviation)
    for k in [-4.0, -1, -0.1, 0, 0.6, 2, 5] {
      let y = own.mean + k * deviation
      let density = try integral(f) { exp(-0.5 * pow((y - $0) / $1, 2)) / ($1 * (2 * Double.pi).squareRoot()) }
      let below = try integral(f) { Distributions.normalCDF((y - $0) / $1) }
      let highest = try integral(f) { _, sd in 1 / (sd * (2 * Double.pi).squareRoot()) }
      #expect(try (exp(own.logDensity(y)) - density).magnitude < 1e-9 * highest, "y = \(y)")
      #expect(try (own.cumulative(y) - below).magnitude < 1e-9, "y = \(y)")
    }
    for p in [0.001, 0.05, 0.5, 0.77, 0.95, 0.9999] {
      #expect(try (own.cumulative(own.quantile(p)) - p).magnitude < 1e-10, "p = \(p)")
    }
    // The moments in closed form against those of the same integrals.
    let first = try integral(f) { at, _ in at }
    let second = try integral(f) { at, sd in at * at + sd * sd }
    #expect((own.mean - first).magnitude < 1e-9)
    #expect(((second - first * first) / (deviation * deviation) - 1).magnitude < 1e-8)
  }

  @Test(arguments: noises.prefix(3))
  func crpsIsItsIntegral(_ f: OutputGaussian) throws {
    let own = try HeteroscedasticPredictive(f)
    let other = try HeteroscedasticPredictive(
      OutputGaussian(mean: f.mean.map { $0 + 0.7 }, covariance: f.covariance))
    for pool in [Pool([own]), Pool([own, other])] {
      for y in [-2.0, 0.4, 3] {
        func part(_ from: Double, _ to: Double, _ step: Double) throws -> Double {
          var sum = 0.0
          for i in 0..<8 {
            let width = (to - from) / 8
            sum += try quadrature(from + Double(i) * width, from + Double(i + 1) * width) {
              pow(((try? pool.cumulative($0)) ?? .nan) - step, 2)
            }
          }
          return sum
        }
        let expected = try part(-60, y, 0) + part(y, 60, 1)
        let found = try #require(try pool.crps(y))
        #expect((found - expected).magnitude < 1e-8, "y = \(y)")
      }
    }
  }

  // MARK: Every likelihood from its outputs

  @Test func rowsOfEveryLikelihood() throws {
    let covariance = Matrix([[0.5, 0.1], [0.1, 0.2]])
    let members = [[0.3, -1], [0.8, -0.4]].map { OutputGaussian(mean: $0, covariance: covariance) }
    func predict(_ kind: LikelihoodKind, targets: Int, noise: [[Double]] = []) throws -> RowPrediction {
      try LikelihoodPredictor(
        kind: kind, targets: targets, classes: 2, centers: [10, 20], scales: [2, 3], classMethod: .pairwiseProbit)(
          members, noiseVariances: noise)
    }
    guard case .amounts(let normal) = try predict(.gaussian, targets: 2, noise: [[0.4, 0.1], [0.6, 0.3]]) else {
      throw UpdateError.unsuitable("amounts are expected")
    }
    // Target 1 in its own units: locations 20 + 3f, variances 9(S + σ²).
    let own = normal[1]
    #expect((own.mean - (20 + 3 * -0.7)).magnitude < 64 * epsilon)
    #expect((own.aleatoricVariance - 9 * 0.2).magnitude < 64 * epsilon)
    #expect((own.epistemicVariance - 9 * (0.2 + 0.09)).magnitude < 64 * epsilon)
    let density = zip([-1, -0.4], [0.3, 0.5]).reduce(0.0) { sum, part in
      let z = 21 - (20 + 3 * part.0)
      return sum + exp(-0.5 * z * z / (9 * part.1)) / (2 * Double.pi * 9 * part.1).squareRoot() / 2
    }
    #expect(try (own.logDensity(21) - log(density)).magnitude < 64 * epsilon)
    #expect(try own.crps(21) != nil)

    guard case .amounts(let counts) = try predict(.poisson, targets: 2) else {
      throw UpdateError.unsuitable("amounts are expected")
    }
    let rates = [exp(0.3 + 0.25), exp(0.8 + 0.25)]
    #expect((counts[0].mean - (rates[0] + rates[1]) / 2).magnitude < 16 * epsilon)
    guard case .amounts(let noisy) = try predict(.heteroscedastic, targets: 1) else {
      throw UpdateError.unsuitable("amounts are expected")
    }
    #expect((noisy[0].mean - (10 + 2 * 0.55)).magnitude < 64 * epsilon)
    #expect((noisy[0].aleatoricVariance - 2 * (exp(-0.9) + exp(-0.3))).magnitude < 64 * epsilon)

    guard case .classes(let coins) = try predict(.bernoulli, targets: 2),
      case .classes(let classes) = try predict(.categorical, targets: 1)
    else { throw UpdateError.unsuitable("classes are expected") }
    #expect(coins.count == 2 && classes.count == 1)
    let coin = ClassPredictor(method: .pairwiseProbit, outputs: 1)
    let second = ClassPredictive(
      pooling: members.map { coin(OutputGaussian(mean: [$0.mean[1]], covariance: Matrix([[0.2]]))) })
    #expect(coins[1] == second)
    let both = ClassPredictor(method: .pairwiseProbit, outputs: 2)
    #expect(classes[0] == ClassPredictive(pooling: members.map { both($0) }))
  }

  @Test func unitsOfTheTarget() throws {
    let f = Self.noises[1]
    let (plain, scaled) = (try HeteroscedasticPredictive(f), try HeteroscedasticPredictive(f, center: 10, scale: 3))
    let second = try HeteroscedasticPredictive(
      OutputGaussian(
        mean: [5, 0, 5, 0],
        covariance: Matrix([[1, 0, 0, 0], [0, 0.5, 0, 0.3], [0, 0, 1, 0], [0, 0.3, 0, 0.4]])), target: 1)
    #expect((scaled.mean - 10 - 3 * plain.mean).magnitude < 16 * epsilon)
    #expect((scaled.aleatoricVariance / plain.aleatoricVariance - 9).magnitude < 32 * epsilon)
    #expect(try (scaled.logDensity(11) - plain.logDensity(1.0 / 3) + log(3)).magnitude < 64 * epsilon)
    #expect(try (scaled.quantile(0.9) - 10 - 3 * plain.quantile(0.9)).magnitude < 1e-12)
    #expect(second == plain)
    let endless = OutputGaussian(mean: [0, 800], covariance: .identity(2))
    #expect(throws: UpdateError.self) { try HeteroscedasticPredictive(endless) }
  }
}
