import COpenBLAS

/// A number whose vectors BLAS multiplies by matrices: what a filter does row by row. Vectors lie densely behind pointers.
public protocol BLASVectorScalar: BLASScalar {
  /// y ← α·A·x + β·y with a symmetric A (n × n) of which only the upper triangle is read.
  static func symv(
    n: Int, alpha: Self, a: UnsafePointer<Self>, lda: Int, x: UnsafePointer<Self>, beta: Self,
    y: UnsafeMutablePointer<Self>)
  /// y ← α·op(A)·x + β·y with A m × n.
  static func gemv(
    transpose: Bool, m: Int, n: Int, alpha: Self, a: UnsafePointer<Self>, lda: Int, x: UnsafePointer<Self>, beta: Self,
    y: UnsafeMutablePointer<Self>)
  /// xᵀy.
  static func dot(_ n: Int, _ x: UnsafePointer<Self>, _ y: UnsafePointer<Self>) -> Self
  /// y ← y + α·x.
  static func axpy(_ n: Int, _ alpha: Self, _ x: UnsafePointer<Self>, _ y: UnsafeMutablePointer<Self>)
}

extension Double: BLASVectorScalar {
  public static func symv(
    n: Int, alpha: Double, a: UnsafePointer<Double>, lda: Int, x: UnsafePointer<Double>, beta: Double,
    y: UnsafeMutablePointer<Double>
  ) {
    BLASThreads.prepare()
    cblas_dsymv(CblasRowMajor, CblasUpper, blasint(n), alpha, a, blasint(lda), x, 1, beta, y, 1)
  }

  public static func gemv(
    transpose: Bool, m: Int, n: Int, alpha: Double, a: UnsafePointer<Double>, lda: Int, x: UnsafePointer<Double>,
    beta: Double, y: UnsafeMutablePointer<Double>
  ) {
    BLASThreads.prepare()
    cblas_dgemv(
      CblasRowMajor, transpose ? CblasTrans : CblasNoTrans, blasint(m), blasint(n), alpha, a, blasint(lda), x, 1, beta,
      y, 1)
  }

  public static func dot(_ n: Int, _ x: UnsafePointer<Double>, _ y: UnsafePointer<Double>) -> Double {
    BLASThreads.prepare()
    return cblas_ddot(blasint(n), x, 1, y, 1)
  }

  public static func axpy(_ n: Int, _ alpha: Double, _ x: UnsafePointer<Double>, _ y: UnsafeMutablePointer<Double>) {
    BLASThreads.prepare()
    cblas_daxpy(blasint(n), alpha, x, 1, y, 1)
  }
}

extension Float: BLASVectorScalar {
  public static func symv(
    n: Int, alpha: Float, a: UnsafePointer<Float>, lda: Int, x: UnsafePointer<Float>, beta: Float,
    y: UnsafeMutablePointer<Float>
  ) {
    BLASThreads.prepare()
    cblas_ssymv(CblasRowMajor, CblasUpper, blasint(n), alpha, a, blasint(lda), x, 1, beta, y, 1)
  }

  public static func gemv(
    transpose: Bool, m: Int, n: Int, alpha: Float, a: UnsafePointer<Float>, lda: Int, x: UnsafePointer<Float>,
    beta: Float, y: UnsafeMutablePointer<Float>
  ) {
    BLASThreads.prepare()
    cblas_sgemv(
      CblasRowMajor, transpose ? CblasTrans : CblasNoTrans, blasint(m), blasint(n), alpha, a, blasint(lda), x, 1, beta,
      y, 1)
  }

  public static func dot(_ n: Int, _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>) -> Float {
    BLASThreads.prepare()
    return cblas_sdot(blasint(n), x, 1, y, 1)
  }

  public static func axpy(_ n: Int, _ alpha: Float, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>) {
    BLASThreads.prepare()
    cblas_saxpy(blasint(n), alpha, x, 1, y, 1)
  }
}

extension TriangularFactor {
  /// Λ⁻¹, the upper triangle; what is below it is of no meaning. O(p³).
  package func upperCovariance() -> Matrix {
    var a = upper
    var n = Int32(dimension)
    var info: Int32 = 0
    BLASThreads.prepare()
    // Row-major upper is column-major lower.
    if n > 0 { dpotri_("L", &n, &a.storage, &n, &info) }
    return a
  }
}
