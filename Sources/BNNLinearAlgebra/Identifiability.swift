/// Which directions of weight space an upper triangular R = square root of ΦᵀΦ has informed.
///
/// Columns are scaled to norm 1 first, so that units do not decide; a singular value counts as zero below
/// `max(n, p)·ε` times the largest (the backward error of the factorisation that made R).
public struct Identifiability: Sendable, Equatable {
  /// rank Φ.
  public let rank: Int
  /// Orthonormal directions (rows, in scaled columns) that the data never informed.
  public let nullDirections: Matrix
  /// Columns that have a part in such a direction, ascending.
  public let unidentifiedColumns: [Int]

  /// R is k × p with k ≤ p, the array of `rows` rows of data.
  public init(of r: Matrix, rows: Int) throws(LinearAlgebraError) {
    let p = r.columns
    var scaled = r
    for j in 0..<p {
      let length = norm(r.column(j))
      if length > 0 { for i in 0..<r.rows { scaled[i, j] /= length } }
    }
    let decomposition = try SingularValueDecomposition(of: scaled)
    let largest = decomposition.singularValues.first ?? 0
    let tolerance = Double(max(rows, p)) * Double.ulpOfOne * largest
    let rank = decomposition.singularValues.count { $0 > tolerance }
    self.rank = rank
    nullDirections = decomposition.rightVectors.rows(rank..<p)
    // A unit vector's entries below this are rounding of the decomposition, not a part in the direction.
    let visible = Double(p).squareRoot() * 1e-8
    let directions = nullDirections
    unidentifiedColumns = (0..<p).filter { j in
      (0..<directions.rows).contains { abs(directions[$0, j]) > visible }
    }
  }

  /// True when every column is informed.
  public var isFull: Bool { nullDirections.rows == 0 }
}
