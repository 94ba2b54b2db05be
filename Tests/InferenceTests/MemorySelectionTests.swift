import BNNInference
import BNNLinearAlgebra
import BNNProbability
import BNNTestSupport
import Testing

/// Rows that stand for a batch: which are chosen, against choices made by hand and against all choices there are.
@Suite struct MemorySelectionTests {
  private static func chosen(
    _ count: Int, _ x: Matrix, seed: UInt64 = 1, _ selection: MemorySelection = .kCentre, threads: Int = 1
  ) -> [Int] {
    selection.chosen(count, of: x.storage, columns: x.columns, stream: RandomStream(seed: seed), threads: threads)
  }

  private static func squaredDistance(_ x: Matrix, _ i: Int, _ j: Int) -> Double {
    zip(x.row(i), x.row(j)).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
  }

  /// Squared distance of the row that is farthest from its nearest centre.
  private static func radius(_ x: Matrix, _ centres: [Int]) -> Double {
    (0..<x.rows).reduce(0) { largest, i in
      max(largest, centres.reduce(.infinity) { min($0, squaredDistance(x, i, $1)) })
    }
  }

  private static func subsets(_ n: Int, _ count: Int) -> [[Int]] {
    guard count > 0 else { return [[]] }
    return (0..<n).flatMap { last in subsets(last, count - 1).map { $0 + [last] } }
  }

  /// Gonzalez's theorem: at most twice the radius of the best choice among all; and about once where clusters lie apart.
  @Test(arguments: Gen.seeds(30)) func isWithinTwiceTheOptimum(_ seed: UInt64) {
    var gen = Gen(seed: seed)
    let n = gen.integer(in: 5...11)
    let x = gen.matrix(rows: n, columns: gen.integer(in: 1...3))
    for count in 1...4 {
      let own = Self.chosen(count, x, seed: seed)
      #expect(own.count == count && own == Array(Set(own)).sorted())
      let best = Self.subsets(n, count).reduce(.infinity) { min($0, Self.radius(x, $1)) }
      // Squares: four times; a rounding of the distances.
      #expect(Self.radius(x, own) <= 4 * best * (1 + 1e-14))
    }
    // One row of every cluster, wherever it begins.
    let noise = gen.normals(40)
    let apart = Matrix(rows: 40, columns: 1, storage: (0..<40).map { Double($0 % 4) * 100 + noise[$0] })
    #expect(Set(Self.chosen(4, apart, seed: seed).map { $0 % 4 }).count == 4)
  }

  /// The greedy choice in whole numbers, which have no rounding: the first of the farthest, ties and equal rows among them.
  private static func greedy(_ rows: [[Int]], _ count: Int, first: Int) -> [Int] {
    var centres = [first]
    while centres.count < count {
      var best = (index: -1, distance: -1)
      for i in rows.indices where !centres.contains(i) {
        let own = centres.map { c in zip(rows[i], rows[c]).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } }.min() ?? 0
        if own > best.distance { best = (i, own) }
      }
      centres.append(best.index)
    }
    return centres.sorted()
  }

  /// In either precision, for any number of threads, over rows of more than one piece and columns that no vector divides.
  @Test(arguments: [(40, 3, 12, 4), (300, 37, 20, 9), (4500, 2, 12, 30)])
  func isTheGreedyChoice(_ n: Int, _ d: Int, _ count: Int, _ values: Int) {
    var gen = Gen(seed: UInt64(n))
    let rows = (0..<n).map { _ in (0..<d).map { _ in gen.integer(in: 0...values) } }
    let flat = rows.flatMap { $0 }
    let stream = RandomStream(seed: 5)
    var first = stream
    let expected = Self.greedy(rows, count, first: first.integer(below: n))
    for threads in [1, 2, 5] {
      let double = MemorySelection.kCentre.chosen(
        count, of: flat.map { Double($0) }, columns: d, stream: stream, threads: threads)
      let single = MemorySelection.kCentre.chosen(
        count, of: flat.map { Float($0) }, columns: d, stream: stream, threads: threads)
      #expect(double == expected && single == expected, "\(threads) threads")
    }
  }

  /// Equal rows come only when no other is left, the first of them first.
  @Test func equalRowsComeLast() {
    let x = Matrix([[0], [5], [0], [9], [5], [0], [9]])
    for seed in 0..<20 as Range<UInt64> {
      let three = Self.chosen(3, x, seed: seed)
      #expect(Set(three.map { x[$0, 0] }) == [0, 5, 9])
      let five = Self.chosen(5, x, seed: seed)
      let added = five.filter { !three.contains($0) }
      #expect(added == Array((0..<7).filter { !three.contains($0) }.prefix(2)))
    }
  }

  /// Every set of two of six rows alike, and every row as a first centre: χ² within 8 standard errors (√(2·ν)) of its mean ν.
  @Test func chanceIsUniform() {
    let x = Matrix(rows: 6, columns: 1, storage: [0, 1, 2, 3, 4, 5])
    for (selection, count, sets) in [(MemorySelection.random, 2, 15), (.kCentre, 1, 6)] {
      let draws = 6000
      var counts: [[Int]: Int] = [:]
      for seed in 0..<UInt64(draws) { counts[Self.chosen(count, x, seed: seed, selection), default: 0] += 1 }
      let expected = Double(draws) / Double(sets)
      let statistic = counts.values.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
      let freedom = Double(sets - 1)
      #expect(counts.count == sets && (statistic - freedom).magnitude < 8 * (2 * freedom).squareRoot(), "\(selection)")
    }
  }

  @Test(arguments: MemorySelection.allCases) func edges(_ selection: MemorySelection) {
    var gen = Gen(seed: 3)
    let x = gen.matrix(rows: 50, columns: 4)
    #expect(Self.chosen(0, x, selection).isEmpty)
    #expect(Self.chosen(50, x, selection) == Array(0..<50) && Self.chosen(80, x, selection) == Array(0..<50))
    let own = Self.chosen(7, x, selection)
    #expect(own.count == 7 && own == Array(Set(own)).sorted() && own == Self.chosen(7, x, selection, threads: 3))
    #expect(own != Self.chosen(7, x, seed: 2, selection))
    #expect(Self.chosen(49, x, selection).count == 49)
    #expect(MemorySelection(rawValue: "k-centre") == .kCentre && MemorySelection(rawValue: "random") == .random)
  }
}
