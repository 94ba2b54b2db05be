import BNNLinearAlgebra

/// The structures that a Laplace posterior keeps of its curvature, by their names in files and flags.
public enum CurvatureStructure: String, Codable, CaseIterable, Sendable {
  /// All weights with all weights, P × P.
  case full
  /// Every layer's weights with each other.
  case block
  /// Every layer's as a sum of Kronecker products.
  case kronecker
  /// Every layer's as a sum of matrices that are diagonal in the eigenvectors of Kronecker products.
  case kroneckerEigenvalue = "kronecker-eigenvalue"
  /// Leading directions of all weights and a diagonal.
  case lowRank = "low-rank"
  /// Every weight by itself.
  case diagonal
}

extension CurvatureStructure {
  /// Whether the prior may have a precision of its own for every weight. Not under Kronecker products: A ⊗ G + diag δ has
  /// no decomposition that does not form it.
  public var takesWeightPrecisions: Bool { !keepsBatches }

  /// Whether batches stay apart in a list, and what solves is of one matrix near to their sum.
  public var keepsBatches: Bool { self == .kronecker || self == .kroneckerEigenvalue }

  /// The numbers that a curvature of one batch and its factor hold together, 8 bytes each: what to refuse a network by
  /// before anything is allocated.
  public func numbersHeld(layers: [LayerShape], rank: Int = LowRankCurvature.defaultRank) -> Double {
    let p = Double(layers.parameterCount)
    func sum(_ term: (Double, Double) -> Double) -> Double {
      layers.reduce(0) { $0 + term(Double($1.inputs + 1), Double($1.outputs)) }
    }
    return switch self {
    case .full: 2 * p * p
    // Pairs, the block that they say, and its factor.
    case .block:
      layers.reduce(0) { total, layer in
        let (n, o) = (Double(layer.inputs + 1), Double(layer.outputs))
        return total + (layer.positions == 1 ? n * (n + 1) * o * (o + 1) / 4 : 0) + 2 * n * n * o * o
      }
    case .kronecker: sum { n, o in 2 * n * n + 2 * o * o + n * o }
    case .kroneckerEigenvalue: sum { n, o in 2 * n * n + 2 * o * o + 2 * n * o }
    case .lowRank: (2 * Double(rank) + 2) * p
    case .diagonal: 2 * p
    }
  }
}

/// What data said of the weights, in some structure: H = Σ over rows of the loss's curvature at the weights that each batch
/// ended at (nats per weight², never a batch mean), positive semi-definite. The prior is no part of it.
///
/// This is the side that adds; `factored` gives the side that solves. A new structure is one new file and a case of
/// `AnyCurvature`.
///
/// A value that has seen nothing absorbs the rows of one batch, in as many calls as it takes, and its `secondPass`, if there is
/// one, absorbs them all once more; pieces of one batch (and one pass) that were absorbed apart are put together by `add`, batches by
/// `append`. Only Kronecker structures tell the two apart.
public protocol Curvature: Sendable, Equatable {
  associatedtype Factor: CurvatureFactor
  static var structure: CurvatureStructure { get }
  /// Layers whose weights are uncertain, in the order of θ.
  var layers: [LayerShape] { get }
  /// H ← H + weight·Σᵢ Σₛ of the rows' outer products, projected on the structure. One element per layer, all of the same
  /// rows and roots; weight ≥ 0.
  mutating func absorb<Scalar: BLASScalar>(_ factors: [LayerFactors<Scalar>], weight: Double)
  /// Of no rows, to absorb all rows of the batch once more and then take this one's place, where the directions in which
  /// the structure is diagonal follow from all of them; nil where one pass is enough.
  func secondPass() -> Self?
  /// H ← H + piece, rows of the same batch.
  mutating func add(_ piece: Self)
  /// H ← H + batch, rows of another batch, whose curvature was taken at other weights.
  mutating func append(_ batch: Self)
  /// H ← factor·H, factor ≥ 0: of a Gaussian likelihood at another noise.
  mutating func scale(by factor: Double)
  /// Hx for x in θ's order. Never through a dense P × P matrix, unless that is the structure.
  func times(_ x: [Double]) -> [Double]
  /// diag H in θ's order.
  var diagonal: [Double] { get }
  /// The side that solves, of H + prior.
  ///
  /// - Throws: `LinearAlgebraError` when the sum is not positive definite.
  func factored(prior: PriorPrecision) throws(LinearAlgebraError) -> Factor
  /// What tuning the prior asks, after one decomposition.
  ///
  /// - Throws: `LinearAlgebraError.notConverged`, for a curvature that is not finite.
  func sweep() throws(LinearAlgebraError) -> any PriorSweep
  /// What a file stores of it, by name, in double precision; `init(layers:tensors:)` restores the same bits.
  var tensors: [CurvatureTensor] { get }
}

extension Curvature {
  public mutating func append(_ batch: Self) { add(batch) }
  public func secondPass() -> Self? { nil }
}

/// The solving side: Λ = H + prior, positive definite.
public protocol CurvatureFactor: Sendable {
  /// log det Λ.
  var logDeterminant: Double { get }
  /// Λ⁻¹b.
  func solve(_ b: [Double]) -> [Double]
  /// A square root L of Λ⁻¹ (LLᵀ = Λ⁻¹) times z: draws from N(0, Λ⁻¹) out of standard normal noise.
  func halfSolve(_ z: [Double]) -> [Double]
  /// diag Λ⁻¹.
  var marginalVariances: [Double] { get }
  /// J_i Λ⁻¹ J_iᵀ of every row, m × C², where the factors' roots are the C outputs; computed in the structure. What does
  /// not depend on the rows is made ready in every call: give hundreds of rows at once.
  func functionalCovariances<Scalar: BLASScalar>(_ jacobian: [LayerFactors<Scalar>]) -> Matrix
}

/// log det(H + δ) for many prior precisions δ, after one decomposition.
public protocol PriorSweep: Sendable {
  /// log det(H + δ); not finite when the sum is not positive definite.
  func logDeterminant(_ prior: PriorPrecision) -> Double
  /// γ of every layer, Σ over its weights of 1 − δ_j (Λ⁻¹)_jj: how many of them the data have determined (MacKay 1992,
  /// "Bayesian interpolation", equation 4.9). With one precision a layer, γ_l = P_l − ∂log det(H + δ)/∂log δ_l.
  func effectiveWeights(_ prior: PriorPrecision) -> [Double]
}
