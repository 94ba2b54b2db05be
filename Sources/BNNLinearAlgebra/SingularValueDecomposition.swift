import COpenBLAS

/// A = U S Vᵀ (thin), by divide and conquer. O(m n min(m, n)).
public struct SingularValueDecomposition: Sendable {
  /// min(m, n) values, descending.
  public let singularValues: [Double]
  /// Right singular vectors as rows, n × n: those beyond min(m, n) span the null space.
  public let rightVectors: Matrix

  /// - Throws: `LinearAlgebraError.notConverged`.
  public init(of matrix: Matrix) throws(LinearAlgebraError) {
    let n = matrix.columns
    // Zero rows change neither the singular values nor the right vectors, and make V square.
    var padded = matrix.storage
    let rows = max(matrix.rows, n)
    padded.append(contentsOf: [Double](repeating: 0, count: (rows - matrix.rows) * n))
    guard n > 0 else {
      singularValues = []
      rightVectors = Matrix(rows: 0, columns: 0)
      return
    }
    BLASThreads.prepare()
    // Column-major the bytes are Aᵀ (n × m) = V S Uᵀ: LAPACK's "U" is our V.
    var m = Int32(n)
    var k = Int32(rows)
    var info: Int32 = 0
    var s = [Double](repeating: 0, count: n)
    var u = [Double](repeating: 0, count: n * n)
    var vt = [Double](repeating: 0, count: n * rows)
    var integers = [Int32](repeating: 0, count: 8 * n)
    var length: Int32 = -1
    var query = [0.0]
    dgesdd_("S", &m, &k, &padded, &m, &s, &u, &m, &vt, &m, &query, &length, &integers, &info)
    length = Int32(max(1, query[0]))
    var work = [Double](repeating: 0, count: Int(length))
    dgesdd_("S", &m, &k, &padded, &m, &s, &u, &m, &vt, &m, &work, &length, &integers, &info)
    guard info == 0, s.allSatisfy(\.isFinite) else { throw .notConverged(routine: "dgesdd") }
    singularValues = Array(s.prefix(min(matrix.rows, n)))
    // Column-major U (n × n, columns are vectors) read row-major has the vectors as rows.
    rightVectors = Matrix(rows: n, columns: n, storage: u)
  }
}

/// A = Q diag(λ) Qᵀ for a symmetric A, by divide and conquer. O(n³).
public struct SymmetricEigen: Sendable {
  /// Ascending.
  public let values: [Double]
  /// Eigenvectors as rows, n × n.
  public let vectors: Matrix

  /// Only the upper triangle is read.
  ///
  /// - Throws: `LinearAlgebraError.notConverged`.
  public init(of matrix: Matrix) throws(LinearAlgebraError) {
    let (values, vectors) = try Self.decompose(matrix, vectors: true)
    self.values = values
    self.vectors = Matrix(rows: matrix.rows, columns: matrix.rows, storage: vectors)
  }

  /// Of the zero matrix.
  public init(zeroOfOrder n: Int) {
    values = [Double](repeating: 0, count: n)
    vectors = .identity(n)
  }

  /// The eigenvalues alone, ascending, in about half the time. Only the upper triangle is read.
  ///
  /// - Throws: `LinearAlgebraError.notConverged`.
  public static func values(of matrix: Matrix) throws(LinearAlgebraError) -> [Double] {
    try decompose(matrix, vectors: false).values
  }

  private static func decompose(_ matrix: Matrix, vectors: Bool) throws(LinearAlgebraError) -> (
    values: [Double], vectors: [Double]
  ) {
    precondition(matrix.rows == matrix.columns, "the matrix must be square")
    let size = matrix.rows
    guard size > 0 else { return ([], []) }
    BLASThreads.prepare()
    let job = vectors ? "V" : "N"
    var a = matrix.storage
    var n = Int32(size)
    var info: Int32 = 0
    var w = [Double](repeating: 0, count: size)
    var query = [0.0]
    var integerQuery: [Int32] = [0]
    var length: Int32 = -1
    var integerLength: Int32 = -1
    dsyevd_(job, "L", &n, &a, &n, &w, &query, &length, &integerQuery, &integerLength, &info)
    length = Int32(query[0])
    integerLength = integerQuery[0]
    var work = [Double](repeating: 0, count: Int(length))
    var integers = [Int32](repeating: 0, count: Int(integerLength))
    dsyevd_(job, "L", &n, &a, &n, &w, &work, &length, &integers, &integerLength, &info)
    guard info == 0, w.allSatisfy(\.isFinite) else { throw .notConverged(routine: "dsyevd") }
    return (w, a)
  }
}
