import BNNDatasets
import BNNInference
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import Testing

/// Weights that were trained elsewhere: the curvature around them, from whatever is known of D1.
@Suite("imported networks") struct ImportTests {
  static let schema = Schema(features: ["a", "b"], targets: ["y"])
  static let spec = NetworkSpec(inputs: 2, hidden: [4], outputs: 1, activation: .tanh)
  static let prior = PriorSettings(precision: .given(0.7), noise: .given(0.3))

  static let rows: (x: Matrix, y: Matrix) = {
    var stream = RandomStream(seed: 5)
    let x = Matrix(rows: 60, columns: 2, storage: stream.normals(120))
    let noise = stream.normals(60)
    return (
      x, Matrix(rows: 60, columns: 1, storage: (0..<60).map { x[$0, 0] * x[$0, 1] + 2 + 0.3 * noise[$0] })
    )
  }()

  static var normalisation: Normalisation {
    Normalisation(featureCenter: [0.1, -0.2], featureScale: [1.5, 0.5], targetCenter: [2], targetScale: [1.3])
  }

  private func fitted(_ structure: CurvatureStructure) throws -> Posterior {
    try Posterior.laplace(
      Self.spec, settings: LaplaceSettings(structure: structure), schema: Self.schema, features: Self.rows.x,
      targets: Self.rows.y, normalisation: Self.normalisation, prior: Self.prior
    ).posterior
  }

  private func imported(_ theta: [Double], _ structure: CurvatureStructure, _ prior: PriorSettings) throws -> Posterior
  {
    try Posterior.imported(
      Self.spec, theta: theta, settings: LaplaceSettings(structure: structure), likelihood: .gaussian,
      schema: Self.schema, rows: CompactRows(features: Self.rows.x, targets: Self.rows.y, weights: nil),
      normalisation: Self.normalisation, prior: prior
    ).posterior
  }

  /// H itself, column by column: the directions that a low-rank structure keeps of it are not unique.
  private func values(_ posterior: Posterior) -> [Double] {
    guard let own = posterior.members[0].laplace?.curvature else { return [] }
    let count = posterior.members[0].theta.count
    return (0..<count).flatMap { j in own.times((0..<count).map { $0 == j ? 1 : 0 }) }
  }

  @Test(
    "one pass over D1 gives the curvature that a fit has at the same weights", arguments: CurvatureStructure.allCases)
  func sameAsFit(structure: CurvatureStructure) throws {
    let fit = try fitted(structure)
    let own = try imported(fit.members[0].theta, structure, Self.prior)
    #expect(own.members[0].theta == fit.members[0].theta)
    // The same sums over the same rows; the noise enters as a factor after them or within: a rounding or two.
    let (a, b) = (values(own), values(fit))
    #expect(a.count == b.count && !a.isEmpty)
    let largest = b.reduce(0) { max($0, abs($1)) }
    #expect(zip(a, b).allSatisfy { abs($0 - $1) <= 1e-12 * largest })
    #expect(own.members[0].laplace?.prior == fit.members[0].laplace?.prior)
    #expect(own.certificate.update == .approximate)
    #expect(own.certificate.reasons[0].contains("exact curvature of the given weights"))
  }

  @Test("D1's inputs as if they were others', counted N/N times, give the same", arguments: CurvatureStructure.allCases)
  func inputsOfD1(structure: CurvatureStructure) throws {
    let theta = try fitted(.full).members[0].theta
    let exact = try imported(theta, structure, Self.prior)
    let other = try Posterior.reconstructed(
      Self.spec, theta: theta, settings: LaplaceSettings(structure: structure), likelihood: .gaussian,
      schema: Self.schema, from: .inputs(Self.rows.x, targets: nil), rows: 60, normalisation: Self.normalisation,
      prior: Self.prior
    ).posterior
    let largest = values(exact).reduce(0) { max($0, abs($1)) }
    #expect(zip(values(exact), values(other)).allSatisfy { abs($0 - $1) <= 1e-12 * largest })
    #expect(other.certificate.update == .reconstructed && other.rows == 60)
    #expect(other.certificate.reasons[0].contains("60/60"))
  }

