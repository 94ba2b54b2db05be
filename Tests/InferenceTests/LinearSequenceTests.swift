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
    for seed in Gen.seeds(6) {
      var gen = Gen(seed: seed)
      let rows = own.design.rows(&gen)
      let prior = Posterior.linear(schema: rows.schema, intercept: own.intercept, prior: own.priors.settings)
      let union = try prior.updated(rows)
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
          let ratio = oracle.disagreement(posterior, tolerance: tolerance)
          #expect(ratio < 1, "seed \(seed), \(batches.count) batches, κ \(response.ratio), cond \(oracle.condition)")
          let kappa = union.members[0].responses[c].ratio
          let dk = relativeWorst([response.ratio], [kappa])
          #expect(dk <= max(1e-10, tolerance), "seed \(seed): κ \(response.ratio), of the union \(kappa)")
        }
      }
    }
  }

  /// Columns left in their own units.
  @Test(arguments: [Priors.tuned, .allGiven, .flat], [true, false])
  func withoutStandardisation(priors: Priors, intercept: Bool) throws {
    for seed in Gen.seeds(5) {
      var gen = Gen(seed: seed)
      let rows = Design.plain.rows(&gen)
      let batches = gen.batches(0..<rows.count, largest: 4)
      let posterior = try Posterior.linear(
        schema: rows.schema, intercept: intercept, standardised: false, prior: priors.settings
      ).updated(rows, batches).posterior
      let response = posterior.members[0].responses[0]
      let oracle = try LinearOracle(rows, target: 0, intercept: intercept, standardised: false, response: response)
      let own = try #require(posterior.inDataUnits(response: 0, of: posterior.members[0]))
      let tolerance = 10 * Double(batches.count) * Double(own.mean.count).squareRoot() * epsilon * oracle.condition
      #expect(oracle.disagreement(own, tolerance: tolerance) < 1, "seed \(seed)")
    }
  }

  /// A column that has been constant so far is seen to be, from the second row on and in every order; what rounding
  /// leaves of it must not be blown up to a column of size 1.
  @Test(arguments: Gen.seeds(60), [7.3, 0.1, -1e6 / 3, 1e-9])
  func constantColumnsOfFewRows(seed: UInt64, value: Double) throws {
    for n in 2...9 {
      var gen = Gen(seed: seed)
      var rows = Rows(x: gen.matrix(rows: n, columns: 3), y: gen.matrix(rows: n, columns: 1))
      for i in 0..<n { rows.x[i, 1] = value }
      let prior = Posterior.linear(schema: rows.schema)
      for largest in [1, 4, n] {
        let own = try prior.updated(rows, gen.batches(0..<n, largest: largest)).posterior
        #expect(own.normalisation.featureScale[1] == 1, "seed \(seed), \(n) rows, batches of up to \(largest)")
      }
    }
  }
}
