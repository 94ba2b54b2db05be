/// A seeded, splittable stream of random bits: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as
/// 1, 2, 3"), a counter-based generator.
///
/// The key is the seed; the 128-bit counter is a 64-bit block number and the 64-bit name of the substream. Streams with different keys or
/// substreams are independent for every practical purpose, so the i-th sample of a run can have a stream of its own and
/// results do not depend on how work is scheduled. The standard library's algorithms over generators
/// (`Double.random(in:using:)`, `shuffle(using:)`) are not used: their results may change between Swift versions.
public struct RandomStream: RandomNumberGenerator, Sendable, Equatable {
  /// The user's seed.
  public let seed: UInt64
  /// The 64-bit name of this substream, a hash of the path of splits that led to it.
  public let substream: UInt64
  private var counter: UInt64 = 0
  private var buffered: UInt64 = 0
  private var hasBuffered = false

  /// The root stream of a seed.
  public init(seed: UInt64) { self.init(seed: seed, substream: 0) }

  private init(seed: UInt64, substream: UInt64) {
    self.seed = seed
    self.substream = substream
  }

  /// The child stream with this index; the parent does not move, so splitting is a pure function of (seed, path).
  public func split(_ index: UInt64) -> RandomStream {
    let key = (UInt32(truncatingIfNeeded: substream), UInt32(truncatingIfNeeded: substream >> 32))
    // The marker keeps the counters that name substreams apart from those that draw numbers.
    let block = Philox.block(
      counter: (UInt32(truncatingIfNeeded: index), UInt32(truncatingIfNeeded: index >> 32), 0x7370_6c69, 0x7400_0001),
      key: key)
    return RandomStream(seed: seed, substream: UInt64(block.0) | UInt64(block.1) << 32)
  }

  /// 64 random bits.
  public mutating func next() -> UInt64 {
    if hasBuffered {
      hasBuffered = false
      return buffered
    }
    let block = Philox.block(
      counter: (
        UInt32(truncatingIfNeeded: counter), UInt32(truncatingIfNeeded: counter >> 32),
        UInt32(truncatingIfNeeded: substream), UInt32(truncatingIfNeeded: substream >> 32)
      ),
      key: (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
    counter &+= 1
    buffered = UInt64(block.2) | UInt64(block.3) << 32
    hasBuffered = true
    return UInt64(block.0) | UInt64(block.1) << 32
  }

  /// The first of `count` blocks that the stream has not used, and now has.
  mutating func takeBlocks(_ count: Int) -> UInt64 {
    defer { counter &+= UInt64(count) }
    return counter
  }

  /// Uniform on [0, 1): the top 53 bits.
  public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Uniform on 0 ..< bound, exactly (Lemire's multiplication with rejection).
  public mutating func integer(below bound: Int) -> Int {
    precondition(bound > 0, "the bound must be positive")
    let range = UInt64(bound)
    var product = next().multipliedFullWidth(by: range)
    if product.low < range {
      let threshold = (0 &- range) % range
      while product.low < threshold { product = next().multipliedFullWidth(by: range) }
    }
    return Int(product.high)
  }

  /// A uniformly random order of 0 ..< count (Fisher–Yates).
  public mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    guard count > 1 else { return order }
    for i in stride(from: count - 1, to: 0, by: -1) { order.swapAt(i, integer(below: i + 1)) }
    return order
  }
}

/// Philox4x32 with 10 rounds; constants of Salmon et al. 2011.
enum Philox {
  typealias Counter = (UInt32, UInt32, UInt32, UInt32)

  static func block(counter: Counter, key: (UInt32, UInt32)) -> Counter {
    var (x0, x1, x2, x3) = counter
    var (k0, k1) = key
    for _ in 0..<10 {
      let a = UInt64(0xD251_1F53) &* UInt64(x0)
      let b = UInt64(0xCD9E_8D57) &* UInt64(x2)
      (x0, x1, x2, x3) = (
        UInt32(truncatingIfNeeded: b >> 32) ^ x1 ^ k0, UInt32(truncatingIfNeeded: b),
        UInt32(truncatingIfNeeded: a >> 32) ^ x3 ^ k1, UInt32(truncatingIfNeeded: a)
      )
      k0 = k0 &+ 0x9E37_79B9
      k1 = k1 &+ 0xBB67_AE85
    }
    return (x0, x1, x2, x3)
  }
}
