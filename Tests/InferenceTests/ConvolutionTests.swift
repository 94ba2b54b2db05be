import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriorFile
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@testable import BNNInference

/// Curvatures of a convolutional network against explicit Jacobians and curvlinops (Fixtures/conv_curvature.py), and what
/// updates of one must keep.
struct ConvolutionTests {
  struct File: Decodable, Sendable {
    let spec: NetworkSpec
    let theta: [Double]
    let x: [[Double]]
    let y: [Double]
    let outputs: [[Double]]
    let ggn: [[Double]]
    /// Blocks of the layers with weights.
    let expand: [[[Double]]]
    let reduce: [[[Double]]]
  }

  static let file: File? = {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures")
    guard let data = try? Data(contentsOf: folder.appendingPathComponent("conv_curvature.json")) else { return nil }
    return try? JSONDecoder().decode(File.self, from: data)
  }()

  private func curvature<Scalar: BLASScalar>(
    _ own: File, _ structure: CurvatureStructure, _ type: Scalar.Type, _ sharing: WeightSharing = .expand
  ) -> AnyCurvature {
    let engine = LaplaceEngine<Scalar>(
      network: Network(own.spec),
      settings: LaplaceSettings(structure: structure, rank: own.theta.count, sharing: sharing),
      training: TrainingSettings(), x: own.x.flatMap { $0.map { Scalar($0) } }, y: Matrix(own.y.map { [$0] }),
      weights: nil, kind: .categorical, likelihood: { _ in CategoricalLikelihood(classes: 3) }, threads: 2,
      progress: { _, _ in })
    return engine.curvature(at: own.theta, 1, seed: RandomStream(seed: 0))
  }

  private func dense(_ curvature: AnyCurvature, _ count: Int) -> Matrix {
    Matrix((0..<count).map { j in curvature.times((0..<count).map { $0 == j ? 1 : 0 }) })
  }

  private func blocks(_ own: [[[Double]]]) -> Matrix {
    let size = own.reduce(0) { $0 + $1.count }
    var (result, start) = (Matrix(rows: size, columns: size), 0)
    for block in own {
      for (i, row) in block.enumerated() { for (j, value) in row.enumerated() { result[start + i, start + j] = value } }
      start += block.count
    }
    return result
  }

