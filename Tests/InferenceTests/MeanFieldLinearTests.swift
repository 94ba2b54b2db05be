import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNTestSupport
import Foundation
import Testing

@testable import BNNInference

/// E7: mean-field inference of a linear-Gaussian model with known noise and prior has closed forms, for the first batch, for
/// those that follow and for what they miss.
struct MeanFieldLinearTests {
  /// Shapes of the model: the network's own inputs, or the frozen features of a hidden layer.
  enum Shape: CaseIterable, Sendable {
    case plain, twoOutputs, weighted, lastLayer

    var outputs: Int { self == .twoOutputs ? 2 : 1 }
    var hidden: [Int] { self == .lastLayer ? [3] : [] }
    var inputs: Int { 3 }
  }

  struct Case {
    let shape: Shape
    private(set) var x: Matrix
    private(set) var y: Matrix
    let weights: [Double]?
    let settings: LaplaceSettings

    init(_ shape: Shape, rows: Int = 60, seed: UInt64 = 3, structure: CurvatureStructure = .diagonal) {
      var gen = Gen(seed: seed)
      self.shape = shape
      x = gen.matrix(rows: rows, columns: shape.inputs)
      let noise = gen.matrix(rows: rows, columns: shape.outputs)
      y = noise
      // Features that depend on each other, so that a diagonal loses something.
      for i in 0..<rows {
        x[i, 1] += 0.8 * x[i, 0] + 0.5
        for c in 0..<shape.outputs {
          y[i, c] = 0.7 + x[i, 0] - Double(c + 1) * x[i, 1] + 0.5 * sin(2 * x[i, 2]) + 0.4 * noise[i, c]
        }
      }
      weights = shape == .weighted ? (0..<rows).map { _ in 0.2 + 3 * gen.stream.uniform() } : nil
      settings = LaplaceSettings(
        structure: structure, layers: shape == .lastLayer ? 1..<2 : nil, rank: 4)
    }

    var spec: NetworkSpec {
      NetworkSpec(inputs: shape.inputs, hidden: shape.hidden, outputs: shape.outputs, activation: .tanh)
    }
    var schema: Schema {
      Schema(features: (0..<shape.inputs).map { "x\($0)" }, targets: (0..<shape.outputs).map { "y\($0)" })
    }
    static let prior = PriorSettings(
      precision: .given(MeanFieldOracle.precision), noise: .given(MeanFieldOracle.noise))

    func meanField(_ range: Range<Int>, members: Int = 1) throws -> (posterior: Posterior, report: UpdateReport) {
      try Posterior.meanField(
        spec, settings: settings, schema: schema, features: x.rows(range), targets: y.rows(range),
        weights: weights.map { Array($0[range]) }, normalisation: .identity(features: x.columns, targets: y.columns),
        standardised: false, prior: Self.prior, training: TrainingSettings(schedule: [20, 40]), members: members)
    }

    func laplace(_ range: Range<Int>) throws -> Posterior {
      try Posterior.laplace(
        spec, settings: settings, schema: schema, features: x.rows(range), targets: y.rows(range),
        weights: weights.map { Array($0[range]) }, normalisation: .identity(features: x.columns, targets: y.columns),
        standardised: false, prior: Self.prior, training: TrainingSettings(schedule: [20, 40])
      ).posterior
    }

    func updated(_ posterior: Posterior, _ range: Range<Int>) throws -> (posterior: Posterior, report: UpdateReport) {
      var update = try SequentialUpdate(meanField: posterior)
      try update.absorb(
        features: x.rows(range), targets: y.rows(range), weights: weights.map { Array($0[range]) })
      return try update.finish()
    }

    /// Of all rows, with the hidden layer that the posterior holds.
    func oracle(_ posterior: Posterior) -> MeanFieldOracle {
      MeanFieldOracle(features: features(posterior), targets: y, weights: weights)
    }

