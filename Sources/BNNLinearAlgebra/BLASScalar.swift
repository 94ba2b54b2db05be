import COpenBLAS

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A number that BLAS multiplies: `Float` for training and curvature of large networks, `Double` for small ones and for
/// everything that a posterior is made of.
///
/// Matrices are row-major behind pointers, since a pass over millions of rows lives in buffers that are used again.
public protocol BLASScalar: BinaryFloatingPoint, SIMDScalar, Codable, Sendable {
  /// C ← α·op(A)·op(B) + β·C with op(A) m × k and op(B) k × n; `lda`, `ldb` and `ldc` are the lengths of the stored rows.
  static func gemm(
    transposeA: Bool, transposeB: Bool, m: Int, n: Int, k: Int, alpha: Self, a: UnsafePointer<Self>, lda: Int,
    b: UnsafePointer<Self>, ldb: Int, beta: Self, c: UnsafeMutablePointer<Self>, ldc: Int)
  /// The upper triangle of C ← α·AᵀA + β·C with A m × n.
  static func syrk(
    m: Int, n: Int, alpha: Self, a: UnsafePointer<Self>, lda: Int, beta: Self, c: UnsafeMutablePointer<Self>, ldc: Int)
  /// The number in double precision; the standard library's conversion between generic types is not specialised.
  var doubleValue: Double { get }
  static func exponential(_ x: Self) -> Self
  /// max(0, z) of every entry, in place; NaN stays NaN.
  static func rectify(_ z: UnsafeMutableBufferPointer<Self>)
  /// g ← 0 where h ≤ 0.
  static func rectify(_ g: UnsafeMutableBufferPointer<Self>, where h: UnsafeBufferPointer<Self>)
  /// tanh of every entry, in place, within 2ε of the value at any size of it (ε the type's `ulpOfOne`); NaN stays NaN.
  static func hyperbolicTangents(_ z: UnsafeMutableBufferPointer<Self>)
  /// g ← g(1 − h²).
  static func scaleByTanhSlope(_ g: UnsafeMutableBufferPointer<Self>, at h: UnsafeBufferPointer<Self>)
  /// A step of Adam for `count` weights with the gradient g + pull: m ← 0.9m + 0.1(g + pull), v ← 0.999v + 0.001(g + pull)²,
  /// θ ← θ − length·m/(root·√v + 10⁻⁸).
  static func adamStep(
    _ theta: UnsafeMutablePointer<Self>, gradient: UnsafePointer<Self>, pull: UnsafePointer<Self>,
    first: UnsafeMutablePointer<Self>, second: UnsafeMutablePointer<Self>, count: Int, length: Self, root: Self)
  /// y ← x².
  static func squares(of x: UnsafePointer<Self>, into y: UnsafeMutablePointer<Self>, count: Int)
  /// y ← ab.
  static func products(
    _ a: UnsafePointer<Self>, _ b: UnsafePointer<Self>, into y: UnsafeMutablePointer<Self>, count: Int)
  /// g ← 2gh.
  static func scaleByTwice(_ h: UnsafePointer<Self>, _ g: UnsafeMutablePointer<Self>, count: Int)
  /// z ← z + ε√s with ε = sign·noise, then s ← ε/(2√s), the slope of z in s; 0 where s is below the least normal number.
  static func addNoise(
    to z: UnsafeMutablePointer<Self>, variance s: UnsafeMutablePointer<Self>, noise: UnsafePointer<Float>, sign: Self,
    count: Int)
  /// A step of Adam, as `adamStep`, for the means and log standard deviations ρ of `count` independent normal weights, in
  /// one pass: the gradient by m is ∂m + pull, that by ρ is 2s²·∂v + λs² − 1 with s² = `variance`; then
  /// `variance` ← e^{2ρ}, within 2ε. |ρ| stays below 43 in single and 350 in double precision, where that is a normal number.
  ///
  /// - Parameters:
  ///   - meanGradient: ∂m, of the negative expected log likelihood; `varianceGradient` is ∂v.
  ///   - pull: the prior's gradient by m, λ(m − m₀) where it is diagonal.
  ///   - precision: the diagonal λ of the prior's precision.
  ///   - moments: 4·`count` numbers: Adam's first and second of m, then first and second of ρ.
  static func variationalAdamStep(
    mean: UnsafeMutablePointer<Self>, logDeviation: UnsafeMutablePointer<Self>, variance: UnsafeMutablePointer<Self>,
    meanGradient: UnsafePointer<Self>, varianceGradient: UnsafePointer<Self>, pull: UnsafePointer<Self>,
    precision: UnsafePointer<Self>, moments: UnsafeMutablePointer<Self>, count: Int, length: Self, root: Self)
  /// θ ← m + sign·ε·s.
  static func newtonDraw(
    _ theta: UnsafeMutablePointer<Self>, mean: UnsafePointer<Self>, deviation: UnsafePointer<Self>,
    noise: UnsafePointer<Float>, sign: Self, count: Int)
  /// `gradients` += g, `products` += sign·ε·g.
  static func newtonCollect(
    _ gradient: UnsafePointer<Self>, noise: UnsafePointer<Float>, sign: Self, gradients: UnsafeMutablePointer<Self>,
    products: UnsafeMutablePointer<Self>, count: Int)
  /// A step of variational online Newton for `count` independent normal weights of means m and deviations s, p = 1/s²:
  /// f = products/s + prior − p, ḡ ← keep·ḡ + (1 − keep)·gradients, p ← p + follow·f + (follow·f)²/2p,
  /// m ← m − rate·(unbiased·ḡ + pull)/p. Both sums are 0 after it.
  static func newtonStep(
    mean: UnsafeMutablePointer<Self>, deviation: UnsafeMutablePointer<Self>, average: UnsafeMutablePointer<Self>,
    gradients: UnsafeMutablePointer<Self>, products: UnsafeMutablePointer<Self>, pull: UnsafePointer<Self>,
    prior: UnsafePointer<Self>, count: Int, rate: Self, keep: Self, unbiased: Self, follow: Self)
  static func complementaryErrorFunction(_ x: Self) -> Self
  /// log(1 + x).
  static func logOnePlus(_ x: Self) -> Self
}

