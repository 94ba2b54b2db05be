/// The weights of one layer as a matrix: W [outputs, inputs] row by row, then b [outputs], in the layer's part of θ. A
/// convolution uses them at every window of its image, T `positions`, with the window's pixels as inputs and the channels as
/// outputs.
///
/// As one matrix they are W̃ = [W b], outputs × (inputs + 1), which multiplies x̃ = [x, 1].
public struct LayerShape: Hashable, Sendable {
  public var inputs: Int
  public var outputs: Int
  /// T; 1 for a dense layer.
  public var positions: Int

  public init(inputs: Int, outputs: Int, positions: Int = 1) {
    self.inputs = inputs
    self.outputs = outputs
    self.positions = positions
  }

  /// Weights and biases.
  @inlinable public var parameterCount: Int { outputs * (inputs + 1) }

  /// The place in the layer's part of θ of an output's weight on an input; the bias's is that of input number `inputs`.
  @inlinable @inline(__always) public func place(output j: Int, input k: Int) -> Int {
    k < inputs ? j * inputs + k : outputs * inputs + j
  }

  /// W̃ = [W b] of the layer's part of θ.
  package func augmented(_ weights: ArraySlice<Double>) -> Matrix {
    var result = Matrix(rows: outputs, columns: inputs + 1)
    let start = weights.startIndex
    for j in 0..<outputs {
      let row = j * (inputs + 1)
      for k in 0..<inputs { result.storage[row + k] = weights[start + j * inputs + k] }
      result.storage[row + inputs] = weights[start + outputs * inputs + j]
    }
    return result
  }

  /// The layer's part of θ of W̃.
  package func flattened(_ augmented: Matrix) -> [Double] {
    (0..<outputs).flatMap { augmented.row($0).dropLast() } + augmented.column(inputs)
  }
}

extension RandomAccessCollection<LayerShape> {
  /// P.
  public var parameterCount: Int { reduce(0) { $0 + $1.parameterCount } }

  /// The places of every layer's weights in θ.
  public var ranges: [Range<Int>] {
    var start = 0
    return map { layer in
      defer { start += layer.parameterCount }
      return start..<(start + layer.parameterCount)
    }
  }
}

/// What some rows say of the weights of one layer, as the two factors of their derivatives:
///
///     Σᵢ Σₛ vec(Jᵢₛ)vec(Jᵢₛ)ᵀ,   Jᵢₛ = Σₜ δᵢₛₜ x̃ᵢₜᵀ,   x̃ = [x, 1]
///
/// in W̃ read row by row, over the T positions where the layer uses its weights (one for a dense layer, whose row is δ ⊗ x̃).
/// With δ the derivative of the layer's pre-activations along a root of the loss's curvature in the network's outputs, this is
/// the layer's block of the generalised Gauss–Newton matrix; with the derivatives of the C outputs themselves (roots = C), the
/// vec(J) are the rows of the Jacobian. Rows of several layers side by side know nothing of the structure that a posterior
/// keeps of them.
///
/// A view on buffers of a pass: valid during the call that it is given to.
public struct LayerFactors<Scalar: BLASScalar> {
  /// m.
  public let rows: Int
  /// r: how many δ every row has.
  public let roots: Int
  /// T.
  public let positions: Int
  /// x, (m·T) × inputs: position t of row i is row i·T + t.
  public let inputs: UnsafeBufferPointer<Scalar>
  /// δ, (r·m·T) × outputs: position t of root s of row i is row (s·m + i)·T + t.
  public let deltas: UnsafeBufferPointer<Scalar>

  public init(
    rows: Int, roots: Int, positions: Int = 1, inputs: UnsafeBufferPointer<Scalar>, deltas: UnsafeBufferPointer<Scalar>
  ) {
    precondition(rows >= 0 && roots >= 0 && positions >= 1, "rows and roots are counts, and there is a position")
    self.rows = rows
    self.roots = roots
    self.positions = positions
    self.inputs = inputs
    self.deltas = deltas
  }

  /// Writes vec(J) in θ's order (W row by row, then b) for some rows and one root.
  ///
  /// - Parameters:
  ///   - target: the place of the layer's first weight in the first row.
  ///   - stride: from row to row of the target.
  @inlinable @inline(__always) public func writeRows<Target: BLASScalar>(
    layer: LayerShape, root s: Int, rows range: Range<Int>, to target: UnsafeMutablePointer<Target>, stride: Int
  ) {
    guard let deltas = deltas.baseAddress else { return }
    let (n, o, t) = (layer.inputs, layer.outputs, positions)
    if t > 1 {
      withScratch(Scalar.self, n * o) { product in
        for (place, i) in range.enumerated() {
          let (row, delta) = (target + place * stride, deltas + (s * rows + i) * t * o)
          if let x = inputs.baseAddress {
            Scalar.gemm(
              transposeA: true, transposeB: false, m: o, n: n, k: t, alpha: 1, a: delta, lda: o, b: x + i * t * n,
              ldb: n, beta: 0, c: product, ldc: n)
            for j in 0..<(o * n) { row[j] = Target(product[j]) }
          }
          for j in 0..<o {
            var sum: Scalar = 0
            for p in 0..<t { sum += delta[p * o + j] }
            row[o * n + j] = Target(sum)
          }
        }
      }
      return
    }
    for (place, i) in range.enumerated() {
      let row = target + place * stride
      let delta = deltas + (s * rows + i) * o
      if let x = inputs.baseAddress {
        let x = x + i * n
        for j in 0..<o {
          let (d, own) = (delta[j], row + j * n)
          for k in 0..<n { own[k] = Target(d * x[k]) }
        }
      }
      for j in 0..<o { row[o * n + j] = Target(delta[j]) }
    }
  }
}
