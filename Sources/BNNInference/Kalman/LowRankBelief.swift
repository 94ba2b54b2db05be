import BNNLinearAlgebra
import BNNPosteriors

/// Λ = D + BᵀB with at most `rank` rows of B between compressions (LO-FI, Chang et al. 2023):
///
///     Λ⁻¹ = c·(D⁻¹ − VᵀV)/c
///
/// with one row of V for every row of B, so that a row of data costs two thin products. Rows are stacked under B until there are
/// twice as many or so; then the leading directions of the stack are kept and what they leave out adds to D: diag Λ is exact.
/// The paper compresses after every row; less often is never less exact, and one decomposition is shared by many rows.
///
/// O(rank·P) a row on average.
struct LowRankBelief<Scalar: BLASVectorScalar>: FilterBelief {
  let layers: [LayerShape]
  private let dynamics: FilterDynamics
  private let rank: Int
  private(set) var prior: [Double]
  /// D at the last compression, without process noise.
  private var diagonal: [Double]
  /// B at the last compression.
  private var directions: Matrix
  private var base: [Scalar]
  private var scale = 1.0
  private var held: HeldUpdates<Scalar>
  private var pending: PendingRows<Scalar>
  private var gain: [Scalar]
  private var age = 0
  private var isCompressed = true

  init(_ curvature: AnyCurvature, prior: [Double], mean: [Double], dynamics: FilterDynamics) throws {
    guard case .lowRank(let own) = curvature else { preconditionFailure("a low-rank curvature") }
    let p = mean.count
    layers = own.layers
    rank = own.rank
    self.dynamics = dynamics
    self.prior = prior
    diagonal = zip(own.remainder, prior).map { $0 + $1 }
    directions = own.directions
    base = []
    let capacity = own.rank + min(64, max(8, own.rank))
    held = HeldUpdates(width: p, capacity: capacity)
    pending = PendingRows(width: p, capacity: capacity)
    gain = [Scalar](repeating: 0, count: p)
    try start()
  }

  /// Forms D⁻¹ and V of D and B.
  private mutating func start() throws {
    if let zero = diagonal.firstIndex(where: { !($0 > 0 && $0.isFinite) }) {
      throw LinearAlgebraError.notPositiveDefinite(order: zero + 1)
    }
    base = diagonal.map { Scalar(1 / $0) }
    (scale, age) = (1, 0)
    held.removeAll()
    pending.removeAll()
    for i in 0..<directions.rows {
      let row = directions.row(i).map { Scalar($0) }
      row.withUnsafeBufferPointer { row in
        guard let row = row.baseAddress else { return }
        let variance = multiply(row)
        stack(row, variance)
      }
    }
    isCompressed = true
  }

  /// gain ← Λ⁻¹h; hᵀΛ⁻¹h.
  private mutating func multiply(_ h: UnsafePointer<Scalar>) -> Scalar {
    let (n, c) = (prior.count, Scalar(scale))
    // Taken out while it is used, so that no buffer is copied.
    var v = gain
    gain = []
    defer { gain = v }
    base.withUnsafeBufferPointer { base in
      v.withUnsafeMutableBufferPointer { v in for j in 0..<n { v[j] = c * base[j] * h[j] } }
    }
    held.subtract(h, scale: c, from: &v)
    let variance = Scalar.dot(n, h, v)
    return variance < 0 ? 0 : variance
  }

  private mutating func stack(_ h: UnsafePointer<Scalar>, _ variance: Scalar) {
    let factor = 1 / ((1 + variance) * Scalar(scale)).squareRoot()
    held.append(gain, times: factor)
    pending.append(h, target: 0, age: age)
    isCompressed = false
  }

  mutating func predict() {
    guard !dynamics.isStill else { return }
    age += 1
    isCompressed = false
    scale /= dynamics.forgetting
    for j in prior.indices { prior[j] = dynamics.predicted(prior[j]) }
    guard dynamics.processNoise > 0 else { return }
    let added = Scalar(dynamics.processNoise / scale)
    for j in base.indices { base[j] += added }
  }

  mutating func absorb(
    _ h: UnsafePointer<Scalar>, innovation: Scalar, mean: UnsafeMutablePointer<Scalar>
  ) -> Scalar {
    // A full stack that could not be compressed stays as it is, and `settle` says why.
    if held.isFull { try? compress() }
    let variance = multiply(h)
    Scalar.axpy(prior.count, innovation / (1 + variance), gain, mean)
    if !held.isFull { stack(h, variance) }
    return variance
  }

  /// [B; rows] → its leading directions, the rest to the diagonal.
  private mutating func compress() throws {
    guard !isCompressed else { return }
    let rows: Matrix
    if dynamics.processNoise > 0 {
      (rows, diagonal) = try unfolded()
    } else {
      rows = pending.all(forgetting: dynamics.forgetting, age: age)
      let kept = power(dynamics.forgetting, Double(age))
      if kept != 1 { for j in diagonal.indices { diagonal[j] *= kept } }
    }
    let eigen = try SymmetricEigen(of: .product(rows, rows, transposeB: true))
    let turned = Matrix.product(eigen.vectors, rows)
    let first = max(0, rows.rows - rank)
    for i in 0..<first { for (j, value) in turned.row(i).enumerated() { diagonal[j] += value * value } }
    directions = turned.rows(first..<rows.rows)
    try start()
  }

  /// D and B of c·(base − VᵀV) = (D + BᵀB)⁻¹: D = 1/(c·base), B = R⁻ᵀ√c·V D with RᵀR = I − c·V D Vᵀ (Woodbury).
  private func unfolded() throws -> (rows: Matrix, diagonal: [Double]) {
    let n = prior.count
    let diagonal = base.map { 1 / (scale * $0.doubleValue) }
    let root = scale.squareRoot()
    var v = Matrix(rows: held.count, columns: n)
    for i in 0..<(held.count * n) { v.storage[i] = root * held.rows[i].doubleValue }
    var scaled = v
    for i in 0..<v.rows { for j in 0..<n { scaled.storage[i * n + j] *= diagonal[j] } }
    var inner = Matrix.product(scaled, v, transposeB: true)
    for i in inner.storage.indices { inner.storage[i] = -inner.storage[i] }
    for i in 0..<v.rows { inner[i, i] += 1 }
    let inverse = try TriangularFactor(choleskyOf: inner).inverse()
    return (.product(inverse, scaled, transposeA: true), diagonal)
  }

  mutating func settle(mean: UnsafeMutablePointer<Scalar>) throws { try compress() }

  func curvature() throws -> AnyCurvature {
    var total = zip(diagonal, prior).map { max(0, $0 - $1) }
    for i in 0..<directions.rows {
      for (j, value) in directions.row(i).enumerated() { total[j] += value * value }
    }
    return .lowRank(
      try LowRankCurvature(
        layers: layers, rank: rank,
        tensors: [
          CurvatureTensor(
            name: "directions", shape: [directions.rows, directions.columns], values: directions.storage),
          CurvatureTensor(name: "diagonal", shape: [total.count], values: total),
        ]))
  }
}
