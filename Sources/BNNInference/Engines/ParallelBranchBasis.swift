import BNNDatasets
import BNNLinearAlgebra
import BNNModels

/// y = [h(x) 1 x]w + ε: a linear branch beside a network frozen at its D1 weights, h its last hidden layer and x the inputs,
/// normalised, so that what is linear in the inputs can still be learnt where the features do not have it.
///
/// The frozen network's own output f₁ is a linear combination of h and 1, and so no column: it is where its weights are those of D1.
public struct ParallelBranchBasis: FrozenFeatures {
  private let layer: LastLayerBasis
  public var network: Network { layer.network }
  public var normalisation: Normalisation { layer.normalisation }

  init(network: Network, theta: [Double], normalisation: Normalisation) {
    layer = LastLayerBasis(network: network, theta: theta, normalisation: normalisation)
  }

  public static func weights(of network: Network) -> Int {
    LastLayerBasis.weights(of: network) + network.spec.inputs
  }

  public func features(_ x: Matrix) -> Matrix { Matrix(sideBySide: layer.features(x), normalisation.features(x)) }
}
