import BNNLinearAlgebra
import BNNModels

/// The negative log posterior of a network with Gaussian noise, a sum over rows in nats up to a constant:
///
///     E(θ) = Σ w_i‖y_i − f(x_i; θ)‖²/(2σ²) + ½α‖θ − μ‖²
///
/// The prior is a value; nothing of it is ever added to the loss by a caller.
struct NetworkObjective: Sendable {
  /// Rows that are evaluated in one piece; fixed, since it decides bits.
  static let piece = 512

  let network: Network
  /// Normalised inputs and targets with the rows' weights (nil: 1), cut into pieces once.
  let pieces: [(x: Matrix, y: Matrix, weights: [Double]?)]
  let threads: Int
  /// σ² in normalised units.
  var noiseVariance: Double
  /// α.
  var priorPrecision: Double
  /// μ; nil is 0.
  var priorMean: [Double]?

  init(
    network: Network, x: Matrix, y: Matrix, weights: [Double]? = nil, noiseVariance: Double, priorPrecision: Double,
    threads: Int
  ) {
    self.network = network
    self.threads = threads
    self.noiseVariance = noiseVariance
    self.priorPrecision = priorPrecision
    pieces = stride(from: 0, to: x.rows, by: Self.piece).map { start in
      let range = start..<min(start + Self.piece, x.rows)
      return (x.rows(range), y.rows(range), weights.map { Array($0[range]) })
    }
  }

  /// E(θ) and ∇E(θ).
  func evaluate(_ theta: [Double]) -> (value: Double, gradient: [Double]) {
    let parameters = network.parameters(theta)
    let parts = parallelMap(pieces.count, threads: threads) { index in
      dataTerm(pieces[index].x, pieces[index].y, pieces[index].weights, parameters)
    }
    var value = 0.0
    var gradient = [Double](repeating: 0, count: theta.count)
    for part in parts {
      value += part.value
      accumulate(1, part.gradient, into: &gradient)
    }
    for i in theta.indices {
      let d = theta[i] - (priorMean?[i] ?? 0)
      value += 0.5 * priorPrecision * d * d
      gradient[i] += priorPrecision * d
    }
    return (value, gradient)
  }

  /// The generalised Gauss–Newton matrix Σ w JᵀJ/σ² + αI of E at θ, P × P: exact but for the curvature of f. O(n·C·P²).
  func curvature(_ theta: [Double]) -> Matrix {
    let parts = parallelMap(pieces.count, threads: threads) { index in
      var rows = network.jacobian(pieces[index].x, theta)
      if let weights = pieces[index].weights { _ = rows.scaleRows(by: weights[...]) }
      return rows.gram
    }
    var sum = Matrix(rows: theta.count, columns: theta.count)
    for part in parts { accumulate(1 / noiseVariance, part.storage, into: &sum.storage) }
    for j in theta.indices { sum[j, j] += priorPrecision }
    return sum
  }

  /// Σ w‖y − f‖²/(2σ²) over some rows and its gradient in θ.
  func dataTerm(
    _ x: Matrix, _ y: Matrix, _ weights: [Double]?, _ parameters: Network.Parameters
  ) -> (value: Double, gradient: [Double]) {
    let trace = network.trace(x, parameters)
    var difference = trace.output
    var sum = 0.0
    for i in difference.storage.indices {
      let d = difference.storage[i] - y.storage[i]
      let weight = weights.map { $0[i / y.columns] } ?? 1
      sum += weight * d * d
      difference.storage[i] = weight * d / noiseVariance
    }
    return (0.5 * sum / noiseVariance, network.gradient(trace, parameters, outputGradient: difference))
  }
}
