import BNNLinearAlgebra

/// All weights with all weights, P × P: exact, for small networks. P² doubles, O(rows·(P²/4 + roots·(products between layers))) to absorb and O(P³) to
/// factor.
public struct FullCurvature: Curvature {
  public static let structure = CurvatureStructure.full

  public let layers: [LayerShape]
  private var sum: SymmetricSum
  /// What the rows of the newest batch add to the blocks of the layers with themselves, until a batch is appended.
  private var blocks: [LayerBlock] = []

  /// Of no rows.
  public init(layers: [LayerShape]) {
    self.layers = layers
    sum = SymmetricSum(dimension: layers.parameterCount)
  }

  private init(layers: [LayerShape], sum: SymmetricSum) {
    self.layers = layers
    self.sum = sum
  }

  /// H, both triangles.
  public var matrix: Matrix { whole.matrix }

  /// The block of a layer with itself by its pairs, which cost half of it for one root and do not grow with the roots;
  /// those between layers by products of their rows.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public mutating func absorb<Scalar: BLASScalar>(_ factors: [LayerFactors<Scalar>], weight: Double = 1) {
    precondition(weight >= 0, "a weight cannot be negative")
    guard factors.areFactors(of: layers) else { return }
    if blocks.isEmpty { blocks = layers.map { LayerBlock(layer: $0) } }
    for l in layers.indices { blocks[l].absorb(factors[l], weight: weight) }
    guard layers.count > 1 else { return }
    let roots = factors[0].roots
    let ranges = layers.ranges
    forJacobianRows(of: factors[...], layers: layers[...], as: Scalar.self) { range, rows in
      for own in ranges.dropLast() {
        sum.add(productsOf: rows, count: roots * range.count, own, with: own.upperBound..<sum.dimension, weight: weight)
      }
    }
  }

  public mutating func add(_ piece: FullCurvature) {
    precondition(layers == piece.layers, "curvatures of the same layers")
    sum.add(piece.sum)
    if blocks.isEmpty {
      blocks = piece.blocks
    } else {
      for l in piece.blocks.indices { blocks[l].add(piece.blocks[l]) }
    }
  }

  public mutating func append(_ batch: FullCurvature) {
    precondition(layers == batch.layers, "curvatures of the same layers")
    sum = whole
    blocks = []
    sum.add(batch.whole)
  }

  public mutating func scale(by factor: Double) {
    sum.scale(by: factor)
    for l in blocks.indices { blocks[l].scale(by: factor) }
  }

  /// H.
  private var whole: SymmetricSum {
    var result = sum
    for (range, block) in zip(layers.ranges, blocks) { result.add(block.dense, at: range.lowerBound) }
    return result
  }

  public static func == (a: FullCurvature, b: FullCurvature) -> Bool { a.layers == b.layers && a.whole == b.whole }

  public func times(_ x: [Double]) -> [Double] { whole.times(x) }

  public var diagonal: [Double] { whole.diagonal }

  public func factored(prior: PriorPrecision) throws(LinearAlgebraError) -> DenseFactor {
    try DenseFactor(layers: layers, blocks: [whole], prior: prior)
  }

  public func sweep() throws(LinearAlgebraError) -> any PriorSweep { try DenseSweep(layers: layers, blocks: [whole]) }

  /// "H".
  public var tensors: [CurvatureTensor] {
    let packed = whole.packed
    return [CurvatureTensor(name: "H", shape: [packed.count], values: packed)]
  }

  public init(layers: [LayerShape], tensors: [CurvatureTensor]) throws(CurvatureTensorError) {
    var stored = CurvatureTensors(tensors)
    self.init(layers: layers, sum: try stored.takeSymmetric("H", dimension: layers.parameterCount))
    try stored.end()
  }
}
