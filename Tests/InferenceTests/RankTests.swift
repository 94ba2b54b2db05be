import BNNInference
import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport
import Testing

/// E8: a flat prior gives a posterior once the data identify the weights, and says which they do not before.
@Suite struct RankTests {
  private let flat = PriorSettings(precision: .given(0))
  private let flatKnown = PriorSettings(precision: .given(0), noise: .given(0.5))

  @Test(arguments: Gen.seeds(20)) func leastSquaresOnceEnoughRowsHaveCome(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let rows = Design.plain.rows(&gen)
    let p = rows.x.columns + 1
    let order = gen.permutation(rows.count)
    for prior in [flat, flatKnown] {
      var posterior = Posterior.linear(schema: rows.schema, prior: prior)
      for (k, i) in order.enumerated() {
        posterior = try posterior.updated(rows, [[i]]).posterior
        // Known noise: rank P. Unknown: a residual as well, one row more.
        let needed = prior.noise == .auto ? p + 1 : p
        #expect(posterior.isProper == (k + 1 >= needed), "seed \(seed), \(k + 1) rows, P = \(p)")
        #expect(try posterior.unidentifiedNames().isEmpty == posterior.isProper)
        if prior.noise == .auto, k + 1 == p { #expect(try posterior.unidentifiedNames() == ["(noise)"]) }
      }
    }
  }

  @Test(arguments: Gen.seeds(60), [0.0, 0.1, 7.3, -1e3, 1e6])
  func constantColumnBesideAnInterceptIsNotIdentified(seed: UInt64, value: Double) throws {
    var gen = Gen(seed: seed)
    var rows = Design.plain.rows(&gen)
    for i in 0..<rows.count { rows.x[i, 1] = value }
    let largest = gen.integer(in: 1...20)
    for prior in [flat, flatKnown] {
      let posterior = try Posterior.linear(schema: rows.schema, prior: prior)
        .updated(rows, gen.batches(0..<rows.count, largest: largest)).posterior
      let proper = posterior.isProper
      #expect(!proper, "seed \(seed)")
      let names = try posterior.unidentifiedNames()
      #expect(names == (value == 0 ? ["x1"] : ["(intercept)", "x1"]), "seed \(seed)")
    }
  }

  @Test(arguments: Gen.seeds(60), [0.0, 3, 1e3, 1e6])
  func duplicatedColumnsAreNamed(seed: UInt64, offset: Double) throws {
    var gen = Gen(seed: seed)
    var rows = Design.plain.rows(&gen)
    let last = rows.x.columns
    for i in 0..<rows.count { rows.x[i, 0] += offset }
    rows.x = Matrix((0..<rows.count).map { Array(rows.x.row($0)) + [2 * rows.x[$0, 0]] })
    let largest = gen.integer(in: 1...20)
    let posterior = try Posterior.linear(schema: rows.schema, prior: flat)
      .updated(rows, gen.batches(0..<rows.count, largest: largest)).posterior
    let proper = posterior.isProper
    #expect(!proper, "seed \(seed)")
    #expect(try posterior.unidentifiedNames() == ["x0", "x\(last)"], "seed \(seed)")
    #expect(throws: UpdateError.notIdentified(["x0", "x\(last)"])) { _ = try posterior.predict(features: rows.x) }
    #expect(posterior.coefficients().allSatisfy { $0.mean == nil && $0.scale == nil })
  }

  @Test(arguments: Gen.seeds(10)) func rowsThatComeLaterIdentify(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let rows = Design.plain.rows(&gen)
    var first = rows
    for i in 0..<rows.count { first.x[i, 0] = 1.5 }
    let before = try Posterior.linear(schema: rows.schema, prior: flat).updated(first)
    #expect(!before.isProper)
    let after = try before.updated(rows)
    let both = Rows(
      x: Matrix(rows: 2 * rows.count, columns: rows.x.columns, storage: first.x.storage + rows.x.storage),
      y: Matrix(rows: 2 * rows.count, columns: 1, storage: first.y.storage + rows.y.storage))
    let response = after.members[0].responses[0]
    let oracle = try LinearOracle(both, target: 0, intercept: true, response: response)
    let own = try #require(after.inDataUnits(response: 0, of: after.members[0]), "seed \(seed)")
    let tolerance = 10 * 2 * Double(own.mean.count).squareRoot() * epsilon * oracle.condition
    #expect(oracle.disagreement(own, tolerance: tolerance) < 1, "seed \(seed)")
  }

  @Test(arguments: Gen.seeds(40)) func fewerRowsThanColumns(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let rows = Design.fewRows.rows(&gen)
    let posterior = try Posterior.linear(schema: rows.schema, prior: flat)
      .updated(rows, gen.batches(0..<rows.count, largest: 2)).posterior
    #expect(!posterior.isProper)
    // Random columns: every one has a part in what is open.
    #expect(try posterior.unidentifiedNames() == ["(intercept)"] + rows.schema.features, "seed \(seed)")
    #expect(posterior.members[0].responses[0].effectiveWeights == Double(rows.count))
  }

  /// A residual of exactly zero leaves no scale for the noise when the targets are zero as well.
  @Test func noResidualAtAll() throws {
    let rows = Rows(
      x: Matrix(rows: 4, columns: 1, storage: [1, 2, 3, 4]), y: Matrix(rows: 4, columns: 1, repeating: 0))
    let posterior = try Posterior.linear(schema: rows.schema, intercept: false, prior: flat).updated(rows)
    #expect(!posterior.isProper)
    #expect(try posterior.unidentifiedNames() == ["(noise)"])
    #expect(try Posterior.linear(schema: rows.schema, intercept: false, prior: flatKnown).updated(rows).isProper)
  }
}

/// Before the first row there is a model and nothing else.
@Suite struct NothingSeenTests {
  @Test(arguments: Priors.allCases, [true, false]) func nothingIsClaimed(priors: Priors, intercept: Bool) throws {
    var gen = Gen(seed: 1)
    let rows = Design.twoTargets.rows(&gen)
    let fresh = Posterior.linear(schema: rows.schema, intercept: intercept, prior: priors.settings)
    #expect(!fresh.isProper)
    #expect(fresh.coefficients().count == 2 * (rows.x.columns + (intercept ? 1 : 0)))
    #expect(fresh.coefficients().allSatisfy { $0.mean == nil })
    #expect(throws: UpdateError.self) { _ = try fresh.predict(features: rows.x) }
    #expect(try fresh.unidentifiedNames() == (intercept ? ["(intercept)"] : []) + rows.schema.features)
    // A first batch without rows neither.
    let empty = try fresh.updated(rows, [[]]).posterior
    #expect(empty.members[0].responses.allSatisfy { $0.ratio.isFinite })
    #expect(empty.rows == 0)
    if intercept || priors.isFlat { #expect(!empty.isProper) }
    // And they leave no trace.
    let difference = try PosteriorDifference(empty.updated(rows), fresh.updated(rows))
    #expect(difference.maxAbsMean == 0 && difference.maxRelSd == 0)
  }
}
