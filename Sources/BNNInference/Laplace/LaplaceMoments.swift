import BNNLinearAlgebra
import BNNModels
import BNNPosteriors

/// Means and covariances of a network's outputs at n rows: n × C and n × C².
struct OutputMoments: Sendable {
  var mean: Matrix
  let covariance: Matrix

  /// Of one row.
  func row(_ i: Int) -> OutputGaussian {
    let c = mean.columns
    return OutputGaussian(
      mean: Array(mean.row(i)), covariance: Matrix(rows: c, columns: c, storage: Array(covariance.row(i))))
  }
}

/// A Laplace posterior made ready to predict: the distribution of a network's outputs.
struct LaplaceMoments: Sendable {
  let network: Network
  /// All weights, where the network is linearised: the posterior mean, or θ₁.
  let theta: [Double]
  /// The mean's displacement from there; nil for none.
  let displacement: [Double]?
  let chosen: Range<Int>
  let factor: any CurvatureFactor
  /// What the covariance is multiplied by.
  let scale: Double
  private let isSingle: Bool

  /// - Parameter scale: nil is τ of the state.
  init(_ network: Network, _ theta: [Double], _ state: LaplaceState, scale: Double? = nil) throws {
    self.network = network
    self.theta = theta
    displacement = state.displacement
    self.scale = scale ?? state.predictiveScale
    chosen = state.chosen
    factor = try state.factored()
    isSingle = network.parameterCount > LaplaceRows.doubleLimit
  }

  /// The mean of f and J Λ⁻¹ Jᵀ of normalised inputs (n × C and n × C²), of the network linearised: Gaussian outputs. Computed in
  /// the structure; a Jacobian is never formed.
  func linearised(_ x: Matrix) -> OutputMoments {
    isSingle ? linearised(x, as: Float.self) : linearised(x, as: Double.self)
  }

  /// A bounded number of rows at a time.
  private func linearised<Scalar: BLASScalar>(_ x: Matrix, as: Scalar.Type) -> OutputMoments {
    var pass = NetworkPass<Scalar>(network.spec)
    let own = theta.map { Scalar($0) }
    let c = network.outputs
    let piece = network.rowsAtOnce(roots: scale > 0 ? c : 0, atMost: max(1, x.rows))
    guard piece < x.rows else { return linearised(x, &pass, own) }
    let parts = stride(from: 0, to: x.rows, by: piece).map { start in
      linearised(x.rows(start..<min(start + piece, x.rows)), &pass, own)
    }
    return OutputMoments(
      mean: Matrix(rows: x.rows, columns: c, storage: parts.flatMap(\.mean.storage)),
      covariance: Matrix(rows: x.rows, columns: c * c, storage: parts.flatMap(\.covariance.storage)))
  }

  private func linearised<Scalar: BLASScalar>(
    _ x: Matrix, _ pass: inout NetworkPass<Scalar>, _ own: [Scalar]
  ) -> OutputMoments {
    x.storage.map { Scalar($0) }.withUnsafeBufferPointer { pass.forward($0, rows: x.rows, own) }
    var mean = pass.output()
    guard scale > 0 else { return certain(mean, x) }
    let units = (0..<network.outputs).map { c in
      var unit = Matrix(rows: x.rows, columns: network.outputs)
      for i in 0..<x.rows { unit[i, c] = 1 }
      return unit
    }
    pass.backward(units, own, downTo: chosen.lowerBound)
    var covariance = Matrix(rows: x.rows, columns: network.outputs * network.outputs)
    pass.withLayerFactors(chosen, of: network) { covariance = factor.functionalCovariances($0) }
    if scale != 1 { for i in covariance.storage.indices { covariance.storage[i] *= scale } }
    displace(&mean, x)
    return OutputMoments(mean: mean, covariance: covariance)
  }

  /// Where nothing of the spread is believed.
  private func certain(_ mean: Matrix, _ x: Matrix) -> OutputMoments {
    var result = OutputMoments(
      mean: mean, covariance: Matrix(rows: x.rows, columns: network.outputs * network.outputs))
    displace(&result.mean, x)
    return result
  }

  /// From f at θ₁ to the mean of the linearised network.
  private func displace(_ mean: inout Matrix, _ x: Matrix) {
    guard let displacement else { return }
    accumulate(1, network.jacobian(x, theta).multiplied(by: displacement), into: &mean.storage)
  }
}
