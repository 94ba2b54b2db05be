import BNNLinearAlgebra

/// Forward and backward passes of a network of dense layers over blocks of rows, in buffers that are used again: the
/// hot path of training and curvature, in single or double precision. `Network` has the same mathematics one call at a
/// time, in values.
///
/// Everything is row-major. θ is the flat vector of `Network`, as scalars of the pass.
public struct NetworkPass<Scalar: BLASScalar> {
  private let layers: [DenseLayer]
  /// P.
  public let parameterCount: Int
  /// C.
  public var outputs: Int { layers[layers.count - 1].outputs }
  /// d.
  public var inputs: Int { layers[0].inputs }
  public var layerCount: Int { layers.count }
  /// Rows of the last forward pass.
  public private(set) var rows = 0
  /// Rows of δ for each of them in the last backward pass.
  public private(set) var roots = 0
  private var preactivations: [[Scalar]]
  /// h of every layer, rows × outputs.
  private var values: [[Scalar]]
  /// δ of every layer in its pre-activations, (roots·rows) × outputs.
  private var deltas: [[Scalar]]
  private var input: [Scalar] = []

  public init(_ spec: NetworkSpec) {
    (layers, parameterCount) = DenseLayer.layout(spec)
    preactivations = layers.map { _ in [] }
    values = layers.map { _ in [] }
    deltas = layers.map { _ in [] }
  }

  // MARK: Forward

  /// f(x; θ) of m rows (m × d); the input is copied.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public mutating func forward(_ x: UnsafeBufferPointer<Scalar>, rows m: Int, _ theta: [Scalar]) {
    precondition(x.count == m * inputs, "rows × d inputs")
    forward(rows: m, theta) { own in
      if let source = x.baseAddress { own.baseAddress?.update(from: source, count: x.count) }
    }
  }

  /// f(x; θ) of m rows that a caller writes where they are needed (m × d).
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public mutating func forward(
    rows m: Int, _ theta: [Scalar], writingInputs write: (UnsafeMutableBufferPointer<Scalar>) -> Void
  ) {
    precondition(theta.count == parameterCount, "P weights")
    rows = m
    input.fit(m * inputs)
    let count = m * inputs
    input.withUnsafeMutableBufferPointer { write(UnsafeMutableBufferPointer(rebasing: $0[0..<count])) }
    for index in layers.indices {
      let layer = layers[index]
      values[index].fit(m * layer.outputs)
      let source = index == 0 ? input : values[index - 1]
      layer.affine(rows: m, source, theta, into: &values[index])
      if layer.activation.derivativeNeedsPreactivation { preactivations[index] = values[index] }
      values[index].withUnsafeMutableBufferPointer { h in
        layer.activation.apply(to: UnsafeMutableBufferPointer(rebasing: h[0..<(m * layer.outputs)]))
      }
    }
  }

  /// The outputs of the last forward pass, rows × C.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func output() -> Matrix {
    let last = values[layers.count - 1]
    var result = Matrix(rows: rows, columns: outputs)
    for i in 0..<(rows * outputs) { result.storage[i] = last[i].doubleValue }
    return result
  }

  // MARK: Backward

  /// δ of every layer down to `lowest`, from gradients in the outputs: one matrix (rows × C) for every root.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public mutating func backward(_ outputGradients: [Matrix], _ theta: [Scalar], downTo lowest: Int = 0) {
    let m = rows
    let r = outputGradients.count
    roots = r
    let top = layers.count - 1
    deltas[top].fit(r * m * outputs)
    let size = m * outputs
    deltas[top].withUnsafeMutableBufferPointer { delta in
      for (s, gradient) in outputGradients.enumerated() {
        precondition(gradient.storage.count == size, "a gradient for every output")
        gradient.storage.withUnsafeBufferPointer { g in
          for i in 0..<size { delta[s * size + i] = Scalar(g[i]) }
        }
      }
    }
    var own = deltas[top]
    deltas[top] = []
    for s in 0..<r { throughActivation(top, &own, from: s * size, rows: 0..<m) }
    deltas[top] = own
    for index in stride(from: top, to: lowest, by: -1) {
      let layer = layers[index]
      deltas[index - 1].fit(r * m * layer.inputs)
      var below = deltas[index - 1]
      deltas[index - 1] = []
      // So few rows at a time that they are still in the cache when they go through the activation.
      for s in 0..<r {
        for start in stride(from: 0, to: m, by: Self.slice) {
          let rows = start..<min(start + Self.slice, m)
          let first = s * m + start
          below.withUnsafeMutableBufferPointer { below in
            deltas[index].withUnsafeBufferPointer { delta in
              theta.withUnsafeBufferPointer { theta in
                guard let below = below.baseAddress, let delta = delta.baseAddress, let theta = theta.baseAddress
                else { return }
                layer.inputGradient(
                  rows: rows.count, delta + first * layer.outputs, theta, keep: 0, into: below + first * layer.inputs)
              }
            }
          }
          throughActivation(index - 1, &below, from: s * m * layer.inputs, rows: rows)
        }
      }
      deltas[index - 1] = below
    }
  }

  /// Rows of a backward step; fixed, since it may decide bits.
  private static var slice: Int { 256 }

  /// δ ← δ · h′ for some rows of the root that begins at `first`.
  private func throughActivation(_ index: Int, _ delta: inout [Scalar], from first: Int, rows: Range<Int>) {
    let layer = layers[index]
    guard layer.activation != .identity, !rows.isEmpty else { return }
    let own = (rows.lowerBound * layer.outputs)..<(rows.upperBound * layer.outputs)
    delta.withUnsafeMutableBufferPointer { delta in
      values[index].withUnsafeBufferPointer { h in
        preactivations[index].withUnsafeBufferPointer { z in
          layer.activation.backward(
            preactivation: layer.activation.derivativeNeedsPreactivation ? UnsafeBufferPointer(rebasing: z[own]) : z,
            value: UnsafeBufferPointer(rebasing: h[own]),
            gradient: UnsafeMutableBufferPointer(
              rebasing: delta[(first + own.lowerBound)..<(first + own.upperBound)]))
        }
      }
    }
  }

  /// gradient ← Σᵢ Jᵢᵀgᵢ in θ's order for the layers from `lowest` up, after a backward pass with one root down to it.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func gradient(into gradient: inout [Scalar], downTo lowest: Int = 0) {
    precondition(roots == 1 && gradient.count == parameterCount, "one root and P numbers")
    for index in lowest..<layers.count {
      let source = index == 0 ? input : values[index - 1]
      layers[index].parameterGradient(rows: rows, source, deltas[index], into: &gradient)
    }
  }

  /// total ← total + gradient.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func add(_ gradient: [Scalar], to total: inout [Double]) {
    total.withUnsafeMutableBufferPointer { total in
      gradient.withUnsafeBufferPointer { gradient in
        for j in total.indices { total[j] += gradient[j].doubleValue }
      }
    }
  }

  /// The inputs and δ of one layer (rows × inputs, (roots·rows) × outputs), for the time of the call.
  public func withFactors<Result>(
    ofLayer index: Int, _ body: (UnsafeBufferPointer<Scalar>, UnsafeBufferPointer<Scalar>) -> Result
  ) -> Result {
    let layer = layers[index]
    let source = index == 0 ? input : values[index - 1]
    return source.withUnsafeBufferPointer { x in
      deltas[index].withUnsafeBufferPointer { delta in
        body(
          UnsafeBufferPointer(rebasing: x[0..<(rows * layer.inputs)]),
          UnsafeBufferPointer(rebasing: delta[0..<(roots * rows * layer.outputs)]))
      }
    }
  }
}
