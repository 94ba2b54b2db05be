import COpenBLAS

/// New rows A in the metric of a full array R₀: W = A R₀⁻¹, so that
///
///     R₀ᵀR₀ + AᵀA = R₀ᵀ(I + WᵀW)R₀,   R = chol(I + WᵀW)·R₀
///
/// mostly by matrix products: two thirds of the time of Householder's reflections at w = 502 (measured, without the O(w³)
/// at the end). Unlike A's own Gram matrix this does not square the condition number: I + WᵀW has no eigenvalue below 1
/// however R₀ is conditioned.
///
/// Error. A row w of W solves w(R₀ + ΔR) = a, |ΔR| ≤ γ_w|R₀| (Higham 2002, Accuracy and Stability of Numerical
/// Algorithms, theorem 8.5): column j of A is moved by at most γ_w‖W‖_F‖R₀e_j‖. Forming I + WᵀW and its Cholesky factor
/// adds an E with ‖E‖ ≤ γ(1 + ‖W‖²_F) (theorem 10.3), and since I + WᵀW ≥ I the factor is (I + G)R up to an orthogonal
/// matrix, ‖G‖ ≤ ‖E‖: a change of the rows' weights, which moves least squares by 2‖E‖ of the residual's norm whatever the
/// condition. Both are backward errors in the columns' norms as Householder's is, larger by a factor. So
///
///     1 + ‖W‖²_F < min(300², 100 w)
///
/// is demanded: ‖E‖ stays below what `GramMatrix` allows itself, and ‖W‖_F below 10√w, the factor that the promise
/// for means grants beyond ε·condition. ‖W‖²_F is the leverage of the new rows, about w·m/n for m rows after n alike.
struct WhitenedRows {
  /// Bound on 1 + ‖W‖²_F.
  static func limit(columns w: Int) -> Double {
    min(GramMatrix.conditionLimit * GramMatrix.conditionLimit, 100 * Double(w))
  }
  /// Fewer rows gain nothing over reflections.
  static func isWorthwhile(rows: Int, columns: Int) -> Bool { rows >= max(GramMatrix.slice, 2 * columns) }
  /// Columns solved for at once; more are halved, so that most of the work is matrix products.
  private static let leaf = 32

  private let columns: Int
  /// I + WᵀW, upper triangle.
  private var gram: Matrix
  /// 1 + ‖W‖²_F.
  private var squares = 1.0
  private var scratch: [Double]

  init(columns: Int) {
    self.columns = columns
    gram = Matrix(rows: columns, columns: columns)
    for i in 0..<columns { gram[i, i] = 1 }
    scratch = [Double](repeating: 0, count: GramMatrix.slice * columns)
  }

  /// Takes leading rows of A (m × w), as many slices as the bound allows; returns how many rows those were. O(m w²).
  mutating func take(_ rows: UnsafePointer<Double>, count m: Int, root: Matrix) -> Int {
    let w = blasint(columns)
    var done = 0
    while done < m {
      let some = min(GramMatrix.slice, m - done)
      scratch.withUnsafeMutableBufferPointer { target in
        guard let target = target.baseAddress else { return }
        target.update(from: rows + done * root.columns, count: some * root.columns)
        root.storage.withUnsafeBufferPointer { entries in
          guard let entries = entries.baseAddress else { return }
          Self.solve(target, rows: some, entries, 0..<root.columns, width: root.columns)
        }
      }
      let sum = squares + cblas_ddot(blasint(some * columns), scratch, 1, scratch, 1)
      // A zero on the diagonal of R₀ leaves numbers that are not finite here.
      guard sum < Self.limit(columns: columns) else { break }
      squares = sum
      cblas_dsyrk(
        CblasRowMajor, CblasUpper, CblasTrans, w, blasint(some), 1, scratch, w, 1, &gram.storage, w)
      done += some
    }
    return done
  }

  /// R₀ ← chol(I + WᵀW)·R₀. O(w³).
  mutating func condense(into root: inout Matrix) {
    var n = Int32(columns)
    var info: Int32 = 0
    dpotrf_("L", &n, &gram.storage, &n, &info)
    precondition(info == 0, "I + WᵀW within the limit is positive definite")
    cblas_dtrmm(
      CblasRowMajor, CblasLeft, CblasUpper, CblasNoTrans, CblasNonUnit, n, n, 1, gram.storage, n, &root.storage, n)
  }

  /// X R = A for a range of columns, in place: the left half, what it leaves of the right half, the right half.
  private static func solve(
    _ a: UnsafeMutablePointer<Double>, rows m: Int, _ root: UnsafePointer<Double>, _ range: Range<Int>, width: Int
  ) {
    let (w, first) = (blasint(width), range.lowerBound)
    let diagonal = root + (first * width + first)
    guard range.count > leaf else {
      cblas_dtrsm(
        CblasRowMajor, CblasRight, CblasUpper, CblasNoTrans, CblasNonUnit, blasint(m), blasint(range.count), 1,
        diagonal, w, a + first, w)
      return
    }
    // A multiple of the width of BLAS's kernels.
    let half = (range.count / 2 + 15) / 16 * 16
    solve(a, rows: m, root, first..<first + half, width: width)
    cblas_dgemm(
      CblasRowMajor, CblasNoTrans, CblasNoTrans, blasint(m), blasint(range.count - half), blasint(half), -1, a + first,
      w, diagonal + half, w, 1, a + first + half, w)
    solve(a, rows: m, root, first + half..<range.upperBound, width: width)
  }
}
