import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@testable import BNNInference

/// The filter on a small network, every structure against its definition with dense matrices, row by row.
struct KalmanFilterTests {
  /// What a filter does, with matrices and by the book.
  struct Book {
    let network: Network
    var theta: [Double]
    /// Λ.
    var precision: Matrix
    let likelihood: any Likelihood
    var dynamics = FilterDynamics.still
    let structure: CurvatureStructure
    let rank: Int
    /// For the low-rank structure, Λ = D + BᵀB.
    var diagonal: [Double] = []
    var directions = Matrix(rows: 0, columns: 0)

    mutating func absorb(_ x: Matrix, _ y: Matrix) throws {
      let p = theta.count
      if !dynamics.isStill {
        var covariance = try inverse(precision)
        for i in covariance.storage.indices { covariance.storage[i] /= dynamics.forgetting }
        for j in 0..<p { covariance[j, j] += dynamics.processNoise }
        precision = try inverse(covariance)
      }
      let f = network.forward(x, network.parameters(theta))
      let jacobian = network.jacobian(x, theta)
      let roots = likelihood.curvatureRoots(outputs: f, targets: y)
      var own = precision
      var rows = Matrix(rows: 0, columns: p)
      for root in roots {
        let h = jacobian.multiplied(by: root.storage, transposed: true)
        rows = Matrix(rows: rows.rows + 1, columns: p, storage: rows.storage + h)
        for i in 0..<p { for j in 0..<p { own[i, j] += h[i] * h[j] } }
      }
      // One Newton step of −log p(y | f(m) + J(θ − m)) + ½(θ − m)ᵀΛ(θ − m), the curvature being the expected one.
      let slope = jacobian.multiplied(by: likelihood.gradients(outputs: f, targets: y).storage, transposed: true)
      let step = try TriangularFactor(choleskyOf: own).solve(slope)
      for j in 0..<p { theta[j] -= step[j] }
      switch structure {
      case .diagonal:
        precision = Matrix.diagonal((0..<p).map { own[$0, $0] })
      default: precision = own
      }
    }

    private func inverse(_ matrix: Matrix) throws -> Matrix {
      let factor = try TriangularFactor(choleskyOf: matrix)
      var result = matrix
      for j in 0..<matrix.rows {
        let column = factor.solve((0..<matrix.rows).map { $0 == j ? 1 : 0 })
        for i in 0..<matrix.rows { result[i, j] = column[i] }
      }
      return result
    }
  }

  static let rows = 60

  static func start(
    _ kind: LikelihoodKind, outputs: Int, structure: CurvatureStructure, rank: Int = 4, layers: Range<Int>? = nil
  ) -> (Network, [Double], LaplaceState) {
    let network = Network(NetworkSpec(inputs: 3, hidden: [4], outputs: outputs, activation: .tanh))
    var stream = RandomStream(seed: 5)
    let theta = network.initialParameters(using: &stream)
    let chosen = layers ?? 0..<2
    let shapes = network.layers[chosen].map { LayerShape(inputs: $0.inputs, outputs: $0.outputs) }
    let state = LaplaceState(
      chosen: chosen, curvature: AnyCurvature(structure, layers: shapes, rank: rank),
      prior: .layers(shapes.indices.map { 0.5 + Double($0) }), noiseVariance: kind.hasNoise ? 0.09 : nil,
      logEvidence: 0,
      distanceToOptimum: 0)
    return (network, theta, state)
  }

  static func data(_ kind: LikelihoodKind, outputs: Int) -> (x: Matrix, y: Matrix) {
    var gen = Gen(seed: 8)
    let x = gen.matrix(rows: rows, columns: 3)
    let targets = kind == .categorical ? 1 : kind == .heteroscedastic ? outputs / 2 : outputs
    var y = Matrix(rows: rows, columns: targets)
    for i in 0..<rows {
      for c in 0..<targets {
        let mean = sin(x[i, 0]) + 0.5 * x[i, 1] * Double(c + 1)
        switch kind {
        case .gaussian, .heteroscedastic: y[i, c] = mean + 0.3 * gen.normal()
        case .bernoulli: y[i, c] = mean + gen.normal() > 0 ? 1 : 0
        case .poisson: y[i, c] = Double(gen.integer(in: 0...3)) + (mean > 0 ? 1 : 0)
        case .categorical: y[i, c] = Double(min(outputs - 1, max(0, Int((mean + 1.5).rounded()))))
        }
      }
    }
    return (x, y)
  }

