import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@testable import BNNInference

@Suite struct DriftTests {
  private let schema = Schema(features: ["a", "b"], targets: ["y"])

  private func table(_ gen: inout Gen, rows: Int, inputs: Double = 0, level: Double = 0, noise: Double = 0.5) -> Dataset
  {
    let x = (0..<(2 * rows)).map { $0 % 2 == 0 ? gen.normal() + inputs : gen.normal() }
    let y = (0..<rows).map { 1 + 2 * x[2 * $0] - x[2 * $0 + 1] + level + noise * gen.normal() }
    return Dataset(features: x, featureCount: 2, targets: y, targetCount: 1, rows: rows)
  }

  private func sample(_ data: Dataset) -> RowSample {
    var result = RowSample(featureCount: data.featureCount, targetCount: data.targetCount, isWeighted: false)
    var row = 0
    data.forEachRowHash {
      result.add($0, row: row, of: data)
      row += 1
    }
    result.settle()
    return result
  }

  private func x(_ data: Dataset) -> Matrix { Matrix(rows: data.rows, columns: 2, storage: data.features) }
  private func y(_ data: Dataset) -> Matrix { Matrix(rows: data.rows, columns: 1, storage: data.targets) }

  private func fit(_ data: Dataset, prior: PriorSettings = PriorSettings()) throws -> Posterior {
    var update = SequentialUpdate(.linear(schema: schema, prior: prior))
    try update.absorb(features: x(data), targets: y(data))
    var result = try update.finish().posterior
    result.drift = try result.driftReference(sample(data), keepsColumns: true)
    return result
  }

  private func test(_ posterior: Posterior, _ data: Dataset) throws -> DriftTest? {
    var update = SequentialUpdate(posterior, countingApart: true)
    try update.absorb(features: x(data), targets: y(data))
    return try posterior.driftTest(update, sample(data))
  }

  /// rᵀV⁻¹r/n ÷ b/a and 1ᵀV⁻¹r/√(1ᵀV⁻¹1) ÷ √(b/a) with V = I + ΦΛ⁻¹Φᵀ written out, of batches shorter and longer than the weights:
  /// a Cholesky factorisation of V, whose condition is below 100, against rotations.
  @Test(arguments: [1, 2, 3, 40]) func statisticsOfTheDefinition(rows: Int) throws {
    var gen = Gen(seed: UInt64(rows))
    let first = table(&gen, rows: 25)
    let own = try fit(first)
    let batch = table(&gen, rows: rows, level: 0.3)
    var update = SequentialUpdate(own, countingApart: true)
    try update.absorb(features: x(batch), targets: y(batch))
    let statistics = try #require(update.batchStatistics)
    let tested = try #require(try own.misfits(of: statistics, threads: 1).first)
    let before = try #require(own.members[0].responses[0].posterior)
    let phi = own.basis(of: own.members[0]).design(features: x(batch)).rows
    let residual = zip(own.normalisation.targets(y(batch)).storage, phi.multiplied(by: before.mean)).map { $0 - $1 }
    var v = Matrix.identity(rows)
    for i in 0..<rows {
      let solved = before.factor.solve(Array(phi.row(i)))
      for j in 0..<rows { v[i, j] += zip(phi.row(j), solved).reduce(0) { $0 + $1.0 * $1.1 } }
    }
    let factor = try TriangularFactor(choleskyOf: v)
    let (white, ones) = (factor.solve(residual), factor.solve([Double](repeating: 1, count: rows)))
    let scale = before.noise.scaleSquared
    let f = zip(white, residual).reduce(0) { $0 + $1.0 * $1.1 } / Double(rows) / scale
    let nu = before.noise.degreesOfFreedom
    #expect(relativeDifference(tested.statistic, f) < 1e-11)
    #expect(relativeDifference(tested.modelPValue, try Distributions.fUpperTail(f, Double(rows), nu)) < 1e-9)
    // With fewer rows than are needed the moments of D1 say nothing, and the model's own distribution holds.
    #expect(tested.pValue == tested.modelPValue)
    let t = white.reduce(0, +) / (ones.reduce(0, +) * scale).squareRoot()
    let level = try #require(tested.levelPValue)
    #expect(relativeDifference(level, 2 * (try Distributions.studentCDF(-abs(t), degreesOfFreedom: nu))) < 1e-9)
  }

