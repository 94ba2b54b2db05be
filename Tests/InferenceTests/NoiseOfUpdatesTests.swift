import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@testable import BNNInference

/// A noise that D1 estimated follows the batches: where outputs are linear in the weights, to the fixed point that the evidence of
/// all rows has at the same prior, σ² = RSS/(n − γ) (MacKay 1992), which the oracle iterates on the normal equations of all rows.
@Suite struct NoiseOfUpdatesTests {
  private static let d = LaplaceSequenceTests.d
  private static let kappa = 0.5
  private static let rows = LaplaceSequenceTests.rows
  /// Later rows are noisier, so that their noise is not the first batch's.
  private static let targets: Matrix = {
    var y = rows.y
    for i in 30..<90 { y.storage[i] += 0.8 * sin(17 * Double(i)) }
    return y
  }()
  private static let schema = Schema(features: (0..<d).map { "x\($0)" }, targets: ["y"])
  private static let linear = NetworkSpec(inputs: d, hidden: [], outputs: 1, activation: .tanh)
  private static let hidden = NetworkSpec(inputs: d, hidden: [3], outputs: 1, activation: .tanh)

  /// Mean, variances, σ² and evidence of y = Φθ + noise, θ ~ N(0, I/κ).
  private struct Oracle {
    var mean: [Double]
    var variances: [Double]
    var noise: Double
    var logEvidence: Double

    init(_ design: Matrix, _ y: [Double]) throws {
      let (gram, right) = (design.gram, design.multiplied(by: y, transposed: true))
      let n = Double(design.rows)
      var (noise, theta, spread) = (1.0, [Double](), [Double]())
      repeat {
        var precision = gram
        for i in precision.storage.indices { precision.storage[i] /= noise }
        for j in 0..<design.columns { precision[j, j] += kappa }
        let factor = try TriangularFactor(choleskyOf: precision)
        theta = factor.solve(right.map { [noise] in $0 / noise })
        spread = factor.marginalVariances()
        let gamma = Double(design.columns) - kappa * spread.reduce(0, +)
        let squares = zip(y, design.multiplied(by: theta)).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        let next = squares / (n - gamma)
        let isDone = abs(next / noise - 1) < 1e-14
        noise = next
        if isDone { break }
      } while true
      (mean, variances, self.noise) = (theta, spread, noise)
      var covariance = Matrix.product(design, design, transposeB: true)
      for i in covariance.storage.indices { covariance.storage[i] /= kappa }
      for i in 0..<design.rows { covariance[i, i] += noise }
      let marginal = try TriangularFactor(choleskyOf: covariance)
      let quadratic = zip(y, marginal.solve(y)).reduce(0) { $0 + $1.0 * $1.1 }
      logEvidence = -0.5 * (n * log(2 * Double.pi) + marginal.logDeterminant + quadratic)
    }
  }

  private static func fit(
    _ spec: NetworkSpec, _ structure: CurvatureStructure, linearised: Bool = false,
    noise: Setting = .auto
  ) throws -> Posterior {
    var settings = LaplaceSettings(structure: structure)
    settings.isLinearised = linearised
    return try Posterior.laplace(
      spec, settings: settings, schema: schema, features: rows.x.rows(0..<30), targets: targets.rows(0..<30),
      normalisation: .identity(features: d, targets: 1), standardised: false,
      prior: PriorSettings(precision: .given(kappa), noise: noise)
    ).posterior
  }

  private static func absorb(_ update: SequentialUpdate, _ range: Range<Int>) throws -> (
    posterior: Posterior, report: UpdateReport
  ) {
    var own = update
    try own.absorb(features: rows.x.rows(range), targets: targets.rows(range))
    return try own.finish()
  }

