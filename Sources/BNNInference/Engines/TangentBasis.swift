import BNNDatasets
import BNNLinearAlgebra
import BNNModels

/// y = f(x; θ₁) + J(x; θ₁)w + ε with w = θ − θ₁: the whole network linearised at its D1 weights (Khan et al. 2019;
/// Immer et al. 2021). The prior is on θ, so w has prior mean −θ₁; the posterior mean is computed, not assumed 0,
/// since training never stops at a stationary point exactly. With a subspace w = S v, and v takes w's place
/// (`TangentSubspace`).
///
/// Predictions use the linearised network. With C > 1 outputs the weights are shared, so the outputs are whitened by the
/// covariance LLᵀ of D1's residuals and n·C rows go into one array.
public struct TangentBasis: LinearBasis {
  let network: Network
  let theta: [Double]
  let parameters: Network.Parameters
  let normalisation: Normalisation
  let outputRoot: Matrix?
  /// Sᵀ, M × P.
  let subspace: Matrix?

  init(network: Network, theta: [Double], normalisation: Normalisation, outputRoot: Matrix?, subspace: Matrix? = nil) {
    self.network = network
    self.theta = theta
    parameters = network.parameters(theta)
    self.normalisation = normalisation
    self.outputRoot = outputRoot
    self.subspace = subspace
  }

  public var weights: Int { subspace?.rows ?? network.parameterCount }
  public var outputs: Int { network.outputs }
  public var responses: Int { 1 }
  public var unpenalised: Int { 0 }
  /// As many as fill 8 MB with their derivatives, between 1,024 and 4,096: the array pays O(P³) once a piece.
  public var piece: Int { subspace == nil ? min(4096, max(1024, 1_048_576 / (weights * outputs))) : blockRows }

  /// −θ₁, or −Sᵀθ₁.
  public var priorMean: [Double]? { (subspace?.multiplied(by: theta) ?? theta).map { -$0 } }

  /// Rows whose Jacobian is held at once where it is wide: some 64 MB, and at least 64 rows.
  var blockRows: Int { min(1024, max(64, 8_388_608 / max(1, network.parameterCount * outputs))) }

  /// L⁻¹[J (y − f)], or L⁻¹[J S (y − f)].
  public func rows(features x: Matrix, targets y: Matrix) -> Matrix { measuredRows(features: x, targets: y).rows }

  public func measuredRows(features x: Matrix, targets y: Matrix) -> (rows: Matrix, kept: KeptSquares?) {
    let p = weights
    let scaled = normalisation.targets(y)
    guard let subspace else {
      let trace = network.trace(normalisation.features(x), parameters)
      var rows = Matrix(rows: x.rows * outputs, columns: p + 1)
      network.writeJacobian(trace, parameters, into: &rows)
      for i in 0..<rows.rows { rows.storage[i * (p + 1) + p] = scaled.storage[i] - trace.output.storage[i] }
      whiten(&rows)
      return (rows, nil)
    }
    let (jacobian, output) = jacobian(x)
    let projected = Matrix.product(jacobian, subspace, transposeB: true)
    var residual = Matrix(rows: jacobian.rows, columns: 1, storage: zip(scaled.storage, output.storage).map { $0 - $1 })
    whiten(&residual)
    var rows = Matrix(rows: jacobian.rows, columns: p + 1)
    for i in 0..<rows.rows {
      rows.storage.replaceSubrange((i * (p + 1))..<(i * (p + 1) + p), with: projected.row(i))
      rows.storage[i * (p + 1) + p] = residual.storage[i]
    }
    let squares = KeptSquares(total: Self.squares(jacobian), kept: Self.squares(projected))
    return (rows, squares)
  }

  public func design(features x: Matrix) -> LinearDesign {
    let trace = network.trace(normalisation.features(x), parameters)
    var rows = Matrix(rows: x.rows * outputs, columns: network.parameterCount)
    network.writeJacobian(trace, parameters, into: &rows)
    return LinearDesign(
      base: trace.output, rows: subspace.map { Matrix.product(rows, $0, transposeB: true) } ?? rows)
  }

  /// L⁻¹J, (n·C) × P, and f, n × C.
  func jacobian(_ x: Matrix) -> (rows: Matrix, output: Matrix) {
    let trace = network.trace(normalisation.features(x), parameters)
    var rows = Matrix(rows: x.rows * outputs, columns: network.parameterCount)
    network.writeJacobian(trace, parameters, into: &rows)
    whiten(&rows)
    return (rows, trace.output)
  }

  private static func squares(_ matrix: Matrix) -> Double { matrix.squaredRowNorms.reduce(0, +) }

  /// Forward substitution with L on every group of C rows.
  private func whiten(_ rows: inout Matrix) {
    guard let root = outputRoot else { return }
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
