extension InformationArray {
  /// The array of the rows of this one without those of a part B of them: A₊ᵀA₊ = AᵀA − BᵀB.
  ///
  /// With columns scaled to norm 1, A = QT where T is A itself, or ΣVᵀ of its singular values above rounding where A is not
  /// well conditioned; M = BT⁻¹ = XSYᵀ has no singular value above 1, and
  ///
  ///     A₊ = Q₊[I − Y(I − √(I − S²))Yᵀ]T,   √(1 − s²) = √((1 − s)(1 + s))
  ///
  /// (the downdating problem of Stewart 1979, "The effects of rounding error on an algorithm for downdating a Cholesky
  /// factorization", for a block of rows): the rounding of an orthogonal update of A divided by 1 − s², what is left of the
  /// direction that loses most; at least 1/K where one of K equal parts stays. Where a direction may lose all, 1 − s² is
  /// rounding, and A may be a difference itself that was left without a direction that B has: then AᵀA − BᵀB is taken apart instead,
  /// good to ε‖AᵀA‖, with what is below that set to 0.
  ///
  /// - Parameters:
  ///   - part: B, of the same width.
  ///   - count: the rows that stay; A₊ has min(count, w) rows.
  /// - Returns: nil where B is no part of A: it says more than A of some direction.
  /// - Throws: `LinearAlgebraError.notConverged`. O(w³).
  public func removing(_ part: InformationArray, leaving count: Int) throws(LinearAlgebraError) -> InformationArray? {
    precondition(part.width == width && count >= 0, "arrays of one width")
    var (a, b) = (array, part.array)
    let scale = (0..<width).map { j in
      let length = norm(a.column(j))
      return length > 0 ? length : 1
    }
    a.divideColumns(by: scale)
    b.divideColumns(by: scale)
    let kept = min(count, width)
    var found: Matrix?
    if let division = try Division(of: b, by: a), division.divisor.rows <= kept { found = try division.rest() }
    if found == nil { found = try Self.difference(a, b, rows: kept) }
    guard var rest = found else { return nil }
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

  /// At most `count` rows R with RᵀR = AᵀA − BᵀB to the rounding of AᵀA; nil when that is not positive semi-definite.
  private static func difference(_ a: Matrix, _ b: Matrix, rows count: Int) throws(LinearAlgebraError) -> Matrix? {
    var gram = a.gram
    gram.accumulate(b, b, transposeA: true, scale: -1)
    let eigen = try SymmetricEigen(of: gram)
    let w = a.columns
    let size = a.squaredRowNorms.reduce(0, +)
    guard let least = eigen.values.first, least > -1e-9 * size else {
      return w == 0 ? Matrix(rows: 0, columns: 0) : nil
    }
    let chosen = eigen.values.indices.filter { eigen.values[$0] > Double(w) * Double.ulpOfOne * size }.suffix(count)
    var rest = eigen.vectors.gathering(ArraySlice(chosen))
    for (i, k) in chosen.enumerated() { for j in 0..<w { rest[i, j] *= eigen.values[k].squareRoot() } }
    return rest
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

  /// Nil where B has more than rounding of a direction that A has not: A may be a difference itself, good to the root of rounding in
  /// such a direction, or B no part of it.
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
      guard norm(Array(row[rank...])) < Double(a.columns) * Double.ulpOfOne else { return nil }
    }
    for i in 0..<rank { for j in 0..<divisor.columns { divisor[i, j] *= values[i] } }
    (self.divisor, self.quotient) = (divisor, quotient)
    amplification = { y in norm(zip(y, values).map { $0 * largest / $1 }) }
  }

  /// [I − Y(I − √(I − S²))Yᵀ]T; nil where rounding may be as large as what is left of a direction.
  func rest() throws(LinearAlgebraError) -> Matrix? {
    let decomposition = try SingularValueDecomposition(of: quotient)
    let rounding = 8 * Double(divisor.columns).squareRoot() * Double.ulpOfOne
    var shrink: [Double] = []
    for (j, s) in decomposition.singularValues.enumerated() where s > 0 {
      let left = (1 - s) * (1 + s)
      guard left > 4 * rounding * amplification(Array(decomposition.rightVectors.row(j))) else { return nil }
      shrink.append(1 - left.squareRoot())
    }
    let directions = decomposition.rightVectors.rows(0..<shrink.count)
    var product = Matrix.product(directions, divisor)
    for i in shrink.indices { for j in 0..<product.columns { product[i, j] *= -shrink[i] } }
    var result = divisor
    result.accumulate(directions, product, transposeA: true)
    return result
  }
}

extension Matrix {
  fileprivate mutating func divideColumns(by scale: [Double]) {
    for i in 0..<rows { for j in 0..<columns { storage[i * columns + j] /= scale[j] } }
  }
}
