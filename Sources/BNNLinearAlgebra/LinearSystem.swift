import COpenBLAS

extension Matrix {
  /// A⁻¹B for a general square A (n × n, B n × k) by LU with partial pivoting (LAPACK dgesv). O(n³ + n²k).
  ///
  /// - Throws: `LinearAlgebraError.singular` when a pivot is zero.
  public func solved(_ right: Matrix) throws(LinearAlgebraError) -> Matrix {
    precondition(rows == columns && right.rows == rows, "shapes do not fit")
    guard rows > 0, right.columns > 0 else { return right }
    BLASThreads.prepare()
    // LAPACK reads columns: both go in transposed.
    var (a, b) = (transposed.storage, right.transposed.storage)
    var (n, k, info) = (Int32(rows), Int32(right.columns), Int32(0))
    var lda = n
    var ldb = n
    var pivots = [Int32](repeating: 0, count: rows)
    dgesv_(&n, &k, &a, &lda, &pivots, &b, &ldb, &info)
    guard info == 0 else { throw .singular(index: Int(info) - 1) }
    return Matrix(rows: right.columns, columns: rows, storage: b).transposed
  }
}
