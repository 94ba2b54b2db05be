import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// How much of the way from doing nothing to retraining a method goes, on paired splits:
///
///     G = 1 − Σ_s δ_s / Σ_s Δ_s,   Δ_s = score(D1 only) − score(union),   δ_s = score(update) − score(union)
///
/// a ratio of means over splits, never a mean of ratios and never clipped. Where there are fewer than `fewestSplits` splits the
/// bootstrap draws test rows, of all methods the same; else it draws splits.
struct PairedGap {
  static let fewestSplits = 5
  static let resamples = 1000

  /// Score of a split from what its rows give: their mean, or its root.
  private let isRoot: Bool
  private let stale: [[Double]]
  /// By split, then by seed.
  private let unions: [[[Double]]]
  private let stream: RandomStream
  let gap: ComparisonReport.Gap

  /// - Parameters:
  ///   - stale: by split, what every test row gives: a negative log-likelihood, a squared error, 0 or 1.
  ///   - unions: by split and seed; at least one seed.
  ///   - linear: by split, of linear regression on the union; nil where it was not asked.
  ///   - isRoot: whether a split's score is the root of the mean.
  init(stale: [[Double]], unions: [[[Double]]], linear: [[Double]]?, isRoot: Bool, stream: RandomStream) {
    self.stale = stale
    self.unions = unions
    self.isRoot = isRoot
    self.stream = stream
    let score = { (rows: [Double]) in Self.score(rows, isRoot: isRoot) }
    let reference = unions.map { $0.map(score) }
    let union = reference.map(Self.mean)
    let size = Self.mean(zip(stale, union).map { score($0) - $1 })
    let deviations = zip(reference, union).flatMap { own, mean in own.map { ($0 - mean) * ($0 - mean) } }
    let seeds = unions.first?.count ?? 0
    let freedom = unions.count * (seeds - 1)
    let error =
      freedom > 0
      ? (deviations.reduce(0, +) / Double(freedom) / Double(seeds * unions.count)).squareRoot() : 0
    let draws = Self.bootstrap(splits: stale.map(\.count), stream) { draw in
      Self.mean(
        draw.map { s, weights in
          Self.score(stale[s], weights, isRoot: isRoot)
            - Self.mean(unions[s].map { Self.score($0, weights, isRoot: isRoot) })
        })
    }
    let interval = Self.interval(draws)
    let isNone = !(interval.lowerBound > 0) || !(size > 2 * error)
    var ceiling: Double?
    if !isNone, seeds > 1 {
      let regret = reference.map { own in own[1] - Self.mean(own.enumerated().filter { $0.offset != 1 }.map(\.element))
      }
      ceiling = 1 - Self.mean(regret) / size
    }
    let weak = linear.map { Self.mean($0.map(score)) < Self.mean(union) } ?? false
    gap = ComparisonReport.Gap(
      size: size, interval: interval, unionError: error, isNone: isNone, ceiling: ceiling, isWeakReference: weak)
  }

  /// What a method closes; `rows` by split, the same rows in the same order.
  func closed(by rows: [[Double]]) -> ComparisonReport.GapClosed {
    let own = Self.mean(rows.map { Self.score($0, isRoot: isRoot) })
    let union = Self.mean(unions.map { Self.mean($0.map { Self.score($0, isRoot: isRoot) }) })
    // (own score, 1 − regret / gap) of every draw.
    let draws = Self.bootstrap(splits: stale.map(\.count), stream) { draw in
      var (score, regret, size) = (0.0, 0.0, 0.0)
      for (s, weights) in draw {
        let mine = Self.score(rows[s], weights, isRoot: isRoot)
        let reference = Self.mean(unions[s].map { Self.score($0, weights, isRoot: isRoot) })
        score += mine / Double(draw.count)
        regret += mine - reference
        size += Self.score(stale[s], weights, isRoot: isRoot) - reference
      }
      return (score: score, share: 1 - regret / size)
    }
    let mean = Self.mean(draws.map(\.score))
    let variance = Self.mean(draws.map { ($0.score - mean) * ($0.score - mean) })
    return ComparisonReport.GapClosed(
      score: own, standardError: variance.squareRoot(), regret: own - union,
      share: gap.isNone ? nil : 1 - (own - union) / gap.size,
      interval: gap.isNone ? nil : Self.interval(draws.map(\.share)))
  }

  /// The union's own: the mean over its seeds.
  var ofUnion: ComparisonReport.GapClosed {
    let scores = unions.map { Self.mean($0.map { Self.score($0, isRoot: isRoot) }) }
    let draws = Self.bootstrap(splits: stale.map(\.count), stream) { draw in
      Self.mean(draw.map { s, weights in Self.mean(unions[s].map { Self.score($0, weights, isRoot: isRoot) }) })
    }
    let mean = Self.mean(draws)
    return ComparisonReport.GapClosed(
      score: Self.mean(scores), standardError: Self.mean(draws.map { ($0 - mean) * ($0 - mean) }).squareRoot(),
      regret: 0, share: gap.isNone ? nil : 1, interval: gap.isNone ? nil : 1...1)
  }

  /// A statistic of every resample: the splits drawn and how often each of their rows was.
  private static func bootstrap<T>(
    splits: [Int], _ stream: RandomStream, _ statistic: ([(split: Int, weights: [Double]?)]) -> T
  ) -> [T] {
    (0..<resamples).map { index in
      var own = stream.split(UInt64(index))
      guard splits.count < fewestSplits else {
        return statistic(splits.indices.map { _ in (own.integer(below: splits.count), nil) })
      }
      return statistic(
        splits.enumerated().map { s, rows in
          var counts = [Double](repeating: 0, count: rows)
          for _ in 0..<rows { counts[own.integer(below: rows)] += 1 }
          return (s, counts)
        })
    }
  }

  static func score(_ rows: [Double], _ weights: [Double]? = nil, isRoot: Bool) -> Double {
    var sum = 0.0
    if let weights {
      for i in rows.indices where weights[i] > 0 { sum += weights[i] * rows[i] }
    } else {
      for value in rows { sum += value }
    }
    let mean = sum / Double(max(1, rows.count))
    return isRoot ? mean.squareRoot() : mean
  }

  private static func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(1, values.count)) }

  /// From the 5th to the 95th of a hundred.
  private static func interval(_ values: [Double]) -> ClosedRange<Double> {
    let sorted = values.map { $0.isNaN ? -.infinity : $0 }.sorted()
    let (low, high) = (sorted[sorted.count / 20], sorted[sorted.count - 1 - sorted.count / 20])
    return low...high
  }
}
