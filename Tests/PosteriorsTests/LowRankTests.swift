import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport
import Testing

@Suite struct LowRankTests {
  static let layers = [LayerShape(inputs: 3, outputs: 4), LayerShape(inputs: 4, outputs: 2)]

  private func dense(_ curvature: some Curvature) -> Matrix {
    let p = curvature.layers.parameterCount
    return Matrix((0..<p).map { curvature.times(Matrix.identity(p).column($0)) })
  }

  /// With as many directions as weights nothing is left for the diagonal, in any order of batches.
  @Test(arguments: Gen.seeds(3))
  func isFullAtFullRank(_ seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let p = Self.layers.parameterCount
    var (full, low) = (FullCurvature(layers: Self.layers), LowRankCurvature(layers: Self.layers, rank: p))
    for (rows, weight) in [(9, 1.0), (40, 0.3)] {
      var batch = LowRankCurvature(layers: Self.layers, rank: p)
      RandomFactors(&gen, layers: Self.layers, rows: rows, roots: 2).with(Double.self) {
        full.absorb($0, weight: weight)
        batch.absorb($0, weight: weight)
      }
      low.append(batch)
    }
    // Two eigendecompositions of a 105-row stack: their backward error is a modest multiple of its order.
    #expect(relativeDifference(dense(low), dense(full)) <= 10 * 105 * epsilon)
  }

  /// Whatever is dropped, over many batches: the diagonal is exact, H stays between diagonal and full in trace, and is
  /// positive semi-definite.
  @Test(arguments: Gen.seeds(3))
  func whatIsDroppedStaysInTheDiagonal(_ seed: UInt64) throws {
    var gen = Gen(seed: seed)
    var (low, full) = (LowRankCurvature(layers: Self.layers, rank: 3), FullCurvature(layers: Self.layers))
    for k in 0..<6 {
      RandomFactors(&gen, layers: Self.layers, rows: 4 + k, roots: 2).with(Double.self) {
        full.absorb($0)
        if k % 2 == 0 {
          low.absorb($0)
        } else {
          var batch = LowRankCurvature(layers: Self.layers, rank: 3)
          batch.absorb($0)
          low.append(batch)
        }
      }
    }
    #expect(low.directions.rows == 3)
    #expect(relativeDifference(low.diagonal, full.diagonal) <= 200 * epsilon)
    let found = dense(low)
    #expect(relativeDifference(Naive.diagonal(of: found), full.diagonal) <= 1_000 * epsilon)
    #expect(try SymmetricEigen(of: found).values[0] >= -1e-12 * euclideanNorm(found.storage))
    // BᵀB never says more than was seen: H − BᵀB is positive semi-definite.
    let seen = Naive.sum(full.matrix, Naive.product(low.directions.transposed, low.directions), weight: -1)
    #expect(try SymmetricEigen(of: seen).values[0] >= -1e-12 * euclideanNorm(found.storage))
  }

  @Test func aRankBelowOneTraps() async {
    await #expect(processExitsWith: .failure) { _ = LowRankCurvature(layers: LowRankTests.layers, rank: 0) }
  }
}
