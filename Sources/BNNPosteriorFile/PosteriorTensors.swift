import BNNInference
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNSafetensors

/// The tensors of one member:
///
/// | name | shape | what |
/// |---|---|---|
/// | `layers.N.weight`, `layers.N.bias` | PyTorch's | θ₁; for `linear` the posterior mean in the data's own units |
/// | `tangent.layers.N.…` | the same | posterior mean of the displacement w (the file never holds θ₁ + w) |
/// | `posterior.C.mean` | [P] | posterior mean of response C in normalised units (`linear`, `last-layer`, `parallel-branch`; v of a subspace) |
/// | `posterior.C.factor` | [P(P+1)/2] | R of the precision RᵀR relative to the noise, packed by rows |
/// | `statistics` | packed rows of k × (P + C) | what the data said, upper trapezoidal |
/// | `output_root` | [C, C] | L of the whitening, tangent with several outputs |
/// | `subspace` | [M, P] | Sᵀ, orthonormal rows, of a tangent w = S v; then P is M above, and `tangent.…` is S v |
/// | `store.…` | see `StoreTensors.swift` | what a moving tangent carries to its next point |
/// | `curvature.…` | see `LaplaceTensors.swift` | what the data said to a Laplace or Kalman posterior |
///
/// Once a file, not of a member: `inputs.…` (`StoreTensors.swift`), `memory.…` (`MemoryTensors.swift`), `row_sketch.…`
/// (`SketchTensors.swift`) and `drift.…` (`DriftTensors.swift`).
/// Member k > 0 has the prefix `members.k.`.
struct MemberTensors {
  let prefix: String
  let model: ModelDescription

  init(member k: Int, model: ModelDescription) {
    prefix = k == 0 ? "" : "members.\(k)."
    self.model = model
  }

  // MARK: Out

  func tensors(of member: Member, posterior: Posterior) -> [Tensor] {
    var result: [Tensor] = []
    if let spec = model.network {
      result += cut(member.theta, Network(spec).tensors, prefix: prefix)
    }
    if let own = member.laplace, let spec = model.network { return result + tensors(of: own, Network(spec)) }
    for (c, response) in member.responses.enumerated() {
      guard let own = response.posterior else { continue }
      if model.method.isTangent, let spec = model.network {
        let displacement = member.subspace?.multiplied(by: own.mean, transposed: true) ?? own.mean
        result += cut(displacement, Network(spec).tensors, prefix: prefix + "tangent.")
      }
      if !model.method.isTangent || member.subspace != nil {
        result.append(Tensor(name: "\(prefix)posterior.\(c).mean", shape: [own.mean.count], values: own.mean))
      }
      let packed = own.factor.packed
      result.append(Tensor(name: "\(prefix)posterior.\(c).factor", shape: [packed.count], values: packed))
    }
    if model.method == .linear, member.isProper {
      let (c, d) = (model.schema.targets.count, model.schema.features.count)
      let means = (0..<c).compactMap { posterior.inDataUnits(response: $0, of: member)?.mean }
      let weight = means.flatMap { $0.suffix(d) }
      result.append(Tensor(name: "\(prefix)layers.0.weight", shape: [c, d], values: weight))
      let bias = means.map { model.intercept ? $0[0] : 0 }
      result.append(Tensor(name: "\(prefix)layers.0.bias", shape: [c], values: bias))
    }
    let packed = Self.pack(member.statistics.array.array)
    result.append(Tensor(name: "\(prefix)statistics", shape: [packed.count], values: packed))
    if let root = member.outputRoot {
      result.append(Tensor(name: "\(prefix)output_root", shape: [root.rows, root.columns], values: root.storage))
    }
    if let own = member.subspace {
      result.append(Tensor(name: "\(prefix)subspace", shape: [own.rows, own.columns], values: own.storage))
    }
    if let store = member.store, let spec = model.network { result += tensors(of: store, Network(spec)) }
    return result
  }

  func cut(_ flat: [Double], _ layout: [(name: String, shape: [Int])], prefix: String) -> [Tensor] {
    var offset = 0
    return layout.map { entry in
      let count = entry.shape.reduce(1, *)
      defer { offset += count }
      return Tensor(name: prefix + entry.name, shape: entry.shape, values: Array(flat[offset..<(offset + count)]))
    }
  }

