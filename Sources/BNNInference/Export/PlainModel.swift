import BNNDatasets
import BNNModels
import BNNPosteriors

/// The mean of a posterior as arrays that other programs evaluate, for inputs and outputs in their own units:
///
///     network   f(x; θ)
///     branch    f(x; θ) + Bx
///     tangent   f(x; θ) + J(x; θ)w
public struct PlainModel: Sendable, Equatable {
  public enum Form: String, Sendable { case network, branch, tangent }

  public let form: Form
  public let spec: NetworkSpec
  let theta: [Double]
  /// B (outputs × inputs) or w; empty for a network.
  let rest: [Double]
  /// What inputs must go through first, (x − center)/scale; nil where the weights hold it.
  public let inputScaling: Scaling?

  public struct Scaling: Sendable, Equatable {
    public let center: [Double]
    public let scale: [Double]
  }

  /// Under the names of PyTorch's `nn.Sequential` (`0.weight`, `0.bias`, `2.weight`, …; activations and layers without weights stand
  /// between). Of a branch and of a tangent the network is the part `network`, beside it are `branch.weight`, or the part
  /// `displacement` with the same names.
  public var tensors: [NamedTensor] {
    let network = Network(spec)
    switch form {
    case .network: return Self.named(theta, network, "")
    case .tangent: return Self.named(theta, network, "network.") + Self.named(rest, network, "displacement.")
    case .branch:
      return Self.named(theta, network, "network.")
        + [NamedTensor(name: "branch.weight", shape: [network.outputs, spec.inputs], values: rest)]
    }
  }

  private static func named(_ theta: [Double], _ network: Network, _ prefix: String) -> [NamedTensor] {
    var place = 0
    return zip(network.layers, network.moduleNumbers).flatMap { layer, module in
      layer.tensors.map { tensor in
        let count = tensor.shape.reduce(1, *)
        defer { place += count }
        return NamedTensor(
          name: "\(prefix)\(module).\(tensor.suffix)", shape: tensor.shape,
          values: Array(theta[place..<(place + count)]))
      }
    }
  }
}

extension Network {
  /// The place of every layer in an `nn.Sequential`, where an activation is a module of its own.
  var moduleNumbers: [Int] {
    var next = 0
    return layers.map { layer in
      defer { next += layer is Elementwise || layer.activation == .identity ? 1 : 2 }
      return next
    }
  }
}

extension Posterior {
  /// What predicts as the posterior's mean does; of mean-field inference, whose predictions average over the weights, the network of
  /// their mean. Inputs' centers c and scales s and targets' m and t become part of the weights:
  ///
  ///     W₁ ← W₁/s, b₁ ← b₁ − W₁c/s        W_L ← tW_L, b_L ← tb_L + m
  ///
  /// A displacement goes the same way without m. A convolution takes one center and scale a channel, and where it adds zeros around
  /// its inputs no center; where the first layer does not take them in they stay outside.
  ///
  /// - Throws: `UpdateError.notIdentified`; `UpdateError.unsuitable` for several members, and for targets' scales that the last layer
  ///   does not take in.
  public func plainModel() throws -> PlainModel {
    guard members.count == 1, let member = members.first else {
      throw UpdateError.unsuitable(
        "\(members.count) networks are not plain weights of one; --single-network makes one network that predicts nearly as they do"
      )
    }
    guard member.isProper else { throw UpdateError.notIdentified(try unidentifiedNames()) }
    let means = member.responses.compactMap { $0.posterior?.mean }
    switch model.method {
    case .linear: return plainLinear(means, member)
    case .laplace, .kalman, .meanField, .point:
      return try plain(member.theta, displacement: member.laplace?.displacement)
    case .tangent, .movingTangent:
      let own = means.first ?? []
      return try plain(
        member.theta, displacement: member.subspace?.multiplied(by: own, transposed: true) ?? own)
    case .lastLayer, .parallelBranch:
      let spec = model.networkOrEmpty
      let units = LastLayerBasis.weights(of: Network(spec)) - 1
      let layer = means.flatMap { $0[..<units] } + means.map { $0[units] }
      let branch = means.flatMap { $0[(units + 1)...] }
      return try plain(
        Array(member.theta.dropLast(layer.count)) + layer, branch: model.method == .parallelBranch ? branch : nil)
    }
  }

