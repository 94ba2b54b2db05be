import BNNLinearAlgebra
import BNNTestSupport
import CGSL
import Foundation
import Testing

@testable import BNNInference

/// Members: independently initialised networks, each exact by itself, predicting as a mixture.
@Suite struct MemberTests {
  private func rows(_ seed: UInt64 = 4, outputs: Int = 2, count: Int = 40) -> Rows {
    var gen = Gen(seed: seed)
    return NetworkData.rows(&gen, count: count, inputs: 3, outputs: outputs)
  }

  /// Member k is a function of the data, the seed and k: how many others there are must not matter to a bit of it.
  @Test(arguments: [Method.tangent, .lastLayer, .parallelBranch], [1, 2])
  func aMemberDoesNotDependOnTheOthers(method: Method, outputs: Int) throws {
    let rows = rows(outputs: outputs)
    let (first, rest) = (rows.picking(0..<25), rows.picking(25..<40))
    let chains = try [1, 2, 3].map { count in
      try NetworkData.fit(method, first, hidden: 4, members: count, seed: 9).posterior.updated(rest)
    }
    for count in [1, 2] { #expect(Array(chains[2].members.prefix(count)) == chains[count - 1].members) }
    #expect(chains[2].normalisation == chains[0].normalisation)
    #expect(Set(chains[2].members.map(\.theta)).count == 3)
  }

  /// The report's evidence is the mean of the members'; each member's is what the same member alone reports.
  @Test(arguments: [Method.tangent, .lastLayer, .parallelBranch], [1, 2]) func evidencePerMember(
    method: Method, outputs: Int
  ) throws {
    let rows = rows(outputs: outputs)
    let all = try NetworkData.fit(method, rows, hidden: 4, members: 3, seed: 2)
    let each = try all.posterior.members.indices.map { try #require(all.posterior.logEvidence(ofMember: $0)) }
    let alone = try NetworkData.fit(method, rows, hidden: 4, members: 1, seed: 2)
    #expect(each[0] == alone.report.logEvidenceTotal)
    #expect(Set(each).count == 3)
    let total = try #require(all.report.logEvidenceTotal)
    #expect(abs(total - each.reduce(0, +) / 3) < 1e-12 * max(1, abs(total)))
    #expect(Posterior.linear(schema: rows.schema).logEvidence(ofMember: 0) == nil)
  }

  /// Differences are per member: one changed member is named, and the others are zero.
  @Test func differencesAreListed() throws {
    let rows = rows()
    let own = try NetworkData.fit(.tangent, rows.picking(0..<30), hidden: 4, members: 3, seed: 6).posterior
    let updated = try own.updated(rows.picking(30..<40))
    var other = own
    other.members[1] = updated.members[1]
    let difference = try PosteriorDifference(own, other)
    #expect(difference.members.count == 3)
    for k in [0, 2] {
      // P log-ratios and quadratic forms, each known to a few ε, leave the KL of equal posteriors.
      #expect(difference.members[k].maxAbsMean == 0 && difference.members[k].maxRelSd == 0)
      #expect(try #require(difference.members[k].klForward) < 1e-10)
    }
    #expect(try #require(difference.members[1].klForward) > 1e-3)
    #expect(difference.maxAbsMean == difference.members[1].maxAbsMean && difference.maxAbsMean > 0)
    #expect(difference.klForward == nil, "a mixture has no KL in closed form")
    var fewer = own
    fewer.members.removeLast()
    #expect(throws: UpdateError.self) { try PosteriorDifference(own, fewer) }
  }

  /// Quantiles of a mixture against bisection of GSL's own distribution functions and against the integral of its density.
  @Test func mixtureQuantiles() throws {
    let rows = rows()
    let posterior = try NetworkData.fit(.tangent, rows, hidden: 4, members: 3, seed: 8).posterior
    // Rows inside the data, where members agree, and far outside, where they do not.
    var far = rows.picking(0..<6).x
    for i in 3..<6 { for j in 0..<3 { far[i, j] *= 8 } }
    for mixture in try posterior.predictMixture(features: far) {
      func cdf(_ y: Double) -> Double {
        mixture.components.reduce(0) { $0 + gsl_cdf_tdist_P((y - $1.location) / $1.scale, $1.degreesOfFreedom) } / 3
      }
      func density(_ y: Double) -> Double {
        mixture.components.reduce(0) {
          $0 + gsl_ran_tdist_pdf((y - $1.location) / $1.scale, $1.degreesOfFreedom) / $1.scale
        } / 3
      }
      let spread = try #require(mixture.standardDeviation)
      for p in [0.001, 0.05, 0.5, 0.8, 0.95, 0.999] {
        let quantile = try mixture.quantile(p)
        var (low, high) = (mixture.mean - 1e3 * spread, mixture.mean + 1e3 * spread)
        while high - low > 4 * max(abs(low), abs(high)).ulp {
          let middle = 0.5 * (low + high)
          if cdf(middle) < p { low = middle } else { high = middle }
        }
        // The two distribution functions may differ by a few ε of 1, which the slope turns into y.
        #expect(abs(quantile - low) < 1e-11 * (abs(low) + spread) + 1e-13 / density(low), "p = \(p)")
        // Simpson's rule from 40 deviations below in t = mean + spread·sinh u.
        let mass = try quadrature(-asinh(40), asinh((quantile - mixture.mean) / spread)) { u in
          density(mixture.mean + spread * sinh(u)) * spread * cosh(u)
        }
        #expect(abs(mass - p) < 1e-7, "p = \(p): \(mass)")
      }
    }
  }

  /// Members that agree but for rounding: there is no sign change between their quantiles.
  @Test func quantilesOfNearlyEqualMembers() throws {
    func student(_ location: Double) -> PredictiveDistribution {
      PredictiveDistribution(
        location: location, scale: 1e-3, degreesOfFreedom: 7, epistemicVariance: 1e-7, aleatoricVariance: 9e-7)
    }
    for step in 0..<200 {
      let location = 1 + 0.01 * Double(step)
      let mixture = PredictiveMixture([student(location), student(location.nextUp), student(location.nextDown)])
      for p in [0.05, 0.3, 0.5, 0.95] {
        let quantile = try mixture.quantile(p)
        #expect(try abs(quantile - student(location).quantile(p)) <= 4 * location.ulp)
      }
    }
  }
}
