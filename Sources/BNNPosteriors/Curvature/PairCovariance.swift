import BNNLinearAlgebra

/// Covariances of one layer's outputs from pairs: with Σ = Λ⁻¹ over W̃ and T_jj' = x̃ᵀΣⱼⱼ'x̃, J Λ⁻¹ Jᵀ has the entries
/// δ_cᵀTδ_c'. T is linear in the products x̃ₖx̃ₖ', k ≤ k'.
struct PairCovariance {
  private let layer: LayerShape
  /// Σⱼⱼ' + Σⱼⱼ'ᵀ by pairs k < k', its diagonal once: outputPairs × inputPairs.
  private let pairs: PairSum

  init(of block: TriangularFactor, layer: LayerShape) {
    self.layer = layer
    let inverse = block.inverse()
    let covariance = Matrix.product(inverse, inverse, transposeB: true)
    var pairs = PairSum(layer: layer)
    let (n, o, size) = (layer.inputs, layer.outputs, layer.parameterCount)
    covariance.storage.withUnsafeBufferPointer { covariance in
      pairs.values.withUnsafeMutableBufferPointer { values in
        var next = 0
        for j in 0..<o {
          for h in j..<o {
            for k in 0...n {
              let (jk, hk) = (layer.place(output: j, input: k), layer.place(output: h, input: k))
              values[next] = covariance[jk * size + hk]
              next += 1
              for l in (k + 1)..<(n + 1) {
                let (jl, hl) = (layer.place(output: j, input: l), layer.place(output: h, input: l))
                values[next] = covariance[jk * size + hl] + covariance[jl * size + hk]
                next += 1
              }
            }
          }
        }
      }
    }
    self.pairs = pairs
  }

  /// S_cc' ← S_cc' + δ_cᵀTδ_c' of every row.
  @inline(__always) func add<Scalar: BLASScalar>(
    _ factors: LayerFactors<Scalar>, into result: UnsafeMutablePointer<Double>
  ) {
    guard let deltas = factors.deltas.baseAddress else { return }
    let (p, q, o, roots) = (pairs.outputPairs, pairs.inputPairs, layer.outputs, factors.roots)
    let values = converted(pairs.values, to: Scalar.self)
    let slice = pairs.slice(of: factors.rows)
    withScratch(Scalar.self, slice * (p + q) + o * o + o) { inputs in
      let products = inputs + slice * q
      let square = products + slice * p
      let image = square + o * o
      for start in stride(from: 0, to: factors.rows, by: slice) {
        let m = min(slice, factors.rows - start)
        writeInputPairs(of: factors, layer: layer, rows: start..<(start + m), to: inputs)
        Scalar.gemm(
          transposeA: false, transposeB: true, m: m, n: p, k: q, alpha: 1, a: inputs, lda: q, b: values, ldb: q,
          beta: 0, c: products, ldc: p)
        for i in 0..<m {
          var next = products + i * p
          for j in 0..<o {
            for h in j..<o {
              (square[j * o + h], square[h * o + j]) = (next[h - j], next[h - j])
            }
            next += o - j
          }
          let own = result + (start + i) * roots * roots
          for c in 0..<roots {
            let delta = deltas + (c * factors.rows + start + i) * o
            for j in 0..<o { image[j] = innerProduct(square + j * o, delta, count: o) }
            for d in c..<roots {
              let value = Double(innerProduct(image, deltas + (d * factors.rows + start + i) * o, count: o))
              own[c * roots + d] += value
              if d > c { own[d * roots + c] += value }
            }
          }
        }
      }
    }
  }
}
