import BNNLinearAlgebra

/// Leading directions of all weights and a diagonal: H ≈ BᵀB + diag(d), with diag H exact.
///
/// B holds at most `rank` rows. New rows are stacked under it, the leading eigenvectors of the stack's Gram matrix are
/// kept, and what they leave out adds to the diagonal only: H stays positive semi-definite, and no variance is forgotten.
public struct LowRankCurvature: Curvature {
  public static let structure = CurvatureStructure.lowRank
  /// A Gram matrix of twice this order is decomposed in some milliseconds, little beside the product that makes it; and a
  /// hundred directions of a network of 90,000 weights are 72 MB in a file.
  public static let defaultRank = 100

  /// The most directions that are kept.
  public let rank: Int
  /// B, at most rank × P, leading direction first.
  public private(set) var directions: Matrix
  /// diag H.
  private var total: DiagonalCurvature

  public var layers: [LayerShape] { total.layers }

  /// Of no rows.
  public init(layers: [LayerShape], rank: Int = defaultRank) {
    precondition(rank > 0, "a low rank is 1 at least; without directions it is a diagonal")
    self.rank = rank
    total = DiagonalCurvature(layers: layers)
    directions = Matrix(rows: 0, columns: layers.parameterCount)
  }

  /// O(rows·roots·rank·P), with rows of the Jacobian formed a bounded number at a time: this is the slow structure where
  /// both the weights and the outputs are many.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public mutating func absorb<Scalar: BLASScalar>(_ factors: [LayerFactors<Scalar>], weight: Double = 1) {
    precondition(weight >= 0, "a weight cannot be negative")
    guard factors.areFactors(of: layers), weight > 0 else { return }
    let (roots, width, scale) = (factors[0].roots, directions.columns, weight.squareRoot())
    forJacobianRows(of: factors[...], layers: layers[...], as: Double.self, limit: max(64, rank)) { range, rows in
      let buffer = UnsafeBufferPointer(start: rows, count: roots * range.count * width)
      stack(Matrix(rows: roots * range.count, columns: width, storage: buffer.map { scale * $0 }))
    }
    total.absorb(factors, weight: weight)
  }

  public mutating func add(_ piece: LowRankCurvature) {
    precondition(rank == piece.rank, "curvatures of the same rank")
    stack(piece.directions)
    total.add(piece.total)
  }

  public mutating func scale(by factor: Double) {
    let root = factor.squareRoot()
    for i in directions.storage.indices { directions.storage[i] *= root }
    total.scale(by: factor)
  }

  /// [B; rows] → its leading directions: QᵀM of M = [B; rows] where MMᵀ = Q diag(λ) Qᵀ.
  private mutating func stack(_ rows: Matrix) {
    guard rows.rows > 0 else { return }
    let all = Matrix(
      rows: directions.rows + rows.rows, columns: rows.columns, storage: directions.storage + rows.storage)
    // A Gram matrix that is not finite has no eigenvectors; it then shows in the diagonal, which `factored` refuses.
    guard let eigen = try? SymmetricEigen(of: .product(all, all, transposeB: true)) else { return }
    let floor = Double(all.rows) * Double.ulpOfOne * (eigen.values.last ?? 0)
    let kept = (0..<all.rows).reversed().prefix(rank).prefix { eigen.values[$0] > floor }
    directions = .product(eigen.vectors.gathering(Array(kept)[...]), all)
  }

  /// d ≥ 0: what the directions leave of diag H.
  public var remainder: [Double] {
    var rest = total.diagonal
    for i in 0..<directions.rows {
      for (j, value) in directions.row(i).enumerated() { rest[j] -= value * value }
    }
    // Not by max, which would make a zero of what is no number.
    return rest.map { $0 < 0 ? 0 : $0 }
  }

  /// O(rank·P).
  public func times(_ x: [Double]) -> [Double] {
    var result = directions.multiplied(by: directions.multiplied(by: x), transposed: true)
    for (j, d) in remainder.enumerated() { result[j] += d * x[j] }
    return result
  }

  public var diagonal: [Double] { total.diagonal }

  /// Needs d + δ > 0 for every weight, also where the directions alone would make the sum positive definite.
  public func factored(prior: PriorPrecision) throws(LinearAlgebraError) -> LowRankFactor {
    try LowRankFactor(layers: layers, directions: directions, remainder: remainder, prior: prior)
  }

  /// O(rank²·P) for every prior.
  public func sweep() -> any PriorSweep {
    LowRankSweep(layers: layers, directions: directions, remainder: remainder)
  }

  /// "directions" and "diagonal" (of H, directions included).
  public var tensors: [CurvatureTensor] {
    [
      CurvatureTensor(
        name: "directions", shape: [directions.rows, directions.columns], values: directions.storage),
      CurvatureTensor(name: "diagonal", shape: [diagonal.count], values: diagonal),
    ]
  }

  public init(layers: [LayerShape], rank: Int, tensors: [CurvatureTensor]) throws(CurvatureTensorError) {
    self.init(layers: layers, rank: rank)
    var stored = CurvatureTensors(tensors)
    let width = layers.parameterCount
    let kept = try stored.take("directions", shape: [nil, width])
    guard kept.shape[0] <= rank else {
      throw .shape(name: "directions", expected: [rank, width], found: kept.shape)
    }
    directions = Matrix(rows: kept.shape[0], columns: width, storage: kept.values)
    total = DiagonalCurvature(layers: layers, diagonal: try stored.takeDiagonal("diagonal", count: width))
    try stored.end()
  }
}