  /// Sums of 6 rows, 20 windows and 3 roots, through three layers: some thousand roundings of either precision.
  @Test func curvaturesAgree() throws {
    let own = try #require(Self.file)
    let p = own.theta.count
    func check<Scalar: BLASScalar>(_ type: Scalar.Type) {
      let tolerance = 2000 * Double(Scalar.ulpOfOne)
      let ggn = Matrix(own.ggn)
      for structure in [CurvatureStructure.full, .lowRank] {
        #expect(relativeDifference(dense(curvature(own, structure, type), p), ggn) <= tolerance, "\(structure)")
      }
      #expect(
        relativeDifference(curvature(own, .diagonal, type).diagonal, (0..<p).map { ggn[$0, $0] }) <= tolerance)
      var start = 0
      let diagonalBlocks = own.expand.map { block in
        defer { start += block.count }
        return (0..<block.count).map { i in (0..<block.count).map { ggn[start + i, start + $0] } }
      }
      #expect(
        relativeDifference(dense(curvature(own, .block, type), p), blocks(diagonalBlocks)) <= tolerance)
      for (sharing, expected) in [(WeightSharing.expand, own.expand), (.reduce, own.reduce)] {
        let found = dense(curvature(own, .kronecker, type, sharing), p)
        #expect(relativeDifference(found, blocks(expected)) <= tolerance, "\(sharing)")
      }
    }
    check(Double.self)
    check(Float.self)
    let network = Network(own.spec)
    let f = network.forward(Matrix(own.x), network.parameters(own.theta))
    #expect(relativeDifference(f, Matrix(own.outputs)) <= 1e-13)
  }

  // MARK: Updates

  private static let spec = NetworkSpec(
    inputs: 25, image: ImageShape(channels: 1, height: 5, width: 5),
    layers: [
      .convolution2D(channels: 2, kernel: 3, stride: 1, padding: 1, activation: .tanh),
      .averagePool2D(kernel: 2, stride: 2, padding: 0), .layerNorm(epsilon: 1e-5), .flatten,
      .dense(units: 1, activation: .identity),
    ])
  private static let schema = Schema(features: (0..<25).map { "\($0)" }, targets: ["y"])

  /// Images of noise, whose target is the difference of two corners.
  private static func rows(_ count: Int, _ seed: UInt64) -> (x: Matrix, y: Matrix) {
    var stream = RandomStream(seed: seed)
    let x = Matrix(rows: count, columns: 25, storage: stream.normals(25 * count))
    let noise = stream.normals(count)
    return (
      x, Matrix(rows: count, columns: 1, storage: (0..<count).map { x[$0, 6] - x[$0, 18] + 0.1 * noise[$0] })
    )
  }

  /// E1: two batches one after another are both at once, in the tangent of a convolutional network.
  @Test func tangentOfAConvolution() throws {
    let (first, second, third) = (Self.rows(60, 1), Self.rows(20, 2), Self.rows(30, 3))
    let normalisation = Normalisation.identity(features: 25, targets: 1)
    let start = try Posterior.network(
      Self.spec, method: .tangent, schema: Self.schema, features: first.x, targets: first.y,
      normalisation: normalisation, standardised: false, training: TrainingSettings(schedule: [10], refinement: 2)
    ).posterior
    func updated(_ posterior: Posterior, _ parts: [(x: Matrix, y: Matrix)]) throws -> Posterior {
      var update = SequentialUpdate(posterior)
      for part in parts { try update.absorb(features: part.x, targets: part.y) }
      return try update.finish().posterior
    }
    let apart = try updated(updated(start, [second]), [third])
    let together = try updated(start, [second, third])
    let (a, b) = (
      try Predictor(apart).predict(features: third.x), try Predictor(together).predict(features: third.x)
    )
    // Two decompositions of the same 110 rows of 39 columns.
    for (p, q) in zip(a, b) {
      #expect(abs(p.mean - q.mean) <= 1e-9)
      #expect(try abs(p.quantile(0.9) - q.quantile(0.9)) <= 1e-9)
    }
  }

  /// Every structure: a fit, an update, a file and back, predictions that are finite; and of a full one the posterior's precision
  /// is the GGN of both batches where each ended plus the prior.
  @Test(arguments: CurvatureStructure.allCases) func updates(_ structure: CurvatureStructure) throws {
    let (first, second) = (Self.rows(60, 1), Self.rows(40, 2))
    let prior = PriorSettings(precision: .given(2), noise: .given(0.3))
    let own = try Posterior.laplace(
      Self.spec, settings: LaplaceSettings(structure: structure), schema: Self.schema, features: first.x,
      targets: first.y, normalisation: .identity(features: 25, targets: 1), standardised: false, prior: prior,
      training: TrainingSettings(schedule: [20], refinement: 3)
    ).posterior
    var update = SequentialUpdate(own)
    try update.absorb(features: second.x, targets: second.y)
    let after = try update.finish().posterior
    let bytes = try PosteriorFile.encode(after).bytes
    let again = try PosteriorFile(bytes: bytes, name: "p").posterior
    #expect(try PosteriorFile.encode(again).bytes == bytes)
    #expect(again.model.network == Self.spec)
    let predicted = try Predictor(again).predict(features: second.x)
    #expect(predicted.allSatisfy { $0.mean.isFinite && $0.standardDeviation.map { $0 >= 0.3 } ?? false })
    guard structure == .full, let state = after.members[0].laplace else { return }
    let network = Network(Self.spec)
    var expected = Matrix(rows: network.parameterCount, columns: network.parameterCount)
    for (theta, x) in [(own.members[0].theta, first.x), (after.members[0].theta, second.x)] {
      accumulate(1 / 0.09, network.jacobian(x, theta).gram.storage, into: &expected.storage)
    }
    for j in 0..<expected.rows { expected[j, j] += 2 }
    let found = Matrix((0..<expected.rows).map { j in state.precisionTimes((0..<expected.rows).map { $0 == j ? 1 : 0 }) })
    // The same sums over 100 rows.
    #expect(relativeDifference(found, expected) <= 1e-12)
  }

  @Test func methodsThatKnowDenseLayersAloneRefuse() throws {
    let first = Self.rows(30, 1)
    #expect(throws: UpdateError.self) {
      try Posterior.meanField(
        Self.spec, schema: Self.schema, features: first.x, targets: first.y,
        normalisation: .identity(features: 25, targets: 1))
    }
    #expect(throws: UpdateError.self) {
      try Posterior.kalman(
        Self.spec, settings: LaplaceSettings(structure: .full), schema: Self.schema, features: first.x,
        targets: first.y, normalisation: .identity(features: 25, targets: 1))
    }
  }
}
