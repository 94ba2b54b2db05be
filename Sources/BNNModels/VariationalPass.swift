import BNNLinearAlgebra

/// Forward and backward passes of a network whose weights are independent normals, means M and variances V in θ's order,
/// by local reparameterisation (Kingma, Salimans & Welling 2015, eq. 6): every row and unit has a weight sample of its own,
/// drawn where it is one number,
///
///     z = h Mᵀ + b + √s ⊙ ε,   s = h² Vᵀ + v_b,   ε ~ N(0, 1) for every row and unit,
///
/// which has the moments given h of a weight sample for every row, at the price of two products instead of one. Backwards
/// ∂z/∂s = ε/(2√s). Where s is below the type's least normal number it has no slope and 0 is taken for it: a unit that is
/// certain for a row passes nothing back to the variances, and weights of variance 0 are those of `NetworkPass`.
///
/// Buffers are used again, as in `NetworkPass`; rows of a call are fastest where their activations stay in the cache (some
/// hundreds).
public struct VariationalPass<Scalar: BLASScalar> {
  private let layers: [Dense]
  /// P.
  public let parameterCount: Int
  /// Σ outputs over the layers: the normal numbers that a row needs.
  public let unitCount: Int
  /// C.
  public var outputs: Int { layers[layers.count - 1].outputs }
  /// d.
  public var inputs: Int { layers[0].inputs }
  /// Rows of the last forward pass.
  public private(set) var rows = 0
  private var input: [Scalar] = []
  /// h² of every layer's inputs, rows × inputs.
  private var squares: [[Scalar]]
  private var preactivations: [[Scalar]]
  /// h of every layer, rows × outputs, as all that follow.
  private var values: [[Scalar]]
  /// ∂z/∂s.
  private var slopes: [[Scalar]]
  /// The loss's gradients in z and in s.
  private var deltas: [[Scalar]]
  private var varianceDeltas: [[Scalar]]

  public init(_ spec: NetworkSpec) {
    (layers, parameterCount) = Dense.layout(spec)
    unitCount = layers.reduce(0) { $0 + $1.outputs }
    let none = layers.map { _ in [Scalar]() }
    (squares, preactivations, values) = (none, none, none)
    (slopes, deltas, varianceDeltas) = (none, none, none)
  }

  /// Outputs of m rows that a caller writes where they are needed (m × d), one sample of each.
  ///
  /// - Parameters:
  ///   - noise: at least m·`unitCount` draws from N(0, 1), layer after layer, each layer's m × outputs.
  ///   - sign: ±1, which multiplies them: the same noise with both signs gives antithetic samples.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public mutating func forward(
    rows m: Int, mean: [Scalar], variance: [Scalar], noise: [Float], sign: Scalar = 1,
    writingInputs write: (UnsafeMutableBufferPointer<Scalar>) -> Void
  ) {
    precondition(mean.count == parameterCount && variance.count == parameterCount, "P means and P variances")
    precondition(noise.count >= m * unitCount, "a number for every row and unit")
    rows = m
    let size = m * inputs
    input.fit(size)
    input.withUnsafeMutableBufferPointer { write(UnsafeMutableBufferPointer(rebasing: $0[0..<size])) }
    var first = 0
    for index in layers.indices {
      let layer = layers[index]
      let count = m * layer.outputs
      squares[index].fit(m * layer.inputs)
      values[index].fit(count)
      slopes[index].fit(count)
      let source = index == 0 ? input : values[index - 1]
      Scalar.squares(of: source, into: &squares[index], count: m * layer.inputs)
      layer.affine(rows: m, source, mean, into: &values[index])
      layer.affine(rows: m, squares[index], variance, into: &slopes[index])
      noise.withUnsafeBufferPointer { noise in
        guard count > 0, let own = noise.baseAddress.map({ $0 + first }) else { return }
        Scalar.addNoise(to: &values[index], variance: &slopes[index], noise: own, sign: sign, count: count)
      }
      first += count
      if layer.activation.derivativeNeedsPreactivation { preactivations[index] = values[index] }
      values[index].withUnsafeMutableBufferPointer {
        layer.activation.apply(to: UnsafeMutableBufferPointer(rebasing: $0[0..<count]))
      }
    }
  }

  /// The outputs of the last forward pass, rows × C.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func output() -> Matrix {
    let last = values[layers.count - 1]
    return Matrix(rows: rows, columns: outputs, storage: (0..<(rows * outputs)).map { last[$0].doubleValue })
  }

  /// The gradients of Σ over rows of a loss in every z and s, from those in the outputs (rows × C); with the means and
  /// variances of the forward pass.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public mutating func backward(_ outputGradient: Matrix, mean: [Scalar], variance: [Scalar]) {
    precondition(mean.count == parameterCount && variance.count == parameterCount, "P means and P variances")
    precondition(outputGradient.rows == rows && outputGradient.columns == outputs, "a gradient for every output")
    let m = rows
    for index in layers.indices {
      deltas[index].fit(m * layers[index].outputs)
      varianceDeltas[index].fit(m * layers[index].outputs)
    }
    deltas[layers.count - 1].withUnsafeMutableBufferPointer { delta in
      outputGradient.storage.withUnsafeBufferPointer { for i in $0.indices { delta[i] = Scalar($0[i]) } }
    }
    for index in layers.indices.reversed() {
      let layer = layers[index]
      throughActivation(index)
      let delta = deltas[index]
      Scalar.products(delta, slopes[index], into: &varianceDeltas[index], count: m * layer.outputs)
      guard index > 0 else { continue }
      // ∂/∂h = δM + 2h ⊙ (δ_s V), the second part first.
      layer.inputGradient(rows: m, varianceDeltas[index], variance, keep: 0, into: &deltas[index - 1])
      Scalar.scaleByTwice(values[index - 1], &deltas[index - 1], count: m * layer.inputs)
      layer.inputGradient(rows: m, delta, mean, keep: 1, into: &deltas[index - 1])
    }
  }

  /// δ ← δ · h′.
  private mutating func throughActivation(_ index: Int) {
    let (layer, count) = (layers[index], rows * layers[index].outputs)
    let (z, h) = (preactivations[index], values[index])
    deltas[index].withUnsafeMutableBufferPointer { delta in
      z.withUnsafeBufferPointer { z in
        h.withUnsafeBufferPointer { h in
          layer.activation.backward(
            preactivation: z, value: UnsafeBufferPointer(rebasing: h[0..<count]),
            gradient: UnsafeMutableBufferPointer(rebasing: delta[0..<count]))
        }
      }
    }
  }

  /// ∂/∂mean and ∂/∂variance of the sum over rows whose gradient in the outputs the backward pass was given, P each.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func gradient(mean: inout [Scalar], variance: inout [Scalar]) {
    precondition(mean.count == parameterCount && variance.count == parameterCount, "P means and P variances")
    for (index, layer) in layers.enumerated() {
      let source = index == 0 ? input : values[index - 1]
      layer.parameterGradient(rows: rows, source, deltas[index], into: &mean)
      layer.parameterGradient(rows: rows, squares[index], varianceDeltas[index], into: &variance)
    }
  }
}
