import BNNProbability
import Testing

@testable import BNNInference

/// Gap closed by its definition: a ratio of means over paired splits.
@Suite("gap closed") struct PairedGapTests {
  private static func gap(
    stale: [[Double]], unions: [[[Double]]], linear: [[Double]]? = nil, isRoot: Bool = false
  ) -> PairedGap {
    PairedGap(stale: stale, unions: unions, linear: linear, isRoot: isRoot, stream: RandomStream(seed: 1))
  }

  @Test("half of the way is half, and what is beyond the union is more than all")
  func shares() {
    let gap = Self.gap(stale: [[2, 2, 2]], unions: [[[1, 1, 1]]])
    #expect(!gap.gap.isNone)
    #expect(gap.gap.size == 1)
    #expect(gap.closed(by: [[1.5, 1.5, 1.5]]).share == 0.5)
    #expect(gap.closed(by: [[1.5, 1.5, 1.5]]).regret == 0.5)
    #expect(gap.closed(by: [[0.5, 0.5, 0.5]]).share == 1.5)
    #expect(gap.closed(by: [[3, 3, 3]]).share == -1)
    #expect(gap.ofUnion.share == 1)
    #expect(gap.ofUnion.score == 1)
  }

  @Test("a ratio of means, not a mean of ratios")
  func ratio() {
    // Δ = 2 and ½, δ = 1 and 0: 1 − 1/2.5 = 0.6; the mean of the two ratios would be 0.75.
    let gap = Self.gap(stale: [[3], [1.5]], unions: [[[1]], [[1]]])
    #expect(gap.closed(by: [[2], [1]]).share == 0.6)
  }

  @Test("a root mean squared error is a root of every split's mean")
  func roots() {
    // Roots 5 (of (9 + 41)/2) and 1; the method's is 3.
    let gap = Self.gap(stale: [[9, 41]], unions: [[[1, 1]]], isRoot: true)
    #expect(gap.gap.size == 4)
    #expect(gap.closed(by: [[9, 9]]).share == 0.5)
    #expect(gap.closed(by: [[9, 9]]).score == 3)
  }

  @Test("no gap where doing nothing is as good, or the union's seeds differ by as much")
  func none() {
    let same = Self.gap(stale: [[1, 2, 3]], unions: [[[1, 2, 3]]])
    #expect(same.gap.isNone)
    #expect(same.closed(by: [[1, 2, 3]]).share == nil)
    // Rows that speak both ways: the interval of their mean holds 0.
    let noisy = Self.gap(stale: [[1, 2, 3, 4]], unions: [[[2, 1, 4, 2]]])
    #expect(noisy.gap.isNone)
    // A gap of 1 and seeds at 0, 3 and 0: their mean's standard error is 1.
    let seeds = Self.gap(stale: [[2, 2]], unions: [[[0, 0], [3, 3], [0, 0]]])
    #expect(seeds.gap.size == 1)
    // Σ(u − 1)² = 6 over two degrees of freedom, of a mean of three: √(6/2/3).
    #expect(abs(seeds.gap.unionError - 1) < 1e-15)
    #expect(seeds.gap.isNone)
  }

  @Test("the ceiling is what another seed closes; a linear model that beats the union makes it a weak reference")
  func ceiling() {
    // Seeds 1, 1.2 and 1: the second against the mean of the others loses 0.2 of a gap of 2.8 − 16/15.
    let gap = Self.gap(stale: [[2.8, 2.8]], unions: [[[1, 1], [1.2, 1.2], [1, 1]]], linear: [[0.9, 0.9]])
    let size = 2.8 - 3.2 / 3
    // Three additions each.
    #expect(abs((gap.gap.ceiling ?? 0) - (1 - 0.2 / size)) < 1e-14)
    #expect(gap.gap.isWeakReference)
    #expect(!Self.gap(stale: [[2]], unions: [[[1]]], linear: [[1.5]]).gap.isWeakReference)
  }

  @Test("the interval is the bootstrap's: of rows it holds the truth, of equal rows it is a point")
  func interval() {
    var stream = RandomStream(seed: 3)
    // Closed: 0.7 of a gap of 1 in the mean; per-row noise that is not shared.
    let n = 400
    let union = (0..<n).map { _ in stream.uniform() }
    let stale = union.map { $0 + 1 + stream.uniform() - 0.5 }
    let method = union.map { $0 + 0.3 + stream.uniform() - 0.5 }
    let gap = Self.gap(stale: [stale], unions: [[union]])
    let closed = gap.closed(by: [method])
    let interval = closed.interval ?? 0...0
    #expect(interval.contains(closed.share ?? -1))
    // sd of the mean's ratio: √(1/12/400)·√(1 + 0.3²) = 0.0151; 90 % is ±1.645 of it. The bootstrap's ends carry some 10 %.
    let width = interval.upperBound - interval.lowerBound
    #expect(abs(width - 2 * 1.645 * 0.0151) < 0.35 * 2 * 1.645 * 0.0151)
    // standard error of the score itself: √((1/12 + 1/12)/400) = 0.0204, by 1,000 draws within 8·0.0204/√2000.
    #expect(abs(closed.standardError - 0.0204) < 0.004)
  }
}
