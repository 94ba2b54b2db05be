import BNNLinearAlgebra

/// All weights with all weights, P × P: exact, for small networks. P² doubles, O(rows·roots·P²) to absorb and O(P³) to
/// factor.
public struct FullCurvature: Curvature {
  public static let structure = CurvatureStructure.full

  public let layers: [LayerShape]
  private var sum: SymmetricSum

  /// Of no rows.
  public init(layers: [LayerShape]) {
    self.layers = layers
    sum = SymmetricSum(dimension: layers.parameterCount)
  }

  /// H, both triangles.
  public var matrix: Matrix { sum.matrix }

  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public mutating func absorb<Scalar: BLASScalar>(_ factors: [LayerFactors<Scalar>], weight: Double = 1) {
    precondition(weight >= 0, "a weight cannot be negative")
    guard factors.areFactors(of: layers) else { return }
    if layers.count == 1 {
      // The pairs of a single layer sum it at a cost that does not grow with the roots.
      var pairs = PairSum(layer: layers[0])
      pairs.absorb(factors[0], weight: weight)
      return sum.add(pairs.dense)
    }
    let roots = factors[0].roots
    forJacobianRows(of: factors[...], layers: layers[...], as: Scalar.self) { range, rows in
      sum.add(gramOf: rows, count: roots * range.count, columns: sum.dimension, weight: weight)
    }
  }

  public mutating func add(_ piece: FullCurvature) {
    precondition(layers == piece.layers, "curvatures of the same layers")
    sum.add(piece.sum)
  }

  public func times(_ x: [Double]) -> [Double] { sum.times(x) }

  public var diagonal: [Double] { sum.diagonal }

  public func factored(prior: PriorPrecision) throws(LinearAlgebraError) -> DenseFactor {
    try DenseFactor(layers: layers, blocks: [sum], prior: prior)
  }

  public func sweep() throws(LinearAlgebraError) -> any PriorSweep { try DenseSweep(layers: layers, blocks: [sum]) }

  /// "H".
  public var tensors: [CurvatureTensor] {
    let packed = sum.packed
    return [CurvatureTensor(name: "H", shape: [packed.count], values: packed)]
  }

  public init(layers: [LayerShape], tensors: [CurvatureTensor]) throws(CurvatureTensorError) {
    self.layers = layers
    var stored = CurvatureTensors(tensors)
    sum = try stored.takeSymmetric("H", dimension: layers.parameterCount)
    try stored.end()
  }
}
