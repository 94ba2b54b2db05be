import BNNLinearAlgebra

/// The directions in which a Kronecker-factored layer is diagonal: eigenvectors u of its inputs' factor and v of its outputs',
/// as rows. A weight matrix W̃ has the coordinates V W̃ Uᵀ, and a row of the Jacobian Σₜ (Vδₜ)(Ux̃ₜ)ᵀ.
struct KroneckerBasis: Sendable, Equatable {
  /// U, (inputs + 1) × (inputs + 1).
  let inputs: Matrix
  /// V, outputs × outputs.
  let deltas: Matrix

  /// V X Uᵀ. O(outputs·inputs·(outputs + inputs)), as `turnedBack`.
  func turned(_ x: Matrix) -> Matrix { .product(.product(deltas, x), inputs, transposeB: true) }

  /// Vᵀ X U.
  func turnedBack(_ x: Matrix) -> Matrix { .product(deltas, .product(x, inputs), transposeA: true) }

  /// Calls `body` with Ux̃ and Vδ of some rows at a time: position t of row i of the range is row i·T + t of `inputs`, and
  /// (c·stride + i)·T + t that of root c of `deltas`. Both may be changed. O(rows·T·(inputs² + roots·outputs²)).
  @inline(__always) func forTurnedRows<Scalar: BLASScalar>(
    of factors: LayerFactors<Scalar>,
    _ body: (
      _ rows: Range<Int>, _ inputs: UnsafeMutablePointer<Scalar>, _ deltas: UnsafeMutablePointer<Scalar>, _ stride: Int
    ) -> Void
  ) {
    guard let source = factors.deltas.baseAddress else { return }
    let (n, o, roots, t) = (inputs.rows - 1, deltas.rows, factors.roots, factors.positions)
    let u = converted(inputs.storage, to: Scalar.self)
    let bias = converted(inputs.column(n), to: Scalar.self)
    let v = converted(deltas.storage, to: Scalar.self)
    let slice = max(1, min(curvatureSlice / 4 / t, factors.rows))
    withScratch(Scalar.self, slice * t * (n + 1 + roots * o)) { turned in
      let turnedDeltas = turned + slice * t * (n + 1)
      for start in stride(from: 0, to: factors.rows, by: slice) {
        let m = min(slice, factors.rows - start)
        for i in 0..<(m * t) { bias.withUnsafeBufferPointer { copy($0, to: turned + i * (n + 1)) } }
        if let x = factors.inputs.baseAddress, n > 0 {
          Scalar.gemm(
            transposeA: false, transposeB: true, m: m * t, n: n + 1, k: n, alpha: 1, a: x + start * t * n, lda: n, b: u,
            ldb: n + 1, beta: 1, c: turned, ldc: n + 1)
        }
        for c in 0..<roots {
          Scalar.gemm(
            transposeA: false, transposeB: true, m: m * t, n: o, k: o, alpha: 1,
            a: source + (c * factors.rows + start) * t * o, lda: o, b: v, ldb: o, beta: 0,
            c: turnedDeltas + c * slice * t * o, ldc: o)
        }
        body(start..<(start + m), turned, turnedDeltas, slice)
      }
    }
  }
}

/// Σₜ δₜ x̃ₜᵀ of one row and root, outputs × width.
@inline(__always) func sumPositions<Scalar: BLASScalar>(
  _ deltas: UnsafePointer<Scalar>, _ inputs: UnsafePointer<Scalar>, positions t: Int, outputs o: Int, width: Int,
  into sum: UnsafeMutablePointer<Scalar>
) {
  Scalar.gemm(
    transposeA: true, transposeB: false, m: o, n: width, k: t, alpha: 1, a: deltas, lda: o, b: inputs, ldb: width,
    beta: 0, c: sum, ldc: width)
}
