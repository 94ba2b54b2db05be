/// A layer of products and a bias: W, outputs × inputs row by row, then b. Affine maps before and after it can become a part
/// of it.
public protocol LinearLayer: Layer {
  /// Whether it adds zeros around its inputs, which no map before it sees.
  var padsInputs: Bool { get }
}

extension LinearLayer {
  /// W ← diag(s)W, b ← s ⊙ b + t of every output: s·z + t after it.
  public func fold(_ values: inout [Double], outputScale s: [Double], outputShift t: [Double]) {
    guard let shape else { return }
    let (n, o) = (shape.inputs, shape.outputs)
    precondition(values.count == o * (n + 1) && s.count == o && t.count == o, "a scale and a shift of every output")
    for j in 0..<o {
      for k in 0..<n { values[j * n + k] *= s[j] }
      values[o * n + j] = s[j] * values[o * n + j] + t[j]
    }
  }

  /// b ← b + Wt, W ← W diag(s): of sx + t before it, one s and t for every run of inputs/count neighbours (the pixels of a
  /// channel).
  public func fold(_ values: inout [Double], inputScale s: [Double], inputShift t: [Double]) {
    guard let shape else { return }
    let (n, o) = (shape.inputs, shape.outputs)
    precondition(
      values.count == o * (n + 1) && s.count == t.count && !s.isEmpty && n % s.count == 0,
      "a scale and a shift of every input or channel")
    let run = n / s.count
    for j in 0..<o {
      for k in 0..<n {
        values[o * n + j] += values[j * n + k] * t[k / run]
        values[j * n + k] *= s[k / run]
      }
    }
  }
}

extension Dense: LinearLayer {
  public var padsInputs: Bool { false }
}

extension Convolution2D: LinearLayer {
  public var padsInputs: Bool { windows.padding > 0 }
}

extension LayerSpec {
  /// What its outputs go through.
  public var activation: Activation {
    switch self {
    case .dense(_, let activation), .convolution2D(_, _, _, _, let activation), .activation(let activation): activation
    default: .identity
    }
  }

  /// The same with another activation; nil of a layer that has none.
  public func replacing(activation: Activation) -> LayerSpec? {
    switch self {
    case .dense(let units, _): .dense(units: units, activation: activation)
    case .convolution2D(let channels, let kernel, let stride, let padding, _):
      .convolution2D(
        channels: channels, kernel: kernel, stride: stride, padding: padding, activation: activation)
    default: nil
    }
  }
}
