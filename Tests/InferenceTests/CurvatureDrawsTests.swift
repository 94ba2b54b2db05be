import BNNDatasets
import BNNInference
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

/// A batch's curvature averaged over draws, of logistic regression on one input: E_q[p(1 − p)] of every row by quadrature.
struct CurvatureDrawsTests {
  static let (x, y): (Matrix, Matrix) = {
    var stream = RandomStream(seed: 5)
    let x = Matrix(rows: 24, columns: 1, storage: stream.normals(24))
    let noise = stream.normals(24)
    return (x, Matrix(rows: 24, columns: 1, storage: (0..<24).map { 0.3 + 2 * x[$0, 0] + noise[$0] > 0 ? 1 : 0 }))
  }()

  private func fit(_ rows: Range<Int>, _ settings: LaplaceSettings, seed: UInt64 = 1, threads: Int = 1) throws
    -> Posterior
  {
    try Posterior.laplace(
      NetworkSpec(inputs: 1, hidden: [], outputs: 1, activation: .tanh), settings: settings, likelihood: .bernoulli,
      schema: Schema(
        featureColumns: [FeatureColumn(name: "x")], targets: ["y"], targetKind: .classes(["no", "yes"])),
      features: Self.x.rows(rows), targets: Self.y.rows(rows), normalisation: .identity(features: 1, targets: 1),
      standardised: false, prior: PriorSettings(precision: .given(0.2)), seed: seed, threads: threads
    ).posterior
  }

  private func update(_ posterior: Posterior, _ rows: Range<Int>, seed: UInt64 = 1) throws -> Posterior {
    var update = SequentialUpdate(posterior)
    try update.absorb(features: Self.x.rows(rows), targets: Self.y.rows(rows))
    return try update.finish(seed: seed).posterior
  }

  /// H in the order [w b].
  private func dense(_ posterior: Posterior) throws -> Matrix {
    let curvature = try #require(posterior.members[0].laplace).curvature
    return Matrix(symmetric: 2) { curvature.times($0) }
  }

  /// p(1 − p) at f.
  private static func slope(_ f: Double) -> Double { 1 / ((1 + exp(-f)) * (1 + exp(f))) }

