import BNNLinearAlgebra

/// Every layer's curvature as a sum of Kronecker products, one a batch:
///
///     H_l ≈ Σₖ Aₖ ⊗ Gₖ/nₖ,   A = Σᵢ x̃ᵢx̃ᵢᵀ,   G = Σᵢ Σₛ δᵢₛδᵢₛᵀ,   n = the batch's rows
///
/// over W̃ = [W b] (Martens & Grosse 2015, section 3, with sums for means; as a posterior and in sequence: Ritter, Botev &
/// Barber 2018). Exact for a single dense layer when the curvature in the outputs is the same in every row.
///
/// Of a convolution, whose weights are used at T windows, the two standard settings (`WeightSharing`, Eschenhagen et al. 2023):
/// to expand, every window is a row, n counting all of them (Grosse & Martens 2016); to reduce, x̃ᵢ is the mean over the windows
/// and δᵢₛ the sum.
///
/// The sum of two Kronecker products is not one, so batches stay apart in a list until `compressed` is asked for. Adding
/// their factors would give a product, but a worse one than the nearest (figures in Papers/martens-2015-kfac.md).
public struct KroneckerCurvature: Curvature {
  public static let structure = CurvatureStructure.kronecker

  public let layers: [LayerShape]
  /// How rows of a layer that uses its weights several times are absorbed.
  public let sharing: WeightSharing
  /// Of every layer, oldest first.
  var pairs: [[KroneckerPair]]

  /// Of no rows.
  public init(layers: [LayerShape], sharing: WeightSharing = .expand) {
    self.layers = layers
    self.sharing = sharing
    pairs = layers.map { _ in [] }
  }

  /// How many products the sum of every layer has.
  public var pairCounts: [Int] { pairs.map(\.count) }

  /// Rows of the newest batch: they continue the last pair of every layer. O(rows·Σ(inputs² + roots·outputs²)).
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public mutating func absorb<Scalar: BLASScalar>(_ factors: [LayerFactors<Scalar>], weight: Double = 1) {
    precondition(weight >= 0, "a weight cannot be negative")
    guard factors.areFactors(of: layers), weight > 0 else { return }
    for l in layers.indices {
      var pair = pairs[l].popLast() ?? KroneckerPair(layers[l])
      pair.absorb(factors[l], sharing, weight: weight)
      pairs[l].append(pair)
    }
  }

  /// The sums A, G and n add, since one batch is one pair a layer. The piece may be of no rows.
  public mutating func add(_ piece: KroneckerCurvature) {
    precondition(layers == piece.layers, "curvatures of the same layers")
    for l in layers.indices {
      precondition(piece.pairs[l].count <= 1, "a piece of one batch has one pair a layer; batches are appended")
      guard let other = piece.pairs[l].first else { continue }
      var pair = pairs[l].popLast() ?? KroneckerPair(layers[l])
      pair.add(other)
      pairs[l].append(pair)
    }
  }

  /// The batch's pairs go to the end of the list.
  public mutating func append(_ batch: KroneckerCurvature) {
    precondition(layers == batch.layers, "curvatures of the same layers")
    for l in layers.indices { pairs[l] += batch.pairs[l].filter { $0.rows > 0 } }
  }

  public mutating func scale(by factor: Double) {
    for l in pairs.indices { for k in pairs[l].indices { pairs[l][k].deltas.scale(by: factor) } }
  }

  /// Of the whole list: Σₖ GₖXAₖ/nₖ for every layer's X. O(pairs·Σ outputs·inputs·(outputs + inputs)).
  public func times(_ x: [Double]) -> [Double] {
    var result: [Double] = []
    result.reserveCapacity(x.count)
    for (l, range) in layers.ranges.enumerated() {
      let own = layers[l].augmented(x[range])
      var sum = Matrix(rows: own.rows, columns: own.columns)
      for pair in pairs[l] {
        let product = Matrix.product(
          symmetric: pair.deltas.upper, .product(symmetric: pair.inputs.upper, own, onRight: true))
        accumulate(1 / pair.rows, product.storage, into: &sum.storage)
      }
      result += layers[l].flattened(sum)
    }
    return result
  }

  public var diagonal: [Double] {
    layers.indices.flatMap { l in
      var sum = Matrix(rows: layers[l].outputs, columns: layers[l].inputs + 1)
      for pair in pairs[l] {
        let (a, g) = (pair.inputs.diagonal, pair.deltas.diagonal)
        for j in g.indices {
          for k in a.indices { sum.storage[j * a.count + k] += g[j] * a[k] / pair.rows }
        }
      }
      return layers[l].flattened(sum)
    }
  }

