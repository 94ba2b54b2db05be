import BNNLinearAlgebra
import BNNProbability

/// f(x; θ) for a `NetworkSpec`: forward, backward and Jacobian rows, one call at a time in values; `NetworkPass` does the
/// same in buffers. Holds no weights: θ is a flat vector (P numbers), layer after layer in the order of each layer's tensors.
public struct Network: Sendable {
  public let spec: NetworkSpec
  public let layers: [any Layer]
  /// P.
  public let parameterCount: Int

  /// What one forward pass leaves behind for a backward one.
  public struct Trace: Sendable {
    let pass: NetworkPass<Double>
    /// f(x; θ), n × C.
    public var output: Matrix { pass.output() }
    /// What comes into the last layer, n × units (the network's input when there is no other).
    public var lastHidden: Matrix { pass.values(ofLayer: pass.layerCount - 2) }
  }

  /// θ, of the network's length.
  public struct Parameters: Sendable {
    let theta: [Double]
  }

  /// - Precondition: the layers fit each other (`NetworkSpec.checked`), as those of a file do once it is read.
  public init(_ spec: NetworkSpec) {
    self.spec = spec
    do { layers = try spec.placedLayers() } catch { preconditionFailure("a network whose layers do not fit: \(error)") }
    parameterCount = layers.reduce(0) { $0 + $1.parameterCount }
  }

  /// C.
  public var outputs: Int { layers.last?.outputs ?? spec.inputs }

  /// Tensor names (`layers.0.weight`, …) and shapes in the order of θ.
  public var tensors: [(name: String, shape: [Int])] { tensors(ofLayers: layers.indices) }

  /// Those of neighbouring layers.
  public func tensors(ofLayers chosen: Range<Int>) -> [(name: String, shape: [Int])] {
    chosen.flatMap { index in layers[index].tensors.map { ("layers.\(index).\($0.suffix)", $0.shape) } }
  }

  /// Where the weights of neighbouring layers are in θ.
  public func parameterRange(ofLayers chosen: Range<Int>) -> Range<Int> {
    func start(_ index: Int) -> Int { index < layers.count ? layers[index].offset : parameterCount }
    return start(chosen.lowerBound)..<start(chosen.upperBound)
  }

  /// The weights of neighbouring layers as matrices, layer after layer; those without weights are left out.
  public func shapes(ofLayers chosen: Range<Int>) -> [LayerShape] { layers[chosen].compactMap(\.shape) }

  /// Of all layers.
  public var shapes: [LayerShape] { shapes(ofLayers: layers.indices) }

  /// Which of `shapes` are those of neighbouring layers.
  public func blocks(ofLayers chosen: Range<Int>) -> Range<Int> {
    let start = shapes(ofLayers: 0..<chosen.lowerBound).count
    return start..<(start + shapes(ofLayers: chosen).count)
  }

  /// Multiplications of a row with weights: P of dense layers, T times as many of one that uses its weights T times.
  public var productsPerRow: Int { shapes.reduce(0) { $0 + $1.parameterCount * $1.positions } }

  /// Rows that a backward pass with some roots a row should have, at most `limit`: so many that the numbers of all layers stay
  /// below some 64 MB in single precision.
  public func rowsAtOnce(roots: Int, atMost limit: Int) -> Int {
    let numbers = layers.reduce(0) { sum, layer in
      sum + (roots + 1) * layer.outputs
        + (layer.shape.map { $0.positions > 1 ? $0.positions * ($0.inputs + roots * $0.outputs) : 0 } ?? 0)
    }
    return max(1, min(limit, (1 << 24) / max(1, numbers)))
  }

  /// Neighbouring layers as a network of their own, whose inputs are the values of the layer below them.
  public func part(_ chosen: Range<Int>) -> NetworkSpec {
    let image: ImageShape? =
      if chosen.lowerBound == 0 { spec.image } else { try? spec.layouts()[chosen.lowerBound].image }
    return NetworkSpec(
      inputs: chosen.isEmpty ? spec.inputs : layers[chosen.lowerBound].inputs, image: image,
      layers: Array(spec.layers[chosen]))
  }

  /// The layer that has the weight at a place of θ.
  public func layer(at place: Int) -> Int {
    layers.firstIndex { place < $0.offset + $0.parameterCount } ?? layers.count
  }

  /// Random starting weights.
  public func initialParameters(using stream: inout RandomStream) -> [Double] {
    layers.flatMap { $0.initial(using: &stream) }
  }

  public func parameters(_ theta: [Double]) -> Parameters {
    precondition(theta.count == parameterCount, "θ must have \(parameterCount) entries")
    return Parameters(theta: theta)
  }

  /// The forward pass of n rows (n × d).
  public func trace(_ x: Matrix, _ parameters: Parameters) -> Trace {
    precondition(x.columns == spec.inputs, "rows must have \(spec.inputs) inputs")
    var pass = NetworkPass<Double>(self)
    x.storage.withUnsafeBufferPointer { pass.forward($0, rows: x.rows, parameters.theta) }
    return Trace(pass: pass)
  }

  /// f(x; θ), n × C.
  public func forward(_ x: Matrix, _ parameters: Parameters) -> Matrix { trace(x, parameters).output }

  /// Σᵢ Jᵢᵀgᵢ: the gradient in θ of a loss whose gradient in the outputs is `outputGradient` (n × C).
  public func gradient(_ trace: Trace, _ parameters: Parameters, outputGradient: Matrix) -> [Double] {
    var pass = trace.pass
    pass.backward([outputGradient], parameters.theta)
    var result = [Double](repeating: 0, count: parameterCount)
    pass.gradient(into: &result)
    return result
  }

  /// Jacobian rows ∂f_c(x_i)/∂θ as rows i·C + c of `rows`, columns 0 ..< P; further columns are left alone.
  public func writeJacobian(_ trace: Trace, _ parameters: Parameters, into rows: inout Matrix) {
    let (n, c, width) = (trace.pass.rows, outputs, rows.columns)
    precondition(rows.rows == n * c && width >= parameterCount, "rows must be (n·C) × at least P")
    var pass = trace.pass
    for output in 0..<c {
      var unit = Matrix(rows: n, columns: c)
      for i in 0..<n { unit[i, output] = 1 }
      pass.backward([unit], parameters.theta)
      rows.storage.withUnsafeMutableBufferPointer { rows in
        guard let base = rows.baseAddress else { return }
        for (index, layer) in layers.enumerated() {
          guard let shape = layer.shape else { continue }
          pass.withFactors(ofLayer: index) {
            $0.writeRows(
              layer: shape, root: 0, rows: 0..<n, to: base + output * width + layer.offset, stride: c * width)
          }
        }
      }
    }
  }

  /// (n·C) × P.
  public func jacobian(_ x: Matrix, _ theta: [Double]) -> Matrix {
    let parameters = parameters(theta)
    let trace = trace(x, parameters)
    var rows = Matrix(rows: x.rows * outputs, columns: parameterCount)
    writeJacobian(trace, parameters, into: &rows)
    return rows
  }

  /// θ with everything but the last layer's weights set to 0. The last layer being linear, f(x; θ) = J(x; θ)·(this part).
  public func lastLayerPart(of theta: [Double]) -> [Double] {
    precondition(theta.count == parameterCount, "θ must have \(parameterCount) entries")
    let own = layers.last?.parameterCount ?? 0
    return [Double](repeating: 0, count: theta.count - own) + theta.suffix(own)
  }
}
