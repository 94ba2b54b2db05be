import BNNLinearAlgebra

/// Forward and backward passes of a network over blocks of rows, in buffers that are used again: the hot path of training
/// and curvature, in single or double precision, and what `Network` is made of.
///
/// Everything is row-major. θ is the flat vector of `Network`, as scalars of the pass.
public struct NetworkPass<Scalar: BLASScalar>: Sendable {
  private let layers: [any Layer]
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

  public init(_ spec: NetworkSpec) { self.init(Network(spec)) }

  init(_ network: Network) {
    (layers, parameterCount) = (network.layers, network.parameterCount)
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
      let count = m * layer.outputs
      values[index].fit(count)
      let source = outgoing(index - 1)
      let second = layer.bypass.map { outgoing(index - 1 - $0) }
      theta.withUnsafeBufferPointer { theta in
        source.withUnsafeBufferPointer { x in
          values[index].withUnsafeMutableBufferPointer { h in
            guard let x = x.baseAddress, let h = h.baseAddress, let theta = theta.baseAddress else { return }
            layer.forward(rows: m, x, theta, into: h)
            if let second { second.withUnsafeBufferPointer { for i in 0..<count { h[i] += $0[i] } } }
          }
        }
      }
      if layer.activation.derivativeNeedsPreactivation { preactivations[index] = values[index] }
      values[index].withUnsafeMutableBufferPointer { h in
        layer.activation.apply(to: UnsafeMutableBufferPointer(rebasing: h[0..<count]))
      }
    }
  }

  /// What comes out of a layer; −1 is the network's input.
  private func outgoing(_ index: Int) -> [Scalar] { index < 0 ? input : values[index] }

  /// The outputs of the last forward pass, rows × C.
  public func output() -> Matrix { values(ofLayer: layers.count - 1) }

  /// h of a layer in the last forward pass, rows × its outputs; of layer −1 the inputs.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func values(ofLayer index: Int) -> Matrix {
    let own = outgoing(index)
    var result = Matrix(rows: rows, columns: index < 0 ? inputs : layers[index].outputs)
    for i in result.storage.indices { result.storage[i] = own[i].doubleValue }
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
      deltas[index - 1].fit(r * m * layers[index].inputs)
      var below = deltas[index - 1]
      deltas[index - 1] = []
      // So few rows at a time that they are still in the cache when they go through the activation.
      for s in 0..<r {
        for start in stride(from: 0, to: m, by: Self.slice) {
          let rows = start..<min(start + Self.slice, m)
          writeInputGradient(index, theta, root: s, rows: rows, into: &below)
          throughActivation(index - 1, &below, from: s * m * layers[index].inputs, rows: rows)
        }
      }
      deltas[index - 1] = below
    }
  }

  /// Rows of a backward step; fixed, since it may decide bits.
  private static var slice: Int { 256 }

  /// The gradient in what comes into a layer, for some rows of a root: through the layer, and through those above that it
  /// goes past the others to.
  private func writeInputGradient(
    _ index: Int, _ theta: [Scalar], root s: Int, rows: Range<Int>, into below: inout [Scalar]
  ) {
    let layer = layers[index]
    let first = s * self.rows + rows.lowerBound
    let count = rows.count * layer.inputs
    below.withUnsafeMutableBufferPointer { below in
      guard let g = below.baseAddress.map({ $0 + first * layer.inputs }), count > 0 else { return }
      outgoing(index - 1).withUnsafeBufferPointer { x in
        values[index].withUnsafeBufferPointer { h in
          deltas[index].withUnsafeBufferPointer { delta in
            theta.withUnsafeBufferPointer { theta in
              guard let x = x.baseAddress, let h = h.baseAddress, let delta = delta.baseAddress,
                let theta = theta.baseAddress
              else { return }
              layer.inputGradient(
                rows: rows.count, x + rows.lowerBound * layer.inputs, values: h + rows.lowerBound * layer.outputs,
                delta + first * layer.outputs, theta, into: g)
            }
          }
        }
      }
      for upper in (index + 1)..<max(index + 1, layers.count) where layers[upper].bypass == upper - index {
        deltas[upper].withUnsafeBufferPointer { delta in
          let start = first * layer.inputs
          for i in 0..<count { g[i] += delta[start + i] }
        }
      }
    }
  }

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

  /// gradient ← Σᵢ Jᵢᵀgᵢ in θ's order for the layers from `lowest` up, after a backward pass with one root down to it; 0
  /// without rows.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func gradient(into gradient: inout [Scalar], downTo lowest: Int = 0) {
    precondition(roots == 1 && gradient.count == parameterCount, "one root and P numbers")
    guard rows > 0 else {
      for i in layers[lowest].offset..<parameterCount { gradient[i] = 0 }
      return
    }
    for index in lowest..<layers.count {
      gradient.withUnsafeMutableBufferPointer { gradient in
        outgoing(index - 1).withUnsafeBufferPointer { x in
          deltas[index].withUnsafeBufferPointer { delta in
            guard let x = x.baseAddress, let delta = delta.baseAddress, let gradient = gradient.baseAddress
            else { return }
            layers[index].parameterGradient(rows: rows, x, delta, into: gradient)
          }
        }
      }
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

  /// The factors of one layer's rows of the Jacobian after a backward pass down to it, for the time of the call. Only of a
  /// layer with weights.
  public func withFactors(ofLayer index: Int, _ body: (LayerFactors<Scalar>) -> Void) {
    outgoing(index - 1).withUnsafeBufferPointer { x in
      deltas[index].withUnsafeBufferPointer { delta in
        // Of no rows there may be no address.
        withScratch(Scalar.self, 1) { none in
          layers[index].withFactors(
            rows: rows, roots: roots, x.baseAddress ?? UnsafePointer(none), delta.baseAddress ?? UnsafePointer(none),
            body)
        }
      }
    }
  }
}
