import BNNLinearAlgebra

/// f(x; θ) and Jᵀb of a network of dense layers, one row after the other: what a filter needs, whose weights move between
/// two rows. `NetworkPass` has the same for blocks of rows.
///
/// θ is the flat vector of `Network`, as scalars of the pass. Nothing is allocated a row.
public struct RowPass<Scalar: BLASVectorScalar>: Sendable {
  /// Products with fewer numbers than this are loops: a call of BLAS costs as much.
  private static var small: Int { 512 }

  private let layers: [Dense]
  /// Where the values of every layer begin in `values`.
  private let places: [Int]
  /// d.
  public let inputs: Int
  /// C.
  public let outputs: Int
  /// P.
  public let parameterCount: Int
  /// The input, then h of every layer.
  private var values: [Scalar]
  private var preactivations: [Scalar]
  private var deltas: [Scalar]

  /// - Precondition: all layers are dense.
  public init(_ spec: NetworkSpec) {
    (layers, parameterCount) = Dense.layout(spec)
    var place = spec.inputs
    places = layers.map { layer in
      defer { place += layer.outputs }
      return place
    }
    (inputs, outputs) = (spec.inputs, layers.last?.outputs ?? spec.inputs)
    values = [Scalar](repeating: 0, count: place)
    preactivations = values
    deltas = values
  }

  /// f(x; θ), into C numbers.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public mutating func forward(
    _ x: UnsafePointer<Scalar>, _ theta: UnsafePointer<Scalar>, into output: UnsafeMutablePointer<Scalar>
  ) {
    let (inputs, outputs, layers, places) = (inputs, outputs, layers, places)
    values.withUnsafeMutableBufferPointer { values in
      preactivations.withUnsafeMutableBufferPointer { preactivations in
        guard let values = values.baseAddress, let preactivations = preactivations.baseAddress else { return }
        values.update(from: x, count: inputs)
        for (layer, place) in zip(layers, places) {
          let source = values + place - layer.inputs
          let h = values + place
          let weights = theta + layer.offset
          h.update(from: weights + layer.inputs * layer.outputs, count: layer.outputs)
          Self.multiply(weights, layer.inputs, layer.outputs, source, into: h)
          if layer.activation.derivativeNeedsPreactivation {
            (preactivations + place).update(from: h, count: layer.outputs)
          }
          layer.activation.apply(to: UnsafeMutableBufferPointer(start: h, count: layer.outputs))
        }
        output.update(from: values + (places.last ?? 0), count: outputs)
      }
    }
  }

  /// Jᵀb at the row of the last forward pass, for the weights of the layers from `lowest` up; b has C numbers.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public mutating func gradient(
    _ b: UnsafePointer<Scalar>, _ theta: UnsafePointer<Scalar>, downTo lowest: Int = 0,
    into gradient: UnsafeMutablePointer<Scalar>
  ) {
    let (layers, places) = (layers, places)
    let start = layers[lowest].offset
    values.withUnsafeBufferPointer { values in
      preactivations.withUnsafeBufferPointer { preactivations in
        deltas.withUnsafeMutableBufferPointer { deltas in
          guard let values = values.baseAddress, let deltas = deltas.baseAddress,
            let preactivations = preactivations.baseAddress
          else { return }
          for index in stride(from: layers.count - 1, through: lowest, by: -1) {
            let (layer, place) = (layers[index], places[index])
            let (n, o) = (layer.inputs, layer.outputs)
            let delta = deltas + place
            if index == layers.count - 1 { delta.update(from: b, count: o) }
            layer.activation.backward(
              preactivation: UnsafeBufferPointer(start: preactivations + place, count: o),
              value: UnsafeBufferPointer(start: values + place, count: o),
              gradient: UnsafeMutableBufferPointer(start: delta, count: o))
            let own = gradient + layer.offset - start
            let x = values + place - n
            for j in 0..<o {
              let d = delta[j]
              let row = own + j * n
              for i in 0..<n { row[i] = d * x[i] }
            }
            (own + n * o).update(from: delta, count: o)
            guard index > lowest else { break }
            Self.multiplyTransposed(theta + layer.offset, n, o, delta, into: deltas + place - n)
          }
        }
      }
    }
  }

  /// y ← y + W x.
  @inline(__always) private static func multiply(
    _ weights: UnsafePointer<Scalar>, _ inputs: Int, _ outputs: Int, _ x: UnsafePointer<Scalar>,
    into y: UnsafeMutablePointer<Scalar>
  ) {
    guard inputs * outputs < small else {
      return Scalar.gemv(
        transpose: false, m: outputs, n: inputs, alpha: 1, a: weights, lda: inputs, x: x, beta: 1, y: y)
    }
    for j in 0..<outputs {
      let row = weights + j * inputs
      var sum: Scalar = 0
      for i in 0..<inputs { sum += row[i] * x[i] }
      y[j] += sum
    }
  }

  /// y ← Wᵀ δ.
  @inline(__always) private static func multiplyTransposed(
    _ weights: UnsafePointer<Scalar>, _ inputs: Int, _ outputs: Int, _ delta: UnsafePointer<Scalar>,
    into y: UnsafeMutablePointer<Scalar>
  ) {
    guard inputs * outputs < small else {
      return Scalar.gemv(
        transpose: true, m: outputs, n: inputs, alpha: 1, a: weights, lda: inputs, x: delta, beta: 0, y: y)
    }
    for i in 0..<inputs { y[i] = 0 }
    for j in 0..<outputs {
      let (row, d) = (weights + j * inputs, delta[j])
      for i in 0..<inputs { y[i] += d * row[i] }
    }
  }
}
