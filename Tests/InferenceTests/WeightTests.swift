import BNNDatasets
import BNNInference
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNTestSupport
import Foundation
import Testing

/// y_i ~ N(f(x_i), σ²/w_i): closed forms of weighted least squares, of the density of all rows, and what a weight is not.
@Suite struct WeightTests {
  private let gen: Gen
  private let rows: Rows
  private let weights: [Double]

  init() {
    var gen = Gen(seed: 11)
    rows = Design.plain.rows(&gen)
    weights = gen.normals(rows.count).map { exp($0) }
    self.gen = gen
  }

  private func updated(
    _ start: Posterior, _ rows: Rows, _ weights: [Double]?, _ batches: Batches
  ) throws -> (posterior: Posterior, reports: [UpdateReport]) {
    var posterior = start
    var reports: [UpdateReport] = []
    for batch in batches {
      var update = SequentialUpdate(posterior)
      let own = rows.picking(batch)
      try update.absorb(features: own.x, targets: own.y, weights: weights.map { all in batch.map { all[$0] } })
      let (next, report) = try update.finish()
      posterior = next
      reports.append(report)
    }
    return (posterior, reports)
  }

  private func all(_ rows: Rows) -> Batches { [Array(0..<rows.count)] }

  /// Rows multiplied by √w, in wide arithmetic.
  private func scaled(_ rows: Rows, _ weights: [Double], intercept: Bool) -> (phi: [[Wide]], y: [Wide]) {
    let roots = weights.map { Wide($0).squareRoot() }
    return (
      (0..<rows.count).map { i in ((intercept ? [1] : []) + rows.x.row(i).map { Wide($0) }).map { $0 * roots[i] } },
      (0..<rows.count).map { i in Wide(rows.y[i, 0]) * roots[i] }
    )
  }

  @Test func flatPriorIsWeightedLeastSquares() throws {
    let start = Posterior.linear(schema: rows.schema, prior: PriorSettings(precision: .given(0)))
    let posterior = try updated(start, rows, weights, [Array(0..<9), Array(9..<rows.count)]).posterior
    let (phi, y) = scaled(rows, weights, intercept: true)
    let p = rows.x.columns + 1
    let oracle = Dense.ridge(phi, y, penalties: Array(repeating: 0, count: p))
    let variance = Double(oracle.squares) / Double(rows.count - p)
    let coefficients = posterior.coefficients()
    // Well conditioned rows: ten roundings of each of some fifty rows, in the worst direction.
    let tolerance = 1e-11
    #expect(relativeWorst(coefficients.compactMap(\.mean), oracle.mean.map { Double($0) }) < tolerance)
    let errors = (0..<p).map { j in
      (Double(oracle.leverage((0..<p).map { $0 == j ? 1 : 0 })) * variance).squareRoot()
    }
    #expect(relativeWorst(coefficients.compactMap(\.scale), errors) < tolerance)
    #expect(coefficients.allSatisfy { $0.degreesOfFreedom == Double(rows.count - p) })

    // A new row of weight w: t with variance s²(1/w + φᵀ(ΦᵀWΦ)⁻¹φ).
    let new = Rows(x: rows.x.rows(0..<1), y: rows.y.rows(0..<1))
    let leverage = Double(oracle.leverage([1] + new.x.row(0).map { Wide($0) }))
    let location = zip(oracle.mean, [1] + new.x.row(0)).reduce(0) { $0 + Double($1.0) * $1.1 }
    for weight in [0.25, 1, 9] {
      let score = try posterior.rowScores(features: new.x, targets: new.y, weights: [weight])[0][0]
      let nu = Double(rows.count - p)
      let scale = (variance * (1 / weight + leverage)).squareRoot()
      let z = (new.y[0, 0] - location) / scale
      let normaliser: Double = lgamma(0.5 * (nu + 1)) - lgamma(0.5 * nu) - 0.5 * log(nu * Double.pi)
      let density: Double = normaliser - log(scale) - 0.5 * (nu + 1) * log1p(z * z / nu)
      #expect(abs(score.negativeLogLikelihood + density) < 1e-10)
      if weight == 1 {
        let plain = try posterior.rowScores(features: new.x, targets: new.y)[0][0]
        #expect(abs(score.negativeLogLikelihood - plain.negativeLogLikelihood) < 1e-14)
      }
    }
  }

