import BNNLinearAlgebra

/// Calls `body` with rows vec(J) over several layers side by side, a bounded number at a time: root s of row i of the
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
          factors.writeRows(
            layer: layer, root: s, rows: range, to: place + s * range.count * width, stride: width)
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
  let width = layers.reduce(0) { $0 + $1.positions * ($1.inputs + roots * $1.outputs) }
  withScratch(Double.self, m * width) { buffer in
    var place = buffer
    var result: [LayerFactors<Double>] = []
    for (own, layer) in zip(factors, layers) {
      let (n, o) = (layer.positions * layer.inputs, layer.positions * layer.outputs)
      let (x, delta) = (place, place + m * n)
      place = delta + roots * m * o
      if let source = own.inputs.baseAddress { convert(source + rows.lowerBound * n, count: m * n, into: x) }
      if let source = own.deltas.baseAddress {
        for s in 0..<roots {
          convert(source + (s * own.rows + rows.lowerBound) * o, count: m * o, into: delta + s * m * o)
        }
      }
      result.append(
        LayerFactors(
          rows: m, roots: roots, positions: layer.positions, inputs: UnsafeBufferPointer(start: x, count: m * n),
          deltas: UnsafeBufferPointer(start: delta, count: roots * m * o)))
    }
    body(result)
  }
}

@inline(__always) private func convert<Scalar: BLASScalar>(
  _ x: UnsafePointer<Scalar>, count: Int, into y: UnsafeMutablePointer<Double>
) {
  for i in 0..<count { y[i] = Double(x[i]) }
}

extension Array {
  /// Checks that factors are of these layers, all of the same rows and roots; false when there is nothing in them.
  func areFactors<Scalar>(of layers: [LayerShape]) -> Bool where Element == LayerFactors<Scalar> {
    precondition(count == layers.count, "one element of factors a layer")
    guard let first else { return false }
    for (factors, layer) in zip(self, layers) {
      precondition(
        factors.rows == first.rows && factors.roots == first.roots, "all layers have the same rows and roots")
      precondition(factors.positions == layer.positions && factors.inputs.count == factors.rows * layer.positions * layer.inputs,
        "inputs are (rows·positions) × inputs")
      precondition(
        factors.deltas.count == factors.roots * factors.rows * layer.positions * layer.outputs,
        "deltas are (roots·rows·positions) × outputs")
    }
    return first.rows > 0 && first.roots > 0
  }
}
