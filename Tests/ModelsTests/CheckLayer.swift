import BNNLinearAlgebra
import BNNModels
import BNNTestSupport
import Testing

/// What every `Layer` must keep, on random weights and inputs: shapes, rows that do not see each other, gradients equal
/// to finite differences, factors whose rows add up to the gradient, no weight touched but its own, and single precision that
/// agrees. A consistency check, not one of the layer's values.
///
/// - Parameter layer: with its weights somewhere in the middle of θ.
func checkLayer(_ layer: some Layer, seed: UInt64, rows n: Int = 3) {
  var gen = Gen(seed: seed)
  let drawn = layer.initial(using: &gen.stream)
  #expect(drawn.count == layer.parameterCount)
  let range = layer.offset..<(layer.offset + layer.parameterCount)
  var theta = [Double](repeating: .nan, count: range.upperBound + 3)
  // Away from weights that are all alike, and in numbers that single precision holds.
  theta.replaceSubrange(range, with: zip(drawn, gen.normals(drawn.count)).map { Double(Float($0 + 0.3 * $1)) })
  let x = gen.normals(n * layer.inputs).map { Double(Float($0)) }
  let g = gen.normals(n * layer.outputs).map { Double(Float($0)) }
  let own = LayerValues<Double>(layer, rows: n, x, theta, g)
  check(own, against: layer, x, theta, g, seed)
  checkRows(own, layer, x, theta, g, seed)

  // Hundreds of sums of some dozen products: a hundred roundings of single precision.
  let single = LayerValues<Float>(layer, rows: n, x.map { Float($0) }, theta.map { Float($0) }, g.map { Float($0) })
  for (a, b) in [
    (single.z, own.z), (single.inputGradient, own.inputGradient), (single.gradient, own.gradient),
    (single.jacobian, own.jacobian),
  ] {
    #expect(relativeDifference(a.map { Double($0) }, b) <= 100 * Double(Float.ulpOfOne), "single, seed \(seed)")
  }
}

/// What a layer gives for rows x and a gradient g in its outputs.
private struct LayerValues<Scalar: BLASScalar> {
  var z: [Scalar]
  var inputGradient: [Scalar]
  /// Its own part.
  var gradient: [Scalar]
  /// rows × weights; empty without weights.
  var jacobian: [Scalar]
  var isOnlyOwn: Bool

  init(_ layer: some Layer, rows n: Int, _ x: [Scalar], _ theta: [Scalar], _ g: [Scalar]) {
    var z = [Scalar](repeating: .nan, count: n * layer.outputs)
    layer.forward(rows: n, x, theta, into: &z)
    var inputGradient = [Scalar](repeating: .nan, count: n * layer.inputs)
    layer.inputGradient(rows: n, x, values: z, g, theta, into: &inputGradient)
    var whole = [Scalar](repeating: .nan, count: theta.count)
    layer.parameterGradient(rows: n, x, g, into: &whole)
    let range = layer.offset..<(layer.offset + layer.parameterCount)
    isOnlyOwn = whole[..<range.lowerBound].allSatisfy(\.isNaN) && whole[range.upperBound...].allSatisfy(\.isNaN)
    var rows = [Scalar](repeating: .nan, count: n * layer.parameterCount)
    if let shape = layer.shape {
      layer.withFactors(rows: n, roots: 1, x, g) {
        $0.writeRows(layer: shape, root: 0, rows: 0..<n, to: &rows, stride: layer.parameterCount)
      }
    }
    (self.z, self.inputGradient, gradient, jacobian) = (z, inputGradient, Array(whole[range]), rows)
  }
}

private func check(
  _ own: LayerValues<Double>, against layer: some Layer, _ x: [Double], _ theta: [Double], _ g: [Double], _ seed: UInt64
) {
  let n = x.count / layer.inputs
  #expect(own.isOnlyOwn, "weights of others were touched, seed \(seed)")
  // The loss Σ g ⊙ z adds n · outputs terms.
  func loss(_ x: [Double], _ theta: [Double]) -> Double {
    var z = [Double](repeating: 0, count: n * layer.outputs)
    layer.forward(rows: n, x, theta, into: &z)
    return zip(z, g).reduce(0) { $0 + $1.0 * $1.1 }
  }
  let size = zip(own.z, g).reduce(0) { $0 + (1 + $1.0.magnitude) * $1.1.magnitude }
  for k in 0..<layer.parameterCount {
    let expected = centralDifference(at: theta[layer.offset + k], size: size) { value in
      var moved = theta
      moved[layer.offset + k] = value
      return loss(x, moved)
    }
    #expect((own.gradient[k] - expected.value).magnitude <= expected.tolerance, "weight \(k), seed \(seed)")
  }
  for k in x.indices {
    let expected = centralDifference(at: x[k], size: size) { value in
      var moved = x
      moved[k] = value
      return loss(moved, theta)
    }
    #expect((own.inputGradient[k] - expected.value).magnitude <= expected.tolerance, "input \(k), seed \(seed)")
  }
}

private func checkRows(
  _ own: LayerValues<Double>, _ layer: some Layer, _ x: [Double], _ theta: [Double], _ g: [Double], _ seed: UInt64
) {
  let (n, p) = (x.count / layer.inputs, layer.parameterCount)
  // Different BLAS kernels may add in another order: a rounding per term.
  let tolerance = 8 * Double(n * layer.outputs + layer.inputs) * epsilon
  var sum = [Double](repeating: 0, count: p)
  for i in 0..<n {
    let (inputs, outputs) = (
      (i * layer.inputs)..<((i + 1) * layer.inputs), (i * layer.outputs)..<((i + 1) * layer.outputs)
    )
    let alone = LayerValues<Double>(layer, rows: 1, Array(x[inputs]), theta, Array(g[outputs]))
    #expect(relativeDifference(alone.z, Array(own.z[outputs])) <= tolerance, "row \(i) sees others, seed \(seed)")
    #expect(
      relativeDifference(alone.inputGradient, Array(own.inputGradient[inputs])) <= tolerance,
      "row \(i) sees others, seed \(seed)")
    let written = Array(own.jacobian[(i * p)..<((i + 1) * p)])
    #expect(relativeDifference(written, alone.gradient) <= tolerance, "row \(i), seed \(seed)")
    for k in 0..<p { sum[k] += written[k] }
  }
  #expect(relativeDifference(sum, own.gradient) <= tolerance, "rows do not add up, seed \(seed)")
}
