import COpenBLAS

/// The square-root information array of all rows seen so far, updated by orthogonal transformations:
///
///     A = [ R Z ]      RᵀR = ΦᵀΦ,  RᵀZ = ΦᵀY,  ZᵀZ + TᵀT = YᵀY
///         [ 0 T ]
///
/// for rows [Φ Y] (n × w, w = p + C). A is upper trapezoidal with min(n, w) rows: with fewer rows than columns it
/// keeps only as many rows as it has seen. AᵀA = [Φ Y]ᵀ[Φ Y] always, but the array itself never goes through it, so the
/// condition number is not squared (Golub 1965; Bierman 1977, square-root information filter). Long blocks go through
/// products of themselves only where that loses nothing: a first one that is measured to be well conditioned through its
/// own Gram matrix (`gramFactor`), a later one after division by the array (`WhitenedRows`).
public struct InformationArray: Sendable, Equatable {
  /// w = p + C.
  public let width: Int
  /// The array, k × w upper trapezoidal, k ≤ w.
  public private(set) var array: Matrix

  /// Householder panels of LAPACK's blocked triangular–pentagonal factorisation; fixed, since it decides bits.
  static let panel = 32
  /// Rows that reflections take at once; more leave the processor's cache and cost twice as much each.
  static let block = 1024
  /// Blocks of at most this many rows are rotated in one by one, which costs O(w²) a row.
  static let rotationLimit = 4

  /// No rows seen.
  public init(width: Int) {
    self.width = width
    array = Matrix(rows: 0, columns: width)
  }

  /// From an array that was stored: upper trapezoidal, at most `width` rows.
  public init(array: Matrix) {
    precondition(array.rows <= array.columns, "an information array is at most square")
    width = array.columns
    self.array = array
  }

  /// Absorbs rows [Φ Y] (m × w); their storage is used as scratch and holds nothing meaningful afterwards.
  ///
  /// O(m w²) flops; backward stable: the result is exact for rows perturbed by a few ε of their columns' norms. Long
  /// blocks are taken faster where they may be (`gramFactor`, `WhitenedRows`).
  public mutating func absorb(_ rows: inout Matrix) {
    precondition(rows.columns == width, "rows must have w columns")
    guard rows.rows > 0, width > 0 else { return }
    BLASThreads.prepare()
    if array.rows < width, var factor = rows.gramFactor() {
      absorb(factor: &factor)
    } else {
      absorbOrthogonally(&rows)
    }
  }

  /// Absorbs the rows of which an upper triangle (w × w) is the factor; its storage is used as scratch.
  mutating func absorb(factor: inout Matrix) {
    BLASThreads.prepare()
    guard array.rows == width else { return stack(factor) }
    factor.storage.withUnsafeMutableBufferPointer { factor in
      if let factor = factor.baseAddress { absorbBlock(factor, count: width, triangular: true) }
    }
  }

  /// Absorbs rows without a Gram matrix of their own, however they are conditioned; their storage is used as scratch.
  ///
  /// - Parameter whitening: false for rotations and reflections only.
  mutating func absorbOrthogonally(_ rows: inout Matrix, whitening: Bool = true) {
    guard rows.rows > 0, width > 0 else { return }
    BLASThreads.prepare()
    if rows.rows <= Self.rotationLimit {
      for i in 0..<rows.rows { rotate(in: Array(rows.row(i))) }
    } else if array.rows == width {
      let count = rows.rows
      rows.storage.withUnsafeMutableBufferPointer { rows in
        if let rows = rows.baseAddress { absorbBlocks(rows, count: count, whitening: whitening) }
      }
    } else {
      stack(rows)
    }
  }

  /// The array of the rows of both.
  public func merged(with other: InformationArray) -> InformationArray {
    var result = self
    var rows = other.array
    result.absorb(&rows)
    return result
  }

  /// Flips rows so that the diagonal is not negative; AᵀA is unchanged. The form that is stored and compared.
  public mutating func makeDiagonalPositive() {
    for i in 0..<array.rows where array[i, i] < 0 {
      for j in i..<width { array[i, j] = -array[i, j] }
    }
  }

  // MARK: Ways in

  /// Full triangle and many rows: whitened as far as the bound allows, a block of reflections where it does not; after
  /// that the array knows the directions that were new to it, and whitening may do again.
  private mutating func absorbBlocks(_ rows: UnsafeMutablePointer<Double>, count: Int, whitening: Bool) {
    var done = 0
    while done < count {
      if whitening, WhitenedRows.isWorthwhile(rows: count - done, columns: width) {
        var whitened = WhitenedRows(columns: width)
        let some = whitened.take(rows + done * width, count: count - done, root: array)
        if some > 0 { whitened.condense(into: &array) }
        done += some
      }
      let some = min(Self.block, count - done)
      if some > 0 { absorbBlock(rows + done * width, count: some) }
      done += some
    }
  }

