import BNNLinearAlgebra

/// How the rows of a layer that uses its weights at T positions become one Kronecker product (Eschenhagen et al. 2023,
/// "Kronecker-factored approximate curvature for modern neural network architectures", sections 3.1 and 3.2).
public enum WeightSharing: String, Codable, CaseIterable, Sendable {
  /// Σᵢ Σₜ x̃ᵢₜx̃ᵢₜᵀ ⊗ Σᵢ Σₛ Σₜ δᵢₛₜδᵢₛₜᵀ/(n·T): every position as a row of its own (Grosse & Martens 2016).
  case expand
  /// Σᵢ x̄ᵢx̄ᵢᵀ ⊗ Σᵢ Σₛ δ̂ᵢₛδ̂ᵢₛᵀ/n of means x̄ᵢ = Σₜ x̃ᵢₜ/T and sums δ̂ᵢₛ = Σₜ δᵢₛₜ: cheaper, and exact where x̃ is the same at
  /// every position.
  case reduce
}

extension LayerFactors {
  /// Calls `body` with the rows as those of a layer that uses its weights once: means of x, sums of δ.
  @inline(__always) func withReduced(inputs n: Int, outputs o: Int, _ body: (LayerFactors<Scalar>) -> Void) {
    let (t, blocks) = (positions, roots * rows)
    withScratch(Scalar.self, rows * n + blocks * o) { means in
      let sums = means + rows * n
      if let x = inputs.baseAddress {
        for i in 0..<rows { sum(x + i * t * n, count: t, columns: n, scale: 1 / Scalar(t), into: means + i * n) }
      }
      if let delta = deltas.baseAddress {
        for i in 0..<blocks { sum(delta + i * t * o, count: t, columns: o, scale: 1, into: sums + i * o) }
      }
      body(
        LayerFactors(
          rows: rows, roots: roots, inputs: UnsafeBufferPointer(start: means, count: rows * n),
          deltas: UnsafeBufferPointer(start: sums, count: blocks * o)))
    }
  }

  /// y ← scale·Σ of the rows of x (count × columns).
  @inline(__always) private func sum(
    _ x: UnsafePointer<Scalar>, count: Int, columns: Int, scale: Scalar, into y: UnsafeMutablePointer<Scalar>
  ) {
    for j in 0..<columns { y[j] = 0 }
    for t in 0..<count { for j in 0..<columns { y[j] += x[t * columns + j] } }
    for j in 0..<columns { y[j] *= scale }
  }
}
