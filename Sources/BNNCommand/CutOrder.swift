import ArgumentParser
import BNNDatasets
import BNNInference
import BNNProbability

/// How one file is cut into D1, D2 and test rows.
enum CutOrder: String, ExpressibleByArgument, CaseIterable {
  case random, feature, time

  /// What rows are ordered by; nil for at random.
  func keys(_ table: Dataset, axis: Int, time: String?, file: String) throws -> [Double]? {
    switch self {
    case .random: return nil
    case .feature: return (0..<table.rows).map { table.features[$0 * table.featureCount + axis] }
    case .time:
      guard time != nil, let texts = table.kept.first else { return (0..<table.rows).map(Double.init) }
      let numbers = texts.compactMap(Double.init)
      if numbers.count == texts.count { return numbers }
      // ISO dates sort as their texts do.
      var rank: [String: Double] = [:]
      for (place, text) in Set(texts).sorted().enumerated() { rank[text] = Double(place) }
      return texts.map { rank[$0] ?? 0 }
    }
  }

  /// A tenth of the rows at random for testing; of the others the lower half by key is D1.
  func split(_ rows: ComparisonRows, keys: [Double]?, seed: UInt64) -> ComparisonSplit {
    var stream = RandomStream(seed: seed).split(0x6375_74)
    let order = stream.permutation(rows.count)
    let tests = max(2, rows.count / 10)
    let test = Array(order.prefix(tests))
    var others = Array(order.dropFirst(tests))
    guard let keys else {
      let half = others.count / 2
      return ComparisonSplit(
        first: rows.gathering(Array(others[..<half])), second: rows.gathering(Array(others[half...])),
        test: rows.gathering(test))
    }
    // Equal keys by their place in the file, so that time goes on.
    others.sort { (keys[$0], $0) < (keys[$1], $1) }
    let half = others.count / 2
    let border = others[half]
    let isNew = test.map { (keys[$0], $0) >= (keys[border], border) }
    func part(_ wanted: Bool) -> ComparisonRows {
      rows.gathering(zip(test, isNew).filter { $0.1 == wanted }.map(\.0))
    }
    return ComparisonSplit(
      first: rows.gathering(Array(others[..<half])), second: rows.gathering(Array(others[half...])),
      test: rows.gathering(test), old: part(false), new: part(true), isNew: isNew)
  }
}
