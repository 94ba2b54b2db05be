import BNNLinearAlgebra
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@testable import BNNModels

/// Layers of images and of whole rows: finite differences here, PyTorch's numbers in `LayerReferenceTests`.
@Suite struct ImageLayerTests {
  private static let image = ImageShape(channels: 2, height: 5, width: 6)

  @Test(arguments: [(1, 1, 0), (3, 1, 0), (3, 1, 1), (3, 2, 1), (2, 3, 0), (5, 1, 2)])
  func convolutions(_ own: (kernel: Int, stride: Int, padding: Int)) {
    let layer = Convolution2D(
      image: Self.image, channels: 3, kernel: own.kernel, stride: own.stride, padding: own.padding, activation: .relu,
      offset: 4)
    #expect(layer.tensors.map(\.shape) == [[3, 2, own.kernel, own.kernel], [3]])
    checkLayer(layer, seed: 1)
  }

  @Test(arguments: [(2, 2, 0), (3, 2, 1), (2, 1, 0), (3, 3, 1), (5, 5, 0)])
  func pools(_ own: (kernel: Int, stride: Int, padding: Int)) {
    for seed in Gen.seeds(2) {
      checkLayer(
        MaxPool2D(image: Self.image, kernel: own.kernel, stride: own.stride, padding: own.padding, offset: 3),
        seed: seed)
      checkLayer(
        AveragePool2D(image: Self.image, kernel: own.kernel, stride: own.stride, padding: own.padding, offset: 3),
        seed: seed)
    }
  }

  @Test func otherLayers() {
    checkLayer(LayerNorm(normalised: [7], offset: 2), seed: 1)
    checkLayer(LayerNorm(normalised: [2, 2, 3], epsilon: 0.1, offset: 0), seed: 2)
    checkLayer(Flatten(inputs: 6, offset: 1), seed: 3)
    checkLayer(Elementwise(inputs: 6, activation: .tanh, offset: 1), seed: 4)
    checkLayer(Scale(inputs: 6, factor: -0.3, offset: 1), seed: 5)
  }

  /// The largest of equals is the first; what is no number stays.
  @Test func maximaOfEqualsAndOfNoNumbers() {
    let layer = MaxPool2D(image: ImageShape(channels: 1, height: 2, width: 2), kernel: 2, stride: 2)
    var g = [Double](repeating: 9, count: 4)
    layer.inputGradient(rows: 1, [1, 3, 3, 3], values: [3], [5], [0], into: &g)
    #expect(g == [0, 5, 0, 0])
    for place in 0..<4 {
      var x = [1.0, 2, 3, 4]
      x[place] = .nan
      var z = [0.0]
      layer.forward(rows: 1, x, [0], into: &z)
      #expect(z[0].isNaN)
    }
  }

  @Test func biasesOfConvolutionsBeginAtZero() {
    let layer = Convolution2D(image: Self.image, channels: 40, kernel: 3, activation: .relu)
    var gen = Gen(seed: 3)
    let drawn = layer.initial(using: &gen.stream)
    #expect(drawn[720...].allSatisfy { $0 == 0 })
    // 720 normals of variance 2/18: their second moment within 6·(2/18)·√(2/720).
    let second = drawn[..<720].reduce(0) { $0 + $1 * $1 } / 720
    #expect(abs(second - 2.0 / 18) <= 6 * (2.0 / 18) * (2.0 / 720).squareRoot())
  }

  static let spec = NetworkSpec(
    inputs: 60, image: image,
    layers: [
      .convolution2D(channels: 3, kernel: 3, stride: 1, padding: 1, activation: .gelu),
      .convolution2D(channels: 3, kernel: 3, stride: 1, padding: 1, activation: .identity), .residual(layers: 1),
      .activation(.tanh), .maxPool2D(kernel: 2, stride: 2, padding: 0), .layerNorm(epsilon: 1e-5), .flatten,
      .dense(units: 4, activation: .softplus), .scale(factor: -0.3), .dense(units: 2, activation: .identity),
    ])

