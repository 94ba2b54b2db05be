import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@testable import BNNInference

/// Classes in heads through engines and predictions.
@Suite struct HeadTests {
  private static let groups = [[0, 2], [1, 3]]

  private static func schema(_ heads: [[Int]]?) -> Schema {
    Schema(
      featureColumns: [FeatureColumn(name: "a"), FeatureColumn(name: "b")], targets: ["y"],
      targetKind: .classes(["p", "q", "r", "s"]), heads: heads)
  }

  /// Rows whose classes are those of one head, noisy.
  private static func rows(_ n: Int, head: [Int], seed: UInt64) -> (x: Matrix, y: Matrix) {
    var stream = RandomStream(seed: seed)
    let x = Matrix(rows: n, columns: 2, storage: stream.normals(2 * n))
    let noise = stream.normals(n)
    let y = (0..<n).map { i -> Double in
      let f = x[i, 0] - x[i, 1] * x[i, 1] + 0.6 + 0.5 * noise[i]
      return Double(head[f > 0 ? head.count - 1 : head.count > 2 && f > -1 ? 1 : 0])
    }
    return (x, Matrix(rows: n, columns: 1, storage: y))
  }

  private static func fit(
    _ data: (x: Matrix, y: Matrix), heads: [[Int]]?, settings: LaplaceSettings = LaplaceSettings(),
    prior: PriorSettings = PriorSettings(precision: .given(0.7))
  ) throws -> Posterior {
    try Posterior.laplace(
      NetworkSpec(inputs: 2, hidden: [3], outputs: 4, activation: .tanh), settings: settings, likelihood: .categorical,
      schema: schema(heads), features: data.x, targets: data.y,
      normalisation: .identity(features: 2, targets: 1), standardised: false, prior: prior
    ).posterior
  }

  private static func updated(_ posterior: Posterior, _ data: (x: Matrix, y: Matrix)) throws -> Posterior {
    var update = SequentialUpdate(posterior)
    try update.absorb(features: data.x, targets: data.y)
    return try update.finish().posterior
  }

  /// Weights and bias of one output of the last layer [4 × 3], [4].
  private static func output(_ c: Int, _ theta: [Double]) -> [Double] {
    let last = Array(theta.suffix(16))
    return Array(last[(3 * c)..<(3 * c + 3)]) + [last[12 + c]]
  }

  /// All classes in one head are no heads: the same posterior, bit for bit.
  @Test(arguments: [CurvatureStructure.full, .kronecker])
  func oneHeadIsNone(_ structure: CurvatureStructure) throws {
    let data = Self.rows(60, head: [0, 1, 3], seed: 1)
    let one = try Self.fit(data, heads: [[0, 1, 2, 3]], settings: LaplaceSettings(structure: structure))
    let none = try Self.fit(data, heads: nil, settings: LaplaceSettings(structure: structure))
    #expect(one.members == none.members && one.model.schema != none.model.schema)
    let x = Self.rows(9, head: [0, 1], seed: 2).x
    let zeros = [Int](repeating: 0, count: 9)
    for (a, b) in zip(
      try Predictor(one).predictions(features: x, heads: zeros), try Predictor(none).predictions(features: x))
    {
      guard case .classes(let a) = a, case .classes(let b) = b else {
        Issue.record("classes")
        return
      }
      #expect(a == b)
    }
  }

