import BNNDatasets
import BNNPosteriors

extension LineageEntry {
  /// Whether it took rows out again.
  public var forgets: Bool { action == "forget" }
  /// Whether it put posteriors together, whose entries stand before it.
  public var merges: Bool { action == "merge" }

  /// Under these names the settings of a merge hold how many entries each of its posteriors added, in order and separated by
  /// commas, and their digests.
  public static let shardEntries = "shard_entries"
  public static let shardDigests = "shard_digests"
  /// Settings of a filter's update under which earlier rows count less after it than before.
  static let discounts = ["forgetting", "process_noise"]
}

extension Collection where Element == LineageEntry {
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
    held.runs.first { $0.rows == rows && $0.digest == digest }?.entries
  }
}

extension Array where Element == LineageEntry {
  /// Every run of neighbours with the rows and the digest of all of them.
  fileprivate var runs: [(rows: Int, digest: RowDigest, entries: [LineageEntry])] {
    var result: [(rows: Int, digest: RowDigest, entries: [LineageEntry])] = []
    for first in indices {
      var (rows, digest) = (0, RowDigest())
      for last in first..<count {
        guard let own = RowDigest(hex: self[last].rowDigest) else { break }
        rows += self[last].rows
        digest.add(own)
        result.append((rows, digest, Array(self[first...last])))
      }
    }
    return result
  }

  /// Batches, or runs of batches, that both hold: the first of each, as their entries here and there.
  func common(with other: [LineageEntry]) -> (here: [LineageEntry], there: [LineageEntry])? {
    let own = Dictionary(held.runs.map { ($0.digest, $0.entries) }, uniquingKeysWith: { first, _ in first })
    for run in other.held.runs {
      guard let here = own[run.digest], here.reduce(0, { $0 + $1.rows }) == run.rows else { continue }
      return (here, run.entries)
    }
    return nil
  }
}
