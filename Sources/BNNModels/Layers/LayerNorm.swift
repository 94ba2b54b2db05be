import BNNLinearAlgebra
import BNNProbability

/// Layer normalisation (Ba, Kiros & Hinton 2016) of all numbers of a row, as PyTorch's `LayerNorm` over their whole shape:
///
///     z = γ ⊙ x̂ + β,   x̂ = (x − mean x)/√(var x + ε),   var with the divisor D
///
/// γ at `offset` in θ, β after it, D numbers each. A row of its Jacobian is (δ ⊙ x̂, δ): curvatures see a layer of 2D
/// outputs without inputs, whose Kronecker product is its block itself. A posterior's prior holds γ at 0 as it does every other
/// weight.
public struct LayerNorm: Layer {
  /// The numbers that are normalised together, as PyTorch has them: [D] or [channels, height, width].
  let normalised: [Int]
  let epsilon: Double
  public let offset: Int

  public init(normalised: [Int], epsilon: Double = 1e-5, offset: Int = 0) {
    (self.normalised, self.epsilon, self.offset) = (normalised, epsilon, offset)
  }

  private var count: Int { normalised.reduce(1, *) }
  public var inputs: Int { count }
  public var outputs: Int { count }
  public var activation: Activation { .identity }
  public var tensors: [(suffix: String, shape: [Int])] { [("weight", normalised), ("bias", normalised)] }
  public var shape: LayerShape? { LayerShape(inputs: 0, outputs: 2 * count) }

  /// γ = 1 and β = 0.
  public func initial(using stream: inout RandomStream) -> [Double] {
    [Double](repeating: 1, count: count) + [Double](repeating: 0, count: count)
  }

  /// x̂ of one row, and 1/√(var + ε).
  @inline(__always) private func normalise<Scalar: BLASScalar>(
    _ x: UnsafePointer<Scalar>, into own: UnsafeMutablePointer<Scalar>
  ) -> Scalar {
    let n = Scalar(count)
    var (sum, square): (Scalar, Scalar) = (0, 0)
    for j in 0..<count { sum += x[j] }
    let mean = sum / n
    for j in 0..<count {
      own[j] = x[j] - mean
      square += own[j] * own[j]
    }
    let scale = 1 / (square / n + Scalar(epsilon)).squareRoot()
    for j in 0..<count { own[j] *= scale }
    return scale
  }

  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func forward<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, _ theta: UnsafePointer<Scalar>, into z: UnsafeMutablePointer<Scalar>
  ) {
    let (gamma, beta) = (theta + offset, theta + offset + count)
    for i in 0..<m {
      let own = z + i * count
      _ = normalise(x + i * count, into: own)
      for j in 0..<count { own[j] = gamma[j] * own[j] + beta[j] }
    }
  }

  /// With a = γ ⊙ δ: (a − mean a − x̂ mean(a ⊙ x̂))/√(var x + ε).
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func inputGradient<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, values h: UnsafePointer<Scalar>, _ delta: UnsafePointer<Scalar>,
    _ theta: UnsafePointer<Scalar>, into g: UnsafeMutablePointer<Scalar>
  ) {
    let gamma = theta + offset
    withScratch(Scalar.self, count) { hat in
      for i in 0..<m {
        let (own, d) = (g + i * count, delta + i * count)
        let scale = normalise(x + i * count, into: hat)
        var (sum, along): (Scalar, Scalar) = (0, 0)
        for j in 0..<count {
          own[j] = gamma[j] * d[j]
          sum += own[j]
          along += own[j] * hat[j]
        }
        let (mean, slope) = (sum / Scalar(count), along / Scalar(count))
        for j in 0..<count { own[j] = scale * (own[j] - mean - slope * hat[j]) }
      }
    }
  }

  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func parameterGradient<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, _ delta: UnsafePointer<Scalar>, into gradient: UnsafeMutablePointer<Scalar>
  ) {
    let own = gradient + offset
    own.update(repeating: 0, count: 2 * count)
    withScratch(Scalar.self, count) { hat in
      for i in 0..<m {
        let d = delta + i * count
        _ = normalise(x + i * count, into: hat)
        for j in 0..<count {
          own[j] += d[j] * hat[j]
          own[count + j] += d[j]
        }
      }
    }
  }

  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func withFactors<Scalar: BLASScalar>(
    rows m: Int, roots: Int, _ x: UnsafePointer<Scalar>, _ delta: UnsafePointer<Scalar>,
    _ body: (LayerFactors<Scalar>) -> Void
  ) {
    let rows = UnsafeMutableBufferPointer<Scalar>.allocate(capacity: roots * m * 2 * count)
    defer { rows.deallocate() }
    if let base = rows.baseAddress {
      withScratch(Scalar.self, count) { hat in
        for i in 0..<m {
          _ = normalise(x + i * count, into: hat)
          for s in 0..<roots {
            let (d, own) = (delta + (s * m + i) * count, base + (s * m + i) * 2 * count)
            for j in 0..<count { own[j] = d[j] * hat[j] }
            (own + count).update(from: d, count: count)
          }
        }
      }
    }
    body(
      LayerFactors(
        rows: m, roots: roots, inputs: UnsafeBufferPointer(start: nil, count: 0), deltas: UnsafeBufferPointer(rows)))
  }
}
