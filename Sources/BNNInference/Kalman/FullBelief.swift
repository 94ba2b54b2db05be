import BNNLinearAlgebra
import BNNPosteriors

/// A full Λ. Rows use a working copy of the covariance, the posterior is the precision:
///
/// - P = Λ⁻¹ multiplies h, with rank-one updates held back (`HeldUpdates`);
/// - H ← τH + hhᵀ and b ← τb + h(ν + hᵀ(m − m₀)) sum what the rows said, blocks of rows at a time, so that nothing is ever
///   subtracted from a precision. `settle` forms P = (H + δ)⁻¹ and m = m₀ + Pb anew: the filter in information form.
///
/// With process noise there is no such sum; then P is all there is, and Λ its inverse.
///
/// O(P²) a row and O(P³) a settling.
struct FullBelief<Scalar: BLASVectorScalar>: FilterBelief {
  /// Updates held back: beyond, reading them costs more than the block gains.
  private static var heldRows: Int { 32 }
  private static var pendingRows: Int { 256 }

  let layers: [LayerShape]
  private let dynamics: FilterDynamics
  private(set) var prior: [Double]
  /// H, upper triangle; of no meaning with process noise.
  private var information: Matrix
  private var right: [Double]
  private var reference: [Double]
  /// m − m₀.
  private var displacement: [Scalar]
  /// B, upper triangle.
  private var base: [Scalar]
  private var scale = 1.0
  private var held: HeldUpdates<Scalar>
  private var pending: PendingRows<Scalar>
  private var gain: [Scalar]
  private var age = 0
  private var flushedAge = 0

  private var sums: Bool { dynamics.processNoise == 0 }

  init(_ curvature: AnyCurvature, prior: [Double], mean: [Double], dynamics: FilterDynamics) throws {
    guard case .full(let own) = curvature else { preconditionFailure("a full curvature") }
    let p = mean.count
    layers = own.layers
    self.dynamics = dynamics
    self.prior = prior
    information = own.matrix
    right = [Double](repeating: 0, count: p)
    reference = mean
    displacement = [Scalar](repeating: 0, count: p)
    base = []
    held = HeldUpdates(width: p, capacity: Self.heldRows)
    pending = PendingRows(width: p, capacity: dynamics.processNoise == 0 ? Self.pendingRows : 0)
    gain = [Scalar](repeating: 0, count: p)
    base = try covariance().storage.map { Scalar($0) }
  }

  private var p: Int { reference.count }

  private func factor() throws -> TriangularFactor {
    var precision = information
    for j in 0..<p { precision.storage[j * p + j] += prior[j] }
    return try TriangularFactor(choleskyOf: precision)
  }

  private func covariance() throws -> Matrix { try factor().upperCovariance() }

  mutating func predict() {
    guard !dynamics.isStill else { return }
    age += 1
    scale /= dynamics.forgetting
    for j in 0..<p { prior[j] = dynamics.predicted(prior[j]) }
    guard dynamics.processNoise > 0 else { return }
    let (width, added) = (p, Scalar(dynamics.processNoise / scale))
    base.withUnsafeMutableBufferPointer { base in for j in 0..<width { base[j * width + j] += added } }
  }

  mutating func absorb(
    _ h: UnsafePointer<Scalar>, innovation: Scalar, mean: UnsafeMutablePointer<Scalar>
  ) -> Scalar {
    let (n, c) = (p, Scalar(scale))
    // Taken out while they are used, so that no buffer is copied.
    var (v, d) = (gain, displacement)
    (gain, displacement) = ([], [])
    defer { (gain, displacement) = (v, d) }
    Scalar.symv(n: n, alpha: c, a: base, lda: n, x: h, beta: 0, y: &v)
    held.subtract(h, scale: c, from: &v)
    // Not by max, which would make a zero of what is no number.
    let raw = Scalar.dot(n, h, v)
    let variance = raw < 0 ? 0 : raw
    let step = innovation / (1 + variance)
    if sums { pending.append(h, target: (innovation + Scalar.dot(n, h, d)).doubleValue, age: age) }
    Scalar.axpy(n, step, v, &d)
    Scalar.axpy(n, step, v, mean)
    held.append(v, times: 1 / ((1 + variance) * c).squareRoot())
    if held.isFull { applyHeld() }
    if pending.isFull { flush() }
    return variance
  }

  /// B ← c·(B − VᵀV).
  private mutating func applyHeld() {
    guard held.count > 0 || scale != 1 else { return }
    let (n, c) = (p, Scalar(scale))
    if held.count > 0 {
      Scalar.syrk(m: held.count, n: n, alpha: -c, a: held.rows, lda: n, beta: c, c: &base, ldc: n)
    } else {
      for i in base.indices { base[i] *= c }
    }
    held.removeAll()
    scale = 1
  }

  private mutating func flush() {
    guard sums else { return }
    if age != flushedAge {
      let kept = power(dynamics.forgetting, Double(age - flushedAge))
      for i in information.storage.indices { information.storage[i] *= kept }
      for j in right.indices { right[j] *= kept }
      flushedAge = age
    }
    pending.flush(forgetting: dynamics.forgetting, age: age, into: &information, &right)
  }

  mutating func settle(mean: UnsafeMutablePointer<Scalar>) throws {
    applyHeld()
    guard sums else { return }
    flush()
    let factor = try factor()
    accumulate(1, factor.solve(right), into: &reference)
    for j in 0..<p {
      mean[j] = Scalar(reference[j])
      right[j] = 0
      displacement[j] = Scalar(0)
    }
    let fresh = factor.upperCovariance()
    base.withUnsafeMutableBufferPointer { base in
      fresh.storage.withUnsafeBufferPointer { for i in $0.indices { base[i] = Scalar($0[i]) } }
    }
  }

  var settledMean: [Double]? { sums ? reference : nil }

  func curvature() throws -> AnyCurvature {
    var upper = information
    if !sums {
      // Λ = P⁻¹ by P's own factor.
      upper = try TriangularFactor(
        choleskyOf: Matrix(rows: p, columns: p, storage: base.map(\.doubleValue)).symmetrised
      ).upperCovariance()
      for j in 0..<p { upper.storage[j * p + j] -= prior[j] }
    }
    var packed: [Double] = []
    packed.reserveCapacity(p * (p + 1) / 2)
    for i in 0..<p {
      // A weight that no row informed is left with the rounding of Λ − δ.
      packed.append(upper.storage[i * p + i] < 0 ? 0 : upper.storage[i * p + i])
      packed += upper.storage[(i * p + i + 1)..<((i + 1) * p)]
    }
    return .full(
      try FullCurvature(
        layers: layers, tensors: [CurvatureTensor(name: "H", shape: [packed.count], values: packed)]))
  }
}

extension Matrix {
  /// With the upper triangle below the diagonal too.
  fileprivate var symmetrised: Matrix {
    var result = self
    for i in 0..<rows { for j in 0..<i { result.storage[i * columns + j] = storage[j * columns + i] } }
    return result
  }
}
