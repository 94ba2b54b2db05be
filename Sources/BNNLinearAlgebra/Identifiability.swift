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
  /// The largest singular value over the smallest that counts, columns scaled; 1 for none.
  public let condition: Double
  /// The unit direction of that smallest one, in scaled columns; empty for none.
  public let weakest: [Double]

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
    self.init(rank, decomposition.singularValues, decomposition.rightVectors)
  }

  /// Of G = ΦᵀΦ itself, p × p: an eigenvalue of the scaled matrix counts as zero below `p·ε` times the largest, so that directions
  /// known 1e7 times less well than the best are not told from those that are not known.
  public init(ofGram g: Matrix) throws(LinearAlgebraError) {
    let p = g.columns
    var scaled = g
    let lengths = (0..<p).map { g[$0, $0] > 0 ? g[$0, $0].squareRoot() : 1 }
    for i in 0..<p { for j in 0..<p { scaled[i, j] /= lengths[i] * lengths[j] } }
    let eigen = try SymmetricEigen(of: scaled)
    let tolerance = Double(p) * Double.ulpOfOne * max(0, eigen.values.last ?? 0)
    let descending = Array((0..<p).reversed())
    self.init(
      eigen.values.count { $0 > tolerance }, descending.map { max(0, eigen.values[$0]).squareRoot() },
      eigen.vectors.gathering(descending[...]))
  }

  private init(_ rank: Int, _ values: [Double], _ rightVectors: Matrix) {
    let p = rightVectors.columns
    self.rank = rank
    condition = rank > 0 ? values[0] / values[rank - 1] : 1
    weakest = rank > 0 ? Array(rightVectors.row(rank - 1)) : []
    nullDirections = rightVectors.rows(rank..<p)
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
