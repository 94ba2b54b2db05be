import BNNInference
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNSafetensors

/// The tensors of a Laplace posterior beside its mean (of a linearised network beside θ₁: the mean's displacement, as
/// `tangent.<name>`): what data said, in its structure, under the prefix `curvature.` and
/// the structure's own names (`AnyCurvature.tensors`): symmetric matrices as their packed upper triangles. Prior precisions of
/// every weight are `prior.<name>` in the weight's shape. Of a mean-field posterior the curvature of a weight is 1/s² − δ, with s its
/// standard deviation and δ its prior precision; with rows in memory `without_memory.mean.<name>` and `without_memory.curvature.<name>`
/// are the posterior without them. Of a point that keeps its optimiser, `optimizer.exp_avg.<name>` and `optimizer.exp_avg_sq.<name>` are
/// Adam's running means (PyTorch's words; of a loss that is a sum over rows, not a mean).
extension MemberTensors {
  func tensors(of state: LaplaceState, _ network: Network) -> [Tensor] {
    var prior: [Tensor] = []
    if case .weights(let values) = state.prior {
      prior = cut(values, network.tensors(ofLayers: state.chosen), prefix: prefix + "prior.")
    }
    let own = network.tensors(ofLayers: state.chosen)
    let base =
      state.withoutMemory.map {
        cut($0.mean, own, prefix: prefix + "without_memory.mean.")
          + cut($0.excess, own, prefix: prefix + "without_memory.curvature.")
      } ?? []
    let optimiser =
      state.optimiser.map {
        cut($0.first, network.tensors, prefix: prefix + Self.firstMoments)
          + cut($0.second, network.tensors, prefix: prefix + Self.secondMoments)
      } ?? []
    return (state.displacement.map { cut($0, network.tensors, prefix: prefix + "tangent.") } ?? []) + prior + base
      + optimiser
      + state.curvature.tensors.map {
        Tensor(name: "\(prefix)curvature.\($0.name)", shape: $0.shape, values: $0.values)
      }
  }

  private static var firstMoments: String { "optimizer.exp_avg." }
  private static var secondMoments: String { "optimizer.exp_avg_sq." }

  /// Adam's state; nil where the file has none.
  private func optimiser(
    _ entry: Manifest.OptimiserEntry?, _ network: Network, from store: inout TensorStore
  ) throws(PosteriorFileError) -> OptimiserState? {
    guard let entry else { return nil }
    let state = OptimiserState(
      first: try join(network.tensors, prefix: prefix + Self.firstMoments, from: &store),
      second: try join(network.tensors, prefix: prefix + Self.secondMoments, from: &store), steps: entry.steps,
      rows: entry.rows, epochs: entry.epochs, scheduleEpochs: entry.scheduleEpochs, seed: entry.seed)
    guard model.method == .point, entry.steps >= 0, entry.rows > 0, entry.epochs >= 0,
      entry.scheduleEpochs >= entry.epochs, state.second.allSatisfy({ $0 >= 0 })
    else { throw store.corrupt("its optimiser's state is not valid") }
    return state
  }

