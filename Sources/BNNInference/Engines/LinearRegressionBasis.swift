import BNNDatasets
import BNNLinearAlgebra
import BNNPosteriors

/// y = b + xᵀw + ε. The array is kept in raw units with the column of ones first, so that nothing of the normalisation
/// is frozen: column means and scales are read off the array whenever a posterior is formed, and with it the posterior
/// is a function of all rows in any order.
public struct LinearRegressionBasis: LinearBasis {
  public let features: Int
  public let outputs: Int
  public let intercept: Bool
  let normalisation: Normalisation

  init(features: Int, outputs: Int, intercept: Bool, normalisation: Normalisation) {
    self.features = features
    self.outputs = outputs
    self.intercept = intercept
    self.normalisation = normalisation
  }

  public var weights: Int { features + unpenalised }
  public var responses: Int { outputs }
  public var priorMean: [Double]? { nil }
  public var unpenalised: Int { intercept ? 1 : 0 }
  /// Rows are no wider than the data's own, and long pieces may go through their Gram matrix.
  public var piece: Int { 4096 }

  /// [1 x y] in raw units.
  public func rows(features x: Matrix, targets y: Matrix) -> Matrix {
    let width = weights + outputs
    let (features, outputs, first) = (features, outputs, unpenalised)
    let storage = [Double](unsafeUninitializedCapacity: x.rows * width) { target, count in
      x.storage.withUnsafeBufferPointer { x in
        y.storage.withUnsafeBufferPointer { y in
          for i in 0..<(features > 0 || outputs > 0 ? target.count / max(1, width) : 0) {
            var place = target.baseAddress! + i * width
            if first == 1 { place.initialize(to: 1) }
            place += first
            if features > 0 { place.initialize(from: x.baseAddress! + i * features, count: features) }
            place += features
            if outputs > 0 { place.initialize(from: y.baseAddress! + i * outputs, count: outputs) }
          }
        }
      }
      count = target.count
    }
    return Matrix(rows: x.rows, columns: width, storage: storage)
  }

  /// [1 (x − centre)/scale].
  public func design(features x: Matrix) -> LinearDesign {
    var rows = Matrix(rows: x.rows, columns: weights)
    for i in 0..<x.rows {
      if intercept { rows[i, 0] = 1 }
      for j in 0..<features {
        rows[i, j + unpenalised] = (x[i, j] - normalisation.featureCenter[j]) / normalisation.featureScale[j]
      }
    }
    return LinearDesign(base: nil, rows: rows)
  }
}

/// Normalisation read off an information array in raw units.
extension LinearStatistics {
  /// Means R₀ⱼ/R₀₀ and standard deviations √(Σ_{i≥1} Rᵢⱼ²/n) of all columns, features first. Without an intercept the
  /// centre is 0 and the scale the root mean square. A column that is constant to rounding has scale 1.
  func columnScales(intercept: Bool) -> (center: [Double], scale: [Double]) {
    let first = intercept ? 1 : 0
    let a = array.array
    let n = effectiveObservations
    var centers: [Double] = []
    var scales: [Double] = []
    for j in first..<(weights + responses) {
      let lead = intercept && a.rows > 0 ? a[0, j] : 0
      var sum = 0.0
      for i in min(first, a.rows)..<a.rows { sum += a[i, j] * a[i, j] }
      // Rounding of the column's own norm, which is all that is left of a constant column after the rotations.
      let noise = Double(max(observations, weights)) * Double.ulpOfOne * (lead * lead + sum).squareRoot()
      let spread = sum.squareRoot()
      centers.append(intercept && a.rows > 0 ? lead / a[0, 0] : 0)
      scales.append(spread > noise && n > 0 ? spread / n.squareRoot() : 1)
    }
    return (centers, scales)
  }

  /// The normalisation of everything seen; identity scales for `--normalize none`.
  func normalisation(intercept: Bool, standardised: Bool) -> Normalisation {
    let d = weights - (intercept ? 1 : 0)
    guard standardised else { return .identity(features: d, targets: responses) }
    let (center, scale) = columnScales(intercept: intercept)
    return Normalisation(
      featureCenter: Array(center[..<d]), featureScale: Array(scale[..<d]), targetCenter: Array(center[d...]),
      targetScale: Array(scale[d...]))
  }
}

extension LinearSystem {
  /// The system of column-scaled, centred data: Φ′ = ΦM with M = [1 −c/s; 0 1/s], y′ = (y − c_y)/s_y. R′ = RM stays
  /// triangular, so this is exact algebra on R's entries, and with the data's own means row 0 decouples.
  func normalised(_ normalisation: Normalisation, response c: Int, intercept: Bool) -> LinearSystem {
    var result = self
    let first = intercept ? 1 : 0
    let scaleY = normalisation.targetScale[c]
    for i in 0..<root.rows {
      for j in max(first, i)..<max(first, weights) {
        let center = i == 0 && intercept ? normalisation.featureCenter[j - first] * root[0, 0] : 0
        result.root[i, j] = (root[i, j] - center) / normalisation.featureScale[j - first]
      }
      let center = i == 0 && intercept ? normalisation.targetCenter[c] * root[0, 0] : 0
      result.rightHandSide[i] = (rightHandSide[i] - center) / scaleY
    }
    result.residualSquares = residualSquares / (scaleY * scaleY)
    return result
  }
}
