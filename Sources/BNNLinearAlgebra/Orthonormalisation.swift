import COpenBLAS

extension Matrix {
  /// Orthonormal rows whose span holds that of this matrix's rows (k × P with k ≤ P), by Householder QR of the transpose,
  /// on the same bytes. Dependent rows are completed by others, so the result is orthonormal whatever the rank. O(k²P).
  public func orthonormalRows() -> Matrix {
    precondition(rows <= columns, "there are at most as many orthonormal rows as columns")
    guard rows > 0 else { return self }
    BLASThreads.prepare()
    var a = storage
    var m = Int32(columns)
    var n = Int32(rows)
    var info: Int32 = 0
    var tau = [Double](repeating: 0, count: rows)
    // The larger of the two routines' demands: both want k times LAPACK's block of 32 or 64.
    var length = Int32(64 * rows)
    var work = [Double](repeating: 0, count: Int(length))
    dgeqrf_(&m, &n, &a, &m, &tau, &work, &length, &info)
    precondition(info == 0, "dgeqrf was called with a wrong argument")
    dorgqr_(&m, &n, &n, &a, &m, &tau, &work, &length, &info)
    precondition(info == 0, "dorgqr was called with a wrong argument")
    return Matrix(rows: rows, columns: columns, storage: a)
  }
}
