import BNNLinearAlgebra
import BNNPosteriors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@inline(__always) func power(_ x: Double, _ y: Double) -> Double { pow(x, y) }

/// How weights drift between two rows: θ ← θ + noise of variance q each, after what was known has been forgotten a little.
///
///     P ← P/τ + q·I
public struct FilterDynamics: Sendable, Equatable {
  /// q ≥ 0, of normalised weights, a row.
  public var processNoise: Double
  /// τ in (0, 1]: the precision, prior included, is multiplied by it before every row, as in exponentially weighted least
  /// squares.
  public var forgetting: Double

  public static let still = FilterDynamics()

  public init(processNoise: Double = 0, forgetting: Double = 1) {
    precondition(processNoise >= 0 && forgetting > 0 && forgetting <= 1, "q ≥ 0 and 0 < τ ≤ 1")
    self.processNoise = processNoise
    self.forgetting = forgetting
  }

  public var isStill: Bool { self == .still }

  /// λ ← 1/(1/(τλ) + q).
  @inline(__always) func predicted(_ precision: Double) -> Double {
    let kept = forgetting * precision
    return kept / (1 + processNoise * kept)
  }
}

/// N(m, Λ⁻¹) over P weights in some structure of Λ, as a filter needs it: one observation at a time,
///
///     ν = hᵀ(θ − m) + ε,  ε ~ N(0, 1):     v = Λ⁻¹h,   s = 1 + hᵀv,   m ← m + v ν/s,   Λ ← Λ + hhᵀ
///
/// The mean lies with the network's other weights, outside. Λ = H + δ, the prior δ diagonal and following the dynamics, so that
/// H stays positive semi-definite whatever is forgotten: a lower bound of Λ under P ← P/τ + qI is bounded by itself.
protocol FilterBelief: Sendable {
  associatedtype Scalar: BLASVectorScalar
  /// - Throws: `LinearAlgebraError` when Λ is not positive definite.
  init(_ curvature: AnyCurvature, prior: [Double], mean: [Double], dynamics: FilterDynamics) throws
  /// The dynamics of one row.
  mutating func predict()
  /// Absorbs one observation and moves the mean. h may be used as scratch only by the caller; it is copied.
  ///
  /// - Returns: hᵀΛ⁻¹h before.
  mutating func absorb(
    _ h: UnsafePointer<Scalar>, innovation: Scalar, mean: UnsafeMutablePointer<Scalar>
  ) -> Scalar
  /// Removes what rounding has left, where the structure can, and writes the mean anew; called between rows.
  mutating func settle(mean: UnsafeMutablePointer<Scalar>) throws
  /// m in double precision, as of the last `settle`; nil where the mean outside is all there is.
  var settledMean: [Double]? { get }
  /// H in double precision, as of the last `settle`.
  ///
  /// - Throws: `LinearAlgebraError`, `CurvatureTensorError` for a covariance that rounding has spoilt.
  func curvature() throws -> AnyCurvature
  /// δ.
  var prior: [Double] { get }
}

extension FilterBelief {
  var settledMean: [Double]? { nil }
}

/// A working copy's rounding is removed after so many rows, at first more often, since a wide prior loses digits to its first
/// rows.
struct SettlingSchedule: Sendable {
  private var rows = 0
  private var next = 16
  private let longest: Int

  init(longest: Int) { self.longest = longest }

  /// Whether to settle after this row.
  mutating func isDue() -> Bool {
    rows += 1
    guard rows >= next else { return false }
    next += min(longest, 3 * next)
    return true
  }
}