  /// With the hidden layer held and rows of head 0 alone in D1, rows of head 1 say nothing of head 0's outputs: their means
  /// stay to rounding, and for the full structure head 1 gets the posterior that D2 alone gives outputs of their own. The
  /// optimum of that (a convex problem) is found here by Newton's method, with 4 numbers an output.
  @Test(arguments: CurvatureStructure.allCases)
  func anotherHeadStays(_ structure: CurvatureStructure) throws {
    let first = try Self.fit(
      Self.rows(60, head: Self.groups[0], seed: 1), heads: Self.groups,
      settings: LaplaceSettings(structure: structure, layers: 1..<2, rank: 8))
    let data = Self.rows(50, head: Self.groups[1], seed: 2)
    let second = try Self.updated(first, data)
    let (before, after) = (first.members[0].theta, second.members[0].theta)
    #expect(before.prefix(9).elementsEqual(after.prefix(9)))
    for c in Self.groups[0] {
      #expect(relativeDifference(Self.output(c, after), Self.output(c, before)) < 1e-12, "output \(c)")
    }
    for c in Self.groups[1] { #expect(relativeDifference(Self.output(c, after), Self.output(c, before)) > 0.1) }
    guard structure == .full || structure == .block else { return }
    let network = Network(NetworkSpec(inputs: 2, hidden: [3], outputs: 4, activation: .tanh))
    let design = Self.features(network, before, data.x)
    let expected = try Self.optimum(design, data.y.storage.map { $0 == 3 ? 1 : 0 }, precision: 0.7)
    // L-BFGS ends where the gradient is some 1e-8 of its scale.
    #expect(relativeDifference(Self.groups[1].flatMap { Self.output($0, after) }, expected) < 1e-5)
  }

  /// Hidden features and 1 of every row.
  private static func features(_ network: Network, _ theta: [Double], _ x: Matrix) -> Matrix {
    var design = Matrix(rows: x.rows, columns: 4, repeating: 1)
    for i in 0..<x.rows {
      for j in 0..<3 {
        design[i, j] = tanh(theta[2 * j] * x[i, 0] + theta[2 * j + 1] * x[i, 1] + theta[6 + j])
      }
    }
    return design
  }

  /// argmin Σ log(1 + e^{∓(f₁ − f₀)}) + ½δ‖w‖² over the weights of two outputs, by Newton's method.
  private static func optimum(
    _ design: Matrix, _ y: [Double], precision: Double
  ) throws -> [Double] {
    var w = [Double](repeating: 0, count: 8)
    for _ in 0..<30 {
      var gradient = w.map { precision * $0 }
      var hessian = Matrix(rows: 8, columns: 8)
      for a in 0..<8 { hessian[a, a] = precision }
      for i in 0..<design.rows {
        let phi = Array(design.row(i))
        let row = phi.map { -$0 } + phi
        let p = 1 / (1 + exp(-zip(row, w).reduce(0) { $0 + $1.0 * $1.1 }))
        for a in 0..<8 {
          gradient[a] += (p - y[i]) * row[a]
          for b in 0..<8 { hessian[a, b] += p * (1 - p) * row[a] * row[b] }
        }
      }
      let step = try TriangularFactor(choleskyOf: hessian).solve(gradient)
      for a in 0..<8 { w[a] -= step[a] }
    }
    return w
  }

  /// The prediction of a row is that of its head's outputs alone, by every method.
  @Test(arguments: [
    ClassMethod.plugIn, .probit, .pairwiseProbit, .laplaceBridge, .monteCarlo(samples: 50),
  ])
  func predictionsOfAHead(_ method: ClassMethod) throws {
    var gen = Gen(seed: 12)
    let heads = try ClassHeads([[4, 1], [0, 2, 3]])
    let own = LikelihoodPredictor(kind: .categorical, classes: 5, heads: heads, classMethod: method, seed: 3)
    let members = (0..<2).map { _ in
      OutputGaussian(mean: gen.normals(5), covariance: gen.matrix(rows: 5, columns: 5).gram)
    }
    for (h, outputs) in heads.groups.enumerated() {
      let parts = members.map { member in
        OutputGaussian(
          mean: outputs.map { member.mean[$0] },
          covariance: Matrix(outputs.map { a in outputs.map { member.covariance[a, $0] } }))
      }
      let plain = LikelihoodPredictor(kind: .categorical, classes: outputs.count, classMethod: method, seed: 3)
      guard case .classes(let a) = try own(members, head: h), case .classes(let b) = try plain(parts),
        case .classes(let c) = try own(averaging: members.map { [$0.mean] }, head: h),
        case .classes(let d) = try plain(averaging: parts.map { [$0.mean] })
      else {
        Issue.record("classes")
        return
      }
      #expect(a == b && c == d && a[0].probabilities.count == outputs.count)
    }
  }

  /// A row in the filter is the row of its head's outputs alone.
  @Test func observationsOfAFilter() throws {
    let heads = try ClassHeads([[3, 0], [1, 2, 4]])
    let f = [0.4, -1, 0.3, 0.2, 2]
    for y in 0..<5 {
      let own = FilterObservation(likelihood: CategoricalLikelihood(heads: heads)).linearised(
        f, [Double(y)], weight: 0.6)
      let (head, position) = heads.place(of: y)
      let outputs = heads.groups[head]
      let plain = FilterObservation(likelihood: CategoricalLikelihood(classes: outputs.count)).linearised(
        outputs.map { f[$0] }, [Double(position)], weight: 0.6)
      #expect(own.innovations == plain.innovations && own.logDensity == plain.logDensity)
      #expect(own.roots.map { root in outputs.map { root[$0] } } == plain.roots)
      for root in own.roots { #expect(root.indices.allSatisfy { outputs.contains($0) || root[$0] == 0 }) }
    }
  }

  /// The share of the spread is chosen by the heads' outputs: rows of one head alone choose what its outputs alone do.
  @Test func shareOfTheSpread() throws {
    var gen = Gen(seed: 9)
    let heads = try ClassHeads([[1, 2], [0, 3]])
    let rows = (0..<400).map { _ in
      OutputGaussian(mean: gen.normals(4), covariance: gen.matrix(rows: 6, columns: 4).gram)
    }
    let y = (0..<400).map { rows[$0].mean[1] + 4 * gen.normals(1)[0] > rows[$0].mean[2] ? 1.0 : 2 }
    let found = PredictiveScale.best(
      rows, Matrix(rows: 400, columns: 1, storage: y), .pairwiseProbit, heads: heads)
    let expected = PredictiveScale.best(
      rows.map { $0.marginal([1, 2]) }, Matrix(rows: 400, columns: 1, storage: y.map { $0 - 1 }), .pairwiseProbit)
    #expect(found == expected && found > 0)
  }

  @Test func headsThatAreMissing() throws {
    let own = try Self.fit(Self.rows(30, head: [0, 2], seed: 1), heads: Self.groups)
    let predictor = try Predictor(own)
    let x = Matrix([[0.1, 0.2], [1, 1]])
    #expect(throws: UpdateError.self) { try predictor.predictions(features: x) }
    #expect(throws: UpdateError.self) { try predictor.predictions(features: x, heads: [0]) }
    #expect(throws: UpdateError.self) { try predictor.predictions(features: x, heads: [0, 2]) }
    #expect(try predictor.predictions(features: x, heads: [0, 1]).count == 2)
    let plain = try Predictor(Self.fit(Self.rows(30, head: [0, 2], seed: 1), heads: nil))
    #expect(throws: UpdateError.self) { try plain.predictions(features: x, heads: [0, 1]) }
    let binary = Schema(
      featureColumns: [FeatureColumn(name: "a"), FeatureColumn(name: "b")], targets: ["y"],
      targetKind: .classes(["p", "q"]), heads: [[0, 1]])
    #expect(throws: UpdateError.self) {
      try Posterior.laplace(
        NetworkSpec(inputs: 2, hidden: [3], outputs: 1, activation: .tanh), settings: LaplaceSettings(),
        likelihood: .bernoulli, schema: binary, features: x, targets: Matrix([[0], [1]]),
        normalisation: .identity(features: 2, targets: 1), standardised: false)
    }
  }
}
