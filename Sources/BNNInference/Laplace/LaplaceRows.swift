import BNNDatasets
import BNNLinearAlgebra

/// A batch in memory, as a Laplace update needs it: rows are visited again and again. Inputs are kept normalised, in the
/// precision that the network is trained in.
struct LaplaceRows: Sendable {
  /// Networks beyond this many weights are trained, and their curvature taken, in single precision, at half the cost of a
  /// matrix product; up to it in double precision, so that the closed forms of linear models hold to rounding.
  static let doubleLimit = 2000

  private(set) var double: [Double] = []
  private(set) var single: [Float] = []
  let isSingle: Bool
  private(set) var targets: [Double] = []
  private(set) var weights: [Double]?
  private(set) var rows = 0

  init(parameters: Int) { isSingle = parameters > Self.doubleLimit }

  /// All rows of D1; the features' memory is used again where that can be.
  init(parameters: Int, taking batch: consuming CompactRows, relativeWeights: [Double]?, normalisation: Normalisation) {
    self.init(parameters: parameters)
    rows = batch.rows
    weights = relativeWeights
    targets = normalisation.targets(Matrix(rows: rows, columns: batch.targetCount, storage: batch.targets)).storage
    if isSingle {
      single = batch.takeNormalised(by: normalisation)
    } else {
      let features = Matrix(rows: rows, columns: batch.featureCount, storage: batch.takeFeatures())
      double = normalisation.features(features).storage
    }
  }

  /// Appends rows in their own units.
  mutating func append(
    features: Matrix, targets y: Matrix, relativeWeights: ArraySlice<Double>?, normalisation: Normalisation
  ) {
    if isSingle {
      single += normalisation.singlePrecision(features.storage)
    } else {
      double += normalisation.features(features).storage
    }
    targets += normalisation.targets(y).storage
    if let relativeWeights { weights = (weights ?? []) + relativeWeights }
    rows += features.rows
  }

  /// The same rows, each counting `factor` times as much.
  func weighing(_ factor: Double) -> LaplaceRows {
    guard factor != 1 else { return self }
    var result = self
    result.weights = (weights ?? [Double](repeating: 1, count: rows)).map { $0 * factor }
    return result
  }

  func targetMatrix(columns: Int) -> Matrix { Matrix(rows: rows, columns: columns, storage: targets) }

  /// Some of the rows, in this order.
  func gathering(_ indices: [Int], targets t: Int) -> LaplaceRows {
    func gathered<Value>(_ values: [Value], _ width: Int) -> [Value] {
      indices.flatMap { values[($0 * width)..<(($0 + 1) * width)] }
    }
    var result = self
    let d = (isSingle ? single.count : double.count) / max(1, rows)
    result.single = isSingle ? gathered(single, d) : []
    result.double = isSingle ? [] : gathered(double, d)
    result.targets = gathered(targets, t)
    result.weights = weights.map { gathered($0, 1) }
    result.rows = indices.count
    return result
  }
}
