import BNNDatasets
import BNNInference
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNTestSupport
import Foundation
import Testing

/// What a batch takes off the entropy of the weights.
struct InformationGainTests {
  private static func table(_ rows: Int, seed: UInt64) -> (x: Matrix, y: Matrix) {
    var gen = Gen(seed: seed)
    let x = gen.matrix(rows: rows, columns: 2)
    return (x, Matrix(rows: rows, columns: 1, storage: (0..<rows).map { x[$0, 0] - 2 * x[$0, 1] + 0.3 * gen.normal() }))
  }

  private func linear(prior: PriorSettings) throws -> Posterior {
    let own = Self.table(30, seed: 1)
    var update = SequentialUpdate(
      .linear(schema: Schema(features: ["a", "b"], targets: ["y"]), standardised: false, prior: prior))
    try update.absorb(features: own.x, targets: own.y)
    return try update.finish().posterior
  }

  private func updated(_ posterior: Posterior, by batch: (x: Matrix, y: Matrix)) throws -> Posterior {
    var update = SequentialUpdate(posterior)
    try update.absorb(features: batch.x, targets: batch.y)
    return try update.finish().posterior
  }

  /// Mutual information of weights and targets, ½ log|I + ΦΣ₁Φᵀ/σ²|, n × n instead of P × P: noise and prior given. Conditions are below
  /// 100.
  @Test func mutualInformation() throws {
    let sd = 0.3
    let first = try linear(prior: PriorSettings(precision: .given(0.7), noise: .given(sd)))
    let nothing = Posterior.linear(schema: first.schema, standardised: false, prior: PriorSettings())
    #expect(try first.informationGain(since: nothing) == nil, "a first batch has nothing before it")
    let batch = Self.table(12, seed: 2)
    let second = try updated(first, by: batch)
    let own = Self.table(30, seed: 1)
    func design(_ x: Matrix) -> Matrix {
      var result = Matrix(rows: x.rows, columns: 3, repeating: 1)
      for i in 0..<x.rows { for j in 0..<2 { result[i, j] = x[i, j] } }
      return result
    }
    var precision = design(own.x).gram
    for i in precision.storage.indices { precision.storage[i] /= sd * sd }
    // The intercept is not penalised.
    for j in 0..<2 { precision[j, j] += 0.7 }
    let factor = try TriangularFactor(choleskyOf: precision)
    let phi = design(batch.x)
    var v = Matrix.identity(12)
    for i in 0..<12 {
      let solved = factor.solve(Array(phi.row(i)))
      for j in 0..<12 { v[i, j] += zip(phi.row(j), solved).reduce(0) { $0 + $1.0 * $1.1 } / (sd * sd) }
    }
    let expected = 0.5 * (try TriangularFactor(choleskyOf: v).logDeterminant)
    #expect(relativeDifference(try #require(try second.informationGain(since: first)), expected) < 1e-11)
    #expect(abs(try #require(try first.informationGain(since: first))) < 1e-12)
  }

  /// The difference of entropies by a dense Cholesky factor; two log-determinants of nine weights, conditions below 1e4.
  @Test(arguments: [CurvatureStructure.full, .block, .diagonal]) func ofANetwork(_ structure: CurvatureStructure) throws
  {
    let own = Self.table(60, seed: 3)
    let first = try Posterior.laplace(
      NetworkSpec(inputs: 2, hidden: [2], outputs: 1, activation: .tanh),
      settings: LaplaceSettings(structure: structure),
      schema: Schema(features: ["a", "b"], targets: ["y"]), features: own.x, targets: own.y,
      normalisation: .identity(features: 2, targets: 1), standardised: false,
      prior: PriorSettings(precision: .given(1), noise: .given(0.3))
    ).posterior
    let second = try updated(first, by: Self.table(20, seed: 4))
    func entropy(_ posterior: Posterior) throws -> Double {
      let state = try #require(posterior.members[0].laplace)
      let p = state.curvature.layers.parameterCount
      let factor = try TriangularFactor(choleskyOf: Matrix(symmetric: p) { state.precisionTimes($0) })
      return -0.5 * factor.logDeterminant
    }
    let expected = try entropy(first) - entropy(second)
    #expect(relativeDifference(try #require(try second.informationGain(since: first)), expected) < 1e-10)
    #expect(try second.informationGain(since: try linear(prior: PriorSettings())) == nil, "other weights")
  }

  /// Rows of one source halve the spread with every fourfold, which `diagnose` reads off the lineage; a batch that only repeats one
  /// row teaches one direction.
  @Test func contractionByTheLineage() throws {
    let first = try linear(prior: PriorSettings(precision: .given(1e-6), noise: .given(0.3)))
    func rate(_ batch: (x: Matrix, y: Matrix)) throws -> Finding {
      var second = try updated(first, by: batch)
      let gain = try second.informationGain(since: first)
      second.lineage = [30, batch.x.rows].enumerated().map { k, rows in
        LineageEntry(
          number: k + 1, action: k == 0 ? "fit" : "update", rows: rows, rowDigest: "", method: "linear", settings: [:],
          logEvidence: nil, seed: 0, version: "", parent: nil, label: nil,
          informationGain: k == 0 ? nil : gain)
      }
      let found = try second.diagnosis().first { $0.kind == .contraction }
      return try #require(found)
    }
    // ½ within four times what the covariances of 30 and 1000 rows scatter: √(2/30)/log(1000/30)/2 = .037.
    let honest = try rate(Self.table(970, seed: 7))
    #expect(abs(honest.value - 0.5) < 0.15 && !honest.needsAttention)
    let row = Self.table(1, seed: 8)
    let repeated = try rate(
      (
        Matrix(rows: 970, columns: 2, storage: (0..<970).flatMap { _ in row.x.storage }),
        Matrix(rows: 970, columns: 1, repeating: row.y[0, 0])
      ))
    #expect(repeated.value < 0.25 && repeated.needsAttention && repeated.subject == "update 2")
  }
}
