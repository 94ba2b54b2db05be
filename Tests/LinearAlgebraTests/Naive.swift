import BNNLinearAlgebra

/// Dense oracles in plain loops, with nothing of BLAS or LAPACK in them.
enum Naive {
  static func product(_ a: Matrix, _ b: Matrix) -> Matrix {
    var c = Matrix(rows: a.rows, columns: b.columns)
    for i in 0..<a.rows {
      for j in 0..<b.columns {
        var sum = 0.0
        for k in 0..<a.columns { sum += a.storage[i * a.columns + k] * b.storage[k * b.columns + j] }
        c[i, j] = sum
      }
    }
    return c
  }

  static func transposed(_ a: Matrix) -> Matrix {
    var result = Matrix(rows: a.columns, columns: a.rows)
    for i in 0..<a.rows { for j in 0..<a.columns { result[j, i] = a[i, j] } }
    return result
  }

  static func absolute(_ a: Matrix) -> Matrix {
    Matrix(rows: a.rows, columns: a.columns, storage: a.storage.map(\.magnitude))
  }

  /// A⁻¹B and log |det A| by Gauss elimination with row pivoting.
  static func solve(_ a: Matrix, _ b: Matrix) -> (solution: Matrix, logDeterminant: LogValue) {
    var (a, b) = (a, b)
    let n = a.rows
    var logDeterminant = LogValue()
    for k in 0..<n {
      let pivot = (k..<n).max { a[$0, k].magnitude < a[$1, k].magnitude }!
      for j in 0..<n { (a[k, j], a[pivot, j]) = (a[pivot, j], a[k, j]) }
      for j in 0..<b.columns { (b[k, j], b[pivot, j]) = (b[pivot, j], b[k, j]) }
      logDeterminant.multiply(by: a[k, k].magnitude)
      for i in (k + 1)..<max(n, k + 1) {
        let factor = a[i, k] / a[k, k]
        for j in k..<n { a[i, j] -= factor * a[k, j] }
        for j in 0..<b.columns { b[i, j] -= factor * b[k, j] }
      }
    }
    for i in stride(from: n - 1, through: 0, by: -1) {
      for j in 0..<b.columns {
        for k in (i + 1)..<max(n, i + 1) { b[i, j] -= a[i, k] * b[k, j] }
        b[i, j] /= a[i, i]
      }
    }
    return (b, logDeterminant)
  }

  static func solve(_ a: Matrix, _ b: [Double]) -> [Double] {
    solve(a, Matrix(rows: b.count, columns: 1, storage: b)).solution.storage
  }

  /// ‖QᵀQ − I‖ in the Frobenius norm, for vectors given as rows.
  static func orthonormalityError(ofRows v: Matrix) -> Double {
    var squares = 0.0
    for (i, x) in product(v, transposed(v)).storage.enumerated() {
      let expected = i % (v.rows + 1) == 0 ? 1.0 : 0
      squares += (x - expected) * (x - expected)
    }
    return squares.squareRoot()
  }

  static func isUpperTrapezoidal(_ a: Matrix) -> Bool {
    (0..<a.rows).allSatisfy { i in (0..<min(i, a.columns)).allSatisfy { a[i, $0] == 0 } }
  }
}

/// A product of positive numbers as significand × 2^exponent: no logarithm until the end, no overflow.
struct LogValue {
  private var significand = 1.0
  private var exponent = 0

  mutating func multiply(by x: Double) {
    let product = significand * x.significand
    significand = product.significand
    exponent += Int(x.exponent) + Int(product.exponent)
  }

  /// The natural logarithm, by the caller's `log`.
  func natural(_ log: (Double) -> Double) -> Double { log(significand) + Double(exponent) * log(2) }
}
