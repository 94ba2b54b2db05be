import BNNLinearAlgebra

/// A = Q R (m × n, m ≥ n) by modified Gram–Schmidt run twice, in plain loops: shares no code with LAPACK's Householder
/// factorisations, so that it can be their oracle. R's diagonal is positive; Q is orthonormal to rounding for
/// condition numbers below about 1/ε (Giraud, Langou & Rozložník 2005).
public func orthogonalised(_ a: Matrix) -> (q: Matrix, r: Matrix) {
  var columns = (0..<a.columns).map { a.column($0) }
  var r = Matrix(rows: a.columns, columns: a.columns)
  for j in 0..<a.columns {
    for _ in 0..<2 {
      for i in 0..<j {
        let part = zip(columns[i], columns[j]).reduce(0) { $0 + $1.0 * $1.1 }
        r[i, j] += part
        for k in 0..<a.rows { columns[j][k] -= part * columns[i][k] }
      }
    }
    let length = euclideanNorm(columns[j])
    r[j, j] = length
    if length > 0 { for k in 0..<a.rows { columns[j][k] /= length } }
  }
  var q = Matrix(rows: a.rows, columns: a.columns)
  for j in 0..<a.columns { for i in 0..<a.rows { q[i, j] = columns[j][i] } }
  return (q, r)
}
