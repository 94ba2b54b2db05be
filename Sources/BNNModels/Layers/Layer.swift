import BNNLinearAlgebra
import BNNProbability

/// The mathematics of one layer. A new layer is one new file and a case of `LayerSpec`; passes and engines know nothing
/// of its kind.
///
/// Rows are examples, row-major behind pointers, `inputs` numbers in and `outputs` out. A row that is an image is channels ×
/// height × width: pixel (c, y, x) is number (c·height + y)·width + x, as one image of PyTorch's NCHW (`ImageShape`). Weights
/// are in θ, the flat vector of the whole network, from `offset` on.
///
/// `activation` is the pass's to apply: the layer itself gives pre-activations and takes derivatives in them.
public protocol Layer: Sendable {
  /// Numbers in and out per row.
  var inputs: Int { get }
  var outputs: Int { get }
  /// Where its weights begin in θ.
  var offset: Int { get }
  /// Applied to every output.
  var activation: Activation { get }
  /// Name suffix and shape of every parameter tensor, as PyTorch has them, in the order of θ.
  var tensors: [(suffix: String, shape: [Int])] { get }
  /// How its weights enter the rows of a Jacobian; nil where it has none.
  var shape: LayerShape? { get }
  /// How many layers its second input goes past: it adds what went into the layer that many places before it to its
  /// outputs, before its activation; nil for one input.
  var bypass: Int? { get }
  /// Draws starting weights, in the order of `tensors`.
  func initial(using stream: inout RandomStream) -> [Double]
  /// z (m × outputs), pre-activations of m rows x.
  func forward<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, _ theta: UnsafePointer<Scalar>, into z: UnsafeMutablePointer<Scalar>)
  /// g (m × inputs) ← the gradient in x, from δ in the pre-activations (m × outputs).
  ///
  /// - Parameter h: the layer's values at x.
  func inputGradient<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, values h: UnsafePointer<Scalar>, _ delta: UnsafePointer<Scalar>,
    _ theta: UnsafePointer<Scalar>, into g: UnsafeMutablePointer<Scalar>)
  /// The layer's part of `gradient` (of θ's length) ← the gradient in its weights, summed over m rows.
  func parameterGradient<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, _ delta: UnsafePointer<Scalar>,
    into gradient: UnsafeMutablePointer<Scalar>)
  /// Calls `body` with the factors of the rows of the Jacobian, of every row and root: δ is (roots·m) × outputs. Only for
  /// a layer with a `shape`.
  func withFactors<Scalar: BLASScalar>(
    rows m: Int, roots: Int, _ x: UnsafePointer<Scalar>, _ delta: UnsafePointer<Scalar>,
    _ body: (LayerFactors<Scalar>) -> Void)
}

extension Layer {
  /// Weights of the layer.
  public var parameterCount: Int { tensors.reduce(0) { $0 + $1.shape.reduce(1, *) } }

  public var bypass: Int? { nil }
}

/// A layer without weights, which need say no more of them.
public protocol WeightlessLayer: Layer {}

extension WeightlessLayer {
  public var activation: Activation { .identity }
  public var tensors: [(suffix: String, shape: [Int])] { [] }
  public var shape: LayerShape? { nil }
  public func initial(using stream: inout RandomStream) -> [Double] { [] }

  public func parameterGradient<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, _ delta: UnsafePointer<Scalar>,
    into gradient: UnsafeMutablePointer<Scalar>
  ) {}

  public func withFactors<Scalar: BLASScalar>(
    rows m: Int, roots: Int, _ x: UnsafePointer<Scalar>, _ delta: UnsafePointer<Scalar>,
    _ body: (LayerFactors<Scalar>) -> Void
  ) {
    preconditionFailure("a layer without weights has no rows of a Jacobian")
  }
}

/// Weights beyond the first layers are normal with variance gain/fan-in (LeCun 1998); the gain is 2 for relu and gelu (He et
/// al. 2015).
func initialScale(fanIn: Int, _ activation: Activation) -> Double {
  let gain = activation == .relu || activation == .gelu ? 2.0 : 1.0
  return (gain / Double(max(1, fanIn))).squareRoot()
}
