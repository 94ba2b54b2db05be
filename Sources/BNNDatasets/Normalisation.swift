/// The shift and scale of each column, fitted on the first data and then frozen. The inputs of a category are columns
/// like every other: a prior on normalised weights then expects of each level the same share of the target's variance.
///
///     normalised = (value − center) / scale
public struct Normalisation: Codable, Hashable, Sendable {
  /// In the units of the features; one for each.
  public var featureCenter: [Double]
  /// Positive, in the units of the features; one for each.
  public var featureScale: [Double]
  /// In the units of the targets; one for each.
  public var targetCenter: [Double]
  /// Positive, in the units of the targets; one for each.
  public var targetScale: [Double]
  /// The mean row weight of the first data, by which a network divides all weights; nil: weights count as they are.
  public var weightScale: Double?
  /// True where all features share one center and one scale, as pixels do; nil: each has its own.
  public var isPooled: Bool?

  public init(
    featureCenter: [Double], featureScale: [Double], targetCenter: [Double], targetScale: [Double],
    weightScale: Double? = nil, isPooled: Bool? = nil
  ) {
    self.isPooled = isPooled
    precondition(featureCenter.count == featureScale.count, "each feature has a center and a scale")
    precondition(targetCenter.count == targetScale.count, "each target has a center and a scale")
    self.featureCenter = featureCenter
    self.featureScale = featureScale
    self.targetCenter = targetCenter
    self.targetScale = targetScale
    self.weightScale = weightScale
  }

  /// Leaves every number as it is.
  public static func identity(features: Int, targets: Int) -> Normalisation {
    Normalisation(
      featureCenter: Array(repeating: 0, count: features), featureScale: Array(repeating: 1, count: features),
      targetCenter: Array(repeating: 0, count: targets), targetScale: Array(repeating: 1, count: targets))
  }

  /// The mean of each column and its population standard deviation; at least one row. Row weights do not enter these, but
  /// their mean is kept.
  ///
  ///     center = (1/n) Σ xᵢ        scale = √((1/n) Σ (xᵢ − center)²)
  ///
  /// A column whose values are all equal has that value as center and the scale 1. Two passes, the sums compensated,
  /// in units of a power of two near the largest magnitude: neither a large common offset nor very large or very small
  /// numbers cost digits.
  ///
  /// Targets that are counts or classes stay as they are: center 0, scale 1.
  ///
  /// - Complexity: O(rows × columns).
  public static func fit(
    _ data: Dataset, rule: NormalisationRule = .standard, targetKind: TargetKind = .number
  ) -> Normalisation {
    fit(
      features: data.features, targets: data.targets, rows: data.rows, weights: data.weights, rule: rule,
      targetKind: targetKind)
  }

  static func fit<T: BinaryFloatingPoint>(
    features values: [T], targets: [Double], rows: Int, weights: [Double]?, rule: NormalisationRule,
    targetKind: TargetKind
  ) -> Normalisation {
    precondition(rows > 0, "a normalisation is fitted on at least one row")
    let (inputs, outputs) = (values.count / rows, targets.count / rows)
    guard rule != .none else { return .identity(features: inputs, targets: outputs) }
    let features =
      rule == .pixel
      ? pooledMoments(of: values, columns: inputs) : moments(of: values, columns: inputs, rows: rows)
    let responses: (center: [Double], scale: [Double]) =
      targetKind == .number
      ? moments(of: targets, columns: outputs, rows: rows)
      : (Array(repeating: 0, count: outputs), Array(repeating: 1, count: outputs))
    return Normalisation(
      featureCenter: features.center, featureScale: features.scale, targetCenter: responses.center,
      targetScale: responses.scale, weightScale: weights.map { $0.reduce(0, +) / Double($0.count) },
      isPooled: rule == .pixel ? true : nil)
  }

