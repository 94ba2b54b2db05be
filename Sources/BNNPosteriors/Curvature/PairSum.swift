import BNNLinearAlgebra

/// Σᵢ wᵢDᵢ ⊗ x̃ᵢx̃ᵢᵀ as pairs j ≤ j' of outputs × pairs k ≤ k' of x̃.
struct PairSum: Sendable, Equatable {
  let layer: LayerShape
  /// outputPairs × inputPairs.
  var values: [Double]

  init(layer: LayerShape) {
    self.layer = layer
    values = []
    values = [Double](repeating: 0, count: outputPairs * inputPairs)
  }

  var outputPairs: Int { layer.outputs * (layer.outputs + 1) / 2 }
  var inputPairs: Int { (layer.inputs + 1) * (layer.inputs + 2) / 2 }

  /// Rows whose pairs fit a cache, of these.
  func slice(of rows: Int) -> Int { min(rows, max(96, min(384, (1 << 19) / (outputPairs + inputPairs)))) }

  mutating func add(_ other: PairSum) { accumulate(1, other.values, into: &values) }

  mutating func scale(by factor: Double) { for i in values.indices { values[i] *= factor } }

  @inline(__always) mutating func absorb<Scalar: BLASScalar>(_ factors: LayerFactors<Scalar>, weight: Double) {
    let (p, q) = (outputPairs, inputPairs)
    let slice = slice(of: factors.rows)
    let layer = layer
    values.withUnsafeMutableBufferPointer { values in
      guard let values = values.baseAddress else { return }
      withScratch(Scalar.self, slice * (p + q) + p * q) { outputs in
        let (inputs, product) = (outputs + slice * p, outputs + slice * (p + q))
        for start in stride(from: 0, to: factors.rows, by: slice) {
          let m = min(slice, factors.rows - start)
          writeOutputPairs(of: factors, layer: layer, rows: start..<(start + m), to: outputs)
          writeInputPairs(of: factors, layer: layer, rows: start..<(start + m), to: inputs)
          Scalar.gemm(
            transposeA: true, transposeB: false, m: p, n: q, k: m, alpha: 1, a: outputs, lda: p, b: inputs, ldb: q,
            beta: 0, c: product, ldc: q)
          accumulate(weight, product, count: p * q, into: values)
        }
      }
    }
  }

  /// Σ over j', k' of the entry (j k, j' k') times X_j'k'.
  func times(_ x: Matrix) -> Matrix {
    let (n, q) = (layer.inputs + 1, inputPairs)
    var y = Matrix(rows: x.rows, columns: x.columns)
    y.storage.withUnsafeMutableBufferPointer { y in
      x.storage.withUnsafeBufferPointer { x in
        values.withUnsafeBufferPointer { values in
          guard let x = x.baseAddress, let y = y.baseAddress, var block = values.baseAddress else { return }
          for j in 0..<layer.outputs {
            for h in j..<layer.outputs {
              addSymmetricProduct(block, x + h * n, dimension: n, into: y + j * n)
              if h > j { addSymmetricProduct(block, x + j * n, dimension: n, into: y + h * n) }
              block += q
            }
          }
        }
      }
    }
    return y
  }

  /// outputs × (inputs + 1).
  var diagonal: Matrix {
    let (n, o) = (layer.inputs + 1, layer.outputs)
    var result = Matrix(rows: o, columns: n)
    for j in 0..<o {
      let row = (j * o - j * (j - 1) / 2) * inputPairs
      for k in 0..<n { result[j, k] = values[row + k * n - k * (k - 1) / 2] }
    }
    return result
  }

  /// The block itself, in θ's order.
  var dense: SymmetricSum {
    let (n, o) = (layer.inputs, layer.outputs)
    let size = layer.parameterCount
    var upper = Matrix(rows: size, columns: size)
    upper.storage.withUnsafeMutableBufferPointer { upper in
      values.withUnsafeBufferPointer { values in
        var next = 0
        for j in 0..<o {
          for h in j..<o {
            for k in 0...n {
              let (own, other) = (layer.place(output: j, input: k), layer.place(output: h, input: k))
              for l in k...n {
                let (a, b) = (layer.place(output: h, input: l), layer.place(output: j, input: l))
                upper[min(own, a) * size + max(own, a)] = values[next]
                upper[min(other, b) * size + max(other, b)] = values[next]
                next += 1
              }
            }
          }
        }
      }
    }
    return SymmetricSum(upper: upper)
  }
}

/// y ← y + Sx, S symmetric of this dimension, its upper triangle row after row.
private func addSymmetricProduct(
  _ s: UnsafePointer<Double>, _ x: UnsafePointer<Double>, dimension n: Int, into y: UnsafeMutablePointer<Double>
) {
  var row = s
  for k in 0..<n {
    y[k] += row[0] * x[k]
    let rest = n - k - 1
    let (xs, ys, entries, own) = (x + k + 1, y + k + 1, row + 1, x[k])
    for t in 0..<rest { ys[t] += entries[t] * own }
    y[k] += innerProduct(entries, xs, count: rest)
    row += n - k
  }
}

/// Σₛ δⱼδⱼ' of every row, j ≤ j'.
@inline(__always) private func writeOutputPairs<Scalar: BLASScalar>(
  of factors: LayerFactors<Scalar>, layer: LayerShape, rows: Range<Int>, to target: UnsafeMutablePointer<Scalar>
) {
  guard let deltas = factors.deltas.baseAddress else { return }
  let o = layer.outputs
  let width = o * (o + 1) / 2
  for (place, i) in rows.enumerated() {
    for s in 0..<factors.roots {
      let delta = deltas + (s * factors.rows + i) * o
      var own = target + place * width
      for j in 0..<o {
        let (d, rest) = (delta[j], delta + j)
        if s == 0 {
          for h in 0..<(o - j) { own[h] = d * rest[h] }
        } else {
          for h in 0..<(o - j) { own[h] += d * rest[h] }
        }
        own += o - j
      }
    }
  }
}

/// x̃ₖx̃ₖ' of every row, k ≤ k'.
@inline(__always) func writeInputPairs<Scalar: BLASScalar>(
  of factors: LayerFactors<Scalar>, layer: LayerShape, rows: Range<Int>, to target: UnsafeMutablePointer<Scalar>
) {
  let n = layer.inputs
  let width = (n + 1) * (n + 2) / 2
  for (place, i) in rows.enumerated() {
    var own = target + place * width
    if let x = factors.inputs.baseAddress {
      let x = x + i * n
      for k in 0..<n {
        let (value, rest) = (x[k], x + k)
        for l in 0..<(n - k) { own[l] = value * rest[l] }
        own[n - k] = value
        own += n - k + 1
      }
    }
    own[0] = 1
  }
}