  /// Rows i of a k × w trapezoid from column i on, one after another.
  static func pack(_ array: Matrix) -> [Double] {
    (0..<array.rows).flatMap { i in array.storage[(i * array.columns + i)..<((i + 1) * array.columns)] }
  }

  // MARK: In

  /// Takes this member's tensors out of `store`; what is left at the end is unknown to the format.
  func member(from store: inout TensorStore, entry: Manifest.MemberEntry) throws(PosteriorFileError) -> Member {
    if model.method.keepsCurvature { return try laplaceMember(from: &store, entry: entry) }
    let (d, c) = (model.schema.features.count, model.schema.targets.count)
    let network = model.network.map(Network.init)
    let weights: Int
    let responses: Int
    switch model.method {
    case .laplace, .kalman, .meanField, .point: (weights, responses) = (0, 0)
    case .linear: (weights, responses) = (d + (model.intercept ? 1 : 0), c)
    case .lastLayer, .parallelBranch: (weights, responses) = (network.map(model.method.frozenWeights) ?? 0, c)
    case .tangent, .movingTangent: (weights, responses) = (model.subspace ?? network?.parameterCount ?? 0, 1)
    }
    // Before the first rows a linear model has no responses.
    let unseen = model.method == .linear && entry.observations == 0 && entry.responses.isEmpty
    guard entry.weights == weights, entry.responses.count == responses || unseen, entry.observations >= 0 else {
      throw store.corrupt("its manifest contradicts itself about the model's size")
    }
    var theta: [Double] = []
    if let network { theta = try join(network.tensors, prefix: prefix, from: &store) }

    var formed: [LinearResponse] = []
    for (index, own) in entry.responses.enumerated() {
      guard let noisePrior = own.noisePrior, own.priorRatio >= 0, own.priorRatio.isFinite else {
        throw store.corrupt("the hyper-parameters of response \(index) are not valid")
      }
      var response = LinearResponse(
        ratio: own.priorRatio, noisePrior: noisePrior, logEvidence: own.logEvidence,
        effectiveWeights: own.effectiveWeights, posterior: nil)
      if own.identified {
        guard let noise = own.noiseBelief else { throw store.corrupt("the noise of response \(index) is not valid") }
        let mean: [Double]
        if model.method.isTangent, let network {
          let displacement = try join(network.tensors, prefix: prefix + "tangent.", from: &store)
          mean =
            model.subspace == nil
            ? displacement : try store.take("\(prefix)posterior.\(index).mean", shape: [weights])
        } else {
          mean = try store.take("\(prefix)posterior.\(index).mean", shape: [weights])
        }
        let name = "\(prefix)posterior.\(index).factor"
        let packed = try store.take(name, shape: [weights * (weights + 1) / 2])
        do {
          let factor = try TriangularFactor(packed: packed, dimension: weights)
          response.posterior = LinearPosterior(mean: mean, factor: factor, noise: noise)
        } catch {
          throw store.corrupt("the precision in \(name) is not positive definite")
        }
      }
      formed.append(response)
    }
    if model.method == .linear, !formed.isEmpty, formed.allSatisfy({ $0.posterior != nil }) {
      _ = try store.take("\(prefix)layers.0.weight", shape: [c, d])
      _ = try store.take("\(prefix)layers.0.bias", shape: [c])
    }
    let statistics = try statistics(
      "\(prefix)statistics", weights: weights, responses: responses, observations: entry.observations,
      logWeights: entry.logWeights ?? 0, discount: entry.discount ?? 0, mayBeFull: model.method == .movingTangent,
      from: &store)
    var root: Matrix?
    if model.method == .tangent, c > 1 {
      let values = try store.take("\(prefix)output_root", shape: [c, c])
      let matrix = Matrix(rows: c, columns: c, storage: values)
      guard (0..<c).allSatisfy({ matrix[$0, $0] > 0 }) else {
        throw store.corrupt("the output covariance in output_root is not positive definite")
      }
      root = matrix
    }
    let directions = try subspace(from: &store)
    let carried = model.method == .movingTangent ? network : nil
    return Member(
      theta: theta, outputRoot: root, subspace: directions, statistics: statistics, responses: formed,
      store: try carried.map { network throws(PosteriorFileError) in
        try tangentStore(network, observations: entry.observations, from: &store)
      })
  }

