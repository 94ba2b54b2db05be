import BNNLinearAlgebra

/// The additive side of a Gaussian: a symmetric positive semi-definite Λ (P × P) in some structure. What a file stores
/// and what new data add to.
///
/// A new structure is one file that supplies these six; `Gaussian` has the formulas.
public protocol Precision: Sendable, Equatable {
  associatedtype Factor: PrecisionFactor
  /// The structure's name in files and flags.
  static var structure: String { get }
  /// True when `absorb` loses nothing; false when it projects on the structure.
  static var sumIsExact: Bool { get }
  /// τ·I of this dimension, τ ≥ 0.
  static func isotropic(_ precision: Double, dimension: Int) -> Self
  /// P.
  var dimension: Int { get }
  /// Λx.
  func times(_ x: [Double]) -> [Double]
  /// Λ ← Λ + weight · Σᵢ rᵢrᵢᵀ over the rows rᵢ (n × P) of `rows`, projected on the structure; weight ≥ 0.
  mutating func absorb(_ rows: Matrix, weight: Double)
  /// The side that solves; may not be added to any more.
  ///
  /// - Throws: `LinearAlgebraError` when Λ is not positive definite.
  func factored() throws(LinearAlgebraError) -> Factor
}

/// The solving side of a Gaussian. To hold one is the proof that Λ is positive definite.
public protocol PrecisionFactor: Sendable {
  /// log det Λ.
  var logDeterminant: Double { get }
  /// Λ⁻¹b.
  func solve(_ b: [Double]) -> [Double]
  /// A square root L of Λ⁻¹ (LLᵀ = Λ⁻¹) times z: draws from N(0, Λ⁻¹) out of standard normal noise.
  func halfSolve(_ z: [Double]) -> [Double]
  /// diag Λ⁻¹.
  func marginalVariances() -> [Double]
  /// φᵀΛ⁻¹φ for every row φ of `rows` (n × P).
  func variances(along rows: Matrix) -> [Double]
  /// tr(Λ_q Λ_p⁻¹).
  static func traceOfRatio(_ p: Self, _ q: Self) -> Double
}

extension TriangularFactor: PrecisionFactor {
  public func halfSolve(_ z: [Double]) -> [Double] { backSolve(z) }

  public func variances(along rows: Matrix) -> [Double] {
    var rows = rows
    whiten(&rows)
    return rows.squaredRowNorms
  }

  /// ‖R_q R_p⁻¹‖²_F.
  public static func traceOfRatio(_ p: TriangularFactor, _ q: TriangularFactor) -> Double {
    var rows = q.upper
    p.whiten(&rows)
    return rows.squaredRowNorms.reduce(0, +)
  }
}
