import BNNLinearAlgebra
import BNNModels
import BNNTestSupport
import Testing

/// What every `Layer` must keep, on random weights and inputs: shapes, rows that do not see each other, gradients equal
/// to finite differences, Jacobian rows that add up to the gradient and touch nothing else. A consistency check, not one
/// of the layer's values.
func checkLayer(_ layer: some Layer, seed: UInt64, rows n: Int = 5) {
  var gen = Gen(seed: seed)
  let parameters = layer.initial(using: &gen.stream)
  let x = gen.matrix(rows: n, columns: layer.inputs)
  let g = gen.matrix(rows: n, columns: layer.outputs)

  #expect(parameters.map(\.storage.count) == layer.tensors.map { $0.shape.reduce(1, *) })
  #expect(parameters.reduce(0) { $0 + $1.storage.count } == layer.parameterCount)
  let (z, h) = layer.forward(x, parameters: parameters)
  #expect([z.rows, z.columns, h.rows, h.columns] == [n, layer.outputs, n, layer.outputs])

  var delta = g
  layer.throughActivation(preactivation: z, value: h, delta: &delta)
  let gradient = layer.parameterGradient(x: x, delta: delta)
  let inputGradient = layer.inputGradient(delta: delta, parameters: parameters)
  #expect(gradient.map(\.storage.count) == parameters.map(\.storage.count))
  #expect([inputGradient.rows, inputGradient.columns] == [n, layer.inputs])

  // The loss Σ g ⊙ h adds n · outputs terms.
  func loss(_ x: Matrix, _ parameters: [Matrix]) -> Double {
    zip(layer.forward(x, parameters: parameters).value.storage, g.storage).reduce(0) { $0 + $1.0 * $1.1 }
  }
  let size = zip(z.storage, g.storage).reduce(0) { $0 + (1 + $1.0.magnitude) * $1.1.magnitude }
  for t in parameters.indices {
    for k in parameters[t].storage.indices {
      let expected = centralDifference(at: parameters[t].storage[k], size: size) { value in
        var moved = parameters
        moved[t].storage[k] = value
        return loss(x, moved)
      }
      let error = (gradient[t].storage[k] - expected.value).magnitude
      #expect(error <= expected.tolerance, "tensor \(layer.tensors[t].suffix), entry \(k), seed \(seed)")
    }
  }
  for k in x.storage.indices {
    let expected = centralDifference(at: x.storage[k], size: size) { value in
      var moved = x
      moved.storage[k] = value
      return loss(moved, parameters)
    }
    #expect((inputGradient.storage[k] - expected.value).magnitude <= expected.tolerance, "input \(k), seed \(seed)")
  }
  checkRows(layer, parameters: parameters, x: x, delta: delta, value: h, gradient: gradient, seed: seed)
}

private func checkRows(
  _ layer: some Layer, parameters: [Matrix], x: Matrix, delta: Matrix, value: Matrix, gradient: [Matrix], seed: UInt64
) {
  let (n, p) = (x.rows, layer.parameterCount)
  // Different BLAS kernels may add in another order: a rounding per term.
  let tolerance = 4 * Double(n + layer.inputs) * epsilon
  let (stride, phase, column) = (3, 2, 4)
  var jacobian = Matrix(rows: n * stride, columns: column + p + 2, repeating: .nan)
  layer.writeJacobian(x: x, delta: delta, into: &jacobian, stride: stride, phase: phase, column: column)
  var sum = [Double](repeating: 0, count: p)
  for i in 0..<n {
    let row = i..<(i + 1)
    let alone = layer.forward(x.rows(row), parameters: parameters).value
    #expect(relativeDifference(alone.storage, Array(value.row(i))) <= tolerance, "row \(i) sees others, seed \(seed)")
    let own = layer.parameterGradient(x: x.rows(row), delta: delta.rows(row)).flatMap(\.storage)
    let written = Array(jacobian.row(i * stride + phase).dropFirst(column).prefix(p))
    #expect(relativeDifference(written, own) <= tolerance, "row \(i), seed \(seed)")
    for k in 0..<p { sum[k] += written[k] }
  }
  #expect(relativeDifference(sum, gradient.flatMap(\.storage)) <= tolerance, "rows do not add up, seed \(seed)")
  for i in 0..<jacobian.rows {
    for j in 0..<jacobian.columns {
      let inside = i % stride == phase && (column..<(column + p)).contains(j)
      #expect(jacobian[i, j].isNaN == !inside, "entry (\(i), \(j)), seed \(seed)")
    }
  }
}
