import BNNModels

/// M networks of one shape as one network, whose output is the mean of theirs. Its tangent at their weights is the tangents of
/// all of them in one model, with one prior: the kernel is the sum of theirs.
///
///     f(x) = (1/M) Σ_m f_m(x; θ_m),   φ(x) = (1/M) [J_1(x) … J_M(x)]
///
/// of networks with one hidden layer but for the output's bias, which is one weight. Their first layers lie side by side, a constant
/// 1/M stands before the last, which takes the units of all. Between further hidden layers the weights from one network's units to
/// another's are 0, and may move like all others.
public struct JoinedMembers {
  let spec: NetworkSpec
  let theta: [Double]

  /// Dense networks with a hidden layer and a linear last one, all of the shape `spec`.
  public static func takes(_ spec: NetworkSpec) -> Bool { spec.isDense && spec.layers.count > 1 && spec.endsLinear }

  /// - Precondition: `takes(spec)`, and every θ is of that network.
  init(_ spec: NetworkSpec, _ thetas: [[Double]]) {
    precondition(Self.takes(spec) && !thetas.isEmpty, "dense networks with a hidden layer")
    let count = thetas.count
    let network = Network(spec)
    let last = spec.layers.count - 1
    self.spec = Self.spec(spec, count: count)
    var joined: [Double] = []
    for (index, layer) in network.layers.enumerated() {
      let (n, o) = (layer.inputs, layer.outputs)
      let own = thetas.map { Array($0[layer.offset..<(layer.offset + o * (n + 1))]) }
      if index == last {
        for c in 0..<o { for part in own { joined += part[(c * n)..<((c + 1) * n)] } }
        joined += (0..<o).map { c in own.reduce(0) { $0 + $1[o * n + c] } / Double(count) }
        continue
      }
      let width = index == 0 ? n : n * count
      for (k, part) in own.enumerated() {
        for j in 0..<o {
          var row = [Double](repeating: 0, count: width)
          let start = index == 0 ? 0 : k * n
          row.replaceSubrange(start..<(start + n), with: part[(j * n)..<((j + 1) * n)])
          joined += row
        }
      }
      for part in own { joined += part[(o * n)...] }
    }
    theta = joined
  }

  public static func spec(_ spec: NetworkSpec, count: Int) -> NetworkSpec {
    var result = spec
    result.layers = spec.layers.dropLast().map { layer in
      if case .dense(let units, let activation) = layer {
        .dense(units: units * count, activation: activation)
      } else {
        layer
      }
    }
    result.layers += [.scale(factor: 1 / Double(count))] + spec.layers.suffix(1)
    return result
  }
}