  func laplaceMember(
    from store: inout TensorStore, entry: Manifest.MemberEntry
  ) throws(PosteriorFileError) -> Member {
    guard let spec = model.network, let settings = model.laplace, let own = entry.laplace else {
      throw store.corrupt("its manifest has no network or no curvature for its method")
    }
    let network = Network(spec)
    let theta = try join(network.tensors, prefix: prefix, from: &store)
    guard own.layers.count == 2, own.layers[0] >= 0, own.layers[0] < own.layers[1],
      own.layers[1] <= network.layers.count,
      (own.layers[0]..<own.layers[1]) == settings.layers ?? 0..<network.layers.count,
      entry.weights == theta.count, entry.responses.isEmpty
    else { throw store.corrupt("its manifest contradicts itself about the layers that are uncertain") }
    let chosen = own.layers[0]..<own.layers[1]
    let shapes = network.shapes(ofLayers: chosen)
    let prior: PriorPrecision =
      if let perLayer = own.prior { .layers(perLayer) } else {
        .weights(try join(network.tensors(ofLayers: chosen), prefix: prefix + "prior.", from: &store))
      }
    guard own.prior.map({ $0.count == shapes.count }) ?? (settings.priorScope == .weight),
      prior.expanded(shapes).allSatisfy({ $0 > 0 && $0.isFinite }),
      own.noiseVariance.map({ $0 > 0 && $0.isFinite }) ?? true,
      model.likelihood.hasNoise == (own.noiseVariance != nil), own.distanceToOptimum >= 0,
      (0...1).contains(own.predictiveScale), own.surplusWeights?.isFinite ?? true
    else { throw store.corrupt("its prior precision or its noise is not valid") }
    let curvature =
      model.method == .meanField
      ? AnyCurvature.diagonal(try excess(of: shapes, prefix: "\(prefix)curvature.", from: &store))
      : try laplaceCurvature(settings, shapes, prefix: "\(prefix)curvature.", from: &store)
    let displacement =
      settings.isLinearised ? try join(network.tensors, prefix: prefix + "tangent.", from: &store) : nil
    var state = LaplaceState(
      chosen: chosen, curvature: curvature, prior: prior, noiseVariance: own.noiseVariance,
      logEvidence: own.logEvidence, distanceToOptimum: own.distanceToOptimum, displacement: displacement)
    state.predictiveScale = own.predictiveScale
    state.surplusWeights = own.surplusWeights ?? 0
    state.optimiser = try optimiser(own.optimiser, network, from: &store)
    if model.method == .meanField {
      state.withoutMemory = try withoutMemory(
        network.tensors(ofLayers: chosen), prior.expanded(shapes), evidence: own.evidenceWithoutMemory, from: &store)
    }
    guard (try? state.factored()) != nil else { throw store.corrupt("its precision is not positive definite") }
    return Member(
      theta: theta, outputRoot: nil, statistics: LinearStatistics(weights: 0, responses: 0), responses: [],
      laplace: state)
  }

  func laplaceCurvature(
    _ settings: LaplaceSettings, _ shapes: [LayerShape], prefix start: String, from store: inout TensorStore
  ) throws(PosteriorFileError) -> AnyCurvature {
    var found: [CurvatureTensor] = []
    for name in store.remaining where name.hasPrefix(start) {
      guard let shape = store.shape(of: name) else { continue }
      found.append(
        CurvatureTensor(
          name: String(name.dropFirst(start.count)), shape: shape, values: try store.take(name, shape: shape)))
    }
    do {
      return try AnyCurvature(
        settings.structure, layers: shapes, rank: settings.rank, sharing: settings.sharing, tensors: found)
    } catch {
      throw store.corrupt("\(error)")
    }
  }

  /// The mean-field posterior without the rows in memory; nil where the file has none.
  private func withoutMemory(
    _ layout: [(name: String, shape: [Int])], _ prior: [Double], evidence: Double?, from store: inout TensorStore
  ) throws(PosteriorFileError) -> FactorisedSite? {
    guard let evidence else { return nil }
    let start = prefix + "without_memory."
    let site = FactorisedSite(
      mean: try join(layout, prefix: "\(start)mean.", from: &store),
      excess: try join(layout, prefix: "\(start)curvature.", from: &store), logEvidence: evidence)
    guard zip(site.excess, prior).allSatisfy({ $0 + $1 > 0 }) else {
      throw store.corrupt("the precision in \(start)curvature is not positive")
    }
    return site
  }

  /// Of a mean-field posterior, 1/s² − δ: unlike a sum of squares it may be negative, and only with δ is it a precision.
  func excess(
    of shapes: [LayerShape], prefix start: String, from store: inout TensorStore
  ) throws(PosteriorFileError) -> DiagonalCurvature {
    var diagonal: [Double] = []
    for (l, shape) in shapes.enumerated() {
      diagonal += try store.take("\(start)\(l)", shape: [shape.parameterCount])
    }
    return DiagonalCurvature(layers: shapes, diagonal: diagonal)
  }
}
