import BNNTestSupport
import Testing

@testable import BNNDatasets

@Suite struct ColumnSketchTests {
  private let schema = Schema(
    featureColumns: [
      FeatureColumn(name: "amount"), FeatureColumn(name: "level", levels: ["a", "b", "c"]), FeatureColumn(name: "few"),
    ], targets: ["y"])

  /// A row is an amount, three inputs of a category, and one of four numbers.
  private func data(_ gen: inout Gen, rows: Int, shift: Double = 0) -> Dataset {
    var features: [Double] = []
    for _ in 0..<rows {
      let level = gen.integer(in: 0...2)
      features += [gen.normal() + shift] + (0..<3).map { $0 == level ? 1 : 0 } + [Double(gen.integer(in: 1...4))]
    }
    return Dataset(
      features: features, featureCount: 5, targets: gen.normals(rows), targetCount: 1, rows: rows)
  }

  private func sample(_ data: Dataset, _ order: [Int]? = nil) -> RowSample {
    var result = RowSample(featureCount: 5, targetCount: 1, isWeighted: false)
    var hashes: [RowHash] = []
    data.forEachRowHash { hashes.append($0) }
    for i in order ?? Array(0..<data.rows) { result.add(hashes[i], row: i, of: data) }
    result.settle()
    return result
  }

  @Test func smallTablesAreWhole() throws {
    var gen = Gen(seed: 1)
    let own = data(&gen, rows: 1000)
    let rows = sample(own)
    #expect(rows.isWhole && rows.rows == 1000 && rows.effectiveRows == 1000)
    let sketch = InputSketch(rows, schema)
    #expect(sketch.rows == 1000 && sketch.effectiveRows == 1000)
    // 31 quantiles leave 31 or 32 of 1,000 different numbers in every bin.
    #expect(sketch.columns[0].cuts.count == 31 && !sketch.columns[0].isDiscrete)
    #expect(sketch.columns[0].counts.allSatisfy { (31...32).contains($0) })
    let amounts = (0..<1000).map { own.features[5 * $0] }
    for (bin, cut) in sketch.columns[0].cuts.enumerated() {
      #expect(sketch.columns[0].counts[...bin].reduce(0, +) == Double(amounts.count { $0 < cut }))
    }
    // No level, then a, b and c.
    let levels = (0..<3).map { level in Double((0..<1000).count { own.features[5 * $0 + 1 + level] == 1 }) }
    #expect(sketch.columns[1].counts == [0] + levels)
    // Below 1, 1, between 1 and 2, 2, …
    #expect(sketch.columns[2].isDiscrete && sketch.columns[2].counts.count == 9)
    for value in 1...4 {
      #expect(
        sketch.columns[2].counts[2 * value - 1]
          == Double((0..<1000).count { own.features[5 * $0 + 4] == Double(value) }))
    }
  }

  /// A sample is a function of the rows, whatever their order, and its shares are those of all: of 20,000 rows 4,096 are looked at, so
  /// that a share of 1/4 is within 6 standard errors of 0.7 %.
  @Test func largeTablesAreSampled() throws {
    var gen = Gen(seed: 2)
    let own = data(&gen, rows: 20_000)
    let rows = sample(own)
    #expect(!rows.isWhole && rows.rows == RowSample.most && rows.total == 20_000)
    let again = sample(own, gen.permutation(20_000))
    #expect(rows.features == again.features && rows.targets == again.targets)
    let sketch = InputSketch(rows, schema)
    #expect(abs(sketch.rows - 20_000) < 1e-9 && abs(sketch.effectiveRows - 4096) < 1e-6)
    for value in 1...4 { #expect(abs(sketch.columns[2].counts[2 * value - 1] / 20_000 - 0.25) < 0.041) }
    #expect(rows.prefix(100).features == Array(rows.features.prefix(500)))
  }

  /// Equal rows are in the sample with how often they came.
  @Test func repeatedRows() {
    var gen = Gen(seed: 3)
    let one = data(&gen, rows: 50)
    let twice = Dataset(
      features: one.features + one.features, featureCount: 5, targets: one.targets + one.targets, targetCount: 1,
      rows: 100)
    let rows = sample(twice)
    #expect(rows.rows == 50 && rows.multiplicities.allSatisfy { $0 == 2 } && rows.effectiveRows == 100)
  }

  @Test func countsAddAndGoAgain() throws {
    var gen = Gen(seed: 4)
    let first = InputSketch(sample(data(&gen, rows: 300)), schema)
    let (a, b) = (sample(data(&gen, rows: 200)), sample(data(&gen, rows: 9000)))
    var both = first
    both.add(a, schema)
    both.add(b, schema)
    var shards = [first, first]
    shards[0].add(a, schema)
    shards[1].add(b, schema)
    func isNear(_ p: InputSketch?, _ q: InputSketch) -> Bool {
      guard let p else { return false }
      return zip(p.columns, q.columns).allSatisfy { one, other in
        one.cuts == other.cuts && zip(one.counts, other.counts).allSatisfy { abs($0 - $1) < 1e-8 }
      } && abs(p.rows - q.rows) < 1e-8 && abs(p.squares - q.squares) < 1e-8
    }
    #expect(isNear(InputSketch.merged(shards, prior: first), both))
    var less = both
    less.remove(b, schema)
    #expect(isNear(less, shards[0]))
    let other = InputSketch(sample(data(&gen, rows: 300)), schema)
    #expect(InputSketch.merged([first, other], prior: first) == nil)
  }

  @Test func aFrequentValueHasABinOfItsOwn() {
    let values = [Double](repeating: 0, count: 500) + (1...500).map { Double($0) }
    let own = ColumnSketch(values: values, times: values.map { _ in 1 })
    #expect(own.cuts.contains(0) && own.cuts.contains(0.0.nextUp))
    #expect(zip(own.cuts, own.cuts.dropFirst()).allSatisfy { $0 < $1 })
  }

  @Test func distance() throws {
    let here = try #require(ColumnSketch(cuts: [0, 1], counts: [1, 2, 1], isDiscrete: false))
    let there = try #require(ColumnSketch(cuts: [0, 1], counts: [0, 1, 3], isDiscrete: false))
    // 1/4 against 0, 3/4 against 1/4.
    #expect(here.distance(to: there) == 0.5)
    #expect(ColumnSketch(cuts: [1, 1], counts: [1, 2, 1], isDiscrete: false) == nil)
    #expect(ColumnSketch(cuts: [0, 1], counts: [1, -2, 1], isDiscrete: false) == nil)
  }
}
