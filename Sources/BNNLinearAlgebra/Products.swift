import COpenBLAS

extension Matrix {
  /// A·B, with either operand transposed on request. Shapes: op(A) m × k, op(B) k × n → m × n. O(mkn).
  public static func product(
    _ a: Matrix, _ b: Matrix, transposeA: Bool = false, transposeB: Bool = false
  ) -> Matrix {
    var result = Matrix(
      rows: transposeA ? a.columns : a.rows, columns: transposeB ? b.rows : b.columns)
    result.accumulate(a, b, transposeA: transposeA, transposeB: transposeB, scale: 1, keep: 0)
    return result
  }

  /// self ← keep·self + scale·op(A)·op(B), in place.
  public mutating func accumulate(
    _ a: Matrix, _ b: Matrix, transposeA: Bool = false, transposeB: Bool = false, scale: Double = 1, keep: Double = 1
  ) {
    let m = transposeA ? a.columns : a.rows
    let k = transposeA ? a.rows : a.columns
    let n = transposeB ? b.rows : b.columns
    precondition(k == (transposeB ? b.columns : b.rows) && rows == m && columns == n, "shapes do not fit")
    BLASThreads.prepare()
    if k == 0 || m == 0 || n == 0 {
      for i in storage.indices { storage[i] *= keep }
      return
    }
    cblas_dgemm(
      CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
      blasint(m), blasint(n), blasint(k), scale, a.storage, blasint(a.columns), b.storage, blasint(b.columns), keep,
      &storage, blasint(n))
  }

  /// S·B, or B·S, for a symmetric S of which only the upper triangle is read. O(rows·columns·order of S).
  package static func product(symmetric s: Matrix, _ b: Matrix, onRight: Bool = false) -> Matrix {
    precondition(s.rows == s.columns && s.rows == (onRight ? b.columns : b.rows), "shapes do not fit")
    var result = Matrix(rows: b.rows, columns: b.columns)
    guard b.rows > 0, b.columns > 0 else { return result }
    BLASThreads.prepare()
    cblas_dsymm(
      CblasRowMajor, onRight ? CblasRight : CblasLeft, CblasUpper, blasint(b.rows), blasint(b.columns), 1, s.storage,
      blasint(s.columns), b.storage, blasint(b.columns), 0, &result.storage, blasint(b.columns))
    return result
  }

  /// A·x (or Aᵀ·x). O(rows·columns).
  public func multiplied(by x: [Double], transposed: Bool = false) -> [Double] {
    precondition(x.count == (transposed ? rows : columns), "shapes do not fit")
    var y = [Double](repeating: 0, count: transposed ? columns : rows)
    guard rows > 0, columns > 0 else { return y }
    BLASThreads.prepare()
    cblas_dgemv(
      CblasRowMajor, transposed ? CblasTrans : CblasNoTrans, blasint(rows), blasint(columns), 1, storage,
      blasint(columns), x, 1, 0, &y, 1)
    return y
  }

  /// AᵀA, both triangles filled. Shape columns × columns; O(rows·columns²).
  public var gram: Matrix {
    var result = Matrix(rows: columns, columns: columns)
    guard rows > 0, columns > 0 else { return result }
    BLASThreads.prepare()
    cblas_dsyrk(
      CblasRowMajor, CblasUpper, CblasTrans, blasint(columns), blasint(rows), 1, storage, blasint(columns), 0,
      &result.storage, blasint(columns))
    for i in 0..<columns { for j in 0..<i { result[i, j] = result[j, i] } }
    return result
  }

  /// The squared Euclidean norm of every row.
  public var squaredRowNorms: [Double] {
    storage.withUnsafeBufferPointer { values in
      (0..<rows).map { i in
        var sums = SIMD4<Double>.zero
        var j = i * columns
        let end = j + columns
        while j + 4 <= end {
          let v = SIMD4(values[j], values[j + 1], values[j + 2], values[j + 3])
          sums += v * v
          j += 4
        }
        var sum = sums.sum()
        while j < end {
          sum += values[j] * values[j]
          j += 1
        }
        return sum
      }
    }
  }
}

/// xᵀy.
package func dot(_ x: [Double], _ y: [Double]) -> Double {
  precondition(x.count == y.count, "vectors must have equal length")
  BLASThreads.prepare()
  return cblas_ddot(blasint(x.count), x, 1, y, 1)
}

/// The Euclidean norm, without overflow.
package func norm(_ x: [Double]) -> Double {
  BLASThreads.prepare()
  let plain = cblas_dnrm2(blasint(x.count), x, 1)
  // Several of OpenBLAS's kernels square without scaling; outside this range the squares lose their bits.
  if plain > 1e-140, plain.isFinite { return plain }
  let largest = x.reduce(0) { max($0, $1.magnitude) }
  guard largest > 0, largest.isFinite else { return plain }
  return largest * cblas_dnrm2(blasint(x.count), x.map { $0 / largest }, 1)
}

/// y ← y + scale·x.
package func accumulate(_ scale: Double, _ x: [Double], into y: inout [Double]) {
  precondition(x.count == y.count, "vectors must have equal length")
  BLASThreads.prepare()
  cblas_daxpy(blasint(x.count), scale, x, 1, &y, 1)
}
