#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Whether two samples may come from one distribution, by what a sketch of each still tells.
public enum TwoSampleTests {
  /// P(√n D > λ) of the Kolmogorov–Smirnov distance in the limit of large samples,
  ///
  ///     2 Σ_{j≥1} (−1)^{j−1} exp(−2j²λ²)  =  1 − √(2π)/λ Σ_{j≥1} exp(−(2j−1)²π²/(8λ²)),
  ///
  /// by the series that converges faster. GSL has none.
  public static func kolmogorovUpperTail(_ lambda: Double) -> Double {
    guard lambda > 0 else { return 1 }
    if lambda < 1.2 {
      let step = Double.pi * Double.pi / (8 * lambda * lambda)
      let sum = [1.0, 9, 25, 49, 81].reduce(0) { $0 + exp(-$1 * step) }
      return min(1, max(0, 1 - (2 * Double.pi).squareRoot() / lambda * sum))
    }
    var sum = 0.0
    for j in 1...10 {
      let size = Double(j) * lambda
      sum += (j % 2 == 1 ? 2.0 : -2.0) * exp(-2 * size * size)
    }
    return max(0, sum)
  }

  /// The p-value of the largest distance D between the distribution functions of samples of n and m: n and m need not be whole.
  /// With N = nm/(n + m), λ = (√N + 0.12 + 0.11/√N) D (Stephens 1970), good from N = 4 on. Where the functions are compared at
  /// some places only, it is too large: false alarms are rarer than it says.
  public static func kolmogorovSmirnov(distance d: Double, _ n: Double, _ m: Double) -> Double {
    guard n > 0, m > 0 else { return 1 }
    let root = (n * m / (n + m)).squareRoot()
    return kolmogorovUpperTail((root + 0.12 + 0.11 / root) * d)
  }

  /// The p-value of equal shares in bins, by χ² with one degree of freedom less than bins; bins are pooled from the rarest on
  /// until each may expect 5 of the smaller sample (by how many both have, so that the test stays one). Where that leaves one, by
  /// Fisher's exact test of the commonest bin against all others, twice its smaller tail.
  ///
  /// - Parameters:
  ///   - a, b: how many of each sample are in every bin.
  ///   - n, m: what the samples count as, if not for Σa and Σb.
  public static func homogeneity(
    _ a: [Double], _ b: [Double], effective n: Double? = nil, _ m: Double? = nil
  ) throws(GSLError) -> Double {
    precondition(a.count == b.count, "both samples are counted in the same bins")
    let (totalA, totalB) = (a.reduce(0, +), b.reduce(0, +))
    guard totalA > 0, totalB > 0 else { return 1 }
    let (n, m) = (n ?? totalA, m ?? totalB)
    typealias Bin = (a: Double, b: Double)
    let (scaleA, scaleB) = (n / totalA, m / totalB)
    var bins: [Bin] = a.indices.map { (a[$0] * scaleA, b[$0] * scaleB) }
    bins.removeAll { $0.a + $0.b <= 0 }
    bins.sort { $0.a + $0.b < $1.a + $1.b }
    guard bins.count > 1 else { return 1 }
    let needed = 5 * (n + m) / min(n, m)
    var groups: [Bin] = []
    var pooled: Bin = (0, 0)
    for bin in bins {
      pooled = (pooled.a + bin.a, pooled.b + bin.b)
      if pooled.a + pooled.b >= needed {
        groups.append(pooled)
        pooled = (0, 0)
      }
    }
    if let last = groups.indices.last {
      groups[last] = (groups[last].a + pooled.a, groups[last].b + pooled.b)
    }
    if groups.count < 2 {
      let largest = bins[bins.count - 1]
      return try fisher(n - largest.a, of: n, m - largest.b, of: m)
    }
    let share = n / (n + m)
    var sum = 0.0
    for group in groups {
      let total = group.a + group.b
      // Both samples miss what they may expect by the same number.
      let miss = group.a - total * share
      sum += miss * miss / (total * share) + miss * miss / (total * (1 - share))
    }
    return try Distributions.chiSquaredUpperTail(sum, degreesOfFreedom: Double(groups.count - 1))
  }

  /// Twice the smaller tail of the hypergeometric distribution, for x of n against y of m, rounded to whole numbers.
  private static func fisher(_ x: Double, of n: Double, _ y: Double, of m: Double) throws(GSLError) -> Double {
    func whole(_ value: Double) -> Int { Int(value.rounded()) }
    let (n, m) = (max(1, whole(n)), max(1, whole(m)))
    let (x, y) = (min(n, whole(x)), min(m, whole(y)))
    let upper = try Distributions.hypergeometricUpperTail(y, draws: m, marked: x + y, population: n + m)
    let lower = try Distributions.hypergeometricUpperTail(m - y, draws: m, marked: n + m - x - y, population: n + m)
    return min(1, 2 * min(upper, lower))
  }

  /// Which of several hypotheses are rejected if the chance of rejecting any true one is to stay below `level`, whatever the
  /// tests' dependence: the i-th smallest p-value while all before it were below level/(k − i + 1) (Holm 1979).
  public static func holm(_ pValues: [Double], level: Double) -> [Bool] {
    var rejected = pValues.map { _ in false }
    for (i, place) in pValues.indices.sorted(by: { pValues[$0] < pValues[$1] }).enumerated() {
      guard pValues[place] < level / Double(pValues.count - i) else { break }
      rejected[place] = true
    }
    return rejected
  }
}
