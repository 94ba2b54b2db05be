import BNNLinearAlgebra
import BNNModels
import BNNPosteriors

/// A mean-field posterior made ready to predict: means and covariances of a network's outputs by moment propagation.
struct MeanFieldMoments: Sendable {
  /// The layers that are held, and those whose weights are uncertain.
  private let lower: Network?
  private let lowerTheta: [Double]
  private let upper: NetworkSpec
  private let mean: [Double]
  private let variance: [Double]
  private let isSingle: Bool

  /// - Throws: `LinearAlgebraError` for a precision that is not positive.
  init(_ network: Network, _ theta: [Double], _ state: LaplaceState) throws {
    let moving = network.parameterRange(ofLayers: state.chosen)
    upper = network.part(state.chosen)
    lower = state.chosen.lowerBound == 0 ? nil : Network(network.part(0..<state.chosen.lowerBound))
    lowerTheta = Array(theta[..<moving.lowerBound])
    mean = Array(theta[moving])
    variance = try state.factored().marginalVariances
    isSingle = network.parameterCount > LaplaceRows.doubleLimit
  }

  /// Of normalised inputs, n × d.
  func propagated(_ x: Matrix) -> OutputMoments {
    let features = lower.map { $0.forward(x, $0.parameters(lowerTheta)) } ?? x
    return isSingle ? propagated(features, as: Float.self) : propagated(features, as: Double.self)
  }

  private func propagated<Scalar: BLASScalar>(_ x: Matrix, as: Scalar.Type) -> OutputMoments {
    var pass = MomentPass<Scalar>(upper)
    let found = pass(x, mean: mean.map { Scalar($0) }, variance: variance.map { Scalar($0) })
    return OutputMoments(mean: found.mean, covariance: found.covariance)
  }
}