  private func subspace(from store: inout TensorStore) throws(PosteriorFileError) -> Matrix? {
    guard let count = model.subspace, let spec = model.network else { return nil }
    let columns = Network(spec).parameterCount
    let values = try store.take("\(prefix)subspace", shape: [count, columns])
    let directions = Matrix(rows: count, columns: columns, storage: values)
    // Unit rows to far more than the rounding of their making; whether they are orthogonal would cost O(M²P).
    guard directions.squaredRowNorms.allSatisfy({ abs($0 - 1) < 1e-8 }) else {
      throw store.corrupt("the directions in \(prefix)subspace do not have length 1")
    }
    return directions
  }

  /// The packed array of k = min(n, P + C) rows.
  ///
  /// - Parameter mayBeFull: k = P + C is welcome too: statistics that were mapped to another linearisation point fill the
  ///   triangle whatever n.
  func statistics(
    _ name: String, weights: Int, responses: Int, observations: Int, logWeights: Double = 0, discount: Double = 0,
    mayBeFull: Bool = false, from store: inout TensorStore
  ) throws(PosteriorFileError) -> LinearStatistics {
    guard discount >= 0, observations == 0 || discount < Double(observations) else {
      throw store.corrupt("its manifest has rows that count for nothing or less")
    }
    let width = weights + responses
    var kept = min(observations, width)
    if mayBeFull, store.length(of: name) == width * (width + 1) / 2 { kept = width }
    let packed = try store.take(name, shape: [kept * width - kept * (kept - 1) / 2])
    return LinearStatistics(
      weights: weights, responses: responses, observations: observations,
      array: InformationArray(array: Self.unpack(packed, rows: kept, width: width)), logWeights: logWeights,
      discount: discount)
  }

  func join(
    _ layout: [(name: String, shape: [Int])], prefix: String, from store: inout TensorStore
  ) throws(PosteriorFileError) -> [Double] {
    var flat: [Double] = []
    for entry in layout { flat += try store.take(prefix + entry.name, shape: entry.shape) }
    return flat
  }

  static func unpack(_ packed: [Double], rows: Int, width: Int) -> Matrix {
    var matrix = Matrix(rows: rows, columns: width)
    var offset = 0
    for i in 0..<rows {
      for j in i..<width { matrix.storage[i * width + j] = packed[offset + j - i] }
      offset += width - i
    }
    return matrix
  }
}

/// Tensors by name, each taken once and checked when it is.
struct TensorStore {
  let file: String
  private var byName: [String: Tensor]

  init(_ tensors: [Tensor], file: String) {
    self.file = file
    byName = Dictionary(tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  var remaining: [String] { byName.keys.sorted() }

  /// The shape of a tensor that was not taken yet; nil when there is none.
  func shape(of name: String) -> [Int]? { byName[name]?.shape }

  /// How many numbers a tensor holds that was not taken yet; nil when there is none.
  func length(of name: String) -> Int? { byName[name]?.values.count }

  /// - Parameter shape: nil for one dimension of any length.
  mutating func take(_ name: String, shape: [Int]?) throws(PosteriorFileError) -> [Double] {
    guard let tensor = byName.removeValue(forKey: name) else { throw corrupt("the tensor \(name) is missing") }
    guard shape.map({ tensor.shape == $0 }) ?? (tensor.shape.count == 1) else {
      throw corrupt("the tensor \(name) has shape \(tensor.shape), expected \(shape.map { "\($0)" } ?? "[…]")")
    }
    guard tensor.values.allSatisfy(\.isFinite) else {
      throw corrupt("the tensor \(name) holds a number that is not finite")
    }
    return tensor.values
  }

  func corrupt(_ message: String) -> PosteriorFileError { .corrupt(file: file, message) }
}

extension PosteriorFileError {
  static func corrupt(file: String, _ message: String) -> PosteriorFileError {
    PosteriorFileError(
      .corrupt, file: file, message, remedy: "restore the file from a copy, or fit it again from its data")
  }
}
