import BNNLinearAlgebra
import BNNModels
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

  /// θ near the minimum of E from `start`: the gradient of a minibatch of B rows of N is scaled by N/B to the sum over all
  /// rows, and the penalty's is exact.
  ///
  /// - Parameter rows: those that are visited, which then speak for all; nil for all.
  func minimise<Scalar: BLASScalar>(
    _ objective: PenalisedLoss, of loss: NetworkLoss<Scalar>, from start: [Double],
    rows: [Int]? = nil, stream: RandomStream,
    progress: (Double) -> Void
  ) -> [Double] {
    let (n, d) = (loss.y.rows, loss.network.spec.inputs)
    let visited = rows?.count ?? n
    let batch = min(batchSize, visited)
    var theta = start.map { Scalar($0) }
    var adam = Adam<Scalar>(dimension: theta.count)
    var gradient = theta
    var pass = NetworkPass<Scalar>(loss.network.spec)
    let moving = objective.moving
    let lowest = loss.network.layer(at: moving.lowerBound)
    let mean = objective.mean.map { Scalar($0) }
    let prior = objective.diagonal?.map { Scalar($0) }
    var pull = [Scalar](repeating: 0, count: moving.count)
    let steps = epochs * ((visited + batch - 1) / batch)
    var step = 0
    for epoch in 0..<epochs {
      var own = stream.split(UInt64(epoch))
      var order = own.permutation(visited)
      if let rows { order = order.map { rows[$0] } }
      for first in stride(from: 0, to: visited, by: batch) {
        let indices = order[first..<min(first + batch, visited)]
        pass.forward(rows: indices.count, theta) { gatherRows(loss.x, indices, width: d, into: $0) }
        var g = loss.likelihood.gradients(outputs: pass.output(), targets: loss.y.gathering(indices))
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
        adam.update(&theta, gradient: gradient, pull: pull, over: moving, rate: rate)
        step += 1
      }
      progress(Double(epoch + 1) / Double(epochs))
    }
    return moving.map { theta[$0].doubleValue }
  }
}
