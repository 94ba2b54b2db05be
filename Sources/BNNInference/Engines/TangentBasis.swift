import BNNDatasets
import BNNLinearAlgebra
import BNNModels

/// y = f(x; θ₁) + J(x; θ₁)w + ε with w = θ − θ₁: the whole network linearised at its D1 weights (Khan et al. 2019;
/// Immer et al. 2021). The prior is on θ, so w has prior mean −θ₁; the posterior mean is computed, not assumed 0,
/// since training never stops at a stationary point exactly.
///
/// Predictions use the linearised network. With C > 1 outputs the weights are shared, so the outputs are whitened by the
/// covariance LLᵀ of D1's residuals and n·C rows go into one array.
public struct TangentBasis: LinearBasis {
  let network: Network
  let theta: [Double]
  let parameters: Network.Parameters
  let normalisation: Normalisation
  let outputRoot: Matrix?

  init(network: Network, theta: [Double], normalisation: Normalisation, outputRoot: Matrix?) {
    self.network = network
    self.theta = theta
    parameters = network.parameters(theta)
    self.normalisation = normalisation
    self.outputRoot = outputRoot
  }

  public var weights: Int { network.parameterCount }
  public var outputs: Int { network.outputs }
  public var responses: Int { 1 }
  public var priorMean: [Double]? { theta.map { -$0 } }
  public var unpenalised: Int { 0 }

  /// L⁻¹[J (y − f)].
  public func rows(features x: Matrix, targets y: Matrix) -> Matrix {
    let trace = network.trace(normalisation.features(x), parameters)
    let scaled = normalisation.targets(y)
    let p = weights
    let c = outputs
    var rows = Matrix(rows: x.rows * c, columns: p + 1)
    network.writeJacobian(trace, parameters, into: &rows)
    for i in 0..<(x.rows * c) { rows.storage[i * (p + 1) + p] = scaled.storage[i] - trace.output.storage[i] }
    if let outputRoot { whiten(&rows, outputRoot) }
    return rows
  }

  public func design(features x: Matrix) -> LinearDesign {
    let trace = network.trace(normalisation.features(x), parameters)
    var rows = Matrix(rows: x.rows * outputs, columns: weights)
    network.writeJacobian(trace, parameters, into: &rows)
    return LinearDesign(base: trace.output, rows: rows)
  }

  /// Forward substitution with L on every group of C rows.
  private func whiten(_ rows: inout Matrix, _ root: Matrix) {
    let c = outputs
    let width = rows.columns
    for group in stride(from: 0, to: rows.rows, by: c) {
      for i in 0..<c {
        for k in 0..<i {
          let factor = root[i, k]
          for j in 0..<width { rows.storage[(group + i) * width + j] -= factor * rows.storage[(group + k) * width + j] }
        }
        for j in 0..<width { rows.storage[(group + i) * width + j] /= root[i, i] }
      }
    }
  }
}

extension Normalisation {
  /// (x − centre)/scale.
  func features(_ x: Matrix) -> Matrix { Self.standardise(x, featureCenter, featureScale) }

  /// (y − centre)/scale.
  func targets(_ y: Matrix) -> Matrix { Self.standardise(y, targetCenter, targetScale) }

  private static func standardise(_ x: Matrix, _ center: [Double], _ scale: [Double]) -> Matrix {
    precondition(x.columns == center.count, "rows must have one entry per normalised column")
    var result = x
    for i in 0..<x.rows {
      for j in 0..<x.columns {
        result.storage[i * x.columns + j] = (x.storage[i * x.columns + j] - center[j]) / scale[j]
      }
    }
    return result
  }
}