  /// One dense layer.
  private func plainLinear(_ means: [[Double]], _ member: Member) -> PlainModel {
    let own = means.indices.map { inDataUnits(response: $0, of: member)?.mean ?? means[$0] }
    let first = model.intercept ? 1 : 0
    return PlainModel(
      form: .network,
      spec: NetworkSpec(
        inputs: schema.features.count, layers: [.dense(units: means.count, activation: .identity)]),
      theta: own.flatMap { $0.dropFirst(first) } + own.map { model.intercept ? $0[0] : 0 }, rest: [], inputScaling: nil)
  }

  private func plain(
    _ theta: [Double], displacement: [Double]? = nil, branch: [Double]? = nil
  ) throws -> PlainModel {
    let spec = model.networkOrEmpty
    let network = Network(spec)
    let scales = normalisation
    let isRaw = !scales.targetCenter.contains { $0 != 0 } && !scales.targetScale.contains { $0 != 1 }
    guard isRaw || network.outputs == scales.targetCenter.count && spec.endsLinear else {
      throw UpdateError.unsuitable(
        "the targets' normalisation cannot be folded into the last layer of this network: its outputs are not the targets"
      )
    }
    let (center, scale) = (scales.featureCenter, scales.featureScale)
    let isOpen = center.contains { $0 != 0 } || scale.contains { $0 != 1 }
    let taker = isOpen ? network.scalingTaker(center, scale) : nil
    func folded(_ theta: [Double], targetCenter: [Double]) -> [Double] {
      var theta = theta
      func change(_ index: Int, _ body: (any LinearLayer, inout [Double]) -> Void) {
        guard let layer = network.layers[index] as? any LinearLayer else { return }
        let range = network.parameterRange(ofLayers: index..<(index + 1))
        var own = Array(theta[range])
        body(layer, &own)
        theta.replaceSubrange(range, with: own)
      }
      if let taker {
        change(taker.layer) { $0.fold(&$1, inputScale: taker.scale.map { 1 / $0 }, inputShift: taker.shift) }
      }
      if !isRaw {
        change(network.layers.count - 1) {
          $0.fold(&$1, outputScale: scales.targetScale, outputShift: targetCenter)
        }
      }
      return theta
    }
    var (own, rest) = (folded(theta, targetCenter: scales.targetCenter), [Double]())
    if let displacement {
      rest = folded(displacement, targetCenter: scales.targetCenter.map { _ in 0 })
    }
    if let branch {
      let d = spec.inputs
      for c in 0..<network.outputs {
        for j in 0..<d {
          let slope = scales.targetScale[c] * branch[c * d + j] / (taker == nil ? 1 : scale[j])
          rest.append(slope)
          if taker != nil { own[own.count - network.outputs + c] -= slope * center[j] }
        }
      }
    }
    return PlainModel(
      form: displacement != nil ? .tangent : branch != nil ? .branch : .network, spec: spec, theta: own, rest: rest,
      inputScaling: isOpen && taker == nil ? PlainModel.Scaling(center: center, scale: scale) : nil)
  }
}

extension Network {
  /// The layer into whose weights (x − c)/s before the network can go, with s and −c/s of each of its inputs or channels; nil where there
  /// is none.
  fileprivate func scalingTaker(
    _ center: [Double], _ scale: [Double]
  ) -> (layer: Int, scale: [Double], shift: [Double])? {
    guard let index = layers.firstIndex(where: { !($0 is Flatten) }), let layer = layers[index] as? any LinearLayer,
      // What goes past it would come unscaled.
      !layers.enumerated().contains(where: { place, own in own.bypass.map { place - $0 <= index } ?? false })
    else { return nil }
    let shift = zip(center, scale).map { -$0 / $1 }
    guard layer is Convolution2D, let image = spec.image else { return (index, scale, shift) }
    guard !layer.padsInputs || shift.allSatisfy({ $0 == 0 }) else { return nil }
    var own: (scale: [Double], shift: [Double]) = ([], [])
    for start in stride(from: 0, to: image.count, by: image.count / image.channels) {
      let pixels = start..<(start + image.count / image.channels)
      guard Set(scale[pixels]).count == 1, Set(shift[pixels]).count == 1 else { return nil }
      own.scale.append(scale[start])
      own.shift.append(shift[start])
    }
    return (index, own.scale, own.shift)
  }
}
