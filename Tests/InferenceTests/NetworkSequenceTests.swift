import BNNInference
import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport
import Testing

/// E1 and E2 for networks: after the batch that fixed θ₁ and the normalisation, every order and cut of the rows gives the
/// posterior of all rows in the model linear at θ₁.
///
/// Tolerance 10·K·√P·ε·cond([R; √κ I]), K the batches with the first.
@Suite struct NetworkSequenceTests {
  struct Case: Sendable, CustomStringConvertible {
    var method: Method
    var inputs: Int
    var hidden: Int
    var outputs: Int
    var priors: Priors
    /// Rows of D1.
    var first: Int
    var rest: Int
    var subspace: Int?
    var description: String {
      "\(method) \(subspace.map { "in \($0) directions " } ?? "")\(inputs)-\(hidden)-\(outputs), \(priors), \(first) + \(rest) rows"
    }
  }

  static let cases =
    [Method.tangent, .lastLayer, .parallelBranch].flatMap { method in
      [Priors.tuned, .givenPrecision, .givenNoise, .allGiven].flatMap { priors in
        [
          Case(method: method, inputs: 3, hidden: 6, outputs: 1, priors: priors, first: 30, rest: 40),
          Case(method: method, inputs: 3, hidden: 4, outputs: 2, priors: priors, first: 25, rest: 30),
          // Fewer rows than weights, before and after.
          Case(method: method, inputs: 3, hidden: 6, outputs: 1, priors: priors, first: 5, rest: 9),
        ]
      }
    }
    + [Priors.tuned, .allGiven].flatMap { priors in
      [
        Case(method: .tangent, inputs: 3, hidden: 6, outputs: 1, priors: priors, first: 30, rest: 40, subspace: 12),
        Case(method: .tangent, inputs: 3, hidden: 4, outputs: 2, priors: priors, first: 25, rest: 30, subspace: 9),
        Case(method: .tangent, inputs: 3, hidden: 6, outputs: 1, priors: priors, first: 12, rest: 9, subspace: 12),
      ]
    }

  @Test(arguments: cases) func everyOrderAndCutGivesTheUnion(_ own: Case) throws {
    for seed in Gen.seeds(3) {
      var gen = Gen(seed: seed)
      let rows = NetworkData.rows(&gen, count: own.first + own.rest, inputs: own.inputs, outputs: own.outputs)
      let fitted = try NetworkData.fit(
        own.method, rows.picking(0..<own.first), hidden: own.hidden, prior: own.priors.settings, subspace: own.subspace,
        seed: seed
      ).posterior
      let oracle = NetworkOracle(fitted, hidden: own.hidden)
      let rest = own.first..<rows.count
      let union = try fitted.updated(rows, [Array(rest)]).posterior
      for largest in [1, 4, 15] {
        let batches = gen.batches(rest, largest: largest)
        let sequence = try fitted.updated(rows, batches).posterior
        for c in sequence.members[0].responses.indices {
          let response = sequence.members[0].responses[c]
          let (ratio, tolerance) = try oracle.disagreement(sequence, rows, response: c, steps: batches.count + 1)
          #expect(ratio < 1, "seed \(seed), \(batches.count) batches, response \(c)")
          let kappa = union.members[0].responses[c].ratio
          #expect(relativeWorst([response.ratio], [kappa]) < max(1e-10, tolerance), "seed \(seed), response \(c)")
        }
      }
    }
  }

  static func noise(_ ridge: Dense.Ridge, count: Int, _ prior: NoisePrior) -> NoiseBelief {
    switch prior {
    case .known(let variance): .known(variance: variance)
    case .inverseGamma(let a, let b):
      .inverseGamma(shape: a + 0.5 * Double(count), rate: b + 0.5 * Double(ridge.squares))
    }
  }
}
