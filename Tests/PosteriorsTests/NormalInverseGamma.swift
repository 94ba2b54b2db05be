import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport
import Foundation

/// A normal–inverse-gamma and its dense twin.
struct NormalInverseGamma {
  let mean: [Double]
  /// Λ, relative to the noise.
  let precision: Matrix
  let shape: Double
  let rate: Double

  static func random(_ gen: inout Gen, dimension p: Int, shape: Double, rate: Double) -> NormalInverseGamma {
    NormalInverseGamma(
      mean: gen.normals(p), precision: FullPrecision.random(&gen, dimension: p).dense, shape: shape, rate: rate)
  }

  func posterior() throws -> LinearPosterior {
    LinearPosterior(
      mean: mean, factor: try TriangularFactor(choleskyOf: precision), noise: .inverseGamma(shape: shape, rate: rate))
  }

  /// log p(w, σ²), from the definition.
  func logDensity(_ w: [Double], variance: Double) -> Double {
    let scaled = Matrix(
      rows: precision.rows, columns: precision.columns, storage: precision.storage.map { $0 / variance })
    return Naive.logDensity(w, mean: mean, precision: scaled) + shape * log(rate) - lgamma(shape)
      - (shape + 1) * log(variance) - rate / variance
  }
}
