import BNNLinearAlgebra

/// Where a dense layer's weights stand in θ, and the products that every pass makes with them: W (outputs × inputs) at
/// `offset`, b after it. Rows are behind pointers, row-major.
struct DenseLayer: Sendable {
  let inputs: Int
  let outputs: Int
  let activation: Activation
  let offset: Int

  /// The layers of a network, in order, and P.
  static func layout(_ spec: NetworkSpec) -> (layers: [DenseLayer], parameterCount: Int) {
    var size = spec.inputs
    var offset = 0
    let layers = spec.layers.map { layer in
      switch layer {
      case .dense(let units, let activation):
        defer { (size, offset) = (units, offset + units * (size + 1)) }
        return DenseLayer(inputs: size, outputs: units, activation: activation, offset: offset)
      }
    }
    return (layers, offset)
  }

  /// z ← x Wᵀ + b for m rows.
  @inline(__always) func affine<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, _ theta: UnsafePointer<Scalar>, into z: UnsafeMutablePointer<Scalar>
  ) {
    let bias = theta + offset + inputs * outputs
    for i in 0..<m { (z + i * outputs).update(from: bias, count: outputs) }
    product(rows: m, x, theta, keep: 1, into: z)
  }

  /// z ← keep·z + x Wᵀ for m rows.
  @inline(__always) func product<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, _ theta: UnsafePointer<Scalar>, keep: Scalar = 0,
    into z: UnsafeMutablePointer<Scalar>
  ) {
    guard m > 0 else { return }
    Scalar.gemm(
      transposeA: false, transposeB: true, m: m, n: outputs, k: inputs, alpha: 1, a: x, lda: inputs, b: theta + offset,
      ldb: inputs, beta: keep, c: z, ldc: outputs)
  }

  /// g ← keep·g + δW for m rows.
  @inline(__always) func inputGradient<Scalar: BLASScalar>(
    rows m: Int, _ delta: UnsafePointer<Scalar>, _ theta: UnsafePointer<Scalar>, keep: Scalar,
    into g: UnsafeMutablePointer<Scalar>
  ) {
    guard m > 0 else { return }
    Scalar.gemm(
      transposeA: false, transposeB: false, m: m, n: inputs, k: outputs, alpha: 1, a: delta, lda: outputs,
      b: theta + offset, ldb: inputs, beta: keep, c: g, ldc: inputs)
  }

  /// The layer's part of the gradient ← (δᵀx, Σδ) over m rows; 0 without rows.
  @inline(__always) func parameterGradient<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, _ delta: UnsafePointer<Scalar>, into gradient: UnsafeMutablePointer<Scalar>
  ) {
    let weights = gradient + offset
    let bias = weights + inputs * outputs
    for j in 0..<outputs { bias[j] = 0 }
    guard m > 0 else {
      for j in 0..<(inputs * outputs) { weights[j] = 0 }
      return
    }
    Scalar.gemm(
      transposeA: true, transposeB: false, m: outputs, n: inputs, k: m, alpha: 1, a: delta, lda: outputs, b: x,
      ldb: inputs, beta: 0, c: weights, ldc: inputs)
    for i in 0..<m {
      let row = delta + i * outputs
      for j in 0..<outputs { bias[j] += row[j] }
    }
  }
}

extension Array where Element: BLASScalar {
  /// Buffers only grow: a shorter last block uses the front.
  @inline(__always) mutating func fit(_ size: Int) {
    if count < size { self = [Element](repeating: 0, count: size) }
  }
}
