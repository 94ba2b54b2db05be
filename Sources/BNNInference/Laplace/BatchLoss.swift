import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

/// L(θ) = −Σ wᵢ log p(yᵢ | f(xᵢ; θ)) of a batch with its gradient and its curvature: a sum over rows in nats. The prior is no
/// part of it.
protocol BatchLoss: Sendable {
  var network: Network { get }
  var likelihood: any Likelihood { get }
  /// Targets, n × T.
  var y: Matrix { get }
  /// Of every row; nil: 1.
  var weights: [Double]? { get }
  /// L and ∇L at θ.
  func evaluate(_ theta: [Double]) -> (value: Double, gradient: [Double])
  /// f at θ, n × C.
  func outputs(_ theta: [Double]) -> Matrix
  /// One pass of `empty` over the rows, with their curvature at θ, for the layers `chosen`.
  func absorbed(
    _ theta: [Double], kind: CurvatureKind, chosen: Range<Int>, into empty: AnyCurvature, stream: RandomStream
  ) -> AnyCurvature
  /// The loss of some of the rows, each counting `weight` times as much.
  func sampled(_ indices: [Int], weight: Double) -> Self
}

extension BatchLoss {
  /// Σ over rows of the curvature at θ in the structure of `empty`, for the layers `chosen`.
  func curvature(
    _ theta: [Double], kind: CurvatureKind, chosen: Range<Int>, empty: AnyCurvature, stream: RandomStream
  ) -> AnyCurvature {
    curvature(over: 1, kind: kind, chosen: chosen, empty: empty) { _ in (theta, stream) }
  }

  /// The mean of Σ over rows of the curvature at `count` weights, each with the stream of its drawn targets.
  func curvature(
    over count: Int, kind: CurvatureKind, chosen: Range<Int>, empty: AnyCurvature,
    _ place: (Int) throws -> (theta: [Double], stream: RandomStream)
  ) rethrows -> AnyCurvature {
    func pass(_ empty: AnyCurvature) throws -> AnyCurvature {
      var total: AnyCurvature?
      for s in 0..<count {
        let (theta, stream) = try place(s)
        let part = absorbed(theta, kind: kind, chosen: chosen, into: empty, stream: stream)
        if total == nil { total = part } else { total?.add(part) }
      }
      return total ?? empty
    }
    let first = try pass(empty)
    var result = if let second = first.secondPass() { try pass(second) } else { first }
    if count > 1 { result.scale(by: 1 / Double(count)) }
    return result
  }

  /// The generalised Gauss–Newton matrix of neighbouring layers at θ, dense.
  func fullCurvature(_ theta: [Double], _ chosen: Range<Int>) -> Matrix {
    let sum = curvature(
      theta, kind: .ggn, chosen: chosen, empty: .full(FullCurvature(layers: network.shapes(ofLayers: chosen))),
      stream: RandomStream(seed: 0))
    guard case .full(let own) = sum else { preconditionFailure("a structure stays what it is") }
    return own.matrix
  }

  /// Values and gradients of pieces, added in order.
  func added(_ parts: [(Double, [Double])], count: Int) -> (value: Double, gradient: [Double]) {
    var value = 0.0
    var gradient = [Double](repeating: 0, count: count)
    for part in parts {
      value += part.0
      accumulate(1, part.1, into: &gradient)
    }
    return (value, gradient)
  }

  /// Σ w(y − f)² over rows and outputs, and how many terms it has.
  func residuals(_ theta: [Double]) -> (sum: Double, count: Double) {
    let f = outputs(theta)
    var sum = 0.0
    for i in f.storage.indices {
      let error = y.storage[i] - f.storage[i]
      sum += (weights?[i / f.columns] ?? 1) * error * error
    }
    return (sum, Double(f.storage.count))
  }

  /// −Σ w log p of some rows with their outputs, and the gradient in the outputs.
  func outputGradient(_ f: Matrix, _ range: Range<Int>) -> (value: Double, gradient: Matrix) {
    let targets = y.rows(range)
    var gradient = likelihood.gradients(outputs: f, targets: targets)
    let densities = likelihood.logDensities(outputs: f, targets: targets)
    guard let weights else { return (-densities.reduce(0, +), gradient) }
    let own = Array(weights[range])
    gradient.scaleEachRow(by: own)
    return (-zip(own, densities).reduce(0) { $0 + $1.0 * $1.1 }, gradient)
  }

  /// Roots of the curvature in the outputs of some rows.
  func roots(_ f: Matrix, _ range: Range<Int>, _ kind: CurvatureKind, _ stream: RandomStream) -> [Matrix] {
    var child = stream.split(UInt64(range.lowerBound))
    var roots = kind.roots(of: likelihood, outputs: f, targets: y.rows(range), using: &child)
    if let weights {
      let scale = weights[range].map { $0.squareRoot() }
      for s in roots.indices { roots[s].scaleEachRow(by: scale) }
    }
    return roots
  }
}

extension Matrix {
  /// Row i ← w_i · row i.
  mutating func scaleEachRow(by weights: [Double]) {
    for i in 0..<rows { for j in 0..<columns { storage[i * columns + j] *= weights[i] } }
  }
}
