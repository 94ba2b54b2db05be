/// One layer as data. Closed on purpose: it is a file format, and an unknown layer or key is an error that lists the known
/// ones. A new layer is one new file in `Layers`, a case here and one in `LayerSpec+Codable.swift`.
public enum LayerSpec: Hashable, Sendable {
  /// Fully connected with a bias.
  case dense(units: Int, activation: Activation)
  /// With a bias for every channel; square kernels, the same stride and padding in both directions.
  case convolution2D(channels: Int, kernel: Int, stride: Int, padding: Int, activation: Activation)
  case maxPool2D(kernel: Int, stride: Int, padding: Int)
  case averagePool2D(kernel: Int, stride: Int, padding: Int)
  /// An image as a vector.
  case flatten
  /// Over all numbers of a row, each with a weight and a bias.
  case layerNorm(epsilon: Double)
  /// Adds what went into the layer so many places before.
  case residual(layers: Int)
  /// Multiplies by a constant.
  case scale(factor: Double)
  /// By itself.
  case activation(Activation)

  public var isDense: Bool { if case .dense = self { true } else { false } }

  /// The layer with its weights' place in θ, and the layout of its outputs.
  ///
  /// - Parameter layouts: of what comes into every layer up to this one.
  func placed(
    number: Int, after layouts: [RowLayout], offset: Int
  ) throws(NetworkShapeError) -> (layer: any Layer, layout: RowLayout) {
    let incoming = layouts[layouts.count - 1]
    func misfit(_ words: String) -> NetworkShapeError { NetworkShapeError("layer \(number) (\(type)): \(words)") }
    switch self {
    case .dense(let units, let activation):
      guard case .vector(let count) = incoming else {
        throw misfit("a dense layer takes a vector, and \(incoming.words) comes in; put a flatten layer before it")
      }
      return (Dense(inputs: count, outputs: units, activation: activation, offset: offset), .vector(units))
    case .convolution2D(let channels, let kernel, let stride, let padding, let activation):
      let image = try placedWindows(incoming, kernel, stride, padding, misfit).image
      let layer = Convolution2D(
        image: image, channels: channels, kernel: kernel, stride: stride, padding: padding, activation: activation,
        offset: offset)
      return (layer, .image(layer.outputImage))
    case .maxPool2D(let kernel, let stride, let padding), .averagePool2D(let kernel, let stride, let padding):
      let windows = try placedWindows(incoming, kernel, stride, padding, misfit)
      let image = windows.image
      guard 2 * padding <= kernel else { throw misfit("the padding of a pool is at most half its kernel") }
      let isMax = if case .maxPool2D = self { true } else { false }
      let layer: any Layer =
        isMax
        ? MaxPool2D(image: image, kernel: kernel, stride: stride, padding: padding, offset: offset)
        : AveragePool2D(image: image, kernel: kernel, stride: stride, padding: padding, offset: offset)
      return (
        layer, .image(ImageShape(channels: image.channels, height: windows.rows, width: windows.columns))
      )
    case .flatten: return (Flatten(inputs: incoming.count, offset: offset), .vector(incoming.count))
    case .layerNorm(let epsilon):
      return (LayerNorm(normalised: incoming.dimensions, epsilon: epsilon, offset: offset), incoming)
    case .residual(let count):
      guard count < layouts.count else { throw misfit("there are no \(count) layers before it") }
      let other = layouts[layouts.count - 1 - count]
      guard other == incoming else {
        throw misfit("it adds \(other.words) to \(incoming.words), which are not of one shape")
      }
      return (Residual(inputs: incoming.count, bypassed: count, offset: offset), incoming)
    case .scale(let factor): return (Scale(inputs: incoming.count, factor: factor, offset: offset), incoming)
    case .activation(let activation):
      return (Elementwise(inputs: incoming.count, activation: activation, offset: offset), incoming)
    }
  }

  private func placedWindows(
    _ incoming: RowLayout, _ kernel: Int, _ stride: Int, _ padding: Int, _ misfit: (String) -> NetworkShapeError
  ) throws(NetworkShapeError) -> Windows {
    guard let image = incoming.image else {
      throw misfit(
        "it takes an image, and \(incoming.words) comes in; say the input's \"shape\" as [channels, height, width]")
    }
    let windows = Windows(image: image, kernel: kernel, stride: stride, padding: padding)
    guard windows.exist else { throw misfit("a kernel of \(kernel) does not fit into \(incoming.words)") }
    return windows
  }

  /// For people: "50 tanh", "conv 3 × 3 to 16 channels relu".
  public var words: String {
    func window(_ kernel: Int, _ stride: Int, _ usual: Int, _ padding: Int) -> String {
      "\(kernel) × \(kernel)" + (stride == usual ? "" : " by \(stride)") + (padding == 0 ? "" : " padded by \(padding)")
    }
    return switch self {
    case .dense(let units, let activation): "\(units) \(activation.rawValue)"
    case .convolution2D(let channels, let kernel, let stride, let padding, let activation):
      "conv \(window(kernel, stride, 1, padding)) to \(channels) channels \(activation.rawValue)"
    case .maxPool2D(let kernel, let stride, let padding): "max of \(window(kernel, stride, kernel, padding))"
    case .averagePool2D(let kernel, let stride, let padding): "mean of \(window(kernel, stride, kernel, padding))"
    case .flatten: "flatten"
    case .layerNorm: "layer norm"
    case .residual(let count): "plus what went in \(count) layers before"
    case .scale(let factor): "times \(factor)"
    case .activation(let activation): activation.rawValue
    }
  }
}

extension RowLayout {
  var image: ImageShape? { if case .image(let shape) = self { shape } else { nil } }

  /// As PyTorch has it.
  var dimensions: [Int] { image.map { [$0.channels, $0.height, $0.width] } ?? [count] }

  var words: String { image.map { "an image of \($0)" } ?? "a vector of \(count)" }
}
