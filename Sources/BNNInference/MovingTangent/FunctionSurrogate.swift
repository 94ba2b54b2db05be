import BNNLinearAlgebra
import BNNModels
import BNNPosteriors

/// How well any function f fits the n rows of a store, from f's values at probes alone.
///
/// With Φ̃ the store's basis at M probes and B = (Φ̃ᵀΦ̃ + λ)⁻¹Φ̃ᵀ, f on the rows is about Φ(Bf̃), and what the basis cannot say
/// of f at the probes is counted as error on the rows too:
///
///     L(f̃) = ‖R Bf̃ − z‖² + ρ² + (n/M)‖f̃ − Φ̃Bf̃‖²
///
/// In whitened form U = Φ̃S⁻¹, SᵀS = Φ̃ᵀΦ̃ + λ, u = Uᵀf̃, G = R S⁻¹, c = n/M:
///
///     L = uᵀWu − 2(Gᵀz)ᵀu + c‖f̃‖² + const,   W = GᵀG + c(UᵀU − 2I)
///
/// It is exact for functions in the span of the basis whose probes lie where the rows did. No label is made up: what the
/// rows said enters as it was kept, noise included, and nothing of later rows is in it.
struct FunctionSurrogate: Sendable {
  /// Normalised inputs, M × d.
  let probes: Matrix
  /// n.
  let observations: Int
  private let whitened: Matrix
  private let root: Matrix
  private let target: [Double]
  private let residual: Double
  private let share: Double
  private let quadratic: Matrix
  private let linear: [Double]

  /// λ over the trace of Φ̃ᵀΦ̃, its columns scaled to equal norms: what keeps directions that the probes barely show from
  /// being blown up, and the condition of the normal equations below 1e8.
  static let ridge = 1e-8

  /// O(M·W²) for W = P + d + m columns.
  ///
  /// - Throws: `LinearAlgebraError` when the basis overflows at the probes.
  init(_ basis: StoreBasis, probes: Matrix) throws {
    self.probes = probes
    let system = basis.store.statistics.system(response: 0)
    observations = system.observations
    var phi = basis.phi(probes, spare: 0)
    guard phi.isFinite else { throw UpdateError.notFinite("a derivative of the network at a probe") }
    let width = phi.columns
    var scale = [Double](repeating: 0, count: width)
    for i in 0..<phi.rows { for j in 0..<width { scale[j] += phi.storage[i * width + j] * phi.storage[i * width + j] } }
    for j in 0..<width { scale[j] = scale[j] > 0 ? (scale[j] / Double(phi.rows)).squareRoot() : 1 }
    for i in 0..<phi.rows { for j in 0..<width { phi.storage[i * width + j] /= scale[j] } }
    var gram = phi.gram
    let lambda = Self.ridge * (0..<width).reduce(0) { $0 + gram[$1, $1] }
    for j in 0..<width { gram[j, j] += lambda }
    let factor = try TriangularFactor(choleskyOf: gram)
    factor.whiten(&phi)
    whitened = phi
    var root = system.root
    for i in 0..<root.rows { for j in 0..<width { root.storage[i * width + j] /= scale[j] } }
    factor.whiten(&root)
    self.root = root
    target = system.rightHandSide
    residual = system.residualSquares
    share = Double(observations) / Double(probes.rows)
    var quadratic = whitened.gram
    for j in 0..<width { quadratic[j, j] -= 2 }
    for i in quadratic.storage.indices { quadratic.storage[i] *= share }
    quadratic.accumulate(root, root, transposeA: true)
    self.quadratic = quadratic
    linear = root.multiplied(by: target, transposed: true)
  }

  /// L(f̃) and its gradient in f̃ (M numbers). O(M·W).
  func evaluate(_ values: [Double]) -> (value: Double, gradient: [Double]) {
    let u = whitened.multiplied(by: values, transposed: true)
    var inner = quadratic.multiplied(by: u)
    let value = dot(u, inner) - 2 * dot(linear, u) + dot(target, target) + residual + share * dot(values, values)
    for j in inner.indices { inner[j] -= linear[j] }
    var gradient = whitened.multiplied(by: inner)
    for i in gradient.indices { gradient[i] = 2 * (gradient[i] + share * values[i]) }
    return (value, gradient)
  }

  /// ½J̃ᵀ(∂²L/∂f̃²)J̃ = (UᵀJ̃)ᵀW(UᵀJ̃) + cJ̃ᵀJ̃ for derivatives J̃ (M × P) at the probes, P × P. O(M·W·P).
  func curvature(along jacobian: Matrix) -> Matrix {
    let u = Matrix.product(whitened, jacobian, transposeA: true)
    var result = jacobian.gram
    result.accumulate(u, Matrix.product(quadratic, u), transposeA: true, keep: share)
    return result
  }

  /// What the store's rows say of w = β − θ for the network linearised at θ, y − f(x; θ) on J(x; θ): with J ≈ ΦT, T = BJ̃,
  /// and E = J̃ − Φ̃T left over at the probes,
  ///
  ///     RᵀR → TᵀRᵀRT + (n/M)EᵀE,   Rᵀz → TᵀRᵀz,   ρ and n unchanged,
  ///
  /// as one QR of [RT z; √(n/M) E 0; 0 ρ], so that it is positive semidefinite whatever T; then z ← z − Rθ_out, since the
  /// last layer is linear and f = Jθ_out for its own part θ_out of θ. O(M·P² + M·W·P).
  ///
  /// - Returns: also the misfit, tr EᵀE / tr J̃ᵀJ̃.
  func statistics(of network: Network, at theta: [Double]) -> (statistics: LinearStatistics, misfit: Double) {
    let p = network.parameterCount
    let jacobian = network.jacobian(probes, theta)
    let u = Matrix.product(whitened, jacobian, transposeA: true)
    var left = jacobian
    left.accumulate(whitened, u, scale: -1)
    let mapped = Matrix.product(root, u)
    var array = InformationArray(width: p + 1)
    array.absorb(Self.bordered(left, scale: share.squareRoot(), last: nil))
    array.absorb(Self.bordered(mapped, scale: 1, last: target))
    array.absorb(Self.bordered(Matrix(rows: 1, columns: p), scale: 1, last: [residual.squareRoot()]))
    array.subtractProduct(with: network.lastLayerPart(of: theta))
    let lost = dot(left.storage, left.storage) / max(dot(jacobian.storage, jacobian.storage), .leastNormalMagnitude)
    return (LinearStatistics(weights: p, responses: 1, observations: observations, array: array), lost)
  }

  /// [scale·A  last].
  private static func bordered(_ a: Matrix, scale: Double, last: [Double]?) -> Matrix {
    var result = Matrix(rows: a.rows, columns: a.columns + 1)
    for i in 0..<a.rows {
      for j in 0..<a.columns { result.storage[i * (a.columns + 1) + j] = scale * a.storage[i * a.columns + j] }
      if let last { result.storage[i * (a.columns + 1) + a.columns] = last[i] }
    }
    return result
  }
}

extension InformationArray {
  /// Absorbs rows that are not needed afterwards.
  fileprivate mutating func absorb(_ rows: Matrix) {
    var scratch = rows
    absorb(&scratch)
  }
}
