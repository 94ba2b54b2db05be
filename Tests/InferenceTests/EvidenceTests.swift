import BNNInference
import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport
import Foundation
import Testing

/// E3: reported evidences are the dense multivariate log densities of the batches, in target units.
///
/// Tolerance: log densities are sums over n rows whose squares are known to 10·K·√P·ε·cond; absolute 1e-9 covers every
/// case here (cond < 1e4, K < 100, squares/noise < 1e3) and is far below any figure that matters (a nat).
@Suite struct EvidenceTests {
  let tolerance = 1e-9

  /// log p(batch | before) by the predictive of all its rows at once, and the belief before: linear, intercept flat.
  private func dense(
    _ before: Rows, _ batch: Rows, target c: Int, intercept: Bool, response: LinearResponse
  ) throws -> Double {
    let oracle = try LinearOracle(before, target: c, intercept: intercept, response: response)
    let phi = (0..<batch.count).map { i in (intercept ? [1] : []) + batch.x.row(i).map { Wide($0) } }
    let d = phi.indices.map { i in
      Wide(batch.y[i, c]) - zip(phi[i], oracle.ridge.mean).reduce(0) { $0 + $1.0 * $1.1 }
    }
    // I + ΦΛ⁻¹Φᵀ by polarisation of the leverages.
    let leverages = phi.map { oracle.ridge.leverage($0) }
    let sigma = phi.indices.map { i in
      phi.indices.map { k -> Wide in
        if i == k { return 1 + leverages[i] }
        return (oracle.ridge.leverage(zip(phi[i], phi[k]).map { $0 + $1 }) - leverages[i] - leverages[k]) / 2
      }
    }
    switch oracle.noise {
    case .known(let variance): return Dense.logNormal(d, sigma, variance: variance)
    case .inverseGamma(let a, let b): return Dense.logStudent(d, sigma, a: a, b: b)
    }
  }

  @Test(arguments: Priors.allCases, [true, false])
  func aLinearBatchGivenWhatCameBefore(priors: Priors, intercept: Bool) throws {
    for seed in Gen.seeds(6) {
      for design in [Design.plain, .twoTargets] {
        var gen = Gen(seed: seed)
        let rows = design.rows(&gen)
        let first = rows.x.columns + 3
        let order = gen.permutation(rows.count)
        var posterior = try Posterior.linear(
          schema: rows.schema, intercept: intercept, prior: priors.settings
        ).updated(rows, [Array(order[..<first])]).posterior
        var seen = first
        for part in gen.partition(rows.count - first, largest: 12) {
          let batch = part.map { order[first + $0] }
          let (next, reports) = try posterior.updated(rows, [batch])
          let expected = try (0..<rows.y.columns).reduce(0) { sum, c in
            try sum
              + dense(
                rows.picking(order[..<seen]), rows.picking(batch), target: c, intercept: intercept,
                response: posterior.members[0].responses[c])
          }
          let found = try #require(reports[0].logEvidence, "seed \(seed)")
          #expect(abs(found - expected) < tolerance, "seed \(seed), \(design), after \(seen): \(found), \(expected)")
          posterior = next
          seen += batch.count
        }
      }
    }
  }

  /// log p(all) of a linear model without an intercept, where nothing is improper.
  @Test(arguments: [Priors.tuned, .givenPrecision, .givenNoise, .allGiven]) func totalOfALinearModel(priors: Priors)
    throws
  {
    for seed in Gen.seeds(5) {
      var gen = Gen(seed: seed)
      let rows = Design.twoTargets.rows(&gen)
      let prior = Posterior.linear(schema: rows.schema, intercept: false, prior: priors.settings)
      let (sequence, reports) = try prior.updated(rows, gen.batches(0..<rows.count, largest: 7))
      let union = try prior.updated(rows, [Array(0..<rows.count)])
      var expected = 0.0
      for c in 0..<2 {
        let response = sequence.members[0].responses[c]
        let oracle = try LinearOracle(rows, target: c, intercept: false, response: response)
        let sigma = Dense.covariance(oracle.phi, penalties: oracle.penalties)
        switch oracle.noise {
        case .known(let variance): expected += Dense.logNormal(oracle.y, sigma, variance: variance)
        case .inverseGamma(let a, let b):
          let half = 0.5 * Double(rows.count)
          expected += Dense.logStudent(
            oracle.y, sigma, a: a - half, b: b - 0.5 * Double(oracle.ridge.squares))
        }
      }
      let total = try #require(reports[reports.count - 1].logEvidenceTotal)
      #expect(abs(total - expected) < tolerance, "seed \(seed): \(total), \(expected)")
      let atOnce = try #require(union.reports[0].logEvidenceTotal)
      #expect(abs(total - atOnce) < tolerance, "seed \(seed)")
      // One batch is all there is.
      #expect(try abs(#require(union.reports[0].logEvidence) - atOnce) < tolerance, "seed \(seed)")
    }
  }

