import BNNDatasets
import BNNPosteriors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension LineageEntry {
  /// Whether nothing was there before it: a network was trained, or came trained.
  public var isFirst: Bool { action == "fit" || action == "import" }
  /// Whether it took rows out again.
  public var forgets: Bool { action == "forget" }
  /// Whether it put posteriors together, whose entries stand before it.
  public var merges: Bool { action == "merge" }

  /// Under these names the settings of a merge hold how many entries each of its posteriors added, in order and separated by
  /// commas, and their digests.
  public static let shardEntries = "shard_entries"
  public static let shardDigests = "shard_digests"
  /// Settings of a filter's update under which earlier rows count less after it than before.
  static let discounts = [forgetting, "process_noise"]
  /// What earlier rows count since an update, once or (of a filter) before each of its rows.
  public static let forgetting = "forgetting"
}

extension Collection where Element == LineageEntry {
  /// What all rows count as: those before an update with `--forgetting` that many times (of a filter once a row).
  public var effectiveRows: Double {
    reduce(0.0) { sum, entry in
      guard !entry.merges else { return sum }
      guard !entry.forgets else { return Swift.max(0, sum - Double(entry.rows)) }
      let factor = entry.settings[LineageEntry.forgetting].flatMap(Double.init) ?? 1
      guard entry.method == Method.kalman.rawValue, factor < 1 else { return sum * factor + Double(entry.rows) }
      let all = pow(factor, Double(entry.rows))
      return sum * all + (1 - all) / (1 - factor)
    }
  }

  /// The entries whose rows the posterior holds: each `forget` takes the newest of its digest before it away.
  public var held: [LineageEntry] { settled.held }

  /// Entries that forgot rows which none of these entries brought.
  var unmatched: [LineageEntry] { settled.unmatched }

  private var settled: (held: [LineageEntry], unmatched: [LineageEntry]) {
    var held: [LineageEntry] = []
    var unmatched: [LineageEntry] = []
    for entry in self where !entry.merges {
      guard entry.forgets else {
        held.append(entry)
        continue
      }
      if let place = held.lastIndex(where: { $0.rowDigest == entry.rowDigest && $0.rows == entry.rows }) {
        held.remove(at: place)
      } else {
        unmatched.append(entry)
      }
    }
    return (held, unmatched)
  }

  /// The batches that are held and that together, one after another, are these rows; nil when none are. O(entries²).
  public func batches(rows: Int, digest: RowDigest) -> [LineageEntry]? {
    let held = held
    let run = held.firstRun { $0 == rows && $1 == digest ? $2 : nil }
    return run.map { Array(held[$0]) }
  }
}

extension Array where Element == LineageEntry {
  /// What `body` makes of the first run of neighbours of which it makes something; it is given the rows, the digest and the place
  /// of each.
  fileprivate func firstRun<T>(_ body: (Int, RowDigest, ClosedRange<Int>) -> T?) -> T? {
    let digests = map { RowDigest(hex: $0.rowDigest) }
    for first in indices {
      var (rows, digest) = (0, RowDigest())
      for last in first..<count {
        guard let own = digests[last] else { break }
        rows += self[last].rows
        digest.add(own)
        if let found = body(rows, digest, first...last) { return found }
      }
    }
    return nil
  }

  /// Batches, or runs of batches, that both hold: the first of each, as their entries here and there.
  func common(with other: [LineageEntry]) -> (here: [LineageEntry], there: [LineageEntry])? {
    let (own, others) = (held, other.held)
    var places: [RowDigest: (rows: Int, place: ClosedRange<Int>)] = [:]
    _ = own.firstRun { rows, digest, place -> Never? in
      if places[digest] == nil { places[digest] = (rows, place) }
      return nil
    }
    return others.firstRun { rows, digest, place in
      guard let here = places[digest], here.rows == rows else { return nil }
      return (Array(own[here.place]), Array(others[place]))
    }
  }
}
