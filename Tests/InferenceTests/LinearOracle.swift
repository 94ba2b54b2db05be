import BNNInference
import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport
import Foundation

/// The posterior of a linear regression in the data's own units, by the closed form of all rows at given κ:
/// slopes βⱼ ~ N(0, σ²/(κ sⱼ²)), intercept flat, σ²/s_y² ~ IG(a₀, b₀) or known, s the population standard deviations.
struct LinearOracle {
  let phi: [[Wide]]
  let y: [Wide]
  let penalties: [Wide]
  let ridge: Dense.Ridge
  let noise: NoiseBelief
  /// Of the design with columns scaled to norm 1, on top of the prior's rows.
  let condition: Double

  init(_ rows: Rows, target c: Int, intercept: Bool, standardised: Bool = true, response: LinearResponse) throws {
    let (n, d) = (rows.count, rows.x.columns)
    phi = (0..<n).map { i in (intercept ? [1] : []) + rows.x.row(i).map { Wide($0) } }
    y = rows.y.column(c).map { Wide($0) }
    let scales = (0..<d).map { standardised ? Self.spread(rows.x.column($0).map { Wide($0) }, centred: intercept) : 1 }
    let scaleY = standardised ? Self.spread(y, centred: intercept) : 1
    penalties = (intercept ? [0] : []) + scales.map { Wide(response.ratio) * $0 * $0 }
    ridge = Dense.ridge(phi, y, penalties: penalties)
    switch response.noisePrior {
    case .known(let variance):
      noise = .known(variance: variance * Double(scaleY * scaleY))
    case .inverseGamma(let a, let b):
      let flat = response.ratio == 0 ? d + (intercept ? 1 : 0) : intercept ? 1 : 0
      noise = .inverseGamma(
        shape: a + 0.5 * Double(n - flat), rate: b * Double(scaleY * scaleY) + 0.5 * Double(ridge.squares))
    }
    var stacked = phi.map { $0.map { Double($0) } }
    for (j, penalty) in penalties.enumerated() where penalty > 0 {
      stacked.append(penalties.indices.map { $0 == j ? Double(penalty.squareRoot()) : 0 })
    }
    var matrix = Matrix(stacked)
    for j in 0..<matrix.columns {
      let length = euclideanNorm(Array(matrix.column(j)[..<n]))
      if length > 0 { for i in 0..<matrix.rows { matrix[i, j] /= length } }
    }
    let values = try SingularValueDecomposition(of: matrix).singularValues
    condition = values[0] / values[values.count - 1]
  }

  /// Population standard deviation, or the root mean square; 1 for a constant column.
  private static func spread(_ values: [Wide], centred: Bool) -> Wide {
    let n = Wide(values.count)
    let mean = centred ? values.reduce(0, +) / n : 0
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n
    return values.allSatisfy { $0 == values[0] } && (centred || values[0] == 0) ? 1 : squares.squareRoot()
  }

  /// Largest disagreement of a posterior with this one, in units of `tolerance`.
  func disagreement(_ own: LinearPosterior, tolerance: Double) -> Double {
    let difference = zip(own.mean, ridge.mean).map { Wide($0) - $1 }
    let mean = Double(ridge.length(difference) / ridge.length(ridge.mean))
    let scales = ridge.mean.indices.map { j -> Double in
      let unit = ridge.mean.indices.map { Wide($0 == j ? 1 : 0) }
      return (Double(ridge.leverage(unit)) * noise.scaleSquared).squareRoot()
    }
    let spread = relativeWorst(own.marginalScales(), scales)
    let rate = relativeWorst([own.noise.scaleSquared], [noise.scaleSquared])
    guard own.noise.degreesOfFreedom == noise.degreesOfFreedom else { return .infinity }
    return max(mean, spread, rate) / tolerance
  }
}

/// max |a − b|/|b|, infinite for what is not finite.
func relativeWorst(_ a: [Double], _ b: [Double]) -> Double {
  guard a.count == b.count else { return .infinity }
  return zip(a, b).map { x, y in
    let r = x == y ? 0 : abs(x - y) / abs(y)
    return r.isNaN ? .infinity : r
  }.max() ?? 0
}
