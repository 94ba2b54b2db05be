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
    self.rows = rows
    self.roots = roots
    self.inputs = inputs
    self.deltas = deltas
  }
}
