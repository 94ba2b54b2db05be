import COpenBLAS

extension Matrix {
  /// The condition number of the column-scaled block below which its Gram matrix may stand for it: what the Gram matrix
  /// loses, ε·300², is then below what the means are promised to (10·√P·ε·cond for P ≥ 100, and 2e-11 always).
  static let gramConditionLimit = 300.0
  /// A shorter block gains nothing from the shortcut.
  static let gramRowLimit = 1024

  /// R with RᵀR = AᵀA by the Cholesky factor of the column-scaled Gram matrix, at half the flops of Householder's QR and
  /// the speed of a matrix product; nil when the block is short, or its estimated condition is not below the limit.
  ///
  /// The condition is judged on the block as it stands, targets included: with Φ well conditioned but y nearly in its
  /// span the Gram matrix would lose the residual. Estimate: κ₂ ≤ √(κ₁κ_∞) of the scaled factor (LAPACK's dtrcon).
  func gramFactor() -> Matrix? {
    guard rows >= Self.gramRowLimit, rows >= 4 * columns, columns > 0 else { return nil }
    BLASThreads.prepare()
    let w = columns
    var g = [Double](repeating: 0, count: w * w)
    cblas_dsyrk(
      CblasRowMajor, CblasUpper, CblasTrans, blasint(w), blasint(rows), 1, storage, blasint(w), 0, &g, blasint(w))
    var scale = [Double](repeating: 0, count: w)
    for j in 0..<w {
      let square = g[j * w + j]
      guard square > 0, square.isFinite else { return nil }
      scale[j] = square.squareRoot()
    }
    for i in 0..<w { for j in i..<w { g[i * w + j] /= scale[i] * scale[j] } }
    var n = Int32(w)
    var info: Int32 = 0
    dpotrf_("L", &n, &g, &n, &info)
    guard info == 0 else { return nil }
    var integers = [Int32](repeating: 0, count: w)
    var work = [Double](repeating: 0, count: 3 * w)
    var product = 1.0
    for norm in ["1", "I"] {
      var reciprocal = 0.0
      dtrcon_(norm, "L", "N", &n, g, &n, &reciprocal, &work, &integers, &info)
      product *= reciprocal
    }
    guard product > 0, 1 / product.squareRoot() < Self.gramConditionLimit else { return nil }
    var factor = Matrix(rows: w, columns: w)
    for i in 0..<w { for j in i..<w { factor.storage[i * w + j] = g[i * w + j] * scale[j] } }
    return factor
  }
}
