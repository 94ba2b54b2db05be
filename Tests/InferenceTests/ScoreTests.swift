import BNNInference
import BNNLinearAlgebra
import BNNTestSupport
import Foundation
import Testing

/// Densities, distribution functions and scores of predictions.
@Suite struct ScoreTests {
  private static let freedoms = [1.5, 3, 7.25, 60, 1e4, .infinity]

  private func student(_ location: Double, _ scale: Double, _ nu: Double) -> PredictiveDistribution {
    PredictiveDistribution(
      location: location, scale: scale, degreesOfFreedom: nu, epistemicVariance: 0.25 * scale * scale,
      aleatoricVariance: 0.75 * scale * scale)
  }

  @Test(arguments: freedoms) func logDensity(nu: Double) throws {
    let own = student(2, 0.7, nu)
    for y in [-3.0, 1.9, 2, 2.4, 9] {
      let z = (y - 2) / 0.7
      var expected = -log(0.7)
      if nu.isFinite {
        expected += lgamma(0.5 * (nu + 1)) - lgamma(0.5 * nu) - 0.5 * log(nu * Double.pi)
        expected -= 0.5 * (nu + 1) * log(1 + z * z / nu)
      } else {
        expected -= 0.5 * z * z + 0.5 * log(2 * Double.pi)
      }
      // lnΓ at ν/2 = 5000 is 4e4, known to an ulp or two.
      #expect(try abs(own.logDensity(y) - expected) < 1e-10, "y = \(y)")
    }
    // It is the derivative of the distribution function.
    let h = 1e-4
    let slope = try (own.cumulative(2.3 + h) - own.cumulative(2.3 - h)) / (2 * h)
    #expect(try abs(exp(own.logDensity(2.3)) - slope) < 1e-6)
  }

  @Test(arguments: freedoms) func crpsIsItsIntegral(nu: Double) throws {
    let own = student(-1, 1.3, nu)
    for y in [-4.0, -1, 0.2, 6] {
      // ∫(F(t) − 1{t ≥ y})² dt in t = −1 + 1.3 sinh u, so that heavy tails are reached.
      func part(_ from: Double, _ to: Double, _ step: Double) throws -> Double {
        try quadrature(from, to) { u in
          let difference = ((try? own.cumulative(-1 + 1.3 * sinh(u))) ?? .nan) - step
          return difference * difference * 1.3 * cosh(u)
        }
      }
      let middle = asinh((y + 1) / 1.3)
      let end = 30.0
      let expected = try part(-end, middle, 0) + part(middle, end, 1)
      let found = try #require(try own.crps(y))
      #expect(abs(found - expected) < 1e-7 * max(1, expected), "ν = \(nu), y = \(y): \(found), \(expected)")
    }
    #expect(try student(0, 1, 1).crps(0) == nil)
  }

  @Test func standardDeviations() throws {
    #expect(student(0, 2, 2).standardDeviation == nil)
    #expect(student(0, 2, .infinity).standardDeviation == 2)
    #expect(student(0, 2, 4).standardDeviation == 2 * 2.0.squareRoot())
  }

  @Test(arguments: freedoms) func quantilesInvertTheDistributionFunction(nu: Double) throws {
    let single = student(3, 0.5, nu)
    let mixture = PredictiveMixture([single, student(3.8, 0.2, nu), student(2, 1.5, 9)])
    for p in [0.001, 0.05, 0.3, 0.5, 0.77, 0.95, 0.9999] {
      #expect(try abs(single.cumulative(single.quantile(p)) - p) < 1e-10, "ν = \(nu), p = \(p)")
      #expect(try abs(mixture.cumulative(mixture.quantile(p)) - p) < 1e-10, "ν = \(nu), p = \(p)")
    }
    let y = try mixture.quantile(0.3)
    #expect(try abs(mixture.quantile(mixture.cumulative(y)) - y) < 1e-9)
  }

