import BNNInference
import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport
import Testing

/// The state is what the data said: a sum over rows, with nothing of the prior in it.
@Suite struct SumTests {
  /// Rows twice: twice AᵀA, to K·√w·ε of the columns' norms.
  @Test(arguments: [Method.linear, .lastLayer, .tangent, .parallelBranch]) func rowsTwiceSayTwiceAsMuch(method: Method)
    throws
  {
    for seed in Gen.seeds(5) {
      var gen = Gen(seed: seed)
      let rows = NetworkData.rows(&gen, count: 60, inputs: 3, outputs: 2)
      let once =
        try method == .linear
        ? Posterior.linear(schema: rows.schema).updated(rows)
        : NetworkData.fit(method, rows, hidden: 4, seed: seed).posterior
      let twice = try once.updated(rows)
      let (a, b) = (once.members[0].statistics, twice.members[0].statistics)
      #expect(b.observations == 2 * a.observations)
      #expect(twice.rows == 2 * once.rows)
      let (one, two) = (a.array.array.gram, b.array.array.gram)
      for i in 0..<one.rows {
        for j in 0..<one.rows {
          let unit = (one[i, i] * one[j, j]).squareRoot()
          let bound = 10 * 2 * Double(one.rows).squareRoot() * epsilon * 2 * unit
          #expect(abs(two[i, j] - 2 * one[i, j]) <= bound, "seed \(seed), (\(i), \(j))")
        }
      }
    }
  }

  /// The same data under other priors leave the same state, bit for bit.
  @Test func priorsLeaveNoTraceInTheState() throws {
    var gen = Gen(seed: 7)
    let rows = Design.twoTargets.rows(&gen)
    let states = try Priors.allCases.map { priors in
      try Posterior.linear(schema: rows.schema, prior: priors.settings).updated(rows).members[0].statistics
    }
    #expect(states.allSatisfy { $0 == states[0] })
  }

  /// An empty batch changes nothing and has evidence log 1 = 0.
  @Test(arguments: [Method.linear, .tangent, .lastLayer, .parallelBranch]) func anEmptyBatchChangesNothing(
    method: Method
  ) throws {
    var gen = Gen(seed: 3)
    let rows = NetworkData.rows(&gen, count: 30, inputs: 3, outputs: 1)
    let before =
      try method == .linear
      ? Posterior.linear(schema: rows.schema).updated(rows)
      : NetworkData.fit(method, rows, hidden: 6, seed: 1).posterior
    let (after, reports) = try before.updated(rows, [[]])
    #expect(after == before)
    #expect(try abs(#require(reports[0].logEvidence)) < 1e-9)
    #expect(reports[0].rows == 0)
  }

  /// The certificate says exact, and on what it is conditional.
  @Test func certificates() throws {
    var gen = Gen(seed: 4)
    let rows = NetworkData.rows(&gen, count: 30, inputs: 3, outputs: 2)
    let linear = try Posterior.linear(schema: rows.schema).updated(rows).certificate
    #expect(linear.update == .exact && linear.conditionalOn.isEmpty)
    let given = Posterior.linear(schema: rows.schema, prior: Priors.allGiven.settings).certificate
    #expect(given.conditionalOn == [.init("hyper-parameters", fixedBy: nil)])
    let tangent = try NetworkData.fit(.tangent, rows, hidden: 4, seed: 1).posterior.certificate
    #expect(
      tangent.conditionalOn.map(\.what) == ["normalisation", "linearisation point", "output covariance"])
    let last = try NetworkData.fit(.lastLayer, rows, hidden: 4, seed: 1).posterior.certificate
    #expect(last.conditionalOn == [.init("normalisation", fixedBy: 1), .init("features", fixedBy: 1)])
    #expect(last.update == .exact)
  }
}
