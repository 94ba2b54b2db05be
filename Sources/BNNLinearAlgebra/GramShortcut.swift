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
  /// span the Gram matrix would lose the residual.
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
    guard let scaled = try? TriangularFactor(upper: Matrix(rows: w, columns: w, storage: g)),
      scaled.estimatedCondition() < Self.gramConditionLimit
    else { return nil }
    var factor = Matrix(rows: w, columns: w)
    for i in 0..<w { for j in i..<w { factor.storage[i * w + j] = scaled.upper.storage[i * w + j] * scale[j] } }
    return factor
  }
}

extension TriangularFactor {
  /// κ₂(R) = σ_max/σ_min by power iteration on RᵀR and on its inverse from a fixed start: O(p²) a step, from below, and
  /// after these steps within a tenth or so unless several singular values crowd at an end.
  func estimatedCondition(steps: Int = 12) -> Double {
    let start = (0..<dimension).map { 1 + Double($0 % 7) / 7 }
    func growth(_ step: ([Double]) -> [Double]) -> Double {
      var x = start
      var factor = 0.0
      for _ in 0..<steps {
        let length = norm(x)
        guard length > 0, length.isFinite else { return .infinity }
        x = step(x.map { $0 / length })
        factor = norm(x)
      }
      return factor
    }
    return (growth(precisionTimes) * growth(solve)).squareRoot()
  }
}
