import BNNLinearAlgebra

/// Every layer's weights with each other, exactly; none with another layer's.
///
/// The block of a dense layer is Σᵢ Dᵢ ⊗ x̃ᵢx̃ᵢᵀ with Dᵢ = Σₛ δᵢₛδᵢₛᵀ: symmetric in the outputs and in the inputs by
/// themselves, so a quarter of it says all, and one product of the pairs of outputs with the pairs of inputs sums it,
/// whatever the number of roots. That of a convolution is the sum of its rows' outer products.
public struct BlockCurvature: Curvature {
  public static let structure = CurvatureStructure.block

  public let layers: [LayerShape]
  private var blocks: [LayerBlock]

  /// Of no rows.
  public init(layers: [LayerShape]) {
    self.layers = layers
    blocks = layers.map { LayerBlock(layer: $0) }
  }

  /// O(rows·Σ outputs²·inputs²/2).
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public mutating func absorb<Scalar: BLASScalar>(_ factors: [LayerFactors<Scalar>], weight: Double = 1) {
    precondition(weight >= 0, "a weight cannot be negative")
    guard factors.areFactors(of: layers) else { return }
    for l in layers.indices { blocks[l].absorb(factors[l], weight: weight) }
  }

  public mutating func add(_ piece: BlockCurvature) {
    precondition(layers == piece.layers, "curvatures of the same layers")
    for l in layers.indices { blocks[l].add(piece.blocks[l]) }
  }

  public mutating func scale(by factor: Double) {
    for l in blocks.indices { blocks[l].scale(by: factor) }
  }

  public func times(_ x: [Double]) -> [Double] {
    layers.ranges.enumerated().flatMap { l, range in blocks[l].times(x[range]) }
  }

  public var diagonal: [Double] { blocks.flatMap(\.diagonal) }

  public func factored(prior: PriorPrecision) throws(LinearAlgebraError) -> DenseFactor {
    try DenseFactor(layers: layers, blocks: blocks.map(\.dense), prior: prior)
  }

  public func sweep() throws(LinearAlgebraError) -> any PriorSweep {
    try DenseSweep(layers: layers, blocks: blocks.map(\.dense))
  }

  /// One per layer, "0" onwards.
  public var tensors: [CurvatureTensor] { blocks.enumerated().map { $1.tensor(named: "\($0)") } }

  public init(layers: [LayerShape], tensors: [CurvatureTensor]) throws(CurvatureTensorError) {
    self.init(layers: layers)
    var stored = CurvatureTensors(tensors)
    for l in layers.indices { blocks[l] = try LayerBlock(layer: layers[l], named: "\(l)", from: &stored) }
    try stored.end()
  }
}
