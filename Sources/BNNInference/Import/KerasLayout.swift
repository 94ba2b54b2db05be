import BNNModels

/// Whose names and axes tensors have.
public enum WeightLayout: String, CaseIterable, Sendable {
  /// `weight` [outputs, inputs] or [outputs, channels, height, width], `bias`, `running_mean`, `running_var`; pixels are flattened channel
  /// by channel.
  case torch
  /// `kernel` [inputs, outputs] or [height, width, channels, outputs], `bias`, `gamma`, `beta`, `moving_mean`, `moving_variance`, behind
  /// `/` or `.`; pixels are flattened with their channels together.
  case keras

  private static let suffixes = [
    ("kernel", "weight"), ("gamma", "weight"), ("beta", "bias"), ("moving_mean", "running_mean"),
    ("moving_variance", "running_var"),
  ]

  /// The same tensors under PyTorch's names with its axes; pixels that are flattened stay as they lie.
  func asTorch(_ tensors: [NamedTensor]) -> [NamedTensor] {
    guard self == .keras else { return tensors }
    return tensors.map { tensor in
      var name = tensor.name.split(separator: "/").joined(separator: ".")
      if name.hasSuffix(":0") { name = String(name.dropLast(2)) }
      let last = name.split(separator: ".").last.map(String.init) ?? name
      let suffix = Self.suffixes.first { $0.0 == last }?.1 ?? last
      let own = NamedTensor(
        name: String(name.dropLast(last.count)) + suffix, shape: tensor.shape, values: tensor.values)
      switch own.shape.count {
      case 2: return own.transposed([1, 0])
      case 3: return own.transposed([2, 0, 1])
      case 4: return own.transposed([3, 2, 0, 1])
      default: return own
      }
    }
  }
}

extension PlainModel {
  /// The network's weights as Keras has them, `N.kernel`, `N.bias`, …, N the place of the layer in `model.layers` of a Sequential model whose
  /// activations are their layers' own. In this order they are what `set_weights` takes.
  ///
  /// - Throws: `UpdateError.unsuitable` for what is not one network.
  public func kerasTensors() throws -> [NamedTensor] {
    guard form == .network else {
      throw UpdateError.unsuitable(
        "a \(form.rawValue) is not one network of Keras layers; --single-network makes one that predicts nearly as it does, and --to torch "
          + "has a module for it")
    }
    let network = Network(spec)
    let theta = network.reordered(theta, channelsFirst: false)
    var place = 0
    return network.layers.enumerated().flatMap { index, layer in
      layer.tensors.map { tensor -> NamedTensor in
        let count = tensor.shape.reduce(1, *)
        defer { place += count }
        let isNorm = layer is LayerNorm
        let suffix = tensor.suffix == "weight" ? isNorm ? "gamma" : "kernel" : isNorm ? "beta" : tensor.suffix
        let own = NamedTensor(
          name: "\(index).\(suffix)", shape: tensor.shape, values: Array(theta[place..<(place + count)]))
        switch own.shape.count {
        case 2: return own.transposed([1, 0])
        case 3: return own.transposed([1, 2, 0])
        case 4: return own.transposed([2, 3, 1, 0])
        default: return own
        }
      }
    }
  }
}

extension NamedTensor {
  /// With its axes in another order, as `numpy.transpose`.
  func transposed(_ axes: [Int]) -> NamedTensor {
    var strides = [Int](repeating: 1, count: shape.count)
    for k in stride(from: shape.count - 2, through: 0, by: -1) { strides[k] = strides[k + 1] * shape[k + 1] }
    let (sizes, steps) = (axes.map { shape[$0] }, axes.map { strides[$0] })
    var result: [Double] = []
    result.reserveCapacity(values.count)
    var place = [Int](repeating: 0, count: axes.count)
    while result.count < values.count {
      result.append(values[zip(place, steps).reduce(0) { $0 + $1.0 * $1.1 }])
      var k = axes.count - 1
      while k >= 0 {
        place[k] += 1
        if place[k] < sizes[k] { break }
        place[k] = 0
        k -= 1
      }
    }
    return NamedTensor(name: name, shape: sizes, values: result)
  }
}

extension Network {
  /// The image whose flattened pixels, or as many numbers made of each of them, come into a layer; nil where there is none.
  func flattenedImage(into index: Int) -> ImageShape? {
    layers[..<index].enumerated().reduce(nil) { image, own in
      own.element is Dense ? nil : own.element is Flatten ? image ?? part(own.offset..<(own.offset + 1)).image : image
    }
  }

  /// θ with the pixels that layers take flattened in the other order: channel by channel, or all channels of a pixel together.
  func reordered(_ theta: [Double], channelsFirst: Bool) -> [Double] {
    var theta = theta
    for (index, layer) in layers.enumerated() where layer is Dense || layer is LayerNorm {
      guard let image = flattenedImage(into: index) else { continue }
      let runs = layer is Dense ? layer.outputs : 2
      let range = layer.offset..<(layer.offset + runs * image.count)
      theta.replaceSubrange(range, with: image.reordered(Array(theta[range]), channelsFirst: channelsFirst))
    }
    return theta
  }
}

extension ImageShape {
  /// Runs of its pixels in the other order.
  func reordered(_ values: [Double], channelsFirst: Bool) -> [Double] {
    let shape = channelsFirst ? [height, width, channels] : [channels, height, width]
    return NamedTensor(name: "", shape: [values.count / count] + shape, values: values)
      .transposed(channelsFirst ? [0, 3, 1, 2] : [0, 2, 3, 1]).values
  }
}