  /// Full triangle and a block: LAPACK's dtplqt. A row-major upper triangle is a column-major lower one, so [A; B]'s QR
  /// is the LQ of [Aᵀ Bᵀ] on the same bytes.
  private mutating func absorbBlock(_ rows: UnsafeMutablePointer<Double>, count: Int, triangular: Bool = false) {
    var m = Int32(width)
    var n = Int32(count)
    var l = triangular ? m : 0
    var block = Int32(min(Self.panel, width))
    var info: Int32 = 0
    var t = [Double](repeating: 0, count: Int(block) * width)
    var work = [Double](repeating: 0, count: Int(block) * width)
    var leading = Int32(width)
    dtplqt_(
      &m, &n, &l, &block, &array.storage, &leading, rows, &leading, &t, &block, &work, &info)
    precondition(info == 0, "dtplqt was called with a wrong argument")
  }

  /// Fewer rows than columns so far: the QR of the stacked rows.
  private mutating func stack(_ rows: Matrix) {
    var storage = array.storage
    storage.append(contentsOf: rows.storage)
    let total = array.rows + rows.rows
    let kept = min(total, width)
    var m = Int32(width)
    var n = Int32(total)
    var leading = m
    var info: Int32 = 0
    var tau = [Double](repeating: 0, count: kept)
    var query = [0.0]
    var length: Int32 = -1
    dgelqf_(&m, &n, &storage, &leading, &tau, &query, &length, &info)
    length = Int32(max(1, query[0]))
    var work = [Double](repeating: 0, count: Int(length))
    dgelqf_(&m, &n, &storage, &leading, &tau, &work, &length, &info)
    precondition(info == 0, "dgelqf was called with a wrong argument")
    var result = Matrix(rows: kept, columns: width)
    for i in 0..<kept {
      for j in i..<width { result.storage[i * width + j] = storage[i * width + j] }
    }
    array = result
  }

  /// One row by Givens rotations; it becomes a new row of the array while there are fewer than w.
  private mutating func rotate(in row: [Double]) {
    var row = row
    let w = width
    let k = array.rows
    var storage = array.storage
    array = Matrix(rows: 0, columns: w)
    storage.withUnsafeMutableBufferPointer { a in
      row.withUnsafeMutableBufferPointer { r in
        for i in 0..<k where r[i] != 0 {
          let x = a.baseAddress! + (i * w + i)
          let y = r.baseAddress! + i
          var (f, g, c, s) = (x[0], y[0], 0.0, 0.0)
          cblas_drotg(&f, &g, &c, &s)
          cblas_drot(blasint(w - i), x, 1, y, 1, c, s)
          y[0] = 0
        }
      }
    }
    if k < w {
      storage.append(contentsOf: row)
      array = Matrix(rows: k + 1, columns: w, storage: storage)
    } else {
      array = Matrix(rows: k, columns: w, storage: storage)
    }
  }
}

extension InformationArray {
  /// [R Z] of the first p columns: R (k × p upper trapezoidal, k ≤ p) and the C right-hand sides (k numbers each).
  public func leading(_ p: Int) -> (r: Matrix, z: [[Double]]) {
    let k = min(array.rows, p)
    var r = Matrix(rows: k, columns: p)
    for i in 0..<k { for j in i..<p { r.storage[i * p + j] = array.storage[i * width + j] } }
    return (r, (p..<width).map { c in (0..<k).map { array.storage[$0 * width + c] } })
  }

  /// ρ² per right-hand side: what the first p columns cannot explain, Σ of squares of T's column (never a subtraction).
  public func residualSquares(beyond p: Int) -> [Double] {
    (p..<width).map { c in
      var sum = 0.0
      for i in min(p, array.rows)..<array.rows { sum += array[i, c] * array[i, c] }
      return sum
    }
  }
}

extension InformationArray {
  /// The array of the same rows with y replaced by y − Φv in the last column: z ← z − Rv, the rest unchanged.
  package mutating func subtractProduct(with v: [Double]) {
    precondition(v.count == width - 1, "one entry per column but the last")
    for i in 0..<min(array.rows, width - 1) {
      var sum = 0.0
      for j in i..<(width - 1) { sum += array.storage[i * width + j] * v[j] }
      array.storage[i * width + width - 1] -= sum
    }
  }
}
