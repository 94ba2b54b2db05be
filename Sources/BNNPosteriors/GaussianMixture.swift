import BNNLinearAlgebra
import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A density Σ_k π_k N(μ_k, C_k) with full covariances: what is kept of *where* rows lay, when the rows themselves are not
/// kept.
///
/// Fitted by expectation–maximisation (Dempster, Laird & Rubin 1977; Bishop 2006, section 9.2.2) with 1e-4 of every column's
/// variance added to the diagonals of the covariances, which keeps columns that are constant or collinear from making one
/// singular.
public struct GaussianMixture: Sendable, Equatable {
  /// π_k > 0, sum 1.
  public let weights: [Double]
  /// μ_k as rows, K × d.
  public let means: Matrix
  /// R_k with R_kᵀR_k = C_k, d × d.
  public let factors: [TriangularFactor]

  /// What is added to the diagonal of every covariance, over the columns' variances.
  static let relativeRidge = 1e-4
  static let starts = 2
  static let centreSteps = 10
  static let steps = 50

  public init(weights: [Double], means: Matrix, factors: [TriangularFactor]) {
    precondition(
      !weights.isEmpty && weights.count == means.rows && weights.count == factors.count, "one of each per component")
    precondition(factors.allSatisfy { $0.dimension == means.columns }, "covariances must be d × d")
    self.weights = weights
    self.means = means
    self.factors = factors
  }

  /// K.
  public var components: Int { weights.count }
  /// d.
  public var dimension: Int { means.columns }

  /// Fits K components to weighted rows (n × d); the best in likelihood of two starts. O(steps · n · K · d²).
  ///
  /// - Parameter rowWeights: how many rows each stands for; nil is 1.
  /// - Throws: `LinearAlgebraError` for rows that are not finite.
  public init(
    fitting rows: Matrix, rowWeights: [Double]? = nil, components k: Int, from stream: RandomStream
  ) throws(LinearAlgebraError) {
    precondition(rows.rows > 0 && rows.columns > 0 && k > 0, "a mixture needs rows, columns and components")
    let weights = rowWeights ?? [Double](repeating: 1, count: rows.rows)
    var best: (mixture: GaussianMixture, value: Double)?
    for start in 0..<Self.starts {
      var own = stream.split(UInt64(start))
      let centres = Self.centres(rows, weights, min(k, rows.rows), &own)
      let found = try Self.maximise(rows, weights, centres)
      if best.map({ found.value > $0.value }) ?? true { best = found }
    }
    guard let best else { preconditionFailure("there is at least one start") }
    self = best.mixture
  }

  /// `count` draws (count × d). Draw i uses the child stream i.
  public func samples(_ count: Int, from stream: RandomStream) -> Matrix {
    var result = Matrix(rows: count, columns: dimension)
    for i in 0..<count {
      var own = stream.split(UInt64(i))
      let u = own.uniform()
      var k = 0
      var cumulative = weights[0]
      while k + 1 < components, u >= cumulative {
        k += 1
        cumulative += weights[k]
      }
      let upper = factors[k].upper
      let step = upper.multiplied(by: own.normals(dimension), transposed: true)
      for j in 0..<dimension { result[i, j] = means[k, j] + step[j] }
    }
    return result
  }

  // MARK: Fitting

  /// log π_k + log N(x_i; μ_k, C_k), n × K.
  func logJoint(_ rows: Matrix) -> Matrix {
    let d = dimension
    var result = Matrix(rows: rows.rows, columns: components)
    for k in 0..<components {
      var centred = rows
      for i in 0..<rows.rows { for j in 0..<d { centred.storage[i * d + j] -= means.storage[k * d + j] } }
      factors[k].whiten(&centred)
      let constant = log(weights[k]) - 0.5 * (Double(d) * logTwoPi + factors[k].logDeterminant)
      for (i, square) in centred.squaredRowNorms.enumerated() {
        result.storage[i * components + k] = constant - 0.5 * square
      }
    }
    return result
  }