  private static func likelihood(_ kind: LikelihoodKind, _ outputs: Int) throws -> any Likelihood {
    try kind.likelihood(
      targets: kind == .categorical ? 1 : kind == .heteroscedastic ? outputs / 2 : outputs, classes: outputs,
      variances: [0.09])
  }

  private func filtered<B: FilterBelief>(
    _: B.Type, _ kind: LikelihoodKind, outputs: Int, structure: CurvatureStructure, rank: Int = 4,
    dynamics: FilterDynamics = .still, layers: Range<Int>? = nil, split: Int? = nil
  ) throws -> FilterOutcome {
    let (network, theta, state) = Self.start(kind, outputs: outputs, structure: structure, rank: rank, layers: layers)
    let (x, y) = Self.data(kind, outputs: outputs)
    var filter = try KalmanFilter<B>(
      network, theta, state, kind: kind, likelihood: Self.likelihood(kind, outputs), dynamics: dynamics)
    if let split {
      try filter.absorb(x.rows(0..<split), y.rows(0..<split), weights: nil)
      _ = try filter.outcome()
      try filter.absorb(x.rows(split..<x.rows), y.rows(split..<x.rows), weights: nil)
    } else {
      try filter.absorb(x, y, weights: nil)
    }
    return try filter.outcome()
  }

  private func book(
    _ kind: LikelihoodKind, outputs: Int, structure: CurvatureStructure, dynamics: FilterDynamics = .still
  ) throws -> Book {
    let (network, theta, state) = Self.start(kind, outputs: outputs, structure: structure)
    let (x, y) = Self.data(kind, outputs: outputs)
    var book = Book(
      network: network, theta: theta, precision: .diagonal(state.prior.expanded(state.curvature.layers)),
      likelihood: try Self.likelihood(kind, outputs), dynamics: dynamics, structure: structure, rank: 4)
    for i in 0..<x.rows { try book.absorb(x.rows(i..<(i + 1)), y.rows(i..<(i + 1))) }
    return book
  }

  private func check(_ outcome: FilterOutcome, _ book: Book, within tolerance: Double) throws {
    #expect(relativeDifference(outcome.theta, book.theta) < tolerance)
    let p = book.theta.count
    let made = (0..<p).flatMap { j in outcome.state.precisionTimes((0..<p).map { $0 == j ? 1 : 0 }) }
    #expect(relativeDifference(made, book.precision.storage) < tolerance)
  }

  /// Sixty rows, each a map of a condition of some tens: 1e-10 leaves two digits of room.
  @Test(arguments: [
    (LikelihoodKind.gaussian, 1), (.gaussian, 2), (.bernoulli, 1), (.categorical, 3), (.poisson, 1),
    (.heteroscedastic, 2),
  ])
  func fullIsTheBook(_ kind: LikelihoodKind, _ outputs: Int) throws {
    let book = try book(kind, outputs: outputs, structure: .full)
    let outcome = try filtered(FullBelief<Double>.self, kind, outputs: outputs, structure: .full)
    try check(outcome, book, within: 1e-10)
    // Being asked in between changes nothing but rounding.
    let asked = try filtered(FullBelief<Double>.self, kind, outputs: outputs, structure: .full, split: 17)
    try check(asked, book, within: 1e-10)
  }

  @Test(arguments: [(LikelihoodKind.gaussian, 1), (.poisson, 1)])
  func diagonalIsTheBook(_ kind: LikelihoodKind, _ outputs: Int) throws {
    try check(
      try filtered(DiagonalBelief<Double>.self, kind, outputs: outputs, structure: .diagonal),
      try book(kind, outputs: outputs, structure: .diagonal), within: 1e-11)
  }

  /// With as many directions as rows nothing is left out: the low-rank filter is the full one.
  @Test func lowRankOfAllRowsIsFull() throws {
    let outcome = try filtered(
      LowRankBelief<Double>.self, .gaussian, outputs: 1, structure: .lowRank, rank: 64)
    try check(outcome, try book(.gaussian, outputs: 1, structure: .full), within: 1e-9)
  }