extension Double: BLASScalar {
  public static func gemm(
    transposeA: Bool, transposeB: Bool, m: Int, n: Int, k: Int, alpha: Double, a: UnsafePointer<Double>, lda: Int,
    b: UnsafePointer<Double>, ldb: Int, beta: Double, c: UnsafeMutablePointer<Double>, ldc: Int
  ) {
    BLASThreads.prepare()
    cblas_dgemm(
      CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans, blasint(m),
      blasint(n), blasint(k), alpha, a, blasint(lda), b, blasint(ldb), beta, c, blasint(ldc))
  }

  public static func syrk(
    m: Int, n: Int, alpha: Double, a: UnsafePointer<Double>, lda: Int, beta: Double, c: UnsafeMutablePointer<Double>,
    ldc: Int
  ) {
    BLASThreads.prepare()
    cblas_dsyrk(
      CblasRowMajor, CblasUpper, CblasTrans, blasint(n), blasint(m), alpha, a, blasint(lda), beta, c, blasint(ldc))
  }

  @inline(__always) public var doubleValue: Double { self }
  @inline(__always) public static func exponential(_ x: Double) -> Double { exp(x) }

  @inline(__always) public static func complementaryErrorFunction(_ x: Double) -> Double { erfc(x) }
  @inline(__always) public static func logOnePlus(_ x: Double) -> Double { log1p(x) }
}

extension Float: BLASScalar {
  public static func gemm(
    transposeA: Bool, transposeB: Bool, m: Int, n: Int, k: Int, alpha: Float, a: UnsafePointer<Float>, lda: Int,
    b: UnsafePointer<Float>, ldb: Int, beta: Float, c: UnsafeMutablePointer<Float>, ldc: Int
  ) {
    BLASThreads.prepare()
    cblas_sgemm(
      CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans, blasint(m),
      blasint(n), blasint(k), alpha, a, blasint(lda), b, blasint(ldb), beta, c, blasint(ldc))
  }

  public static func syrk(
    m: Int, n: Int, alpha: Float, a: UnsafePointer<Float>, lda: Int, beta: Float, c: UnsafeMutablePointer<Float>,
    ldc: Int
  ) {
    BLASThreads.prepare()
    cblas_ssyrk(
      CblasRowMajor, CblasUpper, CblasTrans, blasint(n), blasint(m), alpha, a, blasint(lda), beta, c, blasint(ldc))
  }

  @inline(__always) public var doubleValue: Double { Double(self) }
  @inline(__always) public static func exponential(_ x: Float) -> Float { expf(x) }

  @inline(__always) public static func complementaryErrorFunction(_ x: Float) -> Float { erfcf(x) }
  @inline(__always) public static func logOnePlus(_ x: Float) -> Float { log1pf(x) }
}
