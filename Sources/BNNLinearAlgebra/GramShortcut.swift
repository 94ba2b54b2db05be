import COpenBLAS

/// The Gram matrix of rows seen, and whether it may stand for them.
///
/// A Gram matrix costs half the flops of Householder's QR at the speed of a matrix product, but squares the condition
/// number. Where the column-scaled rows have a condition below 300 that loses nothing that was promised: ε·300² is below
/// what the means are promised to (10·√P·ε·cond for P ≥ 100, and 2e-11 always). The rows are judged as they stand,
/// targets included: with Φ well conditioned but y nearly in its span the Gram matrix would lose the residual.
struct GramMatrix: Sendable {
  /// The condition number of the column-scaled rows below which their Gram matrix may stand for them.
  static let conditionLimit = 300.0
  /// Fewer rows gain nothing from the shortcut.
  static let leastRows = 1024
  /// Rows per matrix product: with BLAS's own blocking along the summed dimension a multiple of this, whole blocks run
  /// several percent faster; fixed, since it decides bits.
  static let slice = 192

  let columns: Int
  /// columns × columns, row-major; only the upper triangle means anything.
  var upper: [Double]

  init(columns: Int) {
    self.columns = columns
    upper = [Double](repeating: 0, count: columns * columns)
  }

  /// Whether so many rows of so many columns may gain from the shortcut.
  static func isWorthwhile(rows: Int, columns: Int) -> Bool {
    rows >= leastRows && rows >= 4 * columns && columns > 0
  }

  /// Adds rows (m × columns, row-major), in slices. O(m·columns²).
  mutating func add(_ rows: UnsafePointer<Double>, count: Int) {
    BLASThreads.prepare()
    let w = blasint(columns)
    for start in stride(from: 0, to: count, by: Self.slice) {
      cblas_dsyrk(
        CblasRowMajor, CblasUpper, CblasTrans, w, blasint(min(Self.slice, count - start)), 1, rows + start * columns, w,
        1, &upper, w)
    }
  }

  /// Adds another one's rows.
  mutating func add(_ other: GramMatrix) {
    upper.withUnsafeMutableBufferPointer { own in
      other.upper.withUnsafeBufferPointer { other in
        for i in 0..<columns { for j in (i * columns + i)..<(i * columns + columns) { own[j] += other[j] } }
      }
    }
  }

  /// R with RᵀR the Gram matrix, by Cholesky of the column-scaled matrix, and the extreme singular values of that; nil
  /// if a column is zero or not finite, or the estimated condition is not below the limit.
  func factor(limit: Double = conditionLimit) -> (r: Matrix, spectrum: TriangularFactor.Spectrum)? {
    BLASThreads.prepare()
    let w = columns
    var g = upper
    var scale = [Double](repeating: 0, count: w)
    for j in 0..<w {
      let square = g[j * w + j]
      guard square > 0, square.isFinite else { return nil }
      scale[j] = square.squareRoot()
    }
    let inverse = scale.map { 1 / $0 }
    for i in 0..<w { for j in i..<w { g[i * w + j] *= inverse[i] * inverse[j] } }
    var n = Int32(w)
    var info: Int32 = 0
    dpotrf_("L", &n, &g, &n, &info)
    guard info == 0 else { return nil }
    guard let scaled = try? TriangularFactor(upper: Matrix(rows: w, columns: w, storage: g)) else { return nil }
    let spectrum = scaled.estimatedSpectrum()
    guard spectrum.condition < limit else { return nil }
    var r = scaled.upper
    for i in 0..<w { for j in i..<w { r.storage[i * w + j] *= scale[j] } }
    return (r, spectrum)
  }
}

extension Matrix {
  /// R with RᵀR = AᵀA through the Gram matrix; nil when the block is short, or not well conditioned.
  func gramFactor() -> Matrix? {
    guard GramMatrix.isWorthwhile(rows: rows, columns: columns) else { return nil }
    var gram = GramMatrix(columns: columns)
    storage.withUnsafeBufferPointer { if let start = $0.baseAddress { gram.add(start, count: rows) } }
    return gram.factor()?.r
  }
}

extension TriangularFactor {
  /// Estimates of σ_max from below and of σ_min from above.
  struct Spectrum: Sendable {
    var largest: Double
    var smallest: Double

    var condition: Double { smallest > 0 ? largest / smallest : .infinity }
  }

  /// The extreme singular values of R by power iteration on RᵀR and on its inverse from a fixed start: O(p²) a step, and
  /// after these steps within a tenth or so unless several singular values crowd at an end.
  func estimatedSpectrum(steps: Int = 12) -> Spectrum {
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
    return Spectrum(largest: growth(precisionTimes).squareRoot(), smallest: 1 / growth(solve).squareRoot())
  }

  /// κ₂(R), from below.
  func estimatedCondition() -> Double { estimatedSpectrum().condition }
}