  /// Process noise and forgetting in every structure, against P ← P/τ + qI with dense matrices.
  @Test(arguments: [
    FilterDynamics(processNoise: 1e-3), .init(forgetting: 0.97), .init(processNoise: 1e-3, forgetting: 0.97),
  ])
  func dynamicsAreTheBook(_ dynamics: FilterDynamics) throws {
    let full = try book(.gaussian, outputs: 1, structure: .full, dynamics: dynamics)
    try check(
      try filtered(FullBelief<Double>.self, .gaussian, outputs: 1, structure: .full, dynamics: dynamics), full,
      within: 1e-9)
    try check(
      try filtered(
        LowRankBelief<Double>.self, .gaussian, outputs: 1, structure: .lowRank, rank: 64, dynamics: dynamics), full,
      within: 1e-8)
    try check(
      try filtered(DiagonalBelief<Double>.self, .gaussian, outputs: 1, structure: .diagonal, dynamics: dynamics),
      try book(.gaussian, outputs: 1, structure: .diagonal, dynamics: dynamics), within: 1e-10)
  }

  /// What compression leaves out of the directions goes to the diagonal: diag Λ is that of the rows that were absorbed, and no
  /// eigenvalue is larger than with all directions by more than what went there.
  @Test func compressionKeepsTheDiagonal() throws {
    let (network, theta, state) = Self.start(.gaussian, outputs: 1, structure: .lowRank, rank: 4)
    let (x, y) = Self.data(.gaussian, outputs: 1)
    var filter = try KalmanFilter<LowRankBelief<Double>>(
      network, theta, state, kind: .gaussian, likelihood: Self.likelihood(.gaussian, 1), dynamics: .still)
    var squares = state.prior.expanded(state.curvature.layers)
    for i in 0..<x.rows {
      let h = network.jacobian(x.rows(i..<(i + 1)), try filter.outcome().theta)
      for j in squares.indices { squares[j] += h.storage[j] * h.storage[j] / 0.09 }
      try filter.absorb(x.rows(i..<(i + 1)), y.rows(i..<(i + 1)), weights: nil)
    }
    let outcome = try filter.outcome()
    let diagonal = zip(outcome.state.curvature.diagonal, outcome.state.prior.expanded(state.curvature.layers)).map(+)
    #expect(relativeDifference(diagonal, squares) < 1e-11)
    guard case .lowRank(let own) = outcome.state.curvature else { throw UpdateError.unsuitable("low rank") }
    #expect(own.directions.rows == 4)
  }

  /// The last layer alone: its features stay, and the filter is linear regression on them.
  @Test func lastLayerIsLinear() throws {
    let outcome = try filtered(
      FullBelief<Double>.self, .gaussian, outputs: 1, structure: .full, layers: 1..<2)
    let (network, theta, state) = Self.start(.gaussian, outputs: 1, structure: .full, layers: 1..<2)
    let (x, y) = Self.data(.gaussian, outputs: 1)
    let hidden = network.trace(x, network.parameters(theta)).lastHidden
    var design = Matrix(rows: x.rows, columns: 5, repeating: 1)
    for i in 0..<x.rows { for j in 0..<4 { design[i, j] = hidden[i, j] } }
    var precision = design.gram
    for i in precision.storage.indices { precision.storage[i] /= 0.09 }
    let prior = state.prior.expanded(state.curvature.layers)
    var right = design.multiplied(by: y.storage, transposed: true).map { $0 / 0.09 }
    for j in 0..<5 {
      precision[j, j] += prior[j]
      right[j] += prior[j] * theta[16 + j]
    }
    let mean = try TriangularFactor(choleskyOf: precision).solve(right)
    #expect(relativeDifference(Array(outcome.theta[16...]), mean) < 1e-12)
    #expect(outcome.theta[..<16] == theta[..<16])
  }

  /// Single precision beside double: rounding of 6e-8 a row, times the square root of 60 rows and the condition of the maps.
  @Test func singleIsDouble() throws {
    func agree(_ a: FilterOutcome, _ b: FilterOutcome, _ tolerance: Double) {
      #expect(relativeDifference(a.theta, b.theta) < tolerance)
      #expect(relativeDifference(a.state.curvature.diagonal, b.state.curvature.diagonal) < tolerance)
      #expect(abs(a.logEvidence - b.logEvidence) < 1e-3)
    }
    agree(
      try filtered(FullBelief<Float>.self, .gaussian, outputs: 1, structure: .full),
      try filtered(FullBelief<Double>.self, .gaussian, outputs: 1, structure: .full), 1e-4)
    agree(
      try filtered(DiagonalBelief<Float>.self, .gaussian, outputs: 1, structure: .diagonal),
      try filtered(DiagonalBelief<Double>.self, .gaussian, outputs: 1, structure: .diagonal), 1e-4)
    agree(
      try filtered(LowRankBelief<Float>.self, .gaussian, outputs: 1, structure: .lowRank),
      try filtered(LowRankBelief<Double>.self, .gaussian, outputs: 1, structure: .lowRank), 1e-4)
  }
}
