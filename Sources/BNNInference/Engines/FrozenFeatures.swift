import BNNDatasets
import BNNLinearAlgebra
import BNNModels

/// y = Φ(x)w + ε with features Φ that a network frozen at its D1 weights makes of x. Every output has weights of its own, so all
/// share one Φ.
public protocol FrozenFeatures: LinearBasis {
  /// P, whatever the weights of the network.
  static func weights(of network: Network) -> Int
  var network: Network { get }
  var normalisation: Normalisation { get }
  /// Φ of inputs in their own units, n × P.
  func features(_ x: Matrix) -> Matrix
}

extension FrozenFeatures {
  public var weights: Int { Self.weights(of: network) }
  public var outputs: Int { network.outputs }
  public var responses: Int { outputs }
  public var priorMean: [Double]? { nil }
  public var unpenalised: Int { 0 }

  public func rows(features x: Matrix, targets y: Matrix) -> Matrix {
    Matrix(sideBySide: features(x), normalisation.targets(y))
  }

  public func design(features x: Matrix) -> LinearDesign { LinearDesign(base: nil, rows: features(x)) }
}

extension Method {
  /// The columns of Φ for a network of the methods that freeze its features.
  public func frozenWeights(of network: Network) -> Int {
    self == .parallelBranch ? ParallelBranchBasis.weights(of: network) : LastLayerBasis.weights(of: network)
  }
}