  // MARK: Networks

  private func joint(_ oracle: NetworkOracle, _ data: Rows, response c: Int, _ own: LinearResponse) -> Double {
    let (phi, y) = oracle.rows(data, response: c)
    let p = phi[0].count
    let mean = oracle.priorMean ?? [Wide](repeating: 0, count: p)
    let d = y.indices.map { i in y[i] - zip(phi[i], mean).reduce(0) { $0 + $1.0 * $1.1 } }
    let sigma = Dense.covariance(phi, penalties: [Wide](repeating: Wide(own.ratio), count: p))
    let units = Double(data.count) * oracle.logUnit(response: c)
    switch own.noisePrior {
    case .known(let variance): return Dense.logNormal(d, sigma, variance: variance) - units
    case .inverseGamma(let a, let b): return Dense.logStudent(d, sigma, a: a, b: b) - units
    }
  }

  @Test(
    arguments: [Method.tangent, .lastLayer, .parallelBranch], [Priors.tuned, .givenPrecision, .givenNoise, .allGiven])
  func aBatchOfANetwork(method: Method, priors: Priors) throws {
    for seed in Gen.seeds(2) {
      for outputs in [1, 2] {
        var gen = Gen(seed: seed)
        let rows = NetworkData.rows(&gen, count: 44, inputs: 3, outputs: outputs)
        let hidden = outputs == 1 ? 6 : 4
        let (fitted, report) = try NetworkData.fit(
          method, rows.picking(0..<20), hidden: hidden, prior: priors.settings, seed: seed)
        let oracle = NetworkOracle(fitted, hidden: hidden)
        func total(_ count: Int, at posterior: Posterior) -> Double {
          posterior.members[0].responses.indices.reduce(0) {
            $0 + joint(oracle, rows.picking(0..<count), response: $1, posterior.members[0].responses[$1])
          }
        }
        #expect(try abs(#require(report.logEvidenceTotal) - total(20, at: fitted)) < tolerance, "seed \(seed)")
        let middle = try fitted.updated(rows, [Array(20..<33)])
        #expect(
          try abs(#require(middle.reports[0].logEvidence) - (total(33, at: fitted) - total(20, at: fitted)))
            < tolerance, "seed \(seed), \(outputs) outputs")
        let end = try middle.posterior.updated(rows, [Array(33..<44)])
        #expect(
          try abs(
            #require(end.reports[0].logEvidence) - (total(44, at: middle.posterior) - total(33, at: middle.posterior)))
            < tolerance, "seed \(seed), \(outputs) outputs")
        // With re-tuning the total is the union's.
        let union = try fitted.updated(rows, [Array(20..<44)])
        let last = try #require(end.reports[0].logEvidenceTotal)
        #expect(abs(last - total(44, at: union.posterior)) < tolerance, "seed \(seed), \(outputs) outputs")
        #expect(try abs(last - #require(union.reports[0].logEvidenceTotal)) < tolerance, "seed \(seed)")
      }
    }
  }

  /// Σ log p(D_k | D_<k) = log p(all) where the hyper-parameters stay.
  @Test(arguments: [Method.tangent, .lastLayer, .parallelBranch]) func batchesAddUpAtFixedHyperParameters(
    method: Method
  ) throws {
    for seed in Gen.seeds(3) {
      var gen = Gen(seed: seed)
      let rows = NetworkData.rows(&gen, count: 60, inputs: 3, outputs: 1)
      let (fitted, report) = try NetworkData.fit(
        method, rows.picking(0..<20), hidden: 6, prior: Priors.allGiven.settings, seed: seed)
      let (_, reports) = try fitted.updated(rows, gen.batches(20..<60, largest: 6))
      let sum = try reports.reduce(#require(report.logEvidence)) { try $0 + #require($1.logEvidence) }
      #expect(try abs(sum - #require(reports[reports.count - 1].logEvidenceTotal)) < tolerance, "seed \(seed)")
    }
  }

  @Test func evidenceIsMissingWhereItIsImproper() throws {
    var gen = Gen(seed: 1)
    let rows = Design.plain.rows(&gen)
    for priors in Priors.allCases {
      let prior = Posterior.linear(schema: rows.schema, prior: priors.settings)
      let (_, reports) = try prior.updated(rows, [[0, 1], Array(2..<20), Array(20..<rows.count)])
      #expect(reports[0].logEvidence == nil, "\(priors): the first batch fixes the intercept")
      #expect((reports[1].logEvidence == nil) == priors.isFlat, "\(priors)")
      #expect(reports[2].logEvidence != nil, "\(priors)")
    }
  }
}