  /// Of the list's nearest single product: two eigendecompositions a layer.
  ///
  /// - Precondition: one precision a layer (`CurvatureStructure.takesWeightPrecisions`).
  public func factored(prior: PriorPrecision) throws(LinearAlgebraError) -> KroneckerFactor {
    try spectrum().factored(prior: prior)
  }

  /// Of the list's nearest single product, so that evidence and posterior are of one Gaussian.
  public func sweep() throws(LinearAlgebraError) -> any PriorSweep { try spectrum() }

  private func spectrum() throws(LinearAlgebraError) -> KroneckerSpectrum {
    try KroneckerSpectrum(compressed(to: 1).curvature)
  }

  /// "l.A.k" and "l.G.k" of layer l and pair k: the sums, with A's last entry the number of rows.
  public var tensors: [CurvatureTensor] {
    layers.indices.flatMap { l in
      pairs[l].enumerated().flatMap { k, pair in
        [("A", pair.inputs), ("G", pair.deltas)].map { name, sum in
          let packed = sum.packed
          return CurvatureTensor(name: "\(l).\(name).\(k)", shape: [packed.count], values: packed)
        }
      }
    }
  }

  public init(
    layers: [LayerShape], sharing: WeightSharing = .expand, tensors: [CurvatureTensor]
  ) throws(CurvatureTensorError) {
    self.init(layers: layers, sharing: sharing)
    var stored = CurvatureTensors(tensors)
    for (l, layer) in layers.enumerated() {
      while stored.contains("\(l).A.\(pairs[l].count)") {
        let name = "\(l).A.\(pairs[l].count)"
        let inputs = try stored.takeSymmetric(name, dimension: layer.inputs + 1)
        let deltas = try stored.takeSymmetric("\(l).G.\(pairs[l].count)", dimension: layer.outputs)
        let pair = KroneckerPair(inputs: inputs, deltas: deltas)
        guard pair.rows > 0 else { throw .value(name: name, index: inputs.packed.count - 1) }
        pairs[l].append(pair)
      }
    }
    try stored.end()
  }
}

/// A ⊗ G/n of one batch and layer.
struct KroneckerPair: Sendable, Equatable {
  /// A = Σᵢ wᵢx̃ᵢx̃ᵢᵀ with the 1 of the bias last.
  var inputs: SymmetricSum
  /// G = Σᵢ wᵢ Σₛ δᵢₛδᵢₛᵀ.
  var deltas: SymmetricSum

  init(inputs: SymmetricSum, deltas: SymmetricSum) {
    self.inputs = inputs
    self.deltas = deltas
  }

  init(_ layer: LayerShape) {
    self.init(
      inputs: SymmetricSum(dimension: layer.inputs + 1), deltas: SymmetricSum(dimension: layer.outputs))
  }

  /// n = Σᵢ wᵢ, which is A's last entry.
  var rows: Double { inputs[inputs.dimension - 1, inputs.dimension - 1] }

  @inline(__always) mutating func absorb<Scalar: BLASScalar>(
    _ factors: LayerFactors<Scalar>, _ sharing: WeightSharing, weight: Double
  ) {
    if sharing == .reduce, factors.positions > 1 {
      return factors.withReduced(inputs: inputs.dimension - 1, outputs: deltas.dimension) { absorb($0, weight: weight) }
    }
    absorb(factors, weight: weight)
  }

  /// Every position as a row.
  @inline(__always) private mutating func absorb<Scalar: BLASScalar>(_ factors: LayerFactors<Scalar>, weight: Double) {
    let rows = factors.rows * factors.positions
    inputs.add(gramOfAugmented: factors.inputs.baseAddress, count: rows, weight: weight)
    guard let start = factors.deltas.baseAddress else { return }
    deltas.add(gramOf: start, count: factors.roots * rows, columns: deltas.dimension, weight: weight)
  }

  /// Of A and of G/n.
  func eigen() throws(LinearAlgebraError) -> (inputs: SymmetricEigen, deltas: SymmetricEigen) {
    var mean = deltas
    mean.scale(by: 1 / rows)
    return (try SymmetricEigen(of: inputs.upper), try SymmetricEigen(of: mean.upper))
  }

  mutating func add(_ other: KroneckerPair) {
    inputs.add(other.inputs)
    deltas.add(other.deltas)
  }
}
