import BNNLinearAlgebra

/// The place of one dense layer's weights in θ: W [outputs, inputs] row by row, then b [outputs].
///
/// As one matrix they are W̃ = [W b], outputs × (inputs + 1), which multiplies x̃ = [x, 1].
public struct LayerShape: Codable, Hashable, Sendable {
  public var inputs: Int
  public var outputs: Int

  public init(inputs: Int, outputs: Int) {
    self.inputs = inputs
    self.outputs = outputs
  }

  /// Weights and biases.
  public var parameterCount: Int { outputs * (inputs + 1) }

  /// The place in the layer's part of θ of an output's weight on an input; the bias's is that of input number `inputs`.
  @inline(__always) func place(output j: Int, input k: Int) -> Int {
    k < inputs ? j * inputs + k : outputs * inputs + j
  }

  /// W̃ = [W b] of the layer's part of θ.
  func augmented(_ weights: ArraySlice<Double>) -> Matrix {
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
  func flattened(_ augmented: Matrix) -> [Double] {
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

/// What some rows say of the weights of one dense layer, as the two factors of their derivatives:
///
///     Σᵢ Σₛ (δᵢₛ ⊗ x̃ᵢ)(δᵢₛ ⊗ x̃ᵢ)ᵀ,   x̃ = [x, 1]
///
/// in W̃ read row by row. With δᵢₛ the derivative of the layer's pre-activations along a root of the loss's curvature in the
/// network's outputs, this is the layer's block of the generalised Gauss–Newton matrix; with the derivatives of the C
/// outputs themselves (roots = C), δᵢ_c ⊗ x̃ᵢ are the rows of the Jacobian. Rows of several layers side by side know
/// nothing of the structure that a posterior keeps of them.
///
/// A view on buffers of a pass: valid during the call that it is given to.
public struct LayerFactors<Scalar: BLASScalar> {
  /// m.
  public let rows: Int
  /// r: how many δ every row has.
  public let roots: Int
  /// x, m × inputs.
  public let inputs: UnsafeBufferPointer<Scalar>
  /// δ, (r·m) × outputs: root s of row i is row s·m + i.
  public let deltas: UnsafeBufferPointer<Scalar>

  public init(
    rows: Int, roots: Int, inputs: UnsafeBufferPointer<Scalar>, deltas: UnsafeBufferPointer<Scalar>
  ) {
    precondition(rows >= 0 && roots >= 0, "rows and roots are counts")
    self.rows = rows
    self.roots = roots
    self.inputs = inputs
    self.deltas = deltas
  }
}

extension Array {
  /// Checks that factors are of these layers, all of the same rows and roots; false when there is nothing in them.
  func areFactors<Scalar>(of layers: [LayerShape]) -> Bool where Element == LayerFactors<Scalar> {
    precondition(count == layers.count, "one element of factors a layer")
    guard let first else { return false }
    for (factors, layer) in zip(self, layers) {
      precondition(
        factors.rows == first.rows && factors.roots == first.roots, "all layers have the same rows and roots")
      precondition(factors.inputs.count == factors.rows * layer.inputs, "inputs are rows × inputs")
      precondition(
        factors.deltas.count == factors.roots * factors.rows * layer.outputs, "deltas are (roots·rows) × outputs")
    }
    return first.rows > 0 && first.roots > 0
  }
}
