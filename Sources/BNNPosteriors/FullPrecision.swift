import BNNLinearAlgebra

/// A full Λ = RᵀR, held as its square root and updated by orthogonal transformations.
public struct FullPrecision: Precision {
  public static let structure = "full"
  public static let sumIsExact = true

  /// R: upper trapezoidal, min(rows absorbed, P) × P.
  public private(set) var root: InformationArray

  public init(root: InformationArray) { self.root = root }

  public init(factor: TriangularFactor) { root = InformationArray(array: factor.upper) }

  public static func isotropic(_ precision: Double, dimension: Int) -> FullPrecision {
    precondition(precision >= 0, "a precision cannot be negative")
    guard precision > 0 else { return FullPrecision(root: InformationArray(width: dimension)) }
    let diagonal = [Double](repeating: precision.squareRoot(), count: dimension)
    return FullPrecision(root: InformationArray(array: .diagonal(diagonal)))
  }

  public var dimension: Int { root.width }

  public func times(_ x: [Double]) -> [Double] {
    root.array.multiplied(by: root.array.multiplied(by: x), transposed: true)
  }

  public mutating func absorb(_ rows: Matrix, weight: Double = 1) {
    precondition(weight >= 0, "a weight cannot be negative")
    var scaled = rows
    if weight != 1 {
      let factor = weight.squareRoot()
      for i in scaled.storage.indices { scaled.storage[i] *= factor }
    }
    root.absorb(&scaled)
  }

  public func factored() throws(LinearAlgebraError) -> TriangularFactor {
    guard root.array.rows == dimension else { throw .singular(index: root.array.rows) }
    return try TriangularFactor(upper: root.array)
  }
}
