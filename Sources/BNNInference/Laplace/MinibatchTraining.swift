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
  func minimise<Scalar: BLASScalar>(
    _ objective: PenalisedLoss, of loss: NetworkLoss<Scalar>, from start: [Double], stream: RandomStream,
    progress: (Double) -> Void
  ) -> [Double] {
    let (n, d) = (loss.y.rows, loss.network.spec.inputs)
    let batch = min(batchSize, n)
    var theta = start.map { Scalar($0) }
    var adam = AdamMoments<Scalar>(dimension: theta.count)
    var gradient = theta
    var pass = NetworkPass<Scalar>(loss.network.spec)
    let moving = objective.moving
    let lowest = loss.network.layer(at: moving.lowerBound)
    let mean = objective.mean.map { Scalar($0) }
    let prior = objective.diagonal?.map { Scalar($0) }
    var pull = [Scalar](repeating: 0, count: moving.count)
    let steps = epochs * ((n + batch - 1) / batch)
    var step = 0
    for epoch in 0..<epochs {
      var own = stream.split(UInt64(epoch))
      let order = own.permutation(n)
      for first in stride(from: 0, to: n, by: batch) {
        let indices = order[first..<min(first + batch, n)]
        pass.forward(rows: indices.count, theta) { gather(loss.x, indices, width: d, into: $0) }
        var g = loss.likelihood.gradients(outputs: pass.output(), targets: loss.y.gathering(indices))
        if let weights = loss.weights { g.scaleEachRow(by: indices.map { weights[$0] }) }
        let scale = Double(n) / Double(indices.count)
        for i in g.storage.indices { g.storage[i] *= scale }
        pass.backward([g], theta, downTo: lowest)
        pass.gradient(into: &gradient, downTo: lowest)
        if let prior {
          AdamMoments.fill(&pull, prior, theta, mean, from: moving.lowerBound)
        } else {
          let difference = moving.map { theta[$0].doubleValue - objective.mean[$0 - moving.lowerBound] }
          pull = objective.precisionTimes(difference).map { Scalar($0) }
        }
        let rate = learningRate * 0.5 * (1 + cos(Double.pi * Double(step) / Double(max(1, steps))))
        adam.update(&theta, gradient: &gradient, pull: pull, over: moving, rate: rate)
        step += 1
      }
      progress(Double(epoch + 1) / Double(epochs))
    }
    return moving.map { theta[$0].doubleValue }
  }

  private func gather<Scalar: BLASScalar>(
    _ rows: [Scalar], _ indices: ArraySlice<Int>, width: Int,
    into target: UnsafeMutableBufferPointer<Scalar>
  ) {
    rows.withUnsafeBufferPointer { rows in
      guard let source = rows.baseAddress, let target = target.baseAddress else { return }
      for (place, i) in indices.enumerated() {
        (target + place * width).update(from: source + i * width, count: width)
      }
    }
  }
}

/// Adam's moments in the precision of the pass.
struct AdamMoments<Scalar: BLASScalar>: Sendable {
  private var first: [Scalar]
  private var second: [Scalar]
  private var step = 0

  init(dimension: Int) {
    first = [Scalar](repeating: 0, count: dimension)
    second = first
  }

  /// Λ(θ − m) for a diagonal Λ over the weights from `start` on.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  static func fill(_ pull: inout [Scalar], _ prior: [Scalar], _ theta: [Scalar], _ mean: [Scalar], from start: Int) {
    pull.withUnsafeMutableBufferPointer { pull in
      prior.withUnsafeBufferPointer { prior in
        theta.withUnsafeBufferPointer { theta in
          mean.withUnsafeBufferPointer { mean in
            for j in pull.indices { pull[j] = prior[j] * (theta[start + j] - mean[j]) }
          }
        }
      }
    }
  }

  /// θ ← θ − rate · m̂/(√v̂ + 10⁻⁸) over a range of θ, the gradient being gradient + pull.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  mutating func update(
    _ theta: inout [Scalar], gradient: inout [Scalar], pull: [Scalar], over range: Range<Int>, rate: Double
  ) {
    step += 1
    let (beta1, beta2, epsilon): (Scalar, Scalar, Scalar) = (0.9, 0.999, 1e-8)
    // m̂ = m/c₁ and v̂ = v/c₂.
    let length = Scalar(rate / (1 - pow(0.9, Double(step))))
    let root = Scalar(1 / (1 - pow(0.999, Double(step))).squareRoot())
    let start = range.lowerBound
    theta.withUnsafeMutableBufferPointer { theta in
      gradient.withUnsafeBufferPointer { gradient in
        first.withUnsafeMutableBufferPointer { first in
          second.withUnsafeMutableBufferPointer { second in
            pull.withUnsafeBufferPointer { pull in
              for i in range {
                let g = gradient[i] + pull[i - start]
                let m = beta1 * first[i] + (1 - beta1) * g
                let v = beta2 * second[i] + (1 - beta2) * g * g
                first[i] = m
                second[i] = v
                theta[i] -= length * m / (v.squareRoot() * root + epsilon)
              }
            }
          }
        }
      }
    }
  }
}