  /// Lloyd's k-means from random rows: K × d centres, none without rows.
  private static func centres(
    _ rows: Matrix, _ weights: [Double], _ k: Int, _ stream: inout RandomStream
  ) -> (means: Matrix, share: [Double]) {
    let d = rows.columns
    var means = rows.gathering(stream.permutation(rows.rows)[0..<k])
    var share = [Double](repeating: 1, count: k)
    for _ in 0..<centreSteps {
      var sums = Matrix(rows: k, columns: d)
      share = [Double](repeating: 0, count: k)
      for i in 0..<rows.rows {
        var (nearest, least) = (0, Double.infinity)
        for c in 0..<k {
          var square = 0.0
          for j in 0..<d {
            let t = rows.storage[i * d + j] - means.storage[c * d + j]
            square += t * t
          }
          if square < least { (nearest, least) = (c, square) }
        }
        share[nearest] += weights[i]
        for j in 0..<d { sums.storage[nearest * d + j] += weights[i] * rows.storage[i * d + j] }
      }
      for c in 0..<k where share[c] > 0 { for j in 0..<d { means[c, j] = sums[c, j] / share[c] } }
    }
    let kept = share.indices.filter { share[$0] > 0 }
    return (means.gathering(kept[...]), kept.map { share[$0] })
  }

  private static func maximise(
    _ rows: Matrix, _ weights: [Double], _ start: (means: Matrix, share: [Double])
  ) throws(LinearAlgebraError) -> (mixture: GaussianMixture, value: Double) {
    let total = weights.reduce(0, +)
    let ridge = ridge(rows, weights, total: total)
    let whole = try moments(rows, weights, total: total, ridge: ridge)
    var mixture = GaussianMixture(
      weights: start.share.map { $0 / total }, means: start.means,
      factors: [TriangularFactor](repeating: whole.factor, count: start.share.count))
    var value = -Double.infinity
    for _ in 0..<steps {
      guard let next = try mixture.improved(on: rows, weights, ridge: ridge) else { break }
      (mixture, value) = next
    }
    return (mixture, value)
  }

  /// One step of expectation–maximisation from here: the mixture after it, and the weighted log likelihood before it, nats.
  /// But for the ridge, and for components that are given up, the likelihood never falls. Nil when no component explains
  /// a row.
  func improved(
    on rows: Matrix, _ rowWeights: [Double], ridge: [Double]
  ) throws(LinearAlgebraError) -> (mixture: GaussianMixture, value: Double)? {
    var joint = logJoint(rows)
    let k = components
    var value = 0.0
    for i in 0..<rows.rows {
      let range = (i * k)..<((i + 1) * k)
      let highest = joint.storage[range].max() ?? 0
      let sum = joint.storage[range].reduce(0) { $0 + exp($1 - highest) }
      value += rowWeights[i] * (highest + log(sum))
      for t in range { joint.storage[t] = rowWeights[i] * exp(joint.storage[t] - highest) / sum }
    }
    let parts = (0..<k).map { c in
      let own = joint.column(c)
      return (rows: own, mass: own.reduce(0, +))
    }
    // A component that explains less than one row is given up.
    let least = min(1, 0.5 * rowWeights.reduce(0, +))
    let kept = parts.filter { $0.mass >= least }
    guard !kept.isEmpty else { return nil }
    let mass = kept.reduce(0) { $0 + $1.mass }
    var found: [(mean: [Double], factor: TriangularFactor)] = []
    for part in kept { found.append(try Self.moments(rows, part.rows, total: part.mass, ridge: ridge)) }
    let mixture = GaussianMixture(
      weights: kept.map { $0.mass / mass }, means: Matrix(found.map(\.mean)), factors: found.map(\.factor))
    return (mixture, value)
  }

  /// `relativeRidge` of every column's variance, or of 1 where a column is constant.
  static func ridge(_ rows: Matrix, _ weights: [Double], total: Double) -> [Double] {
    let mean = rows.multiplied(by: weights, transposed: true).map { $0 / total }
    return (0..<rows.columns).map { j in
      var sum = 0.0
      for i in 0..<rows.rows {
        let t = rows.storage[i * rows.columns + j] - mean[j]
        sum += weights[i] * t * t
      }
      // Below this a variance is a constant column's rounding, or has no square root to divide by.
      let variance = sum / total
      return relativeRidge * (variance > 1e-30 * mean[j] * mean[j] && variance > 1e-200 ? variance : 1)
    }
  }

  /// Weighted mean and covariance with the ridge on its diagonal.
  private static func moments(
    _ rows: Matrix, _ weights: [Double], total: Double, ridge: [Double]
  ) throws(LinearAlgebraError) -> (mean: [Double], factor: TriangularFactor) {
    let d = rows.columns
    let mean = rows.multiplied(by: weights, transposed: true).map { $0 / total }
    var centred = rows
    for i in 0..<rows.rows {
      let root = (weights[i] / total).squareRoot()
      for j in 0..<d { centred.storage[i * d + j] = root * (centred.storage[i * d + j] - mean[j]) }
    }
    var gram = centred.gram
    for j in 0..<d { gram[j, j] += ridge[j] }
    return (mean, try TriangularFactor(choleskyOf: gram))
  }
}
