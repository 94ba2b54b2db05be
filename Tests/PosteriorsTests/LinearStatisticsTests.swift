import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport
import Testing

@Suite struct LinearStatisticsTests {
  /// ‖Φw − y‖² = ‖Rw − z‖² + ρ² for every w and response, whatever the blocks; also with fewer rows than weights.
  @Test(arguments: [0, 1, 3, 4, 5, 6, 40], [1, 3])
  func systemHasTheSquares(_ n: Int, _ responses: Int) {
    let p = 4
    for seed in Gen.seeds(4) {
      var gen = Gen(seed: seed)
      let rows = gen.matrix(rows: n, columns: p + responses)
      var statistics = LinearStatistics(weights: p, responses: responses)
      for range in gen.partition(n, largest: 11) {
        var block = rows.rows(range)
        statistics.absorb(&block)
      }
      #expect(statistics.observations == n)
      expectSquares(statistics, rows, &gen, "n = \(n), seed \(seed)")
      statistics.normalise()
      expectSquares(statistics, rows, &gen, "normalised, n = \(n), seed \(seed)")
      let diagonal = (0..<statistics.array.array.rows).map { statistics.array.array[$0, $0] }
      #expect(diagonal.allSatisfy { $0 >= 0 })
    }
  }

  /// Two halves absorbed into one another, in either order, say what all rows say.
  @Test(arguments: [(0, 5), (2, 2), (3, 20), (20, 20)])
  func absorbsAnother(_ n1: Int, _ n2: Int) {
    var gen = Gen(seed: 3)
    let rows = gen.matrix(rows: n1 + n2, columns: 5)
    let halves = [0..<n1, n1..<(n1 + n2)].map { range in
      var block = rows.rows(range)
      var statistics = LinearStatistics(weights: 3, responses: 2)
      statistics.absorb(&block)
      return statistics
    }
    for (first, second) in [(0, 1), (1, 0)] {
      var both = halves[first]
      both.absorb(halves[second])
      #expect(both.observations == n1 + n2)
      expectSquares(both, rows, &gen, "\(first) then \(second)")
    }
  }

  @Test func isRebuiltFromWhatAFileHolds() {
    var gen = Gen(seed: 4)
    var rows = gen.matrix(rows: 9, columns: 4)
    var statistics = LinearStatistics(weights: 3, responses: 1)
    statistics.absorb(&rows)
    let rebuilt = LinearStatistics(
      weights: 3, responses: 1, observations: statistics.observations,
      array: InformationArray(array: statistics.array.array))
    #expect(rebuilt == statistics)
    #expect(rebuilt.system(response: 0) == statistics.system(response: 0))
    #expect(statistics.system(response: 0).weights == 3 && statistics.system(response: 0).observations == 9)
  }

  private func expectSquares(_ statistics: LinearStatistics, _ rows: Matrix, _ gen: inout Gen, _ here: Comment) {
    let p = statistics.weights
    for c in 0..<statistics.responses {
      let system = statistics.system(response: c)
      #expect(system.root.rows == min(rows.rows, p) && system.root.columns == p, here)
      #expect(rows.rows > p || system.residualSquares == 0, here)
      for _ in 0..<3 {
        let w = gen.normals(p)
        var (direct, size) = (0.0, 0.0)
        for i in 0..<rows.rows {
          let row = Array(rows.row(i))
          let error = Naive.dot(Array(row.prefix(p)), w) - row[p + c]
          direct += error * error
          let terms = Naive.dot(row.prefix(p).map(\.magnitude), w.map(\.magnitude)) + row[p + c].magnitude
          size += terms * terms
        }
        let fitted = Naive.times(system.root, w)
        let squares = zip(fitted, system.rightHandSide).reduce(system.residualSquares) {
          $0 + ($1.0 - $1.1) * ($1.0 - $1.1)
        }
        // Orthogonal transformations: P + C reflections a block, each a few ε of the rows' norm.
        #expect((squares - direct).magnitude <= 8 * Double(rows.rows + p + 3) * epsilon * size, here)
      }
    }
  }
}
