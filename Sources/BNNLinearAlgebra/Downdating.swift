extension InformationArray {
  /// The array of the rows of this one without those of a part B of them: A₊ᵀA₊ = AᵀA − BᵀB, neither of which is formed.
  ///
  /// With columns scaled to norm 1, A = QT where T is A itself, or ΣVᵀ of its singular values above rounding where A is not
  /// well conditioned; M = BT⁻¹ = XSYᵀ has no singular value above 1, and
  ///
  ///     A₊ = Q₊[I − Y(I − √(I − S²))Yᵀ]T,   √(1 − s²) = √((1 − s)(1 + s))
  ///
  /// (the downdating problem of Stewart 1979, "The effects of rounding error on an algorithm for downdating a Cholesky
  /// factorization", for a block of rows). Rounding is that of an orthogonal update of A divided by √(1 − s²), what is left of
  /// the direction that loses most: harmless while that is far from 0, as where one of K equal parts stays.
  ///
  /// - Parameters:
  ///   - part: B, of the same width.
  ///   - count: the rows that stay; A₊ has min(count, w) rows.
  /// - Returns: nil where B is no part of A: it says more than A of some direction.
  /// - Throws: `LinearAlgebraError.notConverged`. O(w³).
  public func removing(_ part: InformationArray, leaving count: Int) throws(LinearAlgebraError) -> InformationArray? {
    precondition(part.width == width && count >= 0, "arrays of one width")
    let rounding = 8 * Double(width).squareRoot() * Double.ulpOfOne
    var (a, b) = (array, part.array)
    let scale = (0..<width).map { j in
      let length = norm(a.column(j))
      return length > 0 ? length : 1
    }
    a.divideColumns(by: scale)
    b.divideColumns(by: scale)

    guard let division = try Division(of: b, by: a) else { return nil }
    let t = division.divisor
    let decomposition = try SingularValueDecomposition(of: division.quotient)
    var shrink: [Double] = []
    var lost = 0
    for (j, s) in decomposition.singularValues.enumerated() where s > 0 {
      // Exactly 0 where nothing of a direction is left but rounding: its root would pass for information.
      let tolerance = rounding * division.amplification(Array(decomposition.rightVectors.row(j)))
      let left = (1 - s) * (1 + s)
      guard left > -max(tolerance, 1e-10) else { return nil }
      if left <= tolerance { lost += 1 }
      shrink.append(1 - (left <= tolerance ? 0 : left.squareRoot()))
    }
    let directions = decomposition.rightVectors.rows(0..<shrink.count)
    var product = Matrix.product(directions, t)
    for i in shrink.indices { for j in 0..<width { product.storage[i * width + j] *= -shrink[i] } }
    var rest = t
    rest.accumulate(directions, product, transposeA: true)

    let kept = min(count, width)
    if lost > 0 || rest.rows > kept {
      // As many rows as there are directions, not as many as there were.
      let reduced = try SingularValueDecomposition(of: rest)
      let rank = min(rest.rows - lost, kept)
      rest = reduced.rightVectors.rows(0..<rank)
      for i in 0..<rank { for j in 0..<width { rest.storage[i * width + j] *= reduced.singularValues[i] } }
    }
    rest.divideColumns(by: scale.map { 1 / $0 })
    var result = InformationArray(width: width)
    result.absorbOrthogonally(&rest)
    let missing = kept - result.array.rows
    guard missing > 0 else { return result }
    return InformationArray(
      array: Matrix(
        rows: kept, columns: width,
        storage: result.array.storage + [Double](repeating: 0, count: missing * width)))
  }

  /// The array of every row `times` over.
  public func repeated(_ times: Int) -> InformationArray {
    precondition(times >= 0, "rows are repeated a whole number of times")
    guard times > 0 else { return InformationArray(width: width) }
    var scaled = array
    let root = Double(times).squareRoot()
    for i in scaled.storage.indices { scaled.storage[i] *= root }
    return InformationArray(array: scaled)
  }
}

/// M = BT⁻¹ for the array of which B is a part, in columns of norm 1.
private struct Division {
  /// Condition number below which the array is divided by as the triangle it is.
  private static let triangularLimit = 1e7

  /// T, r × w.
  let divisor: Matrix
  let quotient: Matrix
  /// ‖T‖ ‖T⁻¹y‖: what rounding grows by in the direction y of M.
  let amplification: ([Double]) -> Double

  /// Nil where B has a direction that A has not.
  init?(of b: Matrix, by a: Matrix) throws(LinearAlgebraError) {
    if a.rows == a.columns, let factor = try? TriangularFactor(upper: a) {
      let spectrum = factor.estimatedSpectrum()
      if spectrum.condition < Self.triangularLimit {
        var quotient = b
        factor.whiten(&quotient)
        (divisor, self.quotient) = (factor.upper, quotient)
        amplification = { spectrum.largest * norm(factor.backSolve($0)) }
        return
      }
    }
    let decomposition = try SingularValueDecomposition(of: a)
    let values = decomposition.singularValues
    let largest = values.first ?? 0
    let rank = values.count { $0 > Double(a.columns) * Double.ulpOfOne * largest }
    let rotated = Matrix.product(b, decomposition.rightVectors, transposeB: true)
    var quotient = Matrix(rows: b.rows, columns: rank)
    var divisor = decomposition.rightVectors.rows(0..<rank)
    for i in 0..<b.rows {
      let row = Array(rotated.row(i))
      for j in 0..<rank { quotient[i, j] = row[j] / values[j] }
      // Far above what the directions that were left out hold of columns of norm 1.
      guard norm(Array(row[rank...])) < 1e-9 else { return nil }
    }
    for i in 0..<rank { for j in 0..<divisor.columns { divisor[i, j] *= values[i] } }
    (self.divisor, self.quotient) = (divisor, quotient)
    amplification = { y in norm(zip(y, values).map { $0 * largest / $1 }) }
  }
}

extension Matrix {
  fileprivate mutating func divideColumns(by scale: [Double]) {
    for i in 0..<rows { for j in 0..<columns { storage[i * columns + j] /= scale[j] } }
  }
}
