import BNNLinearAlgebra

/// Rank-one updates of a covariance that are held back: P = c·(B − VᵀV), B a base that is changed rarely and V the rows of
/// v/√(s·c) since. Products with P then read B and V, and B is written once a block, by a matrix product.
struct HeldUpdates<Scalar: BLASVectorScalar>: Sendable {
  let width: Int
  let capacity: Int
  private(set) var count = 0
  private(set) var rows: [Scalar]
  private var parts: [Scalar]

  init(width: Int, capacity: Int) {
    self.width = width
    self.capacity = capacity
    rows = [Scalar](repeating: 0, count: width * capacity)
    parts = [Scalar](repeating: 0, count: capacity)
  }

  var isFull: Bool { count == capacity }

  mutating func removeAll() { count = 0 }

  /// v ← v − c·Vᵀ(V h).
  mutating func subtract(_ h: UnsafePointer<Scalar>, scale c: Scalar, from v: UnsafeMutablePointer<Scalar>) {
    guard count > 0 else { return }
    let (count, width) = (count, width)
    rows.withUnsafeBufferPointer { rows in
      parts.withUnsafeMutableBufferPointer { parts in
        guard let rows = rows.baseAddress, let parts = parts.baseAddress else { return }
        Scalar.gemv(
          transpose: false, m: count, n: width, alpha: 1, a: rows, lda: width, x: h, beta: 0, y: parts)
        Scalar.gemv(
          transpose: true, m: count, n: width, alpha: -c, a: rows, lda: width, x: parts, beta: 1, y: v)
      }
    }
  }

  /// Appends f·v.
  mutating func append(_ v: UnsafePointer<Scalar>, times factor: Scalar) {
    let (place, width) = (count * width, width)
    rows.withUnsafeMutableBufferPointer { rows in
      for j in 0..<width { rows[place + j] = factor * v[j] }
    }
    count += 1
  }
}

/// Rows h of observations on their way into a precision, each weighing τ for every row that came after it.
struct PendingRows<Scalar: BLASVectorScalar>: Sendable {
  let width: Int
  let capacity: Int
  private(set) var count = 0
  private var rows: [Scalar]
  private var targets: [Double]
  /// How many predictions there had been when each came.
  private var ages: [Int]

  init(width: Int, capacity: Int) {
    self.width = width
    self.capacity = capacity
    rows = [Scalar](repeating: 0, count: width * capacity)
    targets = [Double](repeating: 0, count: capacity)
    ages = [Int](repeating: 0, count: capacity)
  }

  var isFull: Bool { count == capacity }

  mutating func append(_ h: UnsafePointer<Scalar>, target: Double, age: Int) {
    let (place, width) = (count * width, width)
    rows.withUnsafeMutableBufferPointer { $0.baseAddress?.advanced(by: place).update(from: h, count: width) }
    targets[count] = target
    ages[count] = age
    count += 1
  }

  mutating func removeAll() { count = 0 }

  /// The rows √w·h with w = τ^(age − own age), in double precision.
  func all(forgetting: Double, age: Int) -> Matrix {
    var result = Matrix(rows: count, columns: width)
    for i in 0..<count {
      let root = weightRoot(i, forgetting, age)
      for j in 0..<width { result.storage[i * width + j] = root * rows[i * width + j].doubleValue }
    }
    return result
  }

  private func weightRoot(_ i: Int, _ forgetting: Double, _ age: Int) -> Double {
    forgetting == 1 ? 1 : power(forgetting, 0.5 * Double(age - ages[i]))
  }

  /// H ← H + Σ w hhᵀ (upper triangle) and b ← b + Σ w h z, in the rows' own precision before they are added; none are left.
  mutating func flush(forgetting: Double, age: Int, into sum: inout Matrix, _ right: inout [Double]) {
    guard count > 0 else { return }
    defer { count = 0 }
    let (n, m) = (width, count)
    var z = [Scalar](repeating: 0, count: m)
    for i in 0..<m {
      let root = weightRoot(i, forgetting, age)
      z[i] = Scalar(root * targets[i])
      guard root != 1 else { continue }
      for j in 0..<n { rows[i * n + j] *= Scalar(root) }
    }
    var product = [Scalar](repeating: 0, count: n * n)
    var part = [Scalar](repeating: 0, count: n)
    Scalar.syrk(m: m, n: n, alpha: 1, a: rows, lda: n, beta: 0, c: &product, ldc: n)
    Scalar.gemv(transpose: true, m: m, n: n, alpha: 1, a: rows, lda: n, x: z, beta: 0, y: &part)
    sum.storage.withUnsafeMutableBufferPointer { sum in
      product.withUnsafeBufferPointer { product in
        for i in 0..<n { for j in (i * n + i)..<((i + 1) * n) { sum[j] += product[j].doubleValue } }
      }
    }
    for j in 0..<n { right[j] += part[j].doubleValue }
  }
}
