import BNNLinearAlgebra
import BNNProbability

/// A two-dimensional convolution as PyTorch's `Conv2d` (a cross-correlation): for every channel o and window t of the image
///
///     z_ot = Σ_k W_ok P_kt + b_o,   P the windows as columns (im2col), K × T with K = channels·kernel²
///
/// one matrix product a row. W is [outputs, channels, kernel, kernel] at `offset` in θ, b [outputs] after it; both images
/// are channels × height × width. Windows are made anew a row and pass, so that nothing of the size rows × K × T is kept.
public struct Convolution2D: Layer {
  let windows: Windows
  public let channels: Int
  public let activation: Activation
  public let offset: Int

  public init(
    image: ImageShape, channels: Int, kernel: Int, stride: Int = 1, padding: Int = 0, activation: Activation,
    offset: Int = 0
  ) {
    windows = Windows(image: image, kernel: kernel, stride: stride, padding: padding)
    self.channels = channels
    self.activation = activation
    self.offset = offset
  }

  public var inputs: Int { windows.image.count }
  public var outputs: Int { channels * windows.count }
  var outputImage: ImageShape { ImageShape(channels: channels, height: windows.rows, width: windows.columns) }

  public var tensors: [(suffix: String, shape: [Int])] {
    [("weight", [channels, windows.image.channels, windows.kernel, windows.kernel]), ("bias", [channels])]
  }

  /// Its weights are used at every window.
  public var shape: LayerShape? {
    LayerShape(inputs: windows.patch, outputs: channels, positions: windows.count)
  }

  /// Weights by `initialScale`, biases 0.
  public func initial(using stream: inout RandomStream) -> [Double] {
    let scale = initialScale(fanIn: windows.patch, activation)
    return stream.normals(channels * windows.patch).map { $0 * scale } + [Double](repeating: 0, count: channels)
  }

  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func forward<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, _ theta: UnsafePointer<Scalar>, into z: UnsafeMutablePointer<Scalar>
  ) {
    let (k, t) = (windows.patch, windows.count)
    let (weights, bias) = (theta + offset, theta + offset + channels * k)
    forPatches(rows: m, x) { i, patches in
      let own = z + i * outputs
      for o in 0..<channels { (own + o * t).update(repeating: bias[o], count: t) }
      Scalar.gemm(
        transposeA: false, transposeB: false, m: channels, n: t, k: k, alpha: 1, a: weights, lda: k, b: patches, ldb: t,
        beta: 1, c: own, ldc: t)
    }
  }

  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func inputGradient<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, values h: UnsafePointer<Scalar>, _ delta: UnsafePointer<Scalar>,
    _ theta: UnsafePointer<Scalar>, into g: UnsafeMutablePointer<Scalar>
  ) {
    let (k, t) = (windows.patch, windows.count)
    withScratch(Scalar.self, windows.areThePixels ? 0 : k * t) { patches in
      for i in 0..<m {
        let own = g + i * inputs
        let target = windows.areThePixels ? own : patches
        Scalar.gemm(
          transposeA: true, transposeB: false, m: k, n: t, k: channels, alpha: 1, a: theta + offset, lda: k,
          b: delta + i * outputs, ldb: t, beta: 0, c: target, ldc: t)
        guard !windows.areThePixels else { continue }
        own.update(repeating: 0, count: inputs)
        windows.scatter(patches, into: own)
      }
    }
  }

  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func parameterGradient<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, _ delta: UnsafePointer<Scalar>, into gradient: UnsafeMutablePointer<Scalar>
  ) {
    let (k, t) = (windows.patch, windows.count)
    let (weights, bias) = (gradient + offset, gradient + offset + channels * k)
    weights.update(repeating: 0, count: channels * (k + 1))
    forPatches(rows: m, x) { i, patches in
      let own = delta + i * outputs
      Scalar.gemm(
        transposeA: false, transposeB: true, m: channels, n: k, k: t, alpha: 1, a: own, lda: t, b: patches, ldb: t,
        beta: 1, c: weights, ldc: k)
      for o in 0..<channels { bias[o] += sum(own + o * t, count: t) }
    }
  }

  /// Windows and δ with the window before the channel: rows·T × K and roots·rows·T × channels.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func withFactors<Scalar: BLASScalar>(
    rows m: Int, roots: Int, _ x: UnsafePointer<Scalar>, _ delta: UnsafePointer<Scalar>,
    _ body: (LayerFactors<Scalar>) -> Void
  ) {
    let (k, t) = (windows.patch, windows.count)
    let (own, turned) = (
      UnsafeMutableBufferPointer<Scalar>.allocate(capacity: m * t * k),
      UnsafeMutableBufferPointer<Scalar>.allocate(capacity: roots * m * t * channels)
    )
    defer {
      own.deallocate()
      turned.deallocate()
    }
    if let own = own.baseAddress, let turned = turned.baseAddress {
      forPatches(rows: m, x) { i, patches in transpose(patches, rows: k, columns: t, into: own + i * t * k) }
      for i in 0..<(roots * m) {
        transpose(delta + i * outputs, rows: channels, columns: t, into: turned + i * outputs)
      }
    }
    body(
      LayerFactors(
        rows: m, roots: roots, positions: t, inputs: UnsafeBufferPointer(own), deltas: UnsafeBufferPointer(turned)))
  }

  /// Calls `body` with every row's windows, K × T.
  @inline(__always) private func forPatches<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, _ body: (Int, UnsafePointer<Scalar>) -> Void
  ) {
    guard !windows.areThePixels else {
      for i in 0..<m { body(i, x + i * inputs) }
      return
    }
    withScratch(Scalar.self, windows.patch * windows.count) { patches in
      for i in 0..<m {
        windows.gather(x + i * inputs, into: patches)
        body(i, patches)
      }
    }
  }
}
