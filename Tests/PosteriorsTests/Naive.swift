import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport
import Foundation

/// Dense oracles in plain loops, with nothing of BLAS, LAPACK or the structured types in them.
enum Naive {
  static func dot(_ x: [Double], _ y: [Double]) -> Double { zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } }

  static func times(_ a: Matrix, _ x: [Double]) -> [Double] { (0..<a.rows).map { dot(Array(a.row($0)), x) } }

  static func product(_ a: Matrix, _ b: Matrix) -> Matrix {
    var c = Matrix(rows: a.rows, columns: b.columns)
    for i in 0..<a.rows { for j in 0..<b.columns { c[i, j] = dot(Array(a.row(i)), b.column(j)) } }
    return c
  }

  static func sum(_ a: Matrix, _ b: Matrix, weight: Double = 1) -> Matrix {
    Matrix(rows: a.rows, columns: a.columns, storage: zip(a.storage, b.storage).map { $0 + weight * $1 })
  }

  static func diagonal(of a: Matrix) -> [Double] { (0..<a.rows).map { a[$0, $0] } }

  static func trace(_ a: Matrix) -> Double { diagonal(of: a).reduce(0, +) }

  /// xᵀAx.
  static func quadratic(_ a: Matrix, _ x: [Double]) -> Double { dot(x, times(a, x)) }

  /// A⁻¹ and log |det A| by Gauss–Jordan elimination with row pivoting.
  static func inverse(_ matrix: Matrix) -> (inverse: Matrix, logDeterminant: Double) {
    var (a, b) = (matrix, Matrix.identity(matrix.rows))
    let n = a.rows
    var logDeterminant = 0.0
    for k in 0..<n {
      let pivot = (k..<n).max { a[$0, k].magnitude < a[$1, k].magnitude } ?? k
      for j in 0..<n {
        (a[k, j], a[pivot, j]) = (a[pivot, j], a[k, j])
        (b[k, j], b[pivot, j]) = (b[pivot, j], b[k, j])
      }
      let scale = a[k, k]
      logDeterminant += log(scale.magnitude)
      for j in 0..<n {
        a[k, j] /= scale
        b[k, j] /= scale
      }
      for i in 0..<n where i != k {
        let factor = a[i, k]
        for j in 0..<n {
          a[i, j] -= factor * a[k, j]
          b[i, j] -= factor * b[k, j]
        }
      }
    }
    return (b, logDeterminant)
  }

  /// ‖A‖_F ‖A⁻¹‖_F, an upper bound of the condition number.
  static func condition(_ a: Matrix) -> Double {
    euclideanNorm(a.storage) * euclideanNorm(inverse(a).inverse.storage)
  }

  /// What a computation with this Λ may be off by, relatively: backward stable methods and the Gauss–Jordan oracle err by
  /// a small multiple of P ε times the condition number.
  static func tolerance(_ precisions: Matrix...) -> Double {
    precisions.map { 8 * Double($0.rows + 1) * epsilon * condition($0) }.reduce(0, +)
  }

  /// log N(x; m, Λ⁻¹).
  static func logDensity(_ x: [Double], mean: [Double], precision: Matrix) -> Double {
    let d = zip(x, mean).map { $0 - $1 }
    return 0.5 * (inverse(precision).logDeterminant - Double(x.count) * log(2 * Double.pi) - quadratic(precision, d))
  }

  static func kullbackLeibler(_ p: (mean: [Double], precision: Matrix), _ q: (mean: [Double], precision: Matrix))
    -> Double
  {
    let d = zip(p.mean, q.mean).map { $0 - $1 }
    let (covariance, logP) = inverse(p.precision)
    let ratio = trace(product(q.precision, covariance))
    return 0.5
      * (ratio + quadratic(q.precision, d) - Double(d.count) + logP - inverse(q.precision).logDeterminant)
  }
}

/// A structure together with what it does to a dense matrix.
protocol TestedPrecision: Precision {
  static func project(_ dense: Matrix) -> Matrix
}

extension FullPrecision: TestedPrecision {
  static func project(_ dense: Matrix) -> Matrix { dense }
}

extension DiagonalPrecision: TestedPrecision {
  static func project(_ dense: Matrix) -> Matrix { .diagonal(Naive.diagonal(of: dense)) }
}

extension TestedPrecision {
  /// τI + rows of a random design, and its dense twin.
  static func random(_ gen: inout Gen, dimension p: Int, isotropic: Double = 0.5) -> (precision: Self, dense: Matrix) {
    var precision = Self.isotropic(isotropic, dimension: p)
    let rows = gen.matrix(rows: p + 3, columns: p)
    precision.absorb(rows, weight: 0.7)
    let dense = Naive.sum(
      Matrix.diagonal([Double](repeating: isotropic, count: p)), Naive.product(rows.transposed, rows), weight: 0.7)
    return (precision, project(dense))
  }
}

extension Gaussian where P: TestedPrecision {
  /// A random Gaussian and its dense precision.
  static func random(_ gen: inout Gen, dimension p: Int) -> (gaussian: Gaussian, dense: Matrix) {
    let (precision, dense) = P.random(&gen, dimension: p)
    return (Gaussian(mean: gen.normals(p), precision: precision), dense)
  }
}
