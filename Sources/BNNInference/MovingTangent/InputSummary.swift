import BNNLinearAlgebra
import BNNPosteriors
import BNNProbability

/// Where the inputs seen so far lay, without any of them: a mixture of Gaussians in normalised units, and for every column
/// its range or, where it had few different values, those values. From it come the probes at which a moved network is
/// compared with what earlier rows said.
public struct InputSummary: Sendable, Equatable {
  public var mixture: GaussianMixture
  /// Per column the different values in ascending order if there were at most 64, else its least and largest value.
  public var levels: [[Double]]
  /// Per column, whether `levels` are all its values.
  public var isDiscrete: [Bool]

  /// Components at most: more follow the inputs more closely but come nearer to keeping rows. On one
  /// split each of concrete and energy 8 closed .85 and .92 of the gap in likelihood, 20 closed .90 and .97, and D1's inputs
  /// themselves .95 and .98.
  static let components = 20
  static let levelLimit = 64
  /// Rows beyond which a random choice of them is fitted.
  static let fittedRows = 4000

  public init(mixture: GaussianMixture, levels: [[Double]], isDiscrete: [Bool]) {
    precondition(levels.count == mixture.dimension && isDiscrete.count == levels.count, "one entry per column")
    self.mixture = mixture
    self.levels = levels
    self.isDiscrete = isDiscrete
  }

  /// Of normalised inputs (n × d), n > 0.
  init(of x: Matrix, from stream: RandomStream) throws {
    let seen = Self.thinned(x, from: stream.split(0))
    mixture = try GaussianMixture(
      fitting: seen, components: Self.componentCount(rows: x.rows, columns: x.columns), from: stream.split(1))
    (levels, isDiscrete) = ([], [])
    for j in 0..<x.columns {
      let (values, discrete) = Self.condensed(x.column(j))
      levels.append(values)
      isDiscrete.append(discrete)
    }
  }

  /// The summary of `rows` earlier inputs, which `self` stands for, and of x (n × d): a mixture fitted to draws from the
  /// old one, each weighted by the rows that it stands for, and to x.
  func merged(rows: Int, with x: Matrix, from stream: RandomStream) throws -> InputSummary {
    guard x.rows > 0 else { return self }
    let fresh = Self.thinned(x, from: stream.split(0))
    let drawn = probes(min(rows, Self.fittedRows), from: stream.split(1))
    var all = drawn.storage
    all.append(contentsOf: fresh.storage)
    let weights =
      [Double](repeating: Double(rows) / Double(drawn.rows), count: drawn.rows)
      + [Double](repeating: Double(x.rows) / Double(fresh.rows), count: fresh.rows)
    var result = self
    result.mixture = try GaussianMixture(
      fitting: Matrix(rows: drawn.rows + fresh.rows, columns: x.columns, storage: all), rowWeights: weights,
      components: Self.componentCount(rows: rows + x.rows, columns: x.columns), from: stream.split(2))
    for j in 0..<x.columns {
      let (values, discrete) = Self.condensed(x.column(j))
      let union = Self.condensed(levels[j] + values)
      result.isDiscrete[j] = isDiscrete[j] && discrete && union.isDiscrete
      result.levels[j] = result.isDiscrete[j] ? union.values : [union.values[0], union.values[union.values.count - 1]]
    }
    return result
  }

  /// `count` inputs like those seen (count × d): draws from the mixture, each cell moved to the nearest value that its
  /// column can have.
  func probes(_ count: Int, from stream: RandomStream) -> Matrix {
    var x = mixture.samples(count, from: stream)
    for j in 0..<x.columns {
      let own = levels[j]
      for i in 0..<count {
        let value = min(max(x[i, j], own[0]), own[own.count - 1])
        x[i, j] = isDiscrete[j] ? Self.nearest(to: value, in: own) : value
      }
    }
    return x
  }

  private static func componentCount(rows: Int, columns: Int) -> Int {
    max(1, min(components, rows / (2 * max(1, columns))))
  }

  private static func thinned(_ x: Matrix, from stream: RandomStream) -> Matrix {
    guard x.rows > fittedRows else { return x }
    var own = stream
    return x.gathering(own.permutation(x.rows)[..<fittedRows])
  }

  private static func condensed(_ column: [Double]) -> (values: [Double], isDiscrete: Bool) {
    let distinct = Set(column).sorted()
    return distinct.count <= levelLimit
      ? (distinct, true) : ([distinct[0], distinct[distinct.count - 1]], false)
  }

  /// The closest of ascending values, by bisection; of two equally close ones the lower.
  private static func nearest(to value: Double, in levels: [Double]) -> Double {
    var (low, high) = (0, levels.count - 1)
    while high - low > 1 {
      let middle = (low + high) / 2
      if levels[middle] <= value { low = middle } else { high = middle }
    }
    return value - levels[low] <= levels[high] - value ? levels[low] : levels[high]
  }
}
