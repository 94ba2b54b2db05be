import BNNDatasets
import BNNInference
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNTestSupport
import Foundation

/// The model y_c ~ N([φ 1]·w_c, σ²/w_i) of one dense layer, rows as a design with a column of ones, in wide arithmetic: no code is
/// shared with the library. Weights are output by output, the bias last; `theta` puts them into the library's order.
struct MeanFieldOracle {
  static let precision = 0.5
  static let noise = 0.4

  /// √w/σ·[φ 1].
  var phi: [[Wide]]
  /// √w/σ·y, output by output.
  var y: [[Wide]]

  init(features: Matrix, targets: Matrix, weights: [Double]?) {
    phi = []
    y = [[Wide]](repeating: [], count: targets.columns)
    for i in 0..<features.rows {
      let scale = Wide(weights?[i] ?? 1).squareRoot() / Wide(Self.noise)
      phi.append((features.row(i) + [1]).map { scale * Wide($0) })
      for c in 0..<targets.columns { y[c].append(scale * Wide(targets[i, c])) }
    }
  }

  var width: Int { phi.first?.count ?? 0 }
  var outputs: Int { y.count }

  func rows(_ range: Range<Int>) -> MeanFieldOracle {
    var own = self
    own.phi = Array(phi[range])
    own.y = y.map { Array($0[range]) }
    return own
  }

  /// G = ΦᵀWΦ/σ², that of every output.
  var gram: [[Wide]] {
    (0..<width).map { a in (0..<width).map { b in phi.reduce(0) { $0 + $1[a] * $1[b] } } }
  }

  /// The mean under independent priors, output by output.
  func mean(penalties: [[Wide]], priorMean: [[Wide]]) -> [[Wide]] {
    (0..<outputs).map { Dense.ridge(phi, y[$0], penalties: penalties[$0], priorMean: priorMean[$0]).mean }
  }

  /// diag Λ and the exact mean from the first prior on.
  var exact: (precision: [[Wide]], mean: [[Wide]]) {
    let prior = [[Wide]](repeating: [Wide](repeating: Wide(Self.precision), count: width), count: outputs)
    let zero = [[Wide]](repeating: [Wide](repeating: 0, count: width), count: outputs)
    return (added(to: prior), mean(penalties: prior, priorMean: zero))
  }

  func added(to precision: [[Wide]]) -> [[Wide]] {
    let g = gram
    return precision.map { own in own.indices.map { own[$0] + g[$0][$0] } }
  }

  /// Output by output to θ's order: all weights row by row, then the biases.
  func theta(_ values: [[Wide]]) -> [Double] {
    values.flatMap { $0.dropLast().map { Double($0) } } + values.map { Double($0[width - 1]) }
  }

  /// cond₂ of the union's precision, which Cholesky's method factors.
  var condition: Double {
    get throws {
      var matrix = Matrix(gram.map { $0.map { Double($0) } })
      for a in 0..<width { matrix[a, a] += Self.precision }
      let values = try SingularValueDecomposition(of: matrix).singularValues
      return values[0] / values[width - 1]
    }
  }
}

/// The solution of a small system by elimination with pivots.
func solved(_ matrix: [[Wide]], _ right: [Wide]) -> [Wide] {
  var (a, b) = (matrix, right)
  for j in a.indices {
    let pivot = (j..<a.count).max { abs(a[$0][j]) < abs(a[$1][j]) } ?? j
    a.swapAt(j, pivot)
    b.swapAt(j, pivot)
    for i in (j + 1)..<max(j + 1, a.count) {
      let factor = a[i][j] / a[j][j]
      for k in j..<a.count { a[i][k] -= factor * a[j][k] }
      b[i] -= factor * b[j]
    }
  }
  for i in a.indices.reversed() {
    b[i] = (b[i] - ((i + 1)..<max(i + 1, a.count)).reduce(Wide(0)) { $0 + a[i][$1] * b[$1] }) / a[i][i]
  }
  return b
}