  /// Rows drawn from the model at weights and noise drawn from the posterior: both p-values are uniform. Kolmogorov's distance of
  /// 2,000 is below 1.95/√2000 with probability 0.999.
  @Test func exactUnderTheModel() throws {
    var gen = Gen(seed: 8)
    let own = try fit(table(&gen, rows: 12))
    let before = try #require(own.members[0].responses[0].posterior)
    let phi = own.basis(of: own.members[0]).design(features: x(table(&gen, rows: 7))).rows
    let count = 2000
    let draws = before.samples(count, from: RandomStream(seed: 5))
    var (scatter, level): ([Double], [Double]) = ([], [])
    for k in 0..<count {
      let noise = draws[k, 3].squareRoot()
      let targets = phi.multiplied(by: Array(draws.row(k).prefix(3))).map { $0 + noise * gen.normal() }
      var statistics = LinearStatistics(weights: 3, responses: 1)
      var rows = Matrix(sideBySide: phi, Matrix(rows: 7, columns: 1, storage: targets))
      statistics.absorb(&rows)
      let tested = try MisfitTest(statistics.system(response: 0), before: before, level: 0, reference: nil)
      scatter.append(tested.pValue)
      level.append(try #require(tested.levelPValue))
    }
    for values in [scatter, level] {
      let distance = values.sorted().enumerated().map { abs($1 - (Double($0) + 0.5) / Double(count)) }.max() ?? 1
      #expect(distance < 1.95 / Double(count).squareRoot())
    }
  }

  /// Each row left out for real, at the same κ: the closed form takes the square of a residual from b, which loses less than two digits
  /// here.
  @Test(arguments: [NoisePrior.weak, .known(variance: 0.3)]) func leftOutInClosedForm(noise: NoisePrior) throws {
    var gen = Gen(seed: 4)
    let n = 25
    let phi = gen.matrix(rows: n, columns: 3)
    let y = (0..<n).map { phi[$0, 0] - 2 * phi[$0, 1] + 0.5 * gen.normal() }
    func posterior(without left: Int?) throws -> LinearPosterior {
      let kept = (0..<n).filter { $0 != left }
      var statistics = LinearStatistics(weights: 3, responses: 1)
      var rows = Matrix(
        sideBySide: phi.gathering(kept[...]), Matrix(rows: kept.count, columns: 1, storage: kept.map { y[$0] }))
      statistics.absorb(&rows)
      return try #require(
        try LinearFormation.posterior(
          statistics.system(response: 0), priorMean: nil, unpenalised: 0, ratio: 0.7, noise: noise))
    }
    let all = try posterior(without: nil).leftOutResiduals(phi, y)
    for i in 0..<n {
      let rest = try posterior(without: i)
      let row = phi.rows(i..<(i + 1))
      let variance = rest.noise.scaleSquared * (1 + rest.factor.variances(along: row)[0])
      let expected = (y[i] - row.multiplied(by: rest.mean)[0]) / variance.squareRoot()
      #expect(abs(try #require(all[i]) - expected) < 1e-10)
    }
  }

  /// A network without a hidden layer, noise and prior given: the posterior without a row is exact in one step, so that the mean loss
  /// is that of fits without each row. Both optima are found to a gradient of about 1e-8.
  @Test func leftOutByCavities() throws {
    var gen = Gen(seed: 6)
    let data = table(&gen, rows: 60)
    func fit(_ rows: [Int]) throws -> Posterior {
      try Posterior.laplace(
        NetworkSpec(inputs: 2, hidden: [], outputs: 1, activation: .tanh), settings: LaplaceSettings(structure: .full),
        schema: schema, features: x(data).gathering(rows[...]), targets: y(data).gathering(rows[...]),
        normalisation: .identity(features: 2, targets: 1), standardised: false,
        prior: PriorSettings(precision: .given(0.5), noise: .given(0.4))
      ).posterior
    }
    let all = try fit(Array(0..<60)).driftReference(sample(data), keepsColumns: false)
    #expect(all.inputs == nil && all.scores.count == 1)
    var losses: [Double] = []
    for i in 0..<60 {
      let rest = try fit((0..<60).filter { $0 != i })
      losses.append(
        try rest.rowScores(features: x(data).rows(i..<(i + 1)), targets: y(data).rows(i..<(i + 1)))[0][0]
          .negativeLogLikelihood)
    }
    let moments = try #require(all.scores[0].loss)
    #expect(abs(moments.mean - losses.reduce(0, +) / 60) < 1e-6)
    #expect(moments.count == 60)
  }

  /// 400 batches from D1's source: at the level of one in a hundred, twelve or more false alarms have probability 0.001.
  @Test func honestBatchesAreLeftAlone() throws {
    var gen = Gen(seed: 10)
    var alarms = 0
    for _ in 0..<20 {
      let own = try fit(table(&gen, rows: 200))
      for _ in 0..<20 { if try #require(try test(own, table(&gen, rows: 60))).found { alarms += 1 } }
    }
    #expect(alarms < 12)
  }

  @Test func whatDiffersIsNamed() throws {
    var gen = Gen(seed: 11)
    let own = try fit(table(&gen, rows: 300))
    let shifted = try #require(try test(own, table(&gen, rows: 100, inputs: 1)))
    #expect(shifted.found && shifted.reasons == ["a"])
    #expect(shifted.columns.first?.name == "a" && shifted.columns.first?.test == "kolmogorov-smirnov")
    let raised = try #require(try test(own, table(&gen, rows: 100, level: 0.4)))
    #expect(raised.reasons.contains("level"))
    let wide = try #require(try test(own, table(&gen, rows: 100, noise: 1)))
    #expect(wide.reasons == ["scatter"])
    // The verdict spends half of the level on the columns and half on the targets.
    let p = try #require(wide.pValue)
    #expect(relativeDifference(p, min(1, 4 * (wide.scatter?.pValue ?? 1))) < 1e-12)
  }

  /// Nothing is asked of a posterior that has seen nothing, or keeps no column while its weights are open.
  @Test func nothingToAsk() throws {
    var gen = Gen(seed: 12)
    let few = table(&gen, rows: 2)
    var update = SequentialUpdate(.linear(schema: schema, prior: PriorSettings(precision: .given(0))))
    try update.absorb(features: x(few), targets: y(few))
    #expect(try test(try update.finish().posterior, table(&gen, rows: 5)) == nil)
  }
}
