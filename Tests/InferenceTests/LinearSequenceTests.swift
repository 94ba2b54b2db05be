import BNNInference
import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport
import Testing

/// E1 and E2 for `linear`: whatever the cut into batches and their order, the posterior is the closed form of all rows.
///
/// Tolerance 10·K·√P·ε·cond: each of K orthogonal updates perturbs the rows by a few √P·ε of their columns' norms, and the
/// solution moves by at most the condition number times that.
@Suite struct LinearSequenceTests {
  struct Case: Sendable, CustomStringConvertible {
    var design: Design
    var priors: Priors
    var intercept: Bool
    var description: String { "\(design), \(priors)\(intercept ? "" : ", no intercept")" }
  }

  static let cases = Design.allCases.flatMap { design in
    Priors.allCases.flatMap { priors in
      [true, false].map { Case(design: design, priors: priors, intercept: $0) }
    }
  }.filter { !$0.priors.isFlat || $0.design.isIdentified(intercept: $0.intercept) }

  @Test(arguments: cases) func everyOrderAndCutGivesTheUnion(_ own: Case) throws {
    var worst = 0.0
    for seed in Gen.seeds(6) {
      var gen = Gen(seed: seed)
      let rows = own.design.rows(&gen)
      let prior = Posterior.linear(schema: rows.schema, intercept: own.intercept, prior: own.priors.settings)
      let union = try prior.updated(rows)
      var ratio = 0.0
      for largest in [1, 3, 12, rows.count] {
        let batches = gen.batches(0..<rows.count, largest: largest)
        let sequence = try prior.updated(rows, batches).posterior
        #expect(sequence.rows == rows.count)
        for c in 0..<rows.y.columns {
          let response = sequence.members[0].responses[c]
          let oracle = try LinearOracle(rows, target: c, intercept: own.intercept, response: response)
          let posterior = try #require(sequence.inDataUnits(response: c, of: sequence.members[0]), "seed \(seed)")
          let p = Double(posterior.mean.count)
          let tolerance = 10 * Double(batches.count) * p.squareRoot() * epsilon * oracle.condition
          ratio = oracle.disagreement(posterior, tolerance: tolerance)
          #expect(ratio < 1, "seed \(seed), \(batches.count) batches, κ \(response.ratio), cond \(oracle.condition)")
          worst = max(worst, ratio)
          let kappa = union.members[0].responses[c].ratio
          let dk = relativeWorst([response.ratio], [kappa])
          #expect(dk <= max(1e-10, tolerance), "seed \(seed): κ \(response.ratio), of the union \(kappa)")
        }
      }
    }
    print("E1", own, worst)
  }
}
