import BNNProbability
import BNNTestSupport
import Testing

@testable import BNNLinearAlgebra

/// The Gram shortcut stands in for Householder's QR only where it loses nothing that was promised.
@Suite("Gram shortcut")
struct GramShortcutTests {
  /// n × w standard normal columns, scaled by powers of ten, and one more: a combination plus noise.
  private func block(rows n: Int, columns w: Int, noise: Double, seed: UInt64) -> Matrix {
    var stream = RandomStream(seed: seed)
    var matrix = Matrix(rows: n, columns: w + 1)
    for i in 0..<n {
      let x = stream.normals(w + 1)
      var y = noise * x[w]
      for j in 0..<w {
        matrix[i, j] = x[j] * (j % 2 == 0 ? 1e5 : 1e-3)
        y += x[j]
      }
      matrix[i, w] = y
    }
    return matrix
  }

  /// R by Householder's reflections alone.
  private func householder(_ matrix: Matrix) -> Matrix {
    var array = InformationArray(width: matrix.columns)
    for start in stride(from: 0, to: matrix.rows, by: 512) {
      var rows = matrix.rows(start..<min(start + 512, matrix.rows))
      array.absorbOrthogonally(&rows, whitening: false)
    }
    array.makeDiagonalPositive()
    return array.array
  }

  @Test("a long, well conditioned block: the same factor", arguments: [1, 2, 3] as [UInt64])
  func agrees(seed: UInt64) throws {
    let matrix = block(rows: 3000, columns: 12, noise: 1, seed: seed)
    let factor = try #require(matrix.gramFactor())
    let exact = householder(matrix)
    for j in 0..<13 {
      let length = norm(exact.column(j))
      for i in 0...j {
        // ε·cond²·√n per column: condition below 20 here, so 2e-16·400·55 = 5e-12, and a margin of 2.
        #expect(abs(factor[i, j] - exact[i, j]) <= 1e-11 * length)
      }
    }
  }

  @Test("targets nearly in the span of the features keep their residual: R² = 1 − 1e-14 goes through QR")
  func refusesNearlyDependentTargets() {
    let matrix = block(rows: 3000, columns: 9, noise: 3e-7, seed: 4)
    #expect(matrix.gramFactor() == nil)
    var array = InformationArray(width: 10)
    var rows = matrix
    array.absorb(&rows)
    let residual = array.residualSquares(beyond: 9)[0]
    // χ² with 2,991 degrees of freedom times noise²: within 8 standard deviations, √(2/2991)·8 = 0.21.
    #expect(abs(residual / (2991 * 9e-14) - 1) < 0.21)
  }

  @Test("short blocks, zero columns and values that are not finite are left to QR")
  func refuses() {
    #expect(block(rows: 1000, columns: 3, noise: 1, seed: 5).gramFactor() == nil)
    var zero = block(rows: 2000, columns: 3, noise: 1, seed: 6)
    for i in 0..<2000 { zero[i, 1] = 0 }
    #expect(zero.gramFactor() == nil)
    var infinite = block(rows: 2000, columns: 3, noise: 1, seed: 7)
    infinite[5, 2] = .infinity
    #expect(infinite.gramFactor() == nil)
  }

  @Test("an array fed by the shortcut and one fed by rows say the same")
  func mixes() {
    let matrix = block(rows: 5000, columns: 7, noise: 1, seed: 8)
    var array = InformationArray(width: 8)
    for range in [0..<3, 3..<2500, 2500..<5000] {
      var rows = matrix.rows(range)
      array.absorb(&rows)
    }
    array.makeDiagonalPositive()
    let exact = householder(matrix)
    for j in 0..<8 {
      let length = norm(exact.column(j))
      for i in 0...j { #expect(abs(array.array[i, j] - exact[i, j]) <= 1e-11 * length) }
    }
  }
}

@Suite("condition estimate")
struct ConditionEstimateTests {
  @Test("never above the condition, and at least two thirds of it", arguments: [2.0, 50, 299, 1e4])
  func estimate(condition: Double) throws {
    for seed in Gen.seeds(5) {
      var gen = Gen(seed: seed)
      let matrix = gen.matrix(rows: 60, columns: 20, condition: condition)
      let factor = try TriangularFactor(choleskyOf: matrix.gram)
      let estimate = factor.estimatedCondition()
      // Forming the Gram matrix moves σ_min by ε·cond² relatively: 2e-8 at 1e4.
      #expect(estimate <= condition * (1 + 1e-6), "seed \(seed)")
      #expect(estimate >= condition * 2 / 3, "seed \(seed)")
    }
  }
}
