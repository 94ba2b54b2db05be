import BNNLinearAlgebra

/// Λ = diag(λ).
public struct DiagonalPrecision: Precision, PrecisionFactor {
  public static let structure = "diagonal"
  public static let sumIsExact = false

  /// λ ≥ 0.
  public private(set) var values: [Double]

  public init(_ values: [Double]) {
    precondition(values.allSatisfy { $0 >= 0 }, "a precision cannot be negative")
    self.values = values
  }

  public static func isotropic(_ precision: Double, dimension: Int) -> DiagonalPrecision {
    DiagonalPrecision([Double](repeating: precision, count: dimension))
  }

  public var dimension: Int { values.count }

  public func times(_ x: [Double]) -> [Double] { zip(values, x).map { $0 * $1 } }

  /// Keeps only the diagonal of what the rows say: Σᵢ rᵢⱼ².
  public mutating func absorb(_ rows: Matrix, weight: Double = 1) {
    precondition(rows.columns == dimension && weight >= 0, "rows must have P columns, weights must not be negative")
    for i in 0..<rows.rows {
      for j in values.indices {
        let r = rows.storage[i * rows.columns + j]
        values[j] += weight * r * r
      }
    }
  }

  public func factored() throws(LinearAlgebraError) -> DiagonalPrecision {
    if let zero = values.firstIndex(where: { !($0 > 0 && $0.isFinite) }) { throw .notPositiveDefinite(order: zero + 1) }
    return self
  }

  public var logDeterminant: Double { values.reduce(0) { $0 + naturalLogarithm($1) } }
  public func solve(_ b: [Double]) -> [Double] { zip(b, values).map { $0 / $1 } }
  public func halfSolve(_ z: [Double]) -> [Double] { zip(z, values).map { $0 / $1.squareRoot() } }
  public func marginalVariances() -> [Double] { values.map { 1 / $0 } }

  public func variances(along rows: Matrix) -> [Double] {
    (0..<rows.rows).map { i in zip(rows.row(i), values).reduce(0) { $0 + $1.0 * $1.0 / $1.1 } }
  }

  public static func traceOfRatio(_ p: DiagonalPrecision, _ q: DiagonalPrecision) -> Double {
    zip(q.values, p.values).reduce(0) { $0 + $1.0 / $1.1 }
  }
}