  /// The first fit ends within 1e-9 of its own fixed point and every update within 1e-9·γ/n (`LaplaceEngine.update`): after two
  /// 1e-8 is a decade of room.
  @Test(arguments: [CurvatureStructure.full, .block, .kronecker, .kroneckerEigenvalue])
  func laplaceIsTheUnion(_ structure: CurvatureStructure) throws {
    var design = Matrix(rows: 90, columns: Self.d + 1, repeating: 1)
    for i in 0..<90 { for j in 0..<Self.d { design[i, j] = Self.rows.x[i, j] } }
    let expected = try Oracle(design, Self.targets.storage)
    var posterior = try Self.fit(Self.linear, structure)
    let alone = try Oracle(design.rows(0..<30), Array(Self.targets.storage[0..<30]))
    #expect(relativeDifference(try noise(posterior), alone.noise) < 1e-9)
    var evidence = alone.logEvidence
    for range in [30..<61, 61..<90] {
      let (next, report) = try Self.absorb(SequentialUpdate(posterior), range)
      evidence += try #require(report.logEvidence)
      posterior = next
    }
    let state = try #require(posterior.members[0].laplace)
    #expect(relativeDifference(try noise(posterior), expected.noise) < 1e-8)
    #expect(relativeDifference(posterior.members[0].theta, expected.mean) < 1e-8)
    #expect(relativeDifference(try state.factored().marginalVariances, expected.variances) < 1e-8)
    #expect(abs(evidence - expected.logEvidence) < 1e-8 * abs(expected.logEvidence))
    #expect(relativeDifference(state.logEvidence, expected.logEvidence) < 1e-8)
    #expect(posterior.certificate.reasons.joined().contains("the noise follows the batches"))
  }

  /// The same of a network linearised at the weights of the first batch: y − f(x; θ₁) + Jθ₁ = Jθ + noise.
  @Test func aLinearisedNetworkIsTheUnion() throws {
    let first = try Self.fit(Self.hidden, .full, linearised: true)
    let network = Network(Self.hidden)
    let theta = first.members[0].theta
    let jacobian = network.jacobian(Self.rows.x, theta)
    let values = network.forward(Self.rows.x, network.parameters(theta)).storage
    let y = zip(zip(Self.targets.storage, values), jacobian.multiplied(by: theta)).map { $0.0 - $0.1 + $1 }
    let expected = try Oracle(jacobian, y)
    let (posterior, _) = try Self.absorb(SequentialUpdate(first), 30..<90)
    let state = try #require(posterior.members[0].laplace)
    let mean = zip(theta, try #require(state.displacement)).map { $0 + $1 }
    // What the first fit's noise lacks of the linear model's fixed point is what training's had of the network's.
    let alone = try Oracle(jacobian.rows(0..<30), Array(y[0..<30]))
    let lack = abs(try noise(first) / alone.noise - 1)
    #expect(lack < 1e-3)
    #expect(relativeDifference(try noise(posterior), expected.noise) < lack + 1e-8)
    #expect(relativeDifference(mean, expected.mean) < lack + 1e-8)
  }

  /// The filter after one pass is conjugate: IG(½ + n/2, ½e-4 + ½(RSS + κ‖θ‖²)), precisions relative to σ².
  @Test func theFilterIsConjugate() throws {
    let first = try Posterior.kalmanOnePass(
      Self.linear, settings: LaplaceSettings(), schema: Self.schema, features: Self.rows.x.rows(0..<30),
      targets: Self.targets.rows(0..<30), normalisation: .identity(features: Self.d, targets: 1), standardised: false,
      prior: PriorSettings(precision: .given(Self.kappa), noise: .auto)
    ).posterior
    var posterior = first
    for range in [30..<31, 31..<90] {
      posterior = try Self.absorb(SequentialUpdate(filtering: posterior), range).posterior
    }
    var design = Matrix(rows: 90, columns: Self.d + 1, repeating: 1)
    for i in 0..<90 { for j in 0..<Self.d { design[i, j] = Self.rows.x[i, j] } }
    var precision = design.gram
    for j in 0...Self.d { precision[j, j] += Self.kappa }
    let factor = try TriangularFactor(choleskyOf: precision)
    let right = design.multiplied(by: Self.targets.storage, transposed: true)
    let mean = factor.solve(right)
    let squares = dot(Self.targets.storage, Self.targets.storage) - dot(mean, right)
    let expected = (0.5e-4 + 0.5 * squares) / (0.5 + 45)
    // 90 rows, five weights, a condition below 10 and the subtraction of the squares: 10·90·√5·ε·10 is 4e-12.
    #expect(relativeDifference(try noise(posterior), expected) < 1e-11)
    #expect(relativeDifference(posterior.members[0].theta, mean) < 1e-11)
    let state = try #require(posterior.members[0].laplace)
    #expect(
      relativeDifference(
        try state.factored().marginalVariances, factor.marginalVariances().map { $0 * expected }) < 1e-11)
    #expect(posterior.certificate.update == .exact)
  }

