import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Adam (Kingma & Ba 2015, algorithm 1) over minibatches in random order, the rate falling to 0 along a cosine. One thread:
/// minibatches follow each other, and every one is a few matrix products.
struct MinibatchTraining: Sendable {
  let epochs: Int
  let batchSize: Int
  let learningRate: Double
  /// What the rate of a layer is of the rate of the layer above it.
  var rateDecay = 1.0
  /// Whether the last layer moves alone in the first pass, and one more layer from the top with every next.
  var unfreezesGradually = false

  /// θ near the minimum of E from `start`: the gradient of a minibatch of B rows of N is scaled by N/B to the sum over all
  /// rows, and the penalty's is exact.
  ///
  /// - Parameter rows: those that are visited, which then speak for all; nil for all.
  func minimise<Scalar: BLASScalar>(
    _ objective: PenalisedLoss, of loss: NetworkLoss<Scalar>, from start: [Double],
    rows: [Int]? = nil, stream: RandomStream,
    progress: (Double) -> Void
  ) -> [Double] {
    var adam = Adam<Scalar>(dimension: start.count)
    return run(
      objective, of: loss, from: start, rows: rows, nil, &adam, 0..<epochs, of: epochs, stream: stream,
      progress: progress)
  }

  /// The same from where another training ended, along its cosine: θ and the state after both are those of one training without
  /// a break.
  ///
  /// - Parameter agreement: what the loss has beside the likelihood of the rows.
  func minimise<Scalar: BLASScalar>(
    _ objective: PenalisedLoss, of loss: NetworkLoss<Scalar>, from start: [Double], rows: [Int]? = nil,
    agreement: Agreement? = nil, continuing state: inout OptimiserState, stream: RandomStream,
    progress: (Double) -> Void
  ) -> [Double] {
    var adam = Adam<Scalar>(state)
    let passes = state.epochs..<(state.epochs + epochs)
    state.scheduleEpochs = max(state.scheduleEpochs, passes.upperBound)
    let theta = run(
      objective, of: loss, from: start, rows: rows, agreement, &adam, passes, of: state.scheduleEpochs, stream: stream,
      progress: progress)
    state.first = adam.first.map { $0.doubleValue }
    state.second = adam.second.map { $0.doubleValue }
    state.steps = adam.step
    state.epochs = passes.upperBound
    return theta
  }

  /// Passes of a training of `total` passes.
  private func run<Scalar: BLASScalar>(
    _ objective: PenalisedLoss, of loss: NetworkLoss<Scalar>, from start: [Double], rows: [Int]?,
    _ agreement: Agreement?, _ adam: inout Adam<Scalar>, _ passes: Range<Int>, of total: Int,
    stream: RandomStream, progress: (Double) -> Void
  ) -> [Double] {
    let (n, d) = (loss.y.rows, loss.network.spec.inputs)
    let visited = rows?.count ?? n
    let batch = min(batchSize, visited)
    var theta = start.map { Scalar($0) }
    var gradient = theta
    var pass = NetworkPass<Scalar>(loss.network.spec)
    let moving = objective.moving
    let lowest = loss.network.layer(at: moving.lowerBound)
    let mean = objective.mean.map { Scalar($0) }
    let prior = objective.diagonal?.map { Scalar($0) }
    var pull = [Scalar](repeating: 0, count: moving.count)
    let stepsPerPass = (visited + batch - 1) / batch
    let steps = total * stepsPerPass
    var step = passes.lowerBound * stepsPerPass
    let groups = groups(of: loss.network, moving, stepsPerPass: stepsPerPass)
    for epoch in passes {
      var own = stream.split(UInt64(epoch))
      var order = own.permutation(visited)
      if let rows { order = order.map { rows[$0] } }
      for first in stride(from: 0, to: visited, by: batch) {
        let indices = order[first..<min(first + batch, visited)]
        pass.forward(rows: indices.count, theta) { gatherRows(loss.x, indices, width: d, into: $0) }
        let (f, y) = (pass.output(), loss.y.gathering(indices))
        var g = loss.likelihood.gradients(outputs: f, targets: y)
        agreement?.add(to: &g, outputs: f, targets: y, rows: indices, loss.likelihood)
        if let weights = loss.weights { g.scaleEachRow(by: indices.map { weights[$0] }) }
        let scale = Double(n) / Double(indices.count)
        for i in g.storage.indices { g.storage[i] *= scale }
        pass.backward([g], theta, downTo: lowest)
        pass.gradient(into: &gradient, downTo: lowest)
        if let prior {
          Adam.fill(&pull, prior, theta, mean, from: moving.lowerBound)
        } else {
          let difference = moving.map { theta[$0].doubleValue - objective.mean[$0 - moving.lowerBound] }
          pull = objective.precisionTimes(difference).map { Scalar($0) }
        }
        let rate = learningRate * 0.5 * (1 + cos(Double.pi * Double(step) / Double(max(1, steps))))
        if let groups {
          adam.update(&theta, gradient: gradient, pull: pull, over: moving, groups: groups, rate: rate)
        } else {
          adam.update(&theta, gradient: gradient, pull: pull, over: moving, rate: rate)
        }
        step += 1
      }
      progress(Double(epoch + 1 - passes.lowerBound) / Double(passes.count))
    }
    return moving.map { theta[$0].doubleValue }
  }

  /// Layers that differ in how they move; nil where all move alike.
  private func groups(of network: Network, _ moving: Range<Int>, stepsPerPass: Int) -> [AdamGroup]? {
    guard rateDecay != 1 || unfreezesGradually else { return nil }
    let top = network.layers.count - 1
    return (network.layer(at: moving.lowerBound)...top).map { layer in
      AdamGroup(
        range: network.parameterRange(ofLayers: layer..<(layer + 1)), factor: pow(rateDecay, Double(top - layer)),
        idleSteps: unfreezesGradually ? (top - layer) * stepsPerPass : 0)
    }
  }
}
