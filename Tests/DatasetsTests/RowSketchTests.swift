import BNNDatasets
import BNNTestSupport
import Testing

/// A sample of fingerprints against plain sets of rows.
@Suite struct RowSketchTests {
  private func rows(_ values: some Sequence<Int>) -> Dataset {
    let own = values.map { Double($0) }
    return Dataset(features: own, featureCount: 1, rows: own.count)
  }

  private func sketch(_ values: some Sequence<Int>, comparableTo other: RowSketch? = nil) -> RowSketch {
    var result = other.map { RowSketch(comparableTo: $0) } ?? RowSketch()
    rows(values).forEachRowHash { result.add($0) }
    result.settle()
    return result
  }

  @Test func fewRowsAreAllThere() {
    let own = sketch([5, 3, 5, 9])
    #expect(own.rate == 1 && own.counts.values.sorted() == [1, 1, 2])
  }

  /// In any order, whole or in parts, the sample is the smallest fingerprints of the set.
  @Test(arguments: Gen.seeds(5)) func isAFunctionOfTheSet(seed: UInt64) {
    var gen = Gen(seed: seed)
    let values = (0..<5000).map { _ in gen.integer(in: 0...3000) }
    let whole = sketch(values)
    #expect(whole.counts.count == RowSketch.capacity && whole.rate < 0.6)
    #expect(sketch(gen.permutation(values.count).map { values[$0] }) == whole)
    var parts = sketch(values[..<1700])
    parts.add(sketch(values[1700...], comparableTo: parts))
    #expect(parts == whole)
    // What the bound says is in the sample is, as often as it came.
    var counts: [UInt64: Int] = [:]
    rows(values).forEachRowHash { counts[$0.high >> 11, default: 0] += 1 }
    #expect(counts.filter { $0.key < whole.bound } == whole.counts)
  }

  /// Shards that share their first rows: those count once, as often as they came.
  @Test func sharedRowsCountOnce() {
    let common = sketch(0..<3000)
    let shards = (0..<3).map { k in common.with(sketch((3000 + 500 * k)..<(3500 + 500 * k))) }
    var sum = RowSketch()
    for own in shards { sum.add(own) }
    sum.remove(common, times: 2)
    let whole = sketch(0..<4500)
    #expect(sum.bound == whole.bound && sum.counts == whole.counts)
  }

  @Test func whatWasRemovedIsGone() {
    var own = sketch(Array(0..<3000) + Array(2500..<3500))
    own.remove(sketch(2500..<3500, comparableTo: own))
    let rest = sketch(0..<3000).counts.filter { $0.key < own.bound }
    #expect(own.counts == rest)
  }

  /// Different values: 3,000 with τ about a third; the count over τ is unbiased, with the deviation of a binomial sample.
  @Test func countsAreUnbiased() {
    let estimates = (0..<200).map { k -> Double in
      let own = sketch((k * 10_000)..<(k * 10_000 + 3000))
      return Double(own.counts.count) / own.rate
    }
    let mean = estimates.reduce(0, +) / 200
    // Of one: 3000/√1024 at most.
    #expect(abs(mean - 3000) < 5 * 3000 / 32 / 200.0.squareRoot())
  }

  @Test func whatAFileHoldsIsChecked() {
    #expect(RowSketch(bound: 100, counts: [100: 1]) == nil)
    #expect(RowSketch(bound: 100, counts: [10: 0]) == nil)
    #expect(RowSketch(bound: RowSketch.range + 1, counts: [:]) == nil)
    #expect(RowSketch(bound: 100, counts: [10: 2]) != nil)
  }
}