  /// Weights without a posterior: what nothing is kept of is as it was; what a penalty holds is what the penalty says.
  @Test(arguments: [PointMethod.hotStart, .l2Start, .ewc, .oversample]) func ofAPoint(_ method: PointMethod) throws {
    let first = try Self.fit(Self.linear, .diagonal)
    let (posterior, _) = try Self.absorb(
      SequentialUpdate(point: PointSettings(method: method), of: first), 30..<90)
    let (before, state) = (try #require(first.members[0].laplace), try #require(posterior.members[0].laplace))
    let (start, theta, variance) = (first.members[0].theta, posterior.members[0].theta, try noise(first))
    let network = Network(Self.linear)
    let f = network.forward(Self.rows.x.rows(30..<90), network.parameters(theta)).storage
    let squares = zip(Self.targets.storage[30...], f).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    let held = before.curvature.diagonal
    var earlier = 30 * variance
    if method.usesCurvature {
      for j in theta.indices {
        let step = theta[j] - start[j]
        earlier += variance * step * (held[j] * step - 2 * Self.kappa * start[j])
      }
    }
    let expected = (earlier + squares) / 90
    #expect(relativeDifference(try noise(posterior), expected) < 1e-9)
    // What was said of the weights is at the new noise.
    var unit = held.map { $0 * variance }
    for i in 30..<90 {
      for j in 0..<Self.d { unit[j] += Self.rows.x[i, j] * Self.rows.x[i, j] }
      unit[Self.d] += 1
    }
    #expect(relativeDifference(state.curvature.diagonal, unit.map { $0 / expected }) < 1e-9)
  }

  /// It stays where somebody gave it, where it is asked for, and where batches are kept apart; the certificate says the last two.
  @Test func itMayStay() throws {
    let known = try Self.fit(Self.linear, .full, noise: .given(0.4))
    #expect(try noise(Self.absorb(SequentialUpdate(known), 30..<90).posterior) == noise(known))
    let first = try Self.fit(Self.linear, .full)
    let updates = [
      SequentialUpdate(first, keepingNoise: true), SequentialUpdate(first, keepingSite: true),
      try SequentialUpdate(filtering: first, keepingNoise: true),
      try SequentialUpdate(meanField: first, keepingNoise: true),
      try SequentialUpdate(point: PointSettings(), of: first, keepingNoise: true),
    ]
    for update in updates {
      let next = try Self.absorb(update, 30..<90).posterior
      #expect(try noise(next) == noise(first))
      #expect(next.certificate.reasons.joined().contains("kept the noise"))
    }
    // The certificate says it of the last update only.
    let kept = try Self.absorb(SequentialUpdate(first, keepingNoise: true), 30..<60).posterior
    let later = try Self.absorb(SequentialUpdate(kept), 60..<90).posterior
    #expect(try noise(later) != noise(first) && !later.certificate.reasons.joined().contains("kept the noise"))
    // A later batch would take what was kept apart for relative to another noise.
    let second = try Self.absorb(SequentialUpdate(first, keepingSite: true), 30..<60).posterior
    #expect(try noise(Self.absorb(SequentialUpdate(second), 60..<90).posterior) == noise(first))
  }

  /// Shards whose batches are kept in a list do not fit together once their noise followed their own rows, and say what would.
  @Test(arguments: [CurvatureStructure.kronecker, .kroneckerEigenvalue])
  func mergeAsksForOneNoise(_ structure: CurvatureStructure) throws {
    let first = try Self.fit(Self.linear, structure)
    func shards(_ keeps: Bool) throws -> [Posterior] {
      try [30..<60, 60..<90].map { try Self.absorb(SequentialUpdate(first, keepingNoise: keeps), $0).posterior }
    }
    _ = try Posterior.merged(shards(true), prior: first)
    let error = #expect(throws: UpdateError.self) { try Posterior.merged(shards(false), prior: first) }
    #expect("\(try #require(error))".contains("--keep-noise"))
  }

  private func noise(_ posterior: Posterior) throws -> Double {
    try #require(posterior.members[0].laplace?.noiseVariance)
  }
}
