import BNNLinearAlgebra

/// A symmetric matrix that grows by Gram matrices: in double precision, whatever the rows are in.
///
/// Rows in single precision are multiplied in it a slice at a time, and the slices' products are added in double: rounding
/// then grows with the square root of the number of slices, not with the rows.
struct SymmetricSum: Sendable, Equatable {
  let dimension: Int
  /// n × n, row-major, zeros below the diagonal.
  private(set) var upper: Matrix

  init(dimension: Int) {
    self.dimension = dimension
    upper = Matrix(rows: dimension, columns: dimension)
  }

  /// From the upper triangle of a matrix with zeros below it.
  init(upper: Matrix) {
    dimension = upper.rows
    self.upper = upper
  }

  subscript(i: Int, j: Int) -> Double { i <= j ? upper[i, j] : upper[j, i] }

  var diagonal: [Double] { (0..<dimension).map { upper[$0, $0] } }

  /// With both triangles.
  var matrix: Matrix {
    var result = upper
    for i in 0..<dimension { for j in 0..<i { result.storage[i * dimension + j] = upper.storage[j * dimension + i] } }
    return result
  }

  /// The upper triangle of the matrix plus a diagonal.
  func upper(plus diagonal: ArraySlice<Double>) -> Matrix {
    var result = upper
    for (i, value) in diagonal.enumerated() { result.storage[i * dimension + i] += value }
    return result
  }

  func times(_ x: [Double]) -> [Double] {
    Matrix.product(symmetric: upper, Matrix(rows: dimension, columns: 1, storage: x)).storage
  }

  mutating func add(_ other: SymmetricSum, scale: Double = 1) {
    precondition(dimension == other.dimension, "sums of one dimension")
    accumulate(scale, other.upper.storage, into: &upper.storage)
  }

  mutating func scale(by factor: Double) { for i in upper.storage.indices { upper.storage[i] *= factor } }

  /// ⟨A, B⟩, the Frobenius inner product.
  func inner(_ other: SymmetricSum) -> Double {
    let all = dot(upper.storage, other.upper.storage)
    return 2 * all - dot(diagonal, other.diagonal)
  }

  /// Adds weight·AᵀA in the leading columns, where A is count × columns.
  mutating func add<Scalar: BLASScalar>(
    gramOf rows: UnsafePointer<Scalar>, count: Int, columns: Int, weight: Double
  ) {
    let n = dimension
    upper.storage.withUnsafeMutableBufferPointer { target in
      guard let target = target.baseAddress, columns > 0 else { return }
      if Scalar.self == Double.self {
        let rows = UnsafeRawPointer(rows).assumingMemoryBound(to: Double.self)
        Double.syrk(m: count, n: columns, alpha: weight, a: rows, lda: columns, beta: 1, c: target, ldc: n)
        return
      }
      withScratch(Scalar.self, columns * columns) { product in
        for start in stride(from: 0, to: count, by: curvatureSlice) {
          Scalar.syrk(
            m: min(curvatureSlice, count - start), n: columns, alpha: 1, a: rows + start * columns, lda: columns,
            beta: 0, c: product, ldc: columns)
          for i in 0..<columns {
            accumulate(weight, product + i * columns + i, count: columns - i, into: target + i * n + i)
          }
        }
      }
    }
  }

  /// The block that begins at (start, start) ← itself + a smaller sum.
  mutating func add(_ block: SymmetricSum, at start: Int) {
    let (n, m) = (dimension, block.dimension)
    precondition(start >= 0 && start + m <= n, "a block of the matrix")
    for i in 0..<m {
      for j in i..<m { upper.storage[(start + i) * n + start + j] += block.upper.storage[i * m + j] }
    }
  }

  /// Adds weight·AᵀB to the block (own, other), which lies above the diagonal; A and B are these columns of the same rows,
  /// each of all columns.
  mutating func add<Scalar: BLASScalar>(
    productsOf rows: UnsafePointer<Scalar>, count: Int, _ own: Range<Int>, with other: Range<Int>, weight: Double
  ) {
    precondition(own.upperBound <= other.lowerBound && other.upperBound <= dimension, "a block above the diagonal")
    let n = dimension
    upper.storage.withUnsafeMutableBufferPointer { target in
      guard let target = target.baseAddress.map({ $0 + own.lowerBound * n + other.lowerBound }), count > 0 else {
        return
      }
      let (a, b) = (rows + own.lowerBound, rows + other.lowerBound)
      if Scalar.self == Double.self {
        Double.gemm(
          transposeA: true, transposeB: false, m: own.count, n: other.count, k: count, alpha: weight,
          a: UnsafeRawPointer(a).assumingMemoryBound(to: Double.self), lda: n,
          b: UnsafeRawPointer(b).assumingMemoryBound(to: Double.self), ldb: n, beta: 1, c: target, ldc: n)
        return
      }
      withScratch(Scalar.self, own.count * other.count) { product in
        Scalar.gemm(
          transposeA: true, transposeB: false, m: own.count, n: other.count, k: count, alpha: 1, a: a, lda: n, b: b,
          ldb: n, beta: 0, c: product, ldc: other.count)
        for i in 0..<own.count {
          accumulate(weight, product + i * other.count, count: other.count, into: target + i * n)
        }
      }
    }
  }

  /// Adds weight·ÃᵀÃ where Ã is the count × (n − 1) matrix A with a last column of ones.
  mutating func add<Scalar: BLASScalar>(
    gramOfAugmented rows: UnsafePointer<Scalar>?, count: Int, weight: Double
  ) {
    let n = dimension
    if let rows {
      add(gramOf: rows, count: count, columns: n - 1, weight: weight)
      withScratch(Double.self, n - 1) { sums in
        sums.update(repeating: 0, count: n - 1)
        addColumnSums(rows, count: count, columns: n - 1, weight: weight, into: sums)
        for j in 0..<(n - 1) { upper.storage[j * n + n - 1] += sums[j] }
      }
    }
    upper.storage[n * n - 1] += weight * Double(count)
  }

  /// The n(n + 1)/2 entries of the upper triangle, row after row.
  var packed: [Double] {
    var result: [Double] = []
    result.reserveCapacity(dimension * (dimension + 1) / 2)
    for i in 0..<dimension { result += upper.storage[(i * dimension + i)..<((i + 1) * dimension)] }
    return result
  }

  init(packed: [Double], dimension n: Int) {
    precondition(packed.count == n * (n + 1) / 2, "a packed triangle has n(n + 1)/2 entries")
    self.init(dimension: n)
    var next = 0
    for i in 0..<n {
      upper.storage.replaceSubrange((i * n + i)..<((i + 1) * n), with: packed[next..<(next + n - i)])
      next += n - i
    }
  }
}