  /// The data in normalised units. Column counts must agree, except that data without targets stay without.
  public func applied(to data: Dataset) -> Dataset {
    precondition(data.featureCount == featureCenter.count, "the data have the features of the normalisation")
    precondition(
      data.targetCount == 0 || data.targetCount == targetCenter.count, "the data have the targets of the normalisation")
    return Dataset(
      features: Self.standardised(data.features, featureCenter, featureScale), featureCount: data.featureCount,
      targets: data.targetCount == 0 ? [] : Self.standardised(data.targets, targetCenter, targetScale),
      targetCount: data.targetCount, rows: data.rows, rowNumbers: data.rowNumbers, weights: data.weights,
      kept: data.kept)
  }

  private static func standardised(_ values: [Double], _ center: [Double], _ scale: [Double]) -> [Double] {
    var result = values
    let columns = center.count
    guard columns > 0 else { return result }
    for row in 0..<values.count / columns {
      for column in 0..<columns {
        result[row * columns + column] = (values[row * columns + column] - center[column]) / scale[column]
      }
    }
    return result
  }

  private static func moments<T: BinaryFloatingPoint>(
    of values: [T], columns: Int, rows: Int
  ) -> (center: [Double], scale: [Double]) {
    var least = values.prefix(columns).map { Double($0) }
    var most = least
    for row in 1..<max(rows, 1) {
      for column in 0..<columns {
        least[column] = min(least[column], Double(values[row * columns + column]))
        most[column] = max(most[column], Double(values[row * columns + column]))
      }
    }
    // Powers of two, so that changing the unit rounds nothing that matters.
    let unit = (0..<columns).map { column in
      let largest = max(abs(least[column]), abs(most[column]))
      return largest < .leastNormalMagnitude ? .leastNormalMagnitude : largest.binade
    }
    let count = Double(rows)

    var sums = CompensatedSums(count: columns)
    for row in 0..<rows {
      for column in 0..<columns { sums.add(Double(values[row * columns + column]) / unit[column], to: column) }
    }
    let mean = (0..<columns).map { sums[$0] / count }

    var squares = CompensatedSums(count: columns)
    var rests = CompensatedSums(count: columns)
    for row in 0..<rows {
      for column in 0..<columns {
        let deviation = Double(values[row * columns + column]) / unit[column] - mean[column]
        squares.add(deviation * deviation, to: column)
        rests.add(deviation, to: column)
      }
    }
    var center = least
    var scale = Array(repeating: 1.0, count: columns)
    for column in 0..<columns where least[column] < most[column] {
      center[column] = mean[column] * unit[column]
      // What the rounding of the mean left over is taken out again.
      let variance = (squares[column] - rests[column] * rests[column] / count) / count
      let deviation = max(variance, 0).squareRoot() * unit[column]
      scale[column] = deviation > 0 ? deviation : 1
    }
    return (center, scale)
  }
}

/// How the shift and scale of features are found.
public enum NormalisationRule: String, Codable, Sendable, CaseIterable {
  /// For each column its mean and population standard deviation.
  case standard
  /// One mean and one deviation of all columns together, for images. A pixel p as p/255, less the mean of all p/255, by
  /// their deviation, is (p − mean)/deviation: the 255 cancels.
  case pixel
  /// Every number stays as it is.
  case none
}

/// Sums that carry along what rounding loses (Neumaier 1974, "Rundungsfehleranalyse einiger Verfahren zur Summation
/// endlicher Summen").
struct CompensatedSums {
  private var sums: [Double]
  private var losses: [Double]

  init(count: Int) {
    sums = Array(repeating: 0, count: count)
    losses = sums
  }

  subscript(index: Int) -> Double { sums[index] + losses[index] }

  mutating func add(_ value: Double, to index: Int) {
    let sum = sums[index]
    let total = sum + value
    losses[index] += abs(sum) >= abs(value) ? (sum - total) + value : (value - total) + sum
    sums[index] = total
  }
}
