import BNNLinearAlgebra
import BNNModels

/// The negative log posterior of a network given new rows and what a store says of the earlier ones, nats up to a constant:
///
///     E(θ) = [‖y − f(X; θ)‖² + L(f(X̃; θ))]/(2σ²) + ½α‖θ‖²
///
/// with L the store's loss at the probes X̃ (`FunctionSurrogate`).
struct MovingObjective: Sendable {
  private let network: Network
  private let surrogate: FunctionSurrogate
  /// New rows first, then probes, each cut into pieces of fixed size.
  private let inputs: [Matrix]
  private let targets: [Matrix]
  private let threads: Int
  /// σ² in normalised units.
  var noiseVariance: Double
  /// α.
  var priorPrecision: Double

  /// - Parameters:
  ///   - x, y: normalised new rows, n × d and n × 1.
  init(
    network: Network, surrogate: FunctionSurrogate, x: Matrix, y: Matrix, noiseVariance: Double, priorPrecision: Double,
    threads: Int
  ) {
    self.network = network
    self.surrogate = surrogate
    inputs = Self.pieces(x) + Self.pieces(surrogate.probes)
    targets = Self.pieces(y)
    self.noiseVariance = noiseVariance
    self.priorPrecision = priorPrecision
    self.threads = threads
  }

  private static func pieces(_ x: Matrix) -> [Matrix] {
    stride(from: 0, to: x.rows, by: NetworkObjective.piece).map {
      x.rows($0..<min($0 + NetworkObjective.piece, x.rows))
    }
  }

  /// E(θ) and ∇E(θ).
  func evaluate(_ theta: [Double]) -> (value: Double, gradient: [Double]) {
    let parameters = network.parameters(theta)
    let traces = parallelMap(inputs.count, threads: threads) { network.trace(inputs[$0], parameters) }
    let earlier = surrogate.evaluate(traces[targets.count...].flatMap(\.output.storage))
    var sum = earlier.value
    var slopes: [Matrix] = []
    for (trace, y) in zip(traces, targets) {
      var difference = trace.output
      for i in difference.storage.indices {
        let d = difference.storage[i] - y.storage[i]
        sum += d * d
        difference.storage[i] = d / noiseVariance
      }
      slopes.append(difference)
    }
    var offset = 0
    for trace in traces[targets.count...] {
      let rows = trace.output.rows
      let own = earlier.gradient[offset..<(offset + rows)].map { 0.5 * $0 / noiseVariance }
      slopes.append(Matrix(rows: rows, columns: 1, storage: own))
      offset += rows
    }
    let outputSlopes = slopes
    let parts = parallelMap(inputs.count, threads: threads) {
      network.gradient(traces[$0], parameters, outputGradient: outputSlopes[$0])
    }
    var value = 0.5 * sum / noiseVariance
    var gradient = theta.map { priorPrecision * $0 }
    value += 0.5 * priorPrecision * dot(theta, theta)
    for part in parts { accumulate(1, part, into: &gradient) }
    return (value, gradient)
  }

  /// The generalised Gauss–Newton matrix of E at θ, P × P: exact but for the curvature of f. O(n·P² + M·W·P).
  func curvature(_ theta: [Double]) -> Matrix {
    var sum = surrogate.curvature(along: network.jacobian(surrogate.probes, theta))
    // A few pieces at a time: all at once would hold a P × P matrix for each.
    let wave = BLASThreads.workers(threads)
    for first in stride(from: 0, to: targets.count, by: wave) {
      let grams = parallelMap(min(wave, targets.count - first), threads: wave) {
        network.jacobian(inputs[first + $0], theta).gram
      }
      for own in grams { accumulate(1, own.storage, into: &sum.storage) }
    }
    for i in sum.storage.indices { sum.storage[i] /= noiseVariance }
    for j in theta.indices { sum[j, j] += priorPrecision }
    return sum
  }
}
