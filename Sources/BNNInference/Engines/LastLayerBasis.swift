import BNNDatasets
import BNNLinearAlgebra
import BNNModels

/// y = [h(x) 1]w + ε: the last layer on the features h of a network frozen at its D1 weights.
public struct LastLayerBasis: FrozenFeatures {
  public let network: Network
  let parameters: Network.Parameters
  public let normalisation: Normalisation

  init(network: Network, theta: [Double], normalisation: Normalisation) {
    self.network = network
    parameters = network.parameters(theta)
    self.normalisation = normalisation
  }

  public static func weights(of network: Network) -> Int { (network.layers.last?.inputs ?? network.spec.inputs) + 1 }

  public func features(_ x: Matrix) -> Matrix {
    let h = network.trace(normalisation.features(x), parameters).lastHidden
    return Matrix(sideBySide: h, Matrix(rows: x.rows, columns: 1, repeating: 1))
  }
}