  /// log N(y; 0, σ²(W⁻¹ + ΦΦᵀ/κ)) and its Student-t, of all rows at once: with it the ½Σ log w of the evidence.
  @Test(arguments: [Setting.given(0.4), .auto]) func evidenceIsTheDensityOfAllRows(noise: Setting) throws {
    let prior = PriorSettings(precision: .given(2.5), noise: noise)
    let start = Posterior.linear(schema: rows.schema, intercept: false, standardised: false, prior: prior)
    let (posterior, reports) = try updated(start, rows, weights, [Array(0..<7), Array(7..<20), Array(20..<rows.count)])
    let response = posterior.members[0].responses[0]
    let phi = (0..<rows.count).map { i in rows.x.row(i).map { Wide($0) } }
    var sigma = Dense.covariance(phi, penalties: Array(repeating: Wide(response.ratio), count: rows.x.columns))
    for i in weights.indices { sigma[i][i] += 1 / Wide(weights[i]) - 1 }
    let y = rows.y.column(0).map { Wide($0) }
    let total = try #require(reports.last?.logEvidenceTotal)
    switch noise {
    case .given(let sd):
      #expect(abs(total - Dense.logNormal(y, sigma, variance: sd * sd)) < 1e-9)
      // At fixed hyper-parameters the batches' own add up.
      #expect(abs(total - reports.compactMap(\.logEvidence).reduce(0, +)) < 1e-9)
    case .auto:
      #expect(abs(total - Dense.logStudent(y, sigma, a: 0.5, b: 0.5e-4)) < 1e-9)
    }
  }