  @Test func momentsAndDensityOfAMixture() throws {
    let parts = [student(1, 0.5, 7), student(2, 0.2, 5), student(4, 1, .infinity)]
    let mixture = PredictiveMixture(parts)
    #expect(abs(mixture.mean - 7.0 / 3) < 1e-15)
    let density: (Double) -> Double = { y in
      parts.reduce(0) { $0 + exp((try? $1.logDensity(y)) ?? .nan) } / 3
    }
    for y in [-2.0, 1, 1.7, 3, 40] { #expect(try abs(mixture.logDensity(y) - log(density(y))) < 1e-12) }
    let variance = try quadrature(-14, 14) { u in
      let y = sinh(u)
      return (y - 7.0 / 3) * (y - 7.0 / 3) * density(y) * cosh(u)
    }
    #expect(try abs(#require(mixture.standardDeviation) - variance.squareRoot()) < 1e-7)
    let parted = mixture.epistemicVariance + mixture.aleatoricVariance
    let whole = parts.reduce(0) { $0 + $1.scale * $1.scale + pow($1.location - 7.0 / 3, 2) } / 3
    #expect(abs(parted - whole) < 1e-12)
    #expect(PredictiveMixture([parts[0]]).standardDeviation == parts[0].standardDeviation)
    #expect(PredictiveMixture([student(0, 1, 1.5), parts[0]]).standardDeviation == nil)
  }

  /// Location, scale and degrees of freedom of every member.
  private static let mixtures: [[(Double, Double, Double)]] = [
    [(1, 0.5, 7), (2, 0.2, 5)], [(0, 1, 1000), (0.01, 1, 1000), (-0.02, 1.01, 1000)],
    [(0, 1, 30), (500, 1, 30), (501, 0.1, 30)], [(0, 1, .infinity), (0, 1e-4, 40)], [(-1, 1, 2.5), (1, 2, 3)],
    [(1e6, 1e-3, 50), (1e6 + 1, 1e-3, 50)],
  ]

  /// A mixture's CRPS against its definition: members close together, far apart, of very different width and with heavy tails.
  @Test(arguments: mixtures)
  func crpsOfAMixture(parts: [(Double, Double, Double)]) throws {
    let mixture = PredictiveMixture(parts.map { student($0.0, $0.1, $0.2) })
    let knots = parts.flatMap { part in [-1e4, -8, -1, 0, 1, 8, 1e4].map { part.0 + $0 * part.1 } }
    let unit = parts.reduce(0) { $0 + $1.1 } / Double(parts.count)
    for y in [-3.0, 0.1, 1.4, 30] {
      let at = parts[0].0 + y * parts[0].1
      func part(_ from: Double, _ to: Double, _ step: Double) throws -> Double {
        // In t = middle + unit·sinh u, since a piece may reach 10⁴ scales.
        let middle = 0.5 * (from + to)
        let end = asinh((to - middle) / unit)
        return try quadrature(-end, end) { u in
          pow(((try? mixture.cumulative(middle + unit * sinh(u))) ?? .nan) - step, 2) * unit * cosh(u)
        }
      }
      let all = (knots + [at]).sorted()
      let expected = try zip(all, all.dropFirst()).reduce(0.0) { sum, ends in
        try ends.0 == ends.1 ? sum : sum + part(ends.0, ends.1, ends.0 < at ? 0 : 1)
      }
      let found = try #require(try mixture.crps(at))
      // Beyond 10⁴ scales a t with 2.5 degrees of freedom leaves less than 1e-9 of ∫F²; knots are known to an ulp of 10⁶.
      #expect(abs(found - expected) < 1e-7 * max(unit, expected), "y = \(at): \(found), \(expected)")
    }
    #expect(try PredictiveMixture([student(0, 1, 1), student(0, 1, 9)]).crps(0) == nil)
  }

  /// Scores are means over rows of what the predictions say.
  @Test func scoresOfAPosterior() throws {
    var gen = Gen(seed: 9)
    let rows = NetworkData.rows(&gen, count: 60, inputs: 3, outputs: 2)
    let posterior = try NetworkData.fit(.tangent, rows.picking(0..<40), hidden: 4, members: 2, seed: 3).posterior
    let test = rows.picking(40..<60)
    let scores = try posterior.scores(features: test.x, targets: test.y, threads: 2)
    let all = try posterior.predict(features: test.x)
    for c in 0..<2 {
      var (nll, square, inside, crps) = (0.0, 0.0, 0.0, 0.0)
      for i in 0..<20 {
        let (a, b) = (all[0][i * 2 + c], all[1][i * 2 + c])
        let y = test.y[i, c]
        nll -= try log(0.5 * exp(a.logDensity(y)) + 0.5 * exp(b.logDensity(y))) / 20
        square += pow(y - 0.5 * (a.location + b.location), 2) / 20
        let cdf = try 0.5 * (a.cumulative(y) + b.cumulative(y))
        inside += cdf >= 0.05 && cdf <= 0.95 ? 1.0 / 20 : 0
        let own = try PredictiveMixture([a, b]).crps(y)
        crps += try #require(own) / 20
      }
      #expect(abs(scores[c].negativeLogLikelihood - nll) < 1e-10)
      #expect(abs(scores[c].rootMeanSquaredError - square.squareRoot()) < 1e-12)
      #expect(abs(scores[c].coverage90 - inside) < 1e-12)
      #expect(try abs(#require(scores[c].crps) - crps) < 1e-12)
    }
    #expect(throws: UpdateError.self) {
      try posterior.scores(features: Matrix(rows: 0, columns: 3), targets: Matrix(rows: 0, columns: 2))
    }
  }
}
