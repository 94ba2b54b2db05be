/// A sample of the rows that were seen, by fingerprint, of bounded size whatever their number: enough to say about how many rows
/// of another batch were among them.
///
/// It keeps the fingerprints below a bound τ, and how often each came: with hashes for fingerprints every different row is in
/// the sample with probability τ, independently of the others. When more than `capacity` are below it, τ comes down to the
/// largest and that one goes (Bar-Yossef et al. 2002, "Counting distinct elements in a data stream"; the k smallest of a hash, as
/// Broder 1997). Sketches of several sets add, so that the sketch of a union is as good as one made in one pass; and a sum over
/// rows in the sample, divided by τ, is unbiased for that over all rows (Horvitz and Thompson 1952; for the bound that depends on the
/// sample: Cohen and Kaplan 2007).
///
/// What it reveals: whoever has a row can tell whether it was seen, if it is in the sample. The rows cannot be read from it, unless
/// there are so few possible ones that all can be tried.
public struct RowSketch: Sendable, Equatable {
  /// Rows of the sample at most: 8 kilobytes in a file, 16 more where all of them came several times.
  public static let capacity = 1024
  /// Fingerprints are whole numbers below this, the 53 highest bits of the row's digest: a file's numbers are doubles.
  public static let range: UInt64 = 1 << 53

  /// All fingerprints below it are here. `range` · τ.
  public private(set) var bound: UInt64
  /// How often each came, 1 or more.
  public private(set) var counts: [UInt64: Int] = [:]

  /// Of no rows.
  public init() { bound = Self.range }

  /// Of no rows, to be compared with another: nothing is kept that the other cannot know.
  public init(comparableTo other: RowSketch) { bound = other.bound }

  /// From what a file holds; nil unless the fingerprints are below the bound, no more than `capacity`, and came at least once.
  public init?(bound: UInt64, counts: [UInt64: Int]) {
    guard bound <= Self.range, counts.count <= Self.capacity, counts.allSatisfy({ $0.key < bound && $0.value > 0 })
    else { return nil }
    self.bound = bound
    self.counts = counts
  }

  /// τ: the share of all different rows that is in the sample.
  public var rate: Double { Double(bound) / Double(Self.range) }

  /// Adds a row; `settle` follows the last. O(log capacity) on average where it enters the sample, else O(1).
  @inline(__always) public mutating func add(_ hash: RowHash) {
    let fingerprint = hash.high >> 11
    if fingerprint < bound { insert(fingerprint, count: 1) }
  }

  private mutating func insert(_ fingerprint: UInt64, count: Int) {
    counts[fingerprint, default: 0] += count
    if counts.count > 2 * Self.capacity { settle() }
  }

  /// Brings the sample down to `capacity` after rows were added one by one, for which there is room of as many more.
  public mutating func settle() {
    guard counts.count > Self.capacity else { return }
    lower(to: counts.keys.sorted()[Self.capacity])
  }

  private mutating func lower(to other: UInt64) {
    guard other < bound else { return }
    bound = other
    counts = counts.filter { $0.key < other }
  }

  /// Adds the rows of another sketch.
  public mutating func add(_ other: RowSketch) {
    lower(to: other.bound)
    for (fingerprint, count) in other.counts where fingerprint < bound { insert(fingerprint, count: count) }
    settle()
  }

  /// With the rows of another; as it is where there is none.
  public func with(_ other: RowSketch?) -> RowSketch {
    guard let other else { return self }
    var result = self
    result.add(other)
    return result
  }

  /// Takes rows out again that had been added, each `times` times.
  public mutating func remove(_ other: RowSketch, times: Int = 1) {
    settle()
    lower(to: other.bound)
    for (fingerprint, count) in other.counts where fingerprint < bound {
      guard let own = counts[fingerprint] else { continue }
      counts[fingerprint] = own > times * count ? own - times * count : nil
    }
  }
}
