import BNNDatasets
import BNNLinearAlgebra
import BNNModels

/// y = [h(x) 1]w + ε: the last layer on the features h of a network frozen at its D1 weights. Every output has weights
/// of its own, so all share one Φ.
public struct LastLayerBasis: LinearBasis {
  let network: Network
  let parameters: Network.Parameters
  let normalisation: Normalisation

  init(network: Network, theta: [Double], normalisation: Normalisation) {
    self.network = network
    parameters = network.parameters(theta)
    self.normalisation = normalisation
  }

  public var weights: Int { (network.layers.last?.inputs ?? network.spec.inputs) + 1 }
  public var outputs: Int { network.outputs }
  public var responses: Int { outputs }
  public var priorMean: [Double]? { nil }
  public var unpenalised: Int { 0 }

  public func rows(features x: Matrix, targets y: Matrix) -> Matrix {
    let h = network.trace(normalisation.features(x), parameters).lastHidden
    let scaled = normalisation.targets(y)
    var rows = Matrix(rows: x.rows, columns: weights + outputs)
    for i in 0..<x.rows {
      for j in 0..<h.columns { rows[i, j] = h[i, j] }
      rows[i, h.columns] = 1
      for c in 0..<outputs { rows[i, weights + c] = scaled[i, c] }
    }
    return rows
  }

  public func design(features x: Matrix) -> LinearDesign {
    let h = network.trace(normalisation.features(x), parameters).lastHidden
    var rows = Matrix(rows: x.rows, columns: weights)
    for i in 0..<x.rows {
      for j in 0..<h.columns { rows[i, j] = h[i, j] }
      rows[i, h.columns] = 1
    }
    return LinearDesign(base: nil, rows: rows)
  }
}