  /// The whole network, with a way past a layer, in both precisions: its gradient against finite differences, and the rows of
  /// its Jacobian against its gradient.
  @Test func networkWithAWayPast() throws {
    let network = Network(Self.spec)
    var stream = RandomStream(seed: 8)
    let theta = network.initialParameters(using: &stream)
    let x = Matrix(rows: 2, columns: 60, storage: stream.normals(120))
    let g = Matrix(rows: 2, columns: 2, storage: stream.normals(4))
    let parameters = network.parameters(theta)
    let gradient = network.gradient(network.trace(x, parameters), parameters, outputGradient: g)
    // Every third weight: all layers have some.
    for k in stride(from: 0, to: theta.count, by: 3) {
      let expected = centralDifference(at: theta[k], size: 20) { value in
        var moved = theta
        moved[k] = value
        return zip(network.forward(x, network.parameters(moved)).storage, g.storage).reduce(0) { $0 + $1.0 * $1.1 }
      }
      #expect((gradient[k] - expected.value).magnitude <= expected.tolerance, "weight \(k)")
    }
    let rows = network.jacobian(x, theta)
    let sum = rows.multiplied(by: g.storage, transposed: true)
    #expect(relativeDifference(sum, gradient) <= 1e-13)
    var pass = NetworkPass<Float>(Self.spec)
    let own = theta.map { Float($0) }
    x.storage.map { Float($0) }.withUnsafeBufferPointer { pass.forward($0, rows: 2, own) }
    pass.backward([g], own)
    var single = [Float](repeating: 9, count: theta.count)
    pass.gradient(into: &single)
    #expect(relativeDifference(single.map { Double($0) }, gradient) <= 1e-5)
  }

  @Test func placesAndBlocks() {
    let network = Network(Self.spec)
    #expect(
      network.tensors.map(\.name).prefix(5) == [
        "layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias", "layers.5.weight",
      ])
    #expect(network.shapes.count == 5)
    #expect(network.shapes[0] == LayerShape(inputs: 18, outputs: 3, positions: 30))
    #expect(network.blocks(ofLayers: 2..<8) == 2..<4)
    #expect(network.parameterRange(ofLayers: 2..<5).isEmpty)
    #expect(network.parameterRange(ofLayers: 9..<10).upperBound == network.parameterCount)
    #expect(network.layer(at: network.parameterRange(ofLayers: 7..<8).lowerBound) == 7)
    #expect(network.productsPerRow == 3 * 19 * 30 + 3 * 28 * 30 + 2 * 18 + 4 * 19 + 2 * 5)
  }

  /// What does not fit says which layer, what it takes and what comes in.
  @Test(arguments: [
    (#"{"type": "conv2d", "channels": 2, "kernel": 3}"#, false, ["layer 0 (conv2d)", "a vector of 60", "\"shape\""]),
    (#"{"type": "conv2d", "channels": 2, "kernel": 6}"#, true, ["kernel of 6", "2 × 5 × 6"]),
    (#"{"type": "max-pool", "kernel": 2, "padding": 2}"#, true, ["at most half"]),
    (#"{"type": "dense", "units": 3}"#, true, ["flatten layer before it", "2 × 5 × 6"]),
    (#"{"type": "residual", "layers": 1}"#, true, ["no 1 layers before it"]),
    (#"{"type": "max-pool", "kernel": 2}, {"type": "residual", "layers": 1}"#, true, ["layer 1", "not of one shape"]),
    (#"{"type": "max-pool"}"#, true, ["kernel"]),
    (#"{"type": "max-pool", "kernel": 0}"#, true, ["between 1 and 4096"]),
    (#"{"type": "conv2d", "channels": 2, "kernel": 3, "dilation": 2}"#, true, ["\"dilation\"", "padding, stride"]),
    (#"{"type": "layer-norm", "epsilon": -1}"#, true, ["not negative"]),
    (#"{"type": "activation"}"#, true, ["says which"]),
    (#"{"type": "scale"}"#, true, ["factor"]),
    (#"{"type": "scale", "factor": 0}"#, true, ["not 0"]),
    (
      #"{"type": "lstm"}"#, true,
      ["dense, conv2d, max-pool, average-pool, flatten, layer-norm, residual, scale, activation"]
    ),
  ])
  func refusesWhatDoesNotFit(_ layers: String, _ isImage: Bool, _ words: [String]) {
    let shape = isImage ? #""shape": [2, 5, 6], "# : ""
    do {
      _ = try JSONDecoder().decode(
        NetworkSpec.self, from: Data(#"{"inputs": 60, \#(shape)"layers": [\#(layers)]}"#.utf8))
      Issue.record("\(layers) was accepted")
    } catch DecodingError.dataCorrupted(let context) {
      for word in words { #expect(context.debugDescription.contains(word), "\(context.debugDescription)") }
    } catch DecodingError.keyNotFound(let key, _) {
      #expect(words.contains(key.stringValue))
    } catch {
      Issue.record("\(error)")
    }
  }

  @Test func roundTrips() throws {
    #expect(try JSONDecoder().decode(NetworkSpec.self, from: JSONEncoder().encode(Self.spec)) == Self.spec)
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(
        NetworkSpec.self, from: Data(#"{"inputs": 61, "shape": [2, 5, 6], "layers": [{"type": "flatten"}]}"#.utf8))
    }
  }
}