  /// What averaging should give over N(θ, Λ⁻¹), and how much at most one standard error of it is with `pairs` pairs: a sum's deviation is
  /// at most the sum of its terms' deviations.
  private func expected(
    _ rows: Range<Int>, _ theta: [Double], _ precision: Matrix, pairs: Int, _ structure: CurvatureStructure
  ) throws -> (curvature: Matrix, error: Matrix) {
    let factor = try TriangularFactor(choleskyOf: precision)
    var (mean, error, design) = (Matrix(rows: 2, columns: 2), Matrix(rows: 2, columns: 2), Matrix(rows: 2, columns: 2))
    var slopes = (mean: 0.0, error: 0.0)
    for i in rows {
      let row = [Self.x[i, 0], 1]
      let center = row[0] * theta[0] + theta[1]
      let sd = zip(row, factor.solve(row)).reduce(0) { $0 + $1.0 * $1.1 }.squareRoot()
      func moment(_ power: Double) throws -> Double {
        try quadrature(0, 12) { z in
          let pair = 0.5 * (Self.slope(center + sd * z) + Self.slope(center - sd * z))
          return 2 * pow(pair, power) * exp(-0.5 * z * z) / (2 * Double.pi).squareRoot()
        }
      }
      let first = try moment(1)
      let deviation = max(0, try moment(2) - first * first).squareRoot() / Double(pairs).squareRoot()
      slopes = (slopes.mean + first, slopes.error + deviation)
      for (j, k) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        mean[j, k] += first * row[j] * row[k]
        error[j, k] += deviation * abs(row[j] * row[k])
        design[j, k] += row[j] * row[k]
      }
    }
    let n = Double(rows.count)
    switch structure {
    case .kronecker:
      // A ⊗ G/n: inputs and slopes apart.
      for j in 0..<4 {
        mean.storage[j] = design.storage[j] * slopes.mean / n
        error.storage[j] = abs(design.storage[j]) * slopes.error / n
      }
    case .diagonal: (mean[0, 1], mean[1, 0]) = (0, 0)
    case .kroneckerEigenvalue:
      // Second moments along the eigenvectors of X̃ᵀX̃, whose errors are at most the trace of all.
      let eigen = try SymmetricEigen(of: design)
      var rotated = Matrix(rows: 2, columns: 2)
      for k in 0..<2 {
        let v = Array(eigen.vectors.row(k))
        let value = zip(v, mean.multiplied(by: v)).reduce(0) { $0 + $1.0 * $1.1 }
        for i in 0..<2 { for j in 0..<2 { rotated[i, j] += value * v[i] * v[j] } }
      }
      mean = rotated
      error = Matrix(rows: 2, columns: 2, repeating: error[0, 0] + error[1, 1])
    default: break
    }
    return (mean, error)
  }

  private static let structures: [CurvatureStructure] = [.full, .block, .kronecker, .kroneckerEigenvalue, .diagonal]

  /// A first batch in every structure and, in two, the next one, each around the optimum that it ended at, within 6 standard errors of 6,000 pairs; the curvature at the mean alone is
  /// farther away than that.
  @Test(arguments: structures) func isTheMeanOverLaplacesPosterior(_ structure: CurvatureStructure) throws {
    let pairs = 6000
    let plain = try fit(0..<12, LaplaceSettings(structure: structure))
    let settings = LaplaceSettings(structure: structure, curvatureDraws: pairs)
    let first = try fit(0..<12, settings)
    #expect(first.members[0].theta == plain.members[0].theta, "the mean is the optimum")
    #expect(first.members[0].laplace?.logEvidence == plain.members[0].laplace?.logEvidence)
    func prior(_ matrix: Matrix) -> Matrix {
      var result = matrix
      for j in 0..<2 { result[j, j] += 0.2 }
      return result
    }
    let before = try dense(first)
    let own = try expected(
      0..<12, first.members[0].theta, prior(try dense(plain)), pairs: pairs, structure)
    let point = try dense(plain)
    for j in 0..<4 where own.curvature.storage[j] != 0 {
      #expect(abs(before.storage[j] - own.curvature.storage[j]) < 6 * own.error.storage[j])
    }
    #expect(abs(point[0, 0] - own.curvature[0, 0]) > 6 * own.error[0, 0])

    // Of the next batch where the structure is the matrix itself, so that Λ₀ can be written out.
    guard structure == .full || structure == .block else { return }
    let second = try update(first, 12..<24)
    let theta = second.members[0].theta
    var rest = prior(before)
    for i in 12..<24 {
      let slope = Self.slope(theta[0] * Self.x[i, 0] + theta[1])
      rest[0, 0] += slope * Self.x[i, 0] * Self.x[i, 0]
      rest[0, 1] += slope * Self.x[i, 0]
      rest[1, 1] += slope
    }
    rest[1, 0] = rest[0, 1]
    let next = try expected(12..<24, theta, rest, pairs: pairs, structure)
    let after = try dense(second)
    for j in 0..<4 {
      #expect(abs(after.storage[j] - before.storage[j] - next.curvature.storage[j]) < 6 * next.error.storage[j])
    }
  }

  /// The seed and the batch's place decide the draws, threads do not.
  @Test func drawsAreOfTheSeed() throws {
    let settings = LaplaceSettings(structure: .full, curvatureDraws: 1)
    let own = try fit(0..<12, settings)
    #expect(try dense(own) == (try dense(try fit(0..<12, settings, threads: 3))))
    #expect(try dense(own) != (try dense(try fit(0..<12, settings, seed: 2))))
    #expect(try dense(try update(own, 12..<24)) != (try dense(try update(own, 12..<24, seed: 2))))
    #expect(own.certificate.reasons.contains { $0.contains("the mean over 1 pair of weights drawn") })
  }

  // MARK: The noise

  private static let amounts: (x: Matrix, y: Matrix) = {
    var stream = RandomStream(seed: 6)
    let x = Matrix(rows: 60, columns: 1, storage: stream.normals(60))
    let noise = stream.normals(60)
    return (x, Matrix(rows: 60, columns: 1, storage: (0..<60).map { sin(2 * x[$0, 0]) + 0.3 * noise[$0] }))
  }()

  private func network(_ rows: Range<Int>, draws: Int) throws -> Posterior {
    try Posterior.laplace(
      NetworkSpec(inputs: 1, hidden: [4], outputs: 1, activation: .tanh),
      settings: LaplaceSettings(structure: .full, curvatureDraws: draws),
      schema: Schema(features: ["x"], targets: ["y"]), features: Self.amounts.x.rows(rows),
      targets: Self.amounts.y.rows(rows), normalisation: .identity(features: 1, targets: 1), standardised: false,
      prior: PriorSettings(precision: .given(0.5)), seed: 3
    ).posterior
  }

  /// tr H(H + 0.5)⁻¹, dense.
  private func determined(_ curvature: AnyCurvature) throws -> Double {
    let p = curvature.layers.parameterCount
    let h = Matrix(symmetric: p) { curvature.times($0) }
    var precision = h
    for j in 0..<p { precision[j, j] += 0.5 }
    let factor = try TriangularFactor(choleskyOf: precision)
    return (0..<p).reduce(0) { $0 + factor.solve(h.column($1))[$1] }
  }

  /// σ² = (S₁ + S₂)/(n₁ + n₂ − γ) counts the weights that curvatures at the optima determine: the batch's as they are, and of the rows
  /// before their averaged curvature less its surplus. Noise is the fixed point to 1e-9; conditions are below 1e5.
  @Test func noiseCountsWeightsAtTheOptimum() throws {
    let (plain, first) = (try network(0..<30, draws: 0), try network(0..<30, draws: 2))
    let own = try #require(first.members[0].laplace)
    let point = try #require(plain.members[0].laplace)
    #expect(own.noiseVariance == point.noiseVariance && first.members[0].theta == plain.members[0].theta)
    let surplus = try determined(own.curvature) - determined(point.curvature)
    #expect(surplus > 0.1 && abs(own.surplusWeights - surplus) < 1e-8)
    #expect(point.surplusWeights == 0)

    var update = SequentialUpdate(first)
    try update.absorb(features: Self.amounts.x.rows(30..<60), targets: Self.amounts.y.rows(30..<60))
    let second = try update.finish(seed: 3).posterior
    let after = try #require(second.members[0].laplace)
    let (before, variance) = (try #require(own.noiseVariance), try #require(after.noiseVariance))
    let theta = second.members[0].theta
    let step = zip(theta, first.members[0].theta).map { $0 - $1 }
    let pull = first.members[0].theta.map { 0.5 * $0 }
    let grown = dot(step, own.curvature.times(step)) - 2 * dot(pull, step)
    let earlier = before * (30 - (try determined(own.curvature) - surplus) + grown)
    let network = Network(second.model.network ?? NetworkSpec(inputs: 1, hidden: [], outputs: 1, activation: .tanh))
    let f = network.forward(Self.amounts.x.rows(30..<60), network.parameters(theta))
    let squares = (0..<30).reduce(0.0) { $0 + pow(Self.amounts.y[30 + $1, 0] - f[$1, 0], 2) }
    let gamma = try determined(after.curvature) - after.surplusWeights
    #expect(relativeDifference(variance, (earlier + squares) / (60 - gamma)) < 1e-8)
  }

  /// Settings without draws are written as before there were any.
  @Test func settingsInFiles() throws {
    let encoder = JSONEncoder()
    let plain = String(decoding: try encoder.encode(LaplaceSettings()), as: UTF8.self)
    #expect(!plain.lowercased().contains("draws"))
    let own = LaplaceSettings(structure: .kronecker, curvatureDraws: 4)
    #expect(try JSONDecoder().decode(LaplaceSettings.self, from: encoder.encode(own)) == own)
    #expect(try JSONDecoder().decode(LaplaceSettings.self, from: encoder.encode(LaplaceSettings())).curvatureDraws == 0)
  }
}