  /// The draws are of one seed and of precisions that are equal to a rounding or two: 1e-13 of a deviation, which a tanh unit turns into
  /// no more than some hundred times as much of the curvature.
  @Test(
    "the same with the curvature averaged over draws, where the root of a precision is unique",
    arguments: [CurvatureStructure.full, .block, .diagonal])
  func averaged(structure: CurvatureStructure) throws {
    let theta = try fitted(.full).members[0].theta
    func made(_ draws: Int) throws -> Posterior {
      try Posterior.reconstructed(
        Self.spec, theta: theta, settings: LaplaceSettings(structure: structure, curvatureDraws: draws),
        likelihood: .gaussian, schema: Self.schema, from: .inputs(Self.rows.x, targets: nil), rows: 60,
        normalisation: Self.normalisation, prior: Self.prior
      ).posterior
    }
    let imported = try Posterior.imported(
      Self.spec, theta: theta, settings: LaplaceSettings(structure: structure, curvatureDraws: 2),
      likelihood: .gaussian, schema: Self.schema,
      rows: CompactRows(features: Self.rows.x, targets: Self.rows.y, weights: nil),
      normalisation: Self.normalisation, prior: Self.prior
    ).posterior
    let (exact, other) = (values(imported), try made(2))
    let largest = exact.reduce(0) { max($0, abs($1)) }
    #expect(zip(exact, values(other)).allSatisfy { abs($0 - $1) <= 1e-10 * largest })
    #expect(zip(exact, values(try made(0))).contains { abs($0 - $1) > 1e-3 * largest })
    // γ is at most the number of weights, and its errors are those of the curvature.
    let surplus = try [imported, other].map { try #require($0.members[0].laplace).surplusWeights }
    #expect(surplus[0] != 0 && abs(surplus[0] - surplus[1]) < 1e-8)
  }

  @Test("an optimiser's averages: the expected squared gradient of a linear model's batches gives its curvature")
  func secondMoments() throws {
    let (x, n) = (Self.rows.x, 60.0)
    let linear = NetworkSpec(inputs: 2, hidden: [], outputs: 1, activation: .tanh)
    let identity = Normalisation.identity(features: 2, targets: 1)
    let (sigma, batch) = (0.3, 16.0)
    // Residuals at the truth are N(0, σ²): the gradient of a batch's mean squared error has the variance 4σ²·mean(x²)/B.
    let squares = (0..<2).map { c in (0..<60).reduce(0) { $0 + x[$1, c] * x[$1, c] } } + [n]
    for (loss, factor) in [
      (TrainingLoss.meanSquaredError, 4 * sigma * sigma), (.halfMeanSquaredError, sigma * sigma),
      (.meanNLL, 1 / (sigma * sigma)),
    ] {
      let v = squares.map { factor * $0 / n / batch }
      let made = try Posterior.reconstructed(
        linear, theta: [1, 2, 3], settings: LaplaceSettings(structure: .diagonal), likelihood: .gaussian,
        schema: Self.schema, from: .secondMoments(v, batchSize: 16, loss: loss), rows: 60, normalisation: identity,
        prior: Self.prior
      ).posterior
      let diagonal = made.members[0].laplace?.curvature.diagonal ?? []
      // Five products and quotients: a few units in the last place.
      for (own, s) in zip(diagonal, squares) { #expect(abs(own * sigma * sigma / s - 1) < 1e-14, "\(loss)") }
      #expect(diagonal.count == 3 && made.certificate.update == .reconstructed)
    }
  }

  @Test("the noise is the error of the weights on the given rows; without targets it must be told")
  func noise() throws {
    let theta = try fitted(.full).members[0].theta
    func made(_ y: Matrix?) throws -> Posterior {
      try Posterior.reconstructed(
        Self.spec, theta: theta, settings: LaplaceSettings(), likelihood: .gaussian, schema: Self.schema,
        from: .inputs(Self.rows.x, targets: y), rows: 600, normalisation: Self.normalisation,
        prior: PriorSettings(precision: .given(1))
      ).posterior
    }
    #expect(throws: UpdateError.self) { try made(nil) }
    let network = Network(Self.spec)
    let z = Matrix(
      rows: 60, columns: 2,
      storage: (0..<60).flatMap { [(Self.rows.x[$0, 0] - 0.1) / 1.5, (Self.rows.x[$0, 1] + 0.2) / 0.5] })
    let f = network.forward(z, network.parameters(theta))
    let mse =
      (0..<60).reduce(0) {
        $0 + ((Self.rows.y[$1, 0] - 2) / 1.3 - f[$1, 0]) * ((Self.rows.y[$1, 0] - 2) / 1.3 - f[$1, 0])
      } / 60
    let own = try made(Self.rows.y).members[0].laplace?.noiseVariance ?? 0
    // Sums of 60 squares.
    #expect(abs(own / mse - 1) < 1e-12)
  }

  @Test("inputs unlike those of the normalisation are noticed")
  func unlikeness() {
    let own = Normalisation(featureCenter: [1, 2], featureScale: [2, 1], targetCenter: [], targetScale: [])
    let alike = Matrix(rows: 2, columns: 2, storage: [-1, 1, 3, 3])
    #expect(own.unlikeness(of: alike) == nil)
    let shifted = Matrix(rows: 2, columns: 2, storage: [-1, 5, 3, 7])
    #expect(own.unlikeness(of: shifted)?.contains("column 2") == true)
    #expect(Normalisation.identity(features: 2, targets: 0).unlikeness(of: shifted) == nil)
  }
}
