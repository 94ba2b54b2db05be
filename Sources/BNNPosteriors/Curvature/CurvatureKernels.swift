import BNNLinearAlgebra

/// Rows that are multiplied at once: enough for matrix products at full speed, few enough that scratch stays in the cache
/// and that sums in single precision keep six digits. Fixed, since it decides bits.
let curvatureSlice = 1536

/// y ← y + scale·x, x in either precision.
@inline(__always) func accumulate<Scalar: BLASScalar>(
  _ scale: Double, _ x: UnsafePointer<Scalar>, count: Int, into y: UnsafeMutablePointer<Double>
) {
  if Scalar.self == Float.self {
    let x = UnsafeRawPointer(x).assumingMemoryBound(to: Float.self)
    for i in 0..<count { y[i] += scale * Double(x[i]) }
  } else {
    for i in 0..<count { y[i] += scale * Double(x[i]) }
  }
}

/// y ← y + weight·Σ of the rows of x (count × columns).
@inline(__always) func addColumnSums<Scalar: BLASScalar>(
  _ x: UnsafePointer<Scalar>, count: Int, columns: Int, weight: Double, into y: UnsafeMutablePointer<Double>
) {
  for i in 0..<count { accumulate(weight, x + i * columns, count: columns, into: y) }
}

/// Numbers of the posterior in the precision of the rows that they will multiply.
@inline(__always) func converted<Scalar: BLASScalar>(_ x: [Double], to type: Scalar.Type) -> [Scalar] {
  x.map { Scalar($0) }
}

@inline(__always) func copy<Scalar: BLASScalar>(
  _ x: UnsafeBufferPointer<Scalar>, to y: UnsafeMutablePointer<Scalar>
) {
  if let base = x.baseAddress { y.update(from: base, count: x.count) }
}

/// y ← x², elementwise.
@inline(__always) func square<Scalar: BLASScalar>(
  _ x: UnsafePointer<Scalar>, count: Int, into y: UnsafeMutablePointer<Scalar>
) {
  for i in 0..<count { y[i] = x[i] * x[i] }
}

/// y ← y + x², elementwise.
@inline(__always) func addSquare<Scalar: BLASScalar>(
  _ x: UnsafePointer<Scalar>, count: Int, into y: UnsafeMutablePointer<Scalar>
) {
  for i in 0..<count { y[i] += x[i] * x[i] }
}

/// Σ xᵢyᵢ in eight partial sums.
@inline(__always) func innerProduct<Scalar: BLASScalar>(
  _ x: UnsafePointer<Scalar>, _ y: UnsafePointer<Scalar>, count: Int
) -> Scalar {
  var sums = SIMD8<Scalar>.zero
  var j = 0
  while j + 8 <= count {
    let a = UnsafeRawPointer(x + j).loadUnaligned(as: SIMD8<Scalar>.self)
    let b = UnsafeRawPointer(y + j).loadUnaligned(as: SIMD8<Scalar>.self)
    sums += a * b
    j += 8
  }
  var sum = ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]))
  while j < count {
    sum += x[j] * y[j]
    j += 1
  }
  return sum
}

/// S_cc' ← S_cc' + Σⱼ δ_cj δ_c'j w_j of every row, both triangles.
///
/// - Parameters:
///   - deltas: the address of row 0 of root 0; root c of row i is at (c·stride + i)·outputs.
///   - weights: rows × outputs.
///   - covariances: rows × roots².
@inline(__always) func addWeightedProducts<Scalar: BLASScalar>(
  deltas: UnsafePointer<Scalar>, stride: Int, weights: UnsafePointer<Scalar>, rows: Int, roots: Int, outputs: Int,
  into covariances: UnsafeMutablePointer<Double>
) {
  withScratch(Scalar.self, outputs) { scaled in
    for i in 0..<rows {
      let w = weights + i * outputs
      let target = covariances + i * roots * roots
      for c in 0..<roots {
        let delta = deltas + (c * stride + i) * outputs
        for j in 0..<outputs { scaled[j] = delta[j] * w[j] }
        for d in c..<roots {
          let value = Double(innerProduct(scaled, deltas + (d * stride + i) * outputs, count: outputs))
          target[c * roots + d] += value
          if d > c { target[d * roots + c] += value }
        }
      }
    }
  }
}

/// Σ log x.
func logSum(_ x: [Double]) -> Double { x.reduce(0) { $0 + naturalLogarithm($1) } }
