import COpenBLAS

/// An upper triangular R with a finite diagonal without zeros: the square root of a positive definite Λ = RᵀR.
///
/// It can only be made from a factorisation that succeeded, so holding one is the proof of positive definiteness.
public struct TriangularFactor: Sendable, Equatable {
  /// R, p × p, row-major, zeros below the diagonal, diagonal positive.
  public let upper: Matrix

  /// From an upper triangular matrix; rows are flipped so that the diagonal is positive.
  ///
  /// - Throws: `LinearAlgebraError.singular` at the first diagonal entry that is zero or not finite.
  public init(upper: Matrix) throws(LinearAlgebraError) {
    precondition(upper.rows == upper.columns, "a triangular factor is square")
    var upper = upper
    let p = upper.rows
    for i in 0..<p {
      let pivot = upper[i, i]
      guard pivot.isFinite, pivot != 0 else { throw .singular(index: i) }
      for j in 0..<i { upper[i, j] = 0 }
      if pivot < 0 { for j in i..<p { upper[i, j] = -upper[i, j] } }
    }
    self.upper = upper
  }

  /// Cholesky: R with RᵀR = Λ. O(p³/3). Only the upper triangle of Λ is read.
  ///
  /// - Throws: `LinearAlgebraError.notPositiveDefinite` with the order of the minor that failed.
  public init(choleskyOf precision: Matrix) throws(LinearAlgebraError) {
    precondition(precision.rows == precision.columns, "a precision is square")
    BLASThreads.prepare()
    var a = precision
    var n = Int32(a.rows)
    var info: Int32 = 0
    if n > 0 { dpotrf_("L", &n, &a.storage, &n, &info) }
    guard info == 0 else { throw .notPositiveDefinite(order: Int(info)) }
    try self.init(upper: a)
  }

  /// p.
  public var dimension: Int { upper.rows }

  /// log det Λ = 2 Σ log R_ii.
  public var logDeterminant: Double {
    var sum = 0.0
    for i in 0..<dimension { sum += logarithm(upper[i, i]) }
    return 2 * sum
  }

  /// R⁻¹ b: turns standard normal noise into a draw from N(0, Λ⁻¹), and z of the information array into the mean.
  public func backSolve(_ b: [Double]) -> [Double] { triangularSolve(b, transposed: false) }

  /// R⁻ᵀ b.
  public func forwardSolve(_ b: [Double]) -> [Double] { triangularSolve(b, transposed: true) }

  /// Λ⁻¹ b = R⁻¹ R⁻ᵀ b.
  public func solve(_ b: [Double]) -> [Double] { backSolve(forwardSolve(b)) }

  /// φ R⁻¹ for every row φ of `rows` (n × p), in place; the squared row norms of the result are φᵀ Λ⁻¹ φ. O(np²).
  public func whiten(_ rows: inout Matrix) {
    precondition(rows.columns == dimension, "rows must have p columns")
    let count = rows.rows
    rows.storage.withUnsafeMutableBufferPointer { if let base = $0.baseAddress { whiten(base, count: count) } }
  }

  /// The same for rows in a buffer, count × p.
  package func whiten(_ rows: UnsafeMutablePointer<Double>, count: Int) {
    guard count > 0, dimension > 0 else { return }
    BLASThreads.prepare()
    cblas_dtrsm(
      CblasRowMajor, CblasRight, CblasUpper, CblasNoTrans, CblasNonUnit, blasint(count), blasint(dimension), 1,
      upper.storage, blasint(dimension), rows, blasint(dimension))
  }

  /// R x.
  public func multiplied(by x: [Double]) -> [Double] { triangularProduct(x, transposed: false) }

  /// Λ x = Rᵀ R x.
  public func precisionTimes(_ x: [Double]) -> [Double] {
    triangularProduct(triangularProduct(x, transposed: false), transposed: true)
  }

  /// diag Λ⁻¹: the squared row norms of R⁻¹. O(p³/3).
  public func marginalVariances() -> [Double] { inverse().squaredRowNorms }

  /// R⁻¹, upper triangular.
  public func inverse() -> Matrix {
    var a = upper
    var n = Int32(dimension)
    var info: Int32 = 0
    BLASThreads.prepare()
    if n > 0 { dtrtri_("L", "N", &n, &a.storage, &n, &info) }
    return a
  }

  /// Λ = RᵀR, dense; for tests and small models.
  public var precision: Matrix { upper.gram }

  private func triangularSolve(_ b: [Double], transposed: Bool) -> [Double] {
    precondition(b.count == dimension, "the vector must have p entries")
    guard dimension > 0 else { return b }
    BLASThreads.prepare()
    var x = b
    cblas_dtrsv(
      CblasRowMajor, CblasUpper, transposed ? CblasTrans : CblasNoTrans, CblasNonUnit, blasint(dimension),
      upper.storage, blasint(dimension), &x, 1)
    return x
  }

  private func triangularProduct(_ b: [Double], transposed: Bool) -> [Double] {
    precondition(b.count == dimension, "the vector must have p entries")
    guard dimension > 0 else { return b }
    BLASThreads.prepare()
    var x = b
    cblas_dtrmv(
      CblasRowMajor, CblasUpper, transposed ? CblasTrans : CblasNoTrans, CblasNonUnit, blasint(dimension),
      upper.storage, blasint(dimension), &x, 1)
    return x
  }
}

extension TriangularFactor {
  /// The p(p + 1)/2 entries of the upper triangle, row after row.
  public var packed: [Double] {
    var result: [Double] = []
    result.reserveCapacity(dimension * (dimension + 1) / 2)
    for i in 0..<dimension { result.append(contentsOf: upper.storage[(i * dimension + i)..<((i + 1) * dimension)]) }
    return result
  }

  /// From the packed upper triangle of a p × p factor.
  ///
  /// - Throws: `LinearAlgebraError.singular` if a diagonal entry is zero or not finite.
  public init(packed: [Double], dimension p: Int) throws(LinearAlgebraError) {
    precondition(packed.count == p * (p + 1) / 2, "a packed triangle has p(p + 1)/2 entries")
    var matrix = Matrix(rows: p, columns: p)
    var offset = 0
    for i in 0..<p {
      for j in i..<p { matrix.storage[i * p + j] = packed[offset + j - i] }
      offset += p - i
    }
    try self.init(upper: matrix)
  }
}
