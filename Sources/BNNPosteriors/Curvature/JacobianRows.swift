import BNNLinearAlgebra

/// Writes δᵢₛ ⊗ x̃ᵢ in θ's order (W row by row, then b) for some rows of one layer and one root.
///
/// - Parameters:
///   - target: the place of the layer's first weight in the first row.
///   - stride: from row to row of the target.
@inline(__always) func writeRows<Scalar: BLASScalar, Target: BLASScalar>(
  of factors: LayerFactors<Scalar>, layer: LayerShape, root s: Int, rows: Range<Int>,
  to target: UnsafeMutablePointer<Target>, stride: Int
) {
  guard let deltas = factors.deltas.baseAddress else { return }
  let (n, o) = (layer.inputs, layer.outputs)
  for (place, i) in rows.enumerated() {
    let row = target + place * stride
    let delta = deltas + (s * factors.rows + i) * o
    if let x = factors.inputs.baseAddress {
      let x = x + i * n
      for j in 0..<o {
        let (d, own) = (delta[j], row + j * n)
        for k in 0..<n { own[k] = Target(d * x[k]) }
      }
    }
    for j in 0..<o { row[o * n + j] = Target(delta[j]) }
  }
}

/// Calls `body` with rows δ ⊗ x̃ over several layers side by side, a bounded number at a time: root s of row i of the
/// range is row s·range.count + i of the buffer. At most `limit` rows, but all roots of an input row.
@inline(__always) func forJacobianRows<Scalar: BLASScalar, Target: BLASScalar>(
  of factors: ArraySlice<LayerFactors<Scalar>>, layers: ArraySlice<LayerShape>, as type: Target.Type,
  limit: Int = curvatureSlice, _ body: (Range<Int>, UnsafeMutablePointer<Target>) -> Void
) {
  guard let first = factors.first, first.rows > 0, first.roots > 0 else { return }
  let width = layers.parameterCount
  // Some 32 MB, within what a matrix product needs to be fast and what a slice may sum.
  let rows = min(limit, max(128, (1 << 22) / max(1, width)))
  let slice = min(first.rows, max(1, rows / first.roots))
  withScratch(Target.self, slice * first.roots * width) { buffer in
    for start in stride(from: 0, to: first.rows, by: slice) {
      let range = start..<min(first.rows, start + slice)
      var place = buffer
      for (factors, layer) in zip(factors, layers) {
        for s in 0..<first.roots {
          writeRows(
            of: factors, layer: layer, root: s, rows: range, to: place + s * range.count * width, stride: width)
        }
        place += layer.parameterCount
      }
      body(range, buffer)
    }
  }
}

/// Calls `body` with some rows of the factors in double precision.
@inline(__always) func withDoubleFactors<Scalar: BLASScalar>(
  of factors: ArraySlice<LayerFactors<Scalar>>, layers: ArraySlice<LayerShape>, rows: Range<Int>,
  _ body: ([LayerFactors<Double>]) -> Void
) {
  let (m, roots) = (rows.count, factors.first?.roots ?? 0)
  let width = layers.reduce(0) { $0 + $1.inputs + roots * $1.outputs }
  withScratch(Double.self, m * width) { buffer in
    var place = buffer
    var result: [LayerFactors<Double>] = []
    for (own, layer) in zip(factors, layers) {
      let (x, delta) = (place, place + m * layer.inputs)
      place = delta + roots * m * layer.outputs
      if let source = own.inputs.baseAddress {
        convert(source + rows.lowerBound * layer.inputs, count: m * layer.inputs, into: x)
      }
      if let source = own.deltas.baseAddress {
        for s in 0..<roots {
          convert(
            source + (s * own.rows + rows.lowerBound) * layer.outputs, count: m * layer.outputs,
            into: delta + s * m * layer.outputs)
        }
      }
      result.append(
        LayerFactors(
          rows: m, roots: roots, inputs: UnsafeBufferPointer(start: x, count: m * layer.inputs),
          deltas: UnsafeBufferPointer(start: delta, count: roots * m * layer.outputs)))
    }
    body(result)
  }
}

@inline(__always) private func convert<Scalar: BLASScalar>(
  _ x: UnsafePointer<Scalar>, count: Int, into y: UnsafeMutablePointer<Double>
) {
  for i in 0..<count { y[i] = Double(x[i]) }
}
