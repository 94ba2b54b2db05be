import BNNLinearAlgebra

/// What a first dense layer of independent normal weights adds up for rows, before its activation: normal for every row and
/// unit,
///
///     z = x Mᵀ + b + √s ⊙ ζ,   s = x² Vᵀ + v_b,   ζ ~ N(0, 1),
///
/// independent between units, so that a draw costs no product of its own (Kingma, Salimans & Welling 2015, eq. 6). A ζ for every
/// unit serves all rows: each row's z then has its distribution under draws of the weights, and with the same ζ again the same
/// value; between rows of a draw it is another.
public struct FirstLayerSums<Scalar: BLASScalar>: Sendable {
  /// The activation of the first layer and the layers above: what takes the sums. Its θ is the network's without the first layer.
  public let rest: NetworkSpec
  /// Weights and biases of the first layer.
  public let parameterCount: Int
  /// Units of the first layer: numbers of a ζ.
  public var units: Int { layer.outputs }
  private let layer: Dense
  private let mean: [Scalar]
  private let variance: [Scalar]

  /// - Parameters:
  ///   - mean: M and b of the first layer in θ's order, at least; what follows is not read.
  ///   - variance: V and v_b in the same way.
  /// - Returns: nil for a network that has other layers than dense ones.
  public init?(_ spec: NetworkSpec, mean: [Double], variance: [Double]) {
    guard spec.isDense, case .dense(_, let activation)? = spec.layers.first else { return nil }
    layer = Dense.layout(spec).layers[0]
    parameterCount = layer.parameterCount
    rest = NetworkSpec(inputs: layer.outputs, layers: [.activation(activation)] + spec.layers.dropFirst())
    self.mean = mean.prefix(parameterCount).map { Scalar($0) }
    self.variance = variance.prefix(parameterCount).map { Scalar($0) }
  }

  /// Means and standard deviations of z for normalised rows (n × d), n × units each. O(n · d · units).
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func moments(_ x: Matrix) -> (mean: [Scalar], deviation: [Scalar]) {
    precondition(x.columns == layer.inputs, "d inputs")
    let rows = x.storage.map { Scalar($0) }
    var squares = rows
    Scalar.squares(of: rows, into: &squares, count: rows.count)
    var (z, s) = ([Scalar](repeating: 0, count: x.rows * units), [Scalar](repeating: 0, count: x.rows * units))
    layer.affine(rows: x.rows, rows, mean, into: &z)
    layer.affine(rows: x.rows, squares, variance, into: &s)
    for i in s.indices { s[i] = s[i].squareRoot() }
    return (z, s)
  }
}