    /// What goes into the uncertain layer, by explicit sums.
    private func features(_ posterior: Posterior) -> Matrix {
      guard let units = shape.hidden.first else { return x }
      let theta = posterior.members[0].theta
      var result = Matrix(rows: x.rows, columns: units)
      for i in 0..<x.rows {
        for j in 0..<units {
          let z = (0..<x.columns).reduce(theta[units * x.columns + j]) { $0 + theta[j * x.columns + $1] * x[i, $1] }
          result[i, j] = tanh(z)
        }
      }
      return result
    }
  }

  /// Mean and precisions of the weights that are uncertain.
  static func moments(_ posterior: Posterior) throws -> (mean: [Double], precision: [Double]) {
    let member = posterior.members[0]
    let state = try #require(member.laplace)
    let network = Network(try #require(posterior.model.network))
    let variances = try state.factored().marginalVariances
    return (Array(member.theta[network.parameterRange(ofLayers: state.chosen)]), variances.map { 1 / $0 })
  }

  /// 10·K·√P·ε·cond of the precision, and a hundred roundings of sums over the rows.
  static func tolerance(_ oracle: MeanFieldOracle, batches: Int) throws -> Double {
    10 * Double(batches) * Double(oracle.width * oracle.outputs).squareRoot() * epsilon * (try oracle.condition)
  }

  static func difference(_ a: [[Wide]], _ b: [[Wide]]) -> [[Wide]] {
    zip(a, b).map { zip($0, $1).map { $0 - $1 } }
  }

  /// D1 gives the exact mean and diag Λ; the bound is the evidence's, and below it by the KL of what it leaves out.
  @Test(arguments: Shape.allCases) func firstBatchIsExact(_ shape: Shape) throws {
    let own = Case(shape)
    let (posterior, report) = try own.meanField(0..<60)
    let oracle = own.oracle(posterior)
    let tolerance = try Self.tolerance(oracle, batches: 1)
    let (precision, mean) = oracle.exact
    let found = try Self.moments(posterior)
    #expect(relativeDifference(found.mean, oracle.theta(mean)) < tolerance)
    #expect(relativeDifference(found.precision, oracle.theta(precision)) < tolerance)

    // log p(y) − KL(q ‖ exact posterior), from the covariance of the outputs and the determinant of Λ.
    let kappa = Wide(MeanFieldOracle.precision)
    var expected = 0.0
    for c in 0..<oracle.outputs {
      let root = Dense.ridge(oracle.phi, oracle.y[c], penalties: [Wide](repeating: kappa, count: oracle.width))
      let sigma = Dense.covariance(oracle.phi, penalties: [Wide](repeating: kappa, count: oracle.width))
      expected += Dense.logNormal(oracle.y[c], sigma, variance: 1)
      for i in 0..<60 {
        let unit = Double(oracle.phi[i][oracle.width - 1])
        expected += log(unit)
      }
      // Trace P and means the same: KL = ½(log|diag Λ| − log|Λ|).
      expected -= 0.5 * (precision[c].reduce(0) { $0 + log(Double($1)) } - root.logDeterminant)
    }
    let variational = try #require(report.variational)
    #expect(abs(variational.bound - expected) < 1e3 * tolerance * abs(expected))
    #expect(variational.standardError == 0 && variational.bounds.isEmpty)
    #expect(report.logEvidence == variational.bound && report.distanceToOptimum == nil)
  }

  /// After a diagonal update precisions are those of the union, and the mean misses the union's by
  /// (diag Λ₁ + G₂)⁻¹ O₁ (m_∪ − m₁), O₁ = Λ₁ − diag Λ₁; a batch of one row too.
  @Test(arguments: Shape.allCases, [25..<60, 25..<26])
  func secondBatchMissesWhatTheDiagonalDropped(_ shape: Shape, _ second: Range<Int>) throws {
    let own = Case(shape)
    let first = try own.meanField(0..<25).posterior
    let found = try Self.moments(try own.updated(first, second).posterior)
    let oracle = own.oracle(first)
    let (d1, d2, union) = (oracle.rows(0..<25), oracle.rows(second), oracle.rows(0..<second.upperBound))
    let tolerance = try Self.tolerance(union, batches: 2)
    #expect(relativeDifference(found.precision, oracle.theta(union.exact.precision)) < tolerance)

    let (g1, g2, diagonal) = (d1.gram, d2.gram, d1.exact.precision)
    let step = Self.difference(union.exact.mean, d1.exact.mean)
    var gap: [[Wide]] = []
    for c in 0..<oracle.outputs {
      let right = g1.indices.map { a in g1.indices.reduce(Wide(0)) { $0 + (a == $1 ? 0 : g1[a][$1] * step[c][$1]) } }
      var left = g2
      for a in left.indices { left[a][a] += diagonal[c][a] }
      gap.append(solved(left, right))
    }
    let expected = zip(union.exact.mean, gap).map { zip($0, $1).map { $0 + $1 } }
    #expect(relativeDifference(found.mean, oracle.theta(expected)) < tolerance)
    // The formula is about something: what it says is far above rounding.
    #expect(euclideanNorm(oracle.theta(gap)) > 1e6 * tolerance)
  }

  /// K batches: (diag Λ_{k−1} + G_k)e_k = diag Λ_{k−1}·e_{k−1} + O_{k−1}(m_k − m_{k−1}) with m_k exact.
  @Test(arguments: Shape.allCases) func manyBatchesFollowTheRecursion(_ shape: Shape) throws {
    let own = Case(shape)
    let cuts = [0, 20, 21, 38, 60]
    var posterior = try own.meanField(0..<20).posterior
    let oracle = own.oracle(posterior)
    var error = [[Wide]](repeating: [Wide](repeating: 0, count: oracle.width), count: oracle.outputs)
    for k in 2..<cuts.count {
      posterior = try own.updated(posterior, cuts[k - 1]..<cuts[k]).posterior
      let (before, after) = (oracle.rows(0..<cuts[k - 1]), oracle.rows(0..<cuts[k]))
      let (g, dropped) = (oracle.rows(cuts[k - 1]..<cuts[k]).gram, before.gram)
      let (diagonal, m) = (before.exact.precision, after.exact.mean)
      let step = Self.difference(m, before.exact.mean)
      for c in 0..<oracle.outputs {
        var left = g
        for a in left.indices { left[a][a] += diagonal[c][a] }
        let right = g.indices.map { a in
          g.indices.reduce(diagonal[c][a] * error[c][a]) { $0 + (a == $1 ? 0 : dropped[a][$1] * step[c][$1]) }
        }
        error[c] = solved(left, right)
      }
      let found = try Self.moments(posterior)
      let expected = zip(m, error).map { zip($0, $1).map { $0 + $1 } }
      let tolerance = try Self.tolerance(after, batches: k)
      #expect(relativeDifference(found.mean, oracle.theta(expected)) < tolerance, "batch \(k)")
      #expect(relativeDifference(found.precision, oracle.theta(after.exact.precision)) < tolerance, "batch \(k)")
    }
    #expect(posterior.rows == 60)
  }

  /// Nothing is lost where D1's columns, the ones among them, are orthogonal.
  @Test func orthogonalDesignsLoseNothing() throws {
    var gen = Gen(seed: 9)
    // Walsh's functions on eight points, a few times.
    let x = Matrix((0..<24).map { i in [i & 1, i & 2, i & 4].map { $0 == 0 ? -1.0 : 1 } })
    let rest = gen.matrix(rows: 10, columns: 3)
    let all = Matrix(rows: 34, columns: 3, storage: x.storage + rest.storage)
    let y = Matrix(rows: 34, columns: 1, storage: gen.normals(34))
    let (posterior, _) = try Posterior.meanField(
      NetworkSpec(inputs: 3, hidden: [], outputs: 1, activation: .tanh),
      schema: Schema(features: ["a", "b", "c"], targets: ["y"]), features: x, targets: y.rows(0..<24),
      normalisation: .identity(features: 3, targets: 1), standardised: false, prior: Case.prior)
    var update = try SequentialUpdate(meanField: posterior)
    try update.absorb(features: rest, targets: y.rows(24..<34))
    let found = try Self.moments(try update.finish().posterior)
    let oracle = MeanFieldOracle(features: all, targets: y, weights: nil)
    let tolerance = try Self.tolerance(oracle, batches: 2)
    #expect(relativeDifference(found.mean, oracle.theta(oracle.exact.mean)) < tolerance)
    #expect(relativeDifference(found.precision, oracle.theta(oracle.exact.precision)) < tolerance)
  }

  /// A structured posterior is the prior whole: the mean is the exact one under it, of any structure. Where that structure is
  /// exact for the model, it is the union's.
  @Test(arguments: Shape.allCases, CurvatureStructure.allCases)
  func laplaceIsTakenOverWhole(_ shape: Shape, _ structure: CurvatureStructure) throws {
    let own = Case(shape, structure: structure)
    let first = try own.laplace(0..<25)
    let (posterior, report) = try own.updated(first, 25..<60)
    let found = try Self.moments(posterior)
    let oracle = own.oracle(first)
    let tolerance = try Self.tolerance(oracle, batches: 2)
    let state = try #require(first.members[0].laplace)
    let before = try Self.moments(first)

    // (Λ₁ + G₂)m = Λ₁m₁ + ΦᵀWy/σ² with Λ₁ from its products with units, in θ's order.
    let p = before.mean.count
    var left = [[Wide]](repeating: [Wide](repeating: 0, count: p), count: p)
    for j in 0..<p {
      let column = state.precisionTimes((0..<p).map { $0 == j ? 1 : 0 })
      for a in 0..<p { left[a][j] = Wide(column[a]) }
    }
    var right = (0..<p).map { a in (0..<p).reduce(Wide(0)) { $0 + left[a][$1] * Wide(before.mean[$1]) } }
    let d2 = oracle.rows(25..<60)
    let g = d2.gram
    let (width, outputs) = (oracle.width, oracle.outputs)
    func place(_ c: Int, _ k: Int) -> Int { k < width - 1 ? c * (width - 1) + k : outputs * (width - 1) + c }
    for c in 0..<outputs {
      for a in 0..<width {
        right[place(c, a)] += d2.phi.indices.reduce(Wide(0)) { $0 + d2.phi[$1][a] * d2.y[c][$1] }
        for b in 0..<width { left[place(c, a)][place(c, b)] += g[a][b] }
      }
    }
    #expect(relativeDifference(found.mean, solved(left, right).map { Double($0) }) < tolerance)
    #expect(relativeDifference(found.precision, (0..<p).map { Double(left[$0][$0]) }) < tolerance)

    #expect(posterior.model.method == .meanField && posterior.model.laplace?.structure == .diagonal)
    #expect(posterior.certificate.update == .approximate)
    #expect(try #require(report.variational).divergence > 0)
    // One matrix in a Kronecker basis holds a layer of one noise whole only where all rows weigh alike.
    if structure == .full || structure == .block || (structure.keepsBatches && shape != .weighted) {
      #expect(relativeDifference(found.mean, oracle.theta(oracle.exact.mean)) < tolerance)
      #expect(relativeDifference(found.precision, oracle.theta(oracle.exact.precision)) < tolerance)
    }
  }

  /// Unknown noise: σ² is where E_q[Σ w(y − f)²]/n is it, with the rows before as they were.
  @Test func noiseFollowsTheBatches() throws {
    let own = Case(.plain)
    func posterior(_ noise: Setting) throws -> Posterior {
      try Posterior.meanField(
        own.spec, schema: own.schema, features: own.x.rows(0..<25), targets: own.y.rows(0..<25),
        normalisation: .identity(features: 3, targets: 1), standardised: false,
        prior: PriorSettings(precision: .given(0.5), noise: noise)
      ).posterior
    }
    let before = try posterior(.auto)
    let first = try #require(before.members[0].laplace?.noiseVariance)
    let after = try own.updated(before, 25..<60).posterior
    let second = try #require(after.members[0].laplace?.noiseVariance)
    let (mean, precision) = try Self.moments(after)
    var squares = 0.0
    for i in 25..<60 {
      let row = Array(own.x.row(i)) + [1]
      let f = zip(row, mean).reduce(0) { $0 + $1.0 * $1.1 }
      squares += pow(own.y[i, 0] - f, 2) + row.indices.reduce(0) { $0 + row[$1] * row[$1] / precision[$1] }
    }
    // The fixed point is found to 1e-13, of a map that contracts by the batch's share, 35 of 60, and some roundings.
    #expect(relativeDifference(second, (25 * first + squares) / 60) < 1e-11)
    let known = try posterior(.given(0.3))
    #expect(try #require(own.updated(known, 25..<60).posterior.members[0].laplace?.noiseVariance) == 0.3 * 0.3)
  }

  /// Unknown prior precision and noise are those of the evidence, log N(y; 0, σ²W⁻¹ + ΦΦᵀ/δ) over all outputs: 5 % either way is
  /// worse. MacKay's iteration alternates with training and ends close by, not on the spot.
  @Test(arguments: [Shape.plain, .twoOutputs, .weighted]) func hyperParametersAreTheEvidences(_ shape: Shape) throws {
    let own = Case(shape)
    let posterior = try Posterior.meanField(
      own.spec, schema: own.schema, features: own.x, targets: own.y, weights: own.weights,
      normalisation: .identity(features: 3, targets: shape.outputs), standardised: false
    ).posterior
    let state = try #require(posterior.members[0].laplace)
    guard case .layers(let precisions) = state.prior else {
      Issue.record("one a layer")
      return
    }
    let oracle = own.oracle(posterior)
    // The oracle's rows are in units of its own noise.
    func evidence(_ precision: Double, _ variance: Double) -> Double {
      let unit = MeanFieldOracle.noise * MeanFieldOracle.noise
      let sigma = Dense.covariance(
        oracle.phi, penalties: [Wide](repeating: Wide(precision * variance / unit), count: oracle.width))
      return oracle.y.reduce(0) { $0 + Dense.logNormal($1, sigma, variance: variance / unit) }
    }
    let (precision, variance) = (precisions[0], try #require(state.noiseVariance))
    let best = evidence(precision, variance)
    for factor in [0.95, 1.05] {
      #expect(evidence(precision * factor, variance) < best, "precision, times \(factor)")
      #expect(evidence(precision, variance * factor) < best, "noise, times \(factor)")
    }
  }

  /// A Laplace posterior's noise is D1's; taken over, it follows the batches if nobody gave it, and the certificate says so.
  @Test(arguments: [Setting.auto, .given(0.3)]) func noiseOfALaplacePosterior(_ noise: Setting) throws {
    let own = Case(.plain, structure: .full)
    let first = try Posterior.laplace(
      own.spec, settings: own.settings, schema: own.schema, features: own.x.rows(0..<25), targets: own.y.rows(0..<25),
      normalisation: .identity(features: 3, targets: 1), standardised: false,
      prior: PriorSettings(precision: .given(0.5), noise: noise)
    ).posterior
    let second = try own.updated(first, 25..<60).posterior
    let before = try #require(first.members[0].laplace?.noiseVariance)
    let after = try #require(second.members[0].laplace?.noiseVariance)
    #expect((before != after) == (noise == .auto))
    let reasons = second.certificate.reasons.joined(separator: " ")
    #expect(reasons.contains("Mean-field variational inference from update"))
    #expect(reasons.contains("the noise follows the batches") == (noise == .auto))
  }

  @Test func noRowsAreNoUpdate() throws {
    let own = Case(.plain)
    let first = try own.meanField(0..<25).posterior
    let (posterior, report) = try own.updated(first, 0..<0)
    #expect(posterior == first && report.rows == 0 && report.logEvidence == 0)
  }
}
