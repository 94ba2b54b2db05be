import BNNInference
import BNNPosteriors

/// The branches of a lineage: which entry each one went on from, and which posteriors a merge put together.
struct History {
  let entries: [LineageEntry]
  /// Index of the entry whose posterior each one started from; −1 for none.
  let parents: [Int]
  /// Of a merge, the last entries of its posteriors (−1 or the parent's where one added nothing).
  let ends: [Int: [Int]]
  /// Of a merge, the entries that each of its posteriors added.
  let shards: [Int: [Range<Int>]]
  /// In how many merges' branches each entry is.
  let depths: [Int]

  init(_ lineage: [LineageEntry]) {
    entries = lineage
    var parents = lineage.indices.map { $0 - 1 }
    var ends: [Int: [Int]] = [:]
    var shards: [Int: [Range<Int>]] = [:]
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
        shards[i, default: []].append(start..<(start + size))
        ends[i, default: []].append(size > 0 ? start + size - 1 : base)
        start += size
      }
    }
    (self.parents, self.ends, self.shards, self.depths) = (parents, ends, shards, depths)
  }

  /// One line an entry, branches indented.
  var lines: [String] {
    let held = Set(entries.held.map(\.number))
    return entries.indices.map { i in line(i, isHeld: held.contains(entries[i].number)) }
  }

  private func line(_ i: Int, isHeld: Bool) -> String {
    let entry = entries[i]
    var what = "\(entry.action), \(entry.rows) rows"
    if let ends = ends[i] {
      let shards = ends.map { $0 < 0 ? "–" : String($0 + 1) }.joined(separator: ", ")
      what = "merge of updates \(shards)" + (parents[i] >= 0 ? " since \(parents[i] + 1)" : "") + ", \(entry.rows) rows"
    }
    if i > 0, parents[i] != i - 1, !entry.merges { what += parents[i] < 0 ? ", apart" : ", from \(parents[i] + 1)" }
    what += ", \(entry.method)"
    if let range = entry.timeRange { what += ", \(range.joined(separator: " to "))" }
    if let evidence = entry.logEvidence {
      what += ", log evidence \(entry.method == Method.meanField.rawValue ? "at least " : "")\(readable(evidence)) nats"
    }
    if let drift = entry.drift {
      what +=
        drift.reasons.isEmpty
        ? ", no drift (p = \(brief(drift.pValue)))"
        : ", drift of \(drift.reasons.prefix(6).joined(separator: ", "))\(drift.reasons.count > 6 ? ", …" : "") (p = \(brief(drift.pValue)))"
    }
    if let label = entry.label { what += " – \(label)" }
    let isForgotten = !isHeld && !entry.forgets && !entry.merges
    return String(repeating: "  ", count: depths[i] + 1) + "\(entry.number). \(what)"
      + (isForgotten ? " (forgotten since)" : "")
  }
}
