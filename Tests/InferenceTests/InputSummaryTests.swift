import BNNLinearAlgebra
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Testing

@testable import BNNInference

/// Where inputs lay: what is kept, and what is drawn from it.
@Suite struct InputSummaryTests {
  /// A continuous column, one of five levels, a constant one, and a skewed one.
  private func inputs(_ gen: inout Gen, rows n: Int, shift: Double = 0) -> Matrix {
    Matrix(
      (0..<n).map { _ in
        let z = gen.normals(2)
        return [z[0] + shift, Double(gen.integer(in: -2...2)), 0.3, z[1] * z[1]]
      })
  }

  @Test(arguments: Gen.seeds(4)) func probesAreInputsThatCouldBe(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    for n in [1, 2, 5, 70, 900] {
      let x = inputs(&gen, rows: n)
      let summary = try InputSummary(of: x, from: RandomStream(seed: seed))
      #expect(summary.isDiscrete == [n <= 64, true, true, n <= 64])
      let probes = summary.probes(300, from: RandomStream(seed: 7))
      #expect(probes.rows == 300 && probes.columns == 4)
      for j in 0..<4 {
        let seen = Set(x.column(j))
        if summary.isDiscrete[j] {
          #expect(summary.levels[j] == seen.sorted())
          #expect(probes.column(j).allSatisfy(seen.contains), "seed \(seed), column \(j)")
        } else {
          let range = (seen.min() ?? 0)...(seen.max() ?? 0)
          #expect(summary.levels[j] == [range.lowerBound, range.upperBound])
          #expect(probes.column(j).allSatisfy(range.contains), "seed \(seed), column \(j)")
        }
      }
      #expect(try InputSummary(of: x, from: RandomStream(seed: seed)) == summary)
      #expect(summary.probes(300, from: RandomStream(seed: 7)) == probes)
      #expect(summary.mixture.components <= max(1, min(20, n / 8)))
    }
  }

  /// The nearest level, the lower of two that are equally near.
  @Test func cellsMoveToTheNearestLevel() throws {
    let mixture = GaussianMixture(
      weights: [1], means: Matrix([[0, 0]]), factors: [try TriangularFactor(upper: .diagonal([2, 2]))])
    let summary = InputSummary(mixture: mixture, levels: [[-3, 0, 1, 1.5], [-1, 2]], isDiscrete: [true, false])
    let (raw, probes) = (
      mixture.samples(500, from: RandomStream(seed: 3)), summary.probes(500, from: RandomStream(seed: 3))
    )
    for i in 0..<500 {
      let expected = [-3, 0, 1, 1.5].min { abs($0 - raw[i, 0]) < abs($1 - raw[i, 0]) }
      #expect(probes[i, 0] == expected && probes[i, 1] == min(2, max(-1, raw[i, 1])))
    }
  }

  /// A step of expectation–maximisation leaves Σπμ and Σπ(C + μμᵀ) − ridge the moments of the fitted rows, exactly. Those are
  /// the new rows and min(n, 4000) draws for each earlier summary: every merge adds 8 standard errors of its draws, and of
  /// what the clamping to the range cuts off.
  @Test(arguments: Gen.seeds(3)) func mergedMomentsAreThoseOfAllRows(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let batches = [(300, 0.0), (500, 2), (40, -1), (1, 0), (700, 1)].map { inputs(&gen, rows: $0.0, shift: $0.1) }
    let stream = RandomStream(seed: seed)
    var summary = try InputSummary(of: batches[0], from: stream.split(0))
    var all = batches[0]
    var error = 0.0
    for (k, x) in batches.enumerated().dropFirst() {
      summary = try summary.merged(rows: all.rows, with: x, from: stream.split(UInt64(k)))
      let share = Double(all.rows) / Double(all.rows + x.rows)
      error = share * (error + 8 / Double(all.rows).squareRoot())
      all = Matrix(rows: all.rows + x.rows, columns: 4, storage: all.storage + x.storage)
      let mixture = summary.mixture
      for j in 0..<4 {
        let mean = mixture.weights.indices.reduce(0) { $0 + mixture.weights[$1] * mixture.means[$1, j] }
        let square = mixture.weights.indices.reduce(0) { sum, c in
          sum + mixture.weights[c] * (mixture.factors[c].precision[j, j] + mixture.means[c, j] * mixture.means[c, j])
        }
        let column = all.column(j)
        let (n, average) = (Double(column.count), column.reduce(0, +) / Double(column.count))
        let variance = column.reduce(0) { $0 + ($1 - average) * ($1 - average) } / n
        let fourth = column.reduce(0) { $0 + ($1 - average) * ($1 - average) * ($1 - average) * ($1 - average) } / n
        #expect(abs(mean - average) <= error * variance.squareRoot() + 1e-12, "seed \(seed), merge \(k), column \(j)")
        let spread = max(fourth - variance * variance, 0).squareRoot()
        // A hundredth for the ridge and the clamping.
        #expect(
          abs(square - mean * mean - variance) <= error * spread + 0.01 * variance + 2e-4, "seed \(seed), \(k), \(j)")
      }
    }
    #expect(summary.levels[1] == [-2, -1, 0, 1, 2] && summary.levels[2] == [0.3])
    #expect(summary.levels[0] == [all.column(0).min() ?? 0, all.column(0).max() ?? 0])
  }

  /// Levels that become too many become a range, for good; few new ones are added to the list.
  @Test func levelsAndRanges() throws {
    func of(_ column: [Double]) throws -> InputSummary {
      try InputSummary(of: Matrix(rows: column.count, columns: 1, storage: column), from: RandomStream(seed: 1))
    }
    func merge(_ a: InputSummary, _ n: Int, _ column: [Double]) throws -> InputSummary {
      try a.merged(
        rows: n, with: Matrix(rows: column.count, columns: 1, storage: column), from: RandomStream(seed: 2))
    }
    let two = try merge(try of([1, 2, 2]), 3, [5, 2])
    #expect(two.levels == [[1, 2, 5]] && two.isDiscrete == [true])
    let many = try merge(try of((0..<40).map(Double.init)), 40, (0..<40).map { Double($0) + 0.5 })
    #expect(many.levels == [[0, 39.5]] && many.isDiscrete == [false])
    let still = try merge(many, 80, [3, -7])
    #expect(still.levels == [[-7, 39.5]] && still.isDiscrete == [false])
    let none = try still.merged(rows: 82, with: Matrix(rows: 0, columns: 1), from: RandomStream(seed: 2))
    #expect(none == still)
  }

  /// Beyond 4,000 rows a choice of them is fitted; ranges are of all.
  @Test func manyRows() throws {
    var gen = Gen(seed: 2)
    var x = gen.matrix(rows: 9000, columns: 2)
    x[8999, 0] = 1000
    let summary = try InputSummary(of: x, from: RandomStream(seed: 1))
    #expect(summary.levels[0][1] == 1000 && summary.mixture.components == 20)
  }
}
