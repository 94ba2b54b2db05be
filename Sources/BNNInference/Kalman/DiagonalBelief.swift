import BNNLinearAlgebra
import BNNPosteriors

/// Λ = diag(λ): of every hhᵀ the diagonal is kept, λ ← λ + h². The precision of the weights by themselves, given all others,
/// stays what the rows said; only dependence is dropped. (The variational diagonal filter of Chang et al. 2022; the fully
/// decoupled one keeps the diagonal of the covariance instead.)
///
/// O(P) a row.
struct DiagonalBelief<Scalar: BLASVectorScalar>: FilterBelief {
  let layers: [LayerShape]
  private let dynamics: FilterDynamics
  private(set) var prior: [Double]
  /// λ before `added`.
  private var precise: [Double]
  private var base: [Scalar]
  /// Σh² since, so that small squares are not lost to a large sum in single precision.
  private var added: [Scalar]
  private var gain: [Scalar]

  init(_ curvature: AnyCurvature, prior: [Double], mean: [Double], dynamics: FilterDynamics) throws {
    guard case .diagonal(let own) = curvature else { preconditionFailure("a diagonal curvature") }
    layers = own.layers
    self.dynamics = dynamics
    self.prior = prior
    precise = zip(own.diagonal, prior).map { $0 + $1 }
    if let zero = precise.firstIndex(where: { !($0 > 0 && $0.isFinite) }) {
      throw LinearAlgebraError.notPositiveDefinite(order: zero + 1)
    }
    base = precise.map { Scalar($0) }
    added = [Scalar](repeating: 0, count: mean.count)
    gain = added
  }

  mutating func predict() {
    guard !dynamics.isStill else { return }
    collect()
    for j in prior.indices {
      prior[j] = dynamics.predicted(prior[j])
      precise[j] = dynamics.predicted(precise[j])
      base[j] = Scalar(precise[j])
    }
  }

  mutating func absorb(
    _ h: UnsafePointer<Scalar>, innovation: Scalar, mean: UnsafeMutablePointer<Scalar>
  ) -> Scalar {
    let n = prior.count
    return gain.withUnsafeMutableBufferPointer { gain in
      base.withUnsafeBufferPointer { base in
        added.withUnsafeMutableBufferPointer { added in
          guard let v = gain.baseAddress, let base = base.baseAddress, let added = added.baseAddress else { return 0 }
          for j in 0..<n {
            v[j] = h[j] / (base[j] + added[j])
            added[j] += h[j] * h[j]
          }
          let variance = Scalar.dot(n, h, v)
          Scalar.axpy(n, innovation / (1 + variance), v, mean)
          return variance
        }
      }
    }
  }

  private mutating func collect() {
    for j in precise.indices {
      precise[j] += added[j].doubleValue
      base[j] = Scalar(precise[j])
      added[j] = 0
    }
  }

  mutating func settle(mean: UnsafeMutablePointer<Scalar>) { collect() }

  func curvature() throws -> AnyCurvature {
    let rest = zip(precise, prior).map { $0 - $1 < 0 ? 0 : $0 - $1 }
    var tensors: [CurvatureTensor] = []
    var start = 0
    for (l, layer) in layers.enumerated() {
      let end = start + layer.parameterCount
      tensors.append(
        CurvatureTensor(name: "\(l)", shape: [layer.parameterCount], values: Array(rest[start..<end])))
      start = end
    }
    return .diagonal(try DiagonalCurvature(layers: layers, tensors: tensors))
  }
}
