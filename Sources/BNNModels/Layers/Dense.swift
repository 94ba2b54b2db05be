import BNNLinearAlgebra
import BNNProbability

/// h(x Wᵀ + b), fully connected: W [outputs, inputs] at `offset` in θ, b [outputs] after it.
public struct Dense: Layer {
  public let inputs: Int
  public let outputs: Int
  public let activation: Activation
  public let offset: Int

  public init(inputs: Int, outputs: Int, activation: Activation, offset: Int = 0) {
    self.inputs = inputs
    self.outputs = outputs
    self.activation = activation
    self.offset = offset
  }

  public var tensors: [(suffix: String, shape: [Int])] { [("weight", [outputs, inputs]), ("bias", [outputs])] }
  public var shape: LayerShape? { LayerShape(inputs: inputs, outputs: outputs) }

  /// Weights by `initialScale`, biases of variance 1/4 that spread the units' kinks over the data (0 for the identity).
  public func initial(using stream: inout RandomStream) -> [Double] {
    let scale = initialScale(fanIn: inputs, activation)
    let weights = stream.normals(outputs * inputs).map { $0 * scale }
    return weights
      + (activation == .identity ? [Double](repeating: 0, count: outputs) : stream.normals(outputs).map { $0 * 0.5 })
  }

  /// The layers of a network that has no others, and P: for the passes that only know these.
  static func layout(_ spec: NetworkSpec) -> (layers: [Dense], parameterCount: Int) {
    let network = Network(spec)
    let layers = network.layers.compactMap { $0 as? Dense }
    precondition(layers.count == network.layers.count, "this pass is of networks of dense layers")
    return (layers, network.parameterCount)
  }

  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func forward<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, _ theta: UnsafePointer<Scalar>, into z: UnsafeMutablePointer<Scalar>
  ) {
    affine(rows: m, x, theta, into: z)
  }

  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func inputGradient<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, values h: UnsafePointer<Scalar>, _ delta: UnsafePointer<Scalar>,
    _ theta: UnsafePointer<Scalar>, into g: UnsafeMutablePointer<Scalar>
  ) {
    inputGradient(rows: m, delta, theta, keep: 0, into: g)
  }

  /// 0 without rows.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func parameterGradient<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, _ delta: UnsafePointer<Scalar>, into gradient: UnsafeMutablePointer<Scalar>
  ) {
    let weights = gradient + offset
    let bias = weights + inputs * outputs
    for j in 0..<outputs { bias[j] = 0 }
    guard m > 0 else {
      for j in 0..<(inputs * outputs) { weights[j] = 0 }
      return
    }
    Scalar.gemm(
      transposeA: true, transposeB: false, m: outputs, n: inputs, k: m, alpha: 1, a: delta, lda: outputs, b: x,
      ldb: inputs, beta: 0, c: weights, ldc: inputs)
    for i in 0..<m {
      let row = delta + i * outputs
      for j in 0..<outputs { bias[j] += row[j] }
    }
  }

  public func withFactors<Scalar: BLASScalar>(
    rows m: Int, roots: Int, _ x: UnsafePointer<Scalar>, _ delta: UnsafePointer<Scalar>,
    _ body: (LayerFactors<Scalar>) -> Void
  ) {
    body(
      LayerFactors(
        rows: m, roots: roots, inputs: UnsafeBufferPointer(start: x, count: m * inputs),
        deltas: UnsafeBufferPointer(start: delta, count: roots * m * outputs)))
  }

  // MARK: Products

  /// z ← x Wᵀ + b for m rows.
  @inline(__always) func affine<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, _ theta: UnsafePointer<Scalar>, into z: UnsafeMutablePointer<Scalar>
  ) {
    let bias = theta + offset + inputs * outputs
    for i in 0..<m { (z + i * outputs).update(from: bias, count: outputs) }
    product(rows: m, x, theta, keep: 1, into: z)
  }

  /// z ← keep·z + x Wᵀ for m rows.
  @inline(__always) func product<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, _ theta: UnsafePointer<Scalar>, keep: Scalar = 0,
    into z: UnsafeMutablePointer<Scalar>
  ) {
    guard m > 0 else { return }
    Scalar.gemm(
      transposeA: false, transposeB: true, m: m, n: outputs, k: inputs, alpha: 1, a: x, lda: inputs, b: theta + offset,
      ldb: inputs, beta: keep, c: z, ldc: outputs)
  }

  /// g ← keep·g + δW for m rows.
  @inline(__always) func inputGradient<Scalar: BLASScalar>(
    rows m: Int, _ delta: UnsafePointer<Scalar>, _ theta: UnsafePointer<Scalar>, keep: Scalar,
    into g: UnsafeMutablePointer<Scalar>
  ) {
    guard m > 0 else { return }
    Scalar.gemm(
      transposeA: false, transposeB: false, m: m, n: inputs, k: outputs, alpha: 1, a: delta, lda: outputs,
      b: theta + offset, ldb: inputs, beta: keep, c: g, ldc: inputs)
  }
}

extension Array where Element: BLASScalar {
  /// Buffers only grow: a shorter last block uses the front.
  @inline(__always) mutating func fit(_ size: Int) {
    if count < size { self = [Element](repeating: 0, count: size) }
  }
}