  /// A weight of 2 is one row of half the variance, not two rows: the same estimate and the same weighted squares, but
  /// n − p degrees of freedom and not 2n − p.
  @Test func twiceTheWeightIsNotTwoRows() throws {
    let start = Posterior.linear(schema: rows.schema, prior: PriorSettings(precision: .given(0)))
    let twice = try updated(start, rows, Array(repeating: 2, count: rows.count), all(rows)).posterior
    let two = try updated(start, rows, nil, all(rows) + all(rows)).posterior
    let p = rows.x.columns + 1
    let n = rows.count
    #expect(relativeWorst(twice.coefficients().compactMap(\.mean), two.coefficients().compactMap(\.mean)) < 1e-11)
    let factor = (Double(2 * n - p) / Double(n - p)).squareRoot()
    #expect(
      relativeWorst(
        twice.coefficients().compactMap(\.scale), two.coefficients().compactMap { $0.scale.map { $0 * factor } })
        < 1e-11)
    #expect(twice.rows == n && two.rows == 2 * n)
  }

  /// With the noise known, the likelihood of a row of weight 2 in the network's weights is that of two rows.
  @Test(arguments: [Method.tangent, .lastLayer, .parallelBranch], [1, 2])
  func withKnownNoiseTwiceTheWeightSaysAsMuchAsTwoRows(method: Method, outputs: Int) throws {
    var gen = Gen(seed: 3)
    let rows = NetworkData.rows(&gen, count: 60, inputs: 3, outputs: outputs)
    let fitted = try NetworkData.fit(
      method, rows.picking(0..<30), hidden: 4, prior: Priors.allGiven.settings, seed: 3
    ).posterior
    let rest = Array(30..<60)
    let twice = try updated(fitted, rows, Array(repeating: 2, count: 60), [rest]).posterior
    let two = try updated(fitted, rows, nil, [rest + rest]).posterior
    let x = rows.picking(0..<10).x
    let (a, b) = (try twice.predictMixture(features: x), try two.predictMixture(features: x))
    // The two arrays differ by rounding only; forming the posterior magnifies it by the condition number.
    #expect(relativeDifference(a.map(\.mean), b.map(\.mean)) < 1e-8)
    #expect(relativeDifference(a.map(\.epistemicVariance), b.map(\.epistemicVariance)) < 1e-8)
  }

  @Test(arguments: [Method.linear, .tangent, .lastLayer, .parallelBranch], [1, 2])
  func batchesOneByOneAreTheUnion(method: Method, outputs: Int) throws {
    var gen = Gen(seed: 5)
    let rows = NetworkData.rows(&gen, count: 90, inputs: 3, outputs: outputs)
    let weights = gen.normals(90).map { exp($0) }
    let start: Posterior
    if method == .linear {
      start = try updated(.linear(schema: rows.schema), rows, weights, [Array(0..<40)]).posterior
    } else {
      start = try weightedFit(method, rows.picking(0..<40), Array(weights[..<40]))
    }
    let union = try updated(start, rows, weights, [Array(40..<90)])
    let parts = try updated(start, rows, weights, gen.batches(40..<90, largest: 7))
    let x = rows.picking(0..<15).x
    let (a, b) = (try union.posterior.predictMixture(features: x), try parts.posterior.predictMixture(features: x))
    #expect(relativeDifference(a.map(\.mean), b.map(\.mean)) < 1e-9)
    #expect(relativeDifference(a.compactMap(\.standardDeviation), b.compactMap(\.standardDeviation)) < 1e-9)
    let totals = [union, parts].compactMap { $0.reports.last?.logEvidenceTotal }
    #expect(totals.count == 2 && abs(totals[0] - totals[1]) < 1e-8 * abs(totals[0]))
  }

  private func weightedFit(_ method: Method, _ rows: Rows, _ weights: [Double]?) throws -> Posterior {
    let data = Dataset(
      features: rows.x.storage, featureCount: rows.x.columns, targets: rows.y.storage, targetCount: rows.y.columns,
      rows: rows.count, weights: weights)
    return try Posterior.network(
      NetworkSpec(inputs: rows.x.columns, hidden: [4], outputs: rows.y.columns, activation: .tanh), method: method,
      schema: rows.schema, features: rows.x, targets: rows.y, weights: weights, normalisation: .fit(data),
      training: TrainingSettings(schedule: [20, 20, 60]), seed: 5
    ).posterior
  }

  /// Only ratios matter, but for the unit of the noise: σ²/w stays. Powers of four are exact in every step.
  @Test(arguments: [Method.tangent, .lastLayer, .parallelBranch], [1, 2]) func unitOfTheWeights(
    method: Method, outputs: Int
  ) throws {
    var gen = Gen(seed: 6)
    let rows = NetworkData.rows(&gen, count: 50, inputs: 2, outputs: outputs)
    let weights = gen.normals(50).map { exp($0) }
    let x = rows.picking(0..<9).x
    let one = try weightedFit(method, rows, weights).predictMixture(features: x)
    let four = try weightedFit(method, rows, weights.map { $0 * 0x1p-40 }).predictMixture(features: x)
    #expect(one.map(\.mean) == four.map(\.mean))
    #expect(one.map(\.epistemicVariance) == four.map(\.epistemicVariance))
    #expect(one.map { $0.aleatoricVariance * 0x1p-40 } == four.map(\.aleatoricVariance))
    // Equal weights are no weights.
    let plain = try weightedFit(method, rows, nil).predictMixture(features: x)
    let ones = try weightedFit(method, rows, Array(repeating: 1, count: 50)).predictMixture(features: x)
    #expect(plain == ones)
  }

  @Test func linearInvarianceOfTheUnit() throws {
    let x = rows.picking(0..<9).x
    let one = try updated(.linear(schema: rows.schema), rows, weights, all(rows)).posterior
    let other = try updated(.linear(schema: rows.schema), rows, weights.map { $0 * 1e-9 }, all(rows)).posterior
    let (a, b) = (try one.predictMixture(features: x), try other.predictMixture(features: x))
    #expect(relativeDifference(a.map(\.mean), b.map(\.mean)) < 1e-10)
    #expect(relativeDifference(a.map { $0.aleatoricVariance * 1e-9 }, b.map(\.aleatoricVariance)) < 1e-10)
  }

  @Test(arguments: [0, -1, Double.infinity, .nan]) func weightsThatAreNone(weight: Double) {
    var update = SequentialUpdate(.linear(schema: rows.schema))
    var bad = weights
    bad[3] = weight
    #expect(throws: UpdateError.self) { try update.absorb(features: rows.x, targets: rows.y, weights: bad) }
  }
}
