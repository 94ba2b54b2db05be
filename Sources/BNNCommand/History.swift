import BNNInference
import BNNPosteriors

/// The branches of a lineage: which entry each one went on from, and which posteriors a merge put together.
struct History {
  let entries: [LineageEntry]
  /// Index of the entry whose posterior each one started from; −1 for none.
  let parents: [Int]
  /// Of a merge, the last entries of its posteriors (−1 or the parent's where one added nothing).
  let ends: [Int: [Int]]
  /// In how many merges' branches each entry is.
  let depths: [Int]

  init(_ lineage: [LineageEntry]) {
    entries = lineage
    var parents = lineage.indices.map { $0 - 1 }
    var ends: [Int: [Int]] = [:]
    var depths = lineage.map { _ in 0 }
    // Outer merges first: they say where the first branch of an inner one began.
    for i in lineage.indices.reversed() {
      guard lineage[i].merges, let counts = lineage[i].settings[LineageEntry.shardEntries]?.split(separator: ",") else {
        continue
      }
      let sizes = counts.compactMap { Int($0) }
      var start = i - sizes.reduce(0, +)
      guard start >= 0, sizes.allSatisfy({ $0 >= 0 }) else { continue }
      let base = start < i ? parents[start] : start - 1
      parents[i] = base
      for size in sizes {
        if size > 0 { parents[start] = base }
        for j in start..<(start + size) { depths[j] += 1 }
        ends[i, default: []].append(size > 0 ? start + size - 1 : base)
        start += size
      }
    }
    (self.parents, self.ends, self.depths) = (parents, ends, depths)
  }

  /// One line an entry, branches indented.
  var lines: [String] {
    entries.indices.map { i in
      let entry = entries[i]
      let what: String
      if let ends = ends[i] {
        what =
          "merge of updates \(ends.map { $0 < 0 ? "–" : String($0 + 1) }.joined(separator: ", "))"
          + (parents[i] >= 0 ? " since \(parents[i] + 1)" : "") + ", \(entry.rows) rows"
      } else {
        what = "\(entry.action), \(entry.rows) rows"
      }
      let branches = i > 0 && parents[i] != i - 1 && !entry.merges
      return String(repeating: "  ", count: depths[i] + 1) + "\(entry.number). \(what)"
        + (branches ? parents[i] < 0 ? ", apart" : ", from \(parents[i] + 1)" : "")
        + ", \(entry.method)"
        + (entry.timeRange.map { ", \($0.joined(separator: " to "))" } ?? "")
        + (entry.logEvidence.map {
          ", log evidence \(entry.method == Method.meanField.rawValue ? "at least " : "")\(readable($0)) nats"
        } ?? "") + (entry.label.map { " – \($0)" } ?? "") + (isForgotten(i) ? " (forgotten since)" : "")
    }
  }

  private func isForgotten(_ i: Int) -> Bool {
    let entry = entries[i]
    return !entry.forgets && !entry.merges && !entries.held.contains(entry)
  }
}
