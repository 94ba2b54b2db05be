import BNNProbability
import BNNTestSupport
import Testing

@Suite struct RandomStreamTests {
  private func draws(_ stream: RandomStream, _ count: Int) -> [UInt64] {
    var stream = stream
    return (0..<count).map { _ in stream.next() }
  }

  @Test func seedsDecideTheNumbers() {
    #expect(draws(RandomStream(seed: 7), 50) == draws(RandomStream(seed: 7), 50))
    #expect(Set((0..<1000).map { draws(RandomStream(seed: $0), 1)[0] }).count == 1000)
  }

  @Test func splittingIsPure() {
    let parent = RandomStream(seed: 3)
    var moved = parent
    for _ in 0..<7 { _ = moved.next() }
    #expect(draws(parent.split(4), 10) == draws(moved.split(4), 10), "what the parent drew does not matter")
    #expect(parent == RandomStream(seed: 3), "splitting does not move the parent")
    #expect(draws(parent.split(4), 10) != draws(parent, 10))
  }

  @Test func distinctPathsGiveDistinctStreams() {
    let root = RandomStream(seed: 11)
    var streams = [root]
    for i in 0..<30 {
      let child = root.split(UInt64(i))
      streams.append(child)
      for j in 0..<30 { streams.append(child.split(UInt64(j))) }
    }
    streams += [root.split(.max), root.split(1 << 32), root.split(0).split(0).split(0)]
    // 934 names of 64 bits: a chance repetition has probability 2e-14.
    #expect(Set(streams.map(\.substream)).count == streams.count)
    #expect(Set(streams.map { draws($0, 1)[0] }).count == streams.count)
  }

  @Test(arguments: [RandomStream(seed: 5), RandomStream(seed: 5).split(1), RandomStream(seed: 6).split(0)])
  func streamsAreUncorrelated(other: RandomStream) {
    let n = 100_000
    var (a, b) = (RandomStream(seed: 5).split(0), other)
    let products = (0..<n).map { _ in (a.uniform() - 0.5) * (b.uniform() - 0.5) }
    expectMean(products, is: 0, variance: 1.0 / 144)
  }

  /// Bits in common: the exclusive or of two streams has 32 ± 4 ones a number.
  @Test func bitsOfSiblingsAreIndependent() {
    var (a, b) = (RandomStream(seed: 8).split(0), RandomStream(seed: 8).split(1))
    let ones = (0..<20_000).map { _ in Double((a.next() ^ b.next()).nonzeroBitCount) }
    expectMean(ones, is: 32, variance: 16)
  }

  @Test(arguments: [RandomStream(seed: 1), RandomStream(seed: 1).split(9)])
  func uniformsFit(stream: RandomStream) throws {
    var stream = stream
    let n = 200_000
    let sample = (0..<n).map { _ in stream.uniform() }
    #expect(sample.allSatisfy { $0 >= 0 && $0 < 1 })
    expectMean(sample, is: 0.5, variance: 1.0 / 12)
    // The fourth central moment is 1/80.
    expectMean(sample, of: { ($0 - 0.5) * ($0 - 0.5) }, is: 1.0 / 12, variance: 1.0 / 80 - 1.0 / 144)
    var counts = [Int](repeating: 0, count: 256)
    for x in sample { counts[Int(x * 256)] += 1 }
    try expectFits(counts, [Double](repeating: Double(n) / 256, count: 256))
    var pairs = [Int](repeating: 0, count: 256)
    for i in stride(from: 0, to: n, by: 2) { pairs[Int(sample[i] * 16) * 16 + Int(sample[i + 1] * 16)] += 1 }
    try expectFits(pairs, [Double](repeating: Double(n) / 512, count: 256), "pairs of neighbours")
  }

  @Test(arguments: [1, 2, 3, 7, 10, 100])
  func smallIntegersAreUniform(bound: Int) throws {
    var stream = RandomStream(seed: UInt64(bound))
    var counts = [Int](repeating: 0, count: bound)
    for _ in 0..<100_000 { counts[stream.integer(below: bound)] += 1 }
    if bound == 1 {
      #expect(counts == [100_000])
    } else {
      try expectFits(counts, [Double](repeating: 100_000 / Double(bound), count: bound))
    }
  }

  /// 2⁶⁴ is 8/3 of this bound: a remainder, or a product without rejection, favours some numbers by a half.
  @Test func largeIntegersAreUniform() throws {
    let bound = 3 << 61
    var stream = RandomStream(seed: 2)
    var (thirds, remainders) = ([0, 0, 0], [0, 0, 0])
    for _ in 0..<30_000 {
      let x = stream.integer(below: bound)
      thirds[x >> 61] += 1
      remainders[x % 3] += 1
    }
    try expectFits(thirds, [10_000, 10_000, 10_000])
    try expectFits(remainders, [10_000, 10_000, 10_000])
  }

  @Test(arguments: [0, 1, 2, 57])
  func permutationsContainEachOnce(count: Int) {
    var stream = RandomStream(seed: 4)
    #expect(stream.permutation(count).sorted() == Array(0..<count))
  }

  @Test(arguments: [(3, 6), (4, 24)])
  func permutationsAreUniform(count: Int, orders: Int) throws {
    var stream = RandomStream(seed: 12)
    var counts: [[Int]: Int] = [:]
    for _ in 0..<60_000 { counts[stream.permutation(count), default: 0] += 1 }
    #expect(counts.count == orders)
    try expectFits(Array(counts.values), [Double](repeating: 60_000 / Double(orders), count: orders))
  }

  @Test func noBoundIsRefused() async {
    await #expect(processExitsWith: .failure) {
      var stream = RandomStream(seed: 1)
      _ = stream.integer(below: 0)
    }
  }
}
