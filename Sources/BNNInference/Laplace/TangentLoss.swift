import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

/// The loss of a batch under a network linearised at θ₁:
///
///     f(x; θ) = f(x; θ₁) + J(x; θ₁)(θ − θ₁)
///
/// Convex in θ for every likelihood that is log-concave in its outputs. Rows of J are made anew in every evaluation, since
/// they are C·P numbers a row.
struct TangentLoss: BatchLoss {
  let network: Network
  let likelihood: any Likelihood
  /// Normalised inputs, n × d.
  let x: Matrix
  let y: Matrix
  let weights: [Double]?
  /// θ₁.
  let anchor: [Double]
  let threads: Int

  /// Outputs and Jacobian rows (piece·C × P) of a piece of rows.
  private func linearised(_ range: Range<Int>, _ theta: [Double]) -> (outputs: Matrix, jacobian: Matrix) {
    let parameters = network.parameters(anchor)
    let trace = network.trace(x.rows(range), parameters)
    var jacobian = Matrix(rows: range.count * network.outputs, columns: anchor.count)
    network.writeJacobian(trace, parameters, into: &jacobian)
    var f = trace.output
    accumulate(1, jacobian.multiplied(by: zip(theta, anchor).map { $0 - $1 }), into: &f.storage)
    return (f, jacobian)
  }

  private var pieces: [Range<Int>] {
    // Some 8 million numbers of J at a time; fixed, since it decides bits.
    let size = max(1, min(512, 8_388_608 / max(1, network.outputs * anchor.count)))
    return stride(from: 0, to: y.rows, by: size).map { $0..<min($0 + size, y.rows) }
  }

  func evaluate(_ theta: [Double]) -> (value: Double, gradient: [Double]) {
    let all = pieces
    let parts = parallelMap(all.count, threads: threads) { index in
      let (f, jacobian) = linearised(all[index], theta)
      let (value, g) = outputGradient(f, all[index])
      return (value, jacobian.multiplied(by: g.storage, transposed: true))
    }
    return added(parts, count: theta.count)
  }

  func outputs(_ theta: [Double]) -> Matrix {
    let all = pieces
    let parts = parallelMap(all.count, threads: threads) { linearised(all[$0], theta).outputs.storage }
    return Matrix(rows: y.rows, columns: network.outputs, storage: parts.flatMap { $0 })
  }

  /// At the outputs of the linearised network, with the derivatives at θ₁.
  func absorbed(
    _ theta: [Double], kind: CurvatureKind, chosen: Range<Int>, into empty: AnyCurvature, stream: RandomStream
  ) -> AnyCurvature {
    var total = empty
    let all = pieces
    // In waves, since a full structure is P² numbers for every piece in flight.
    for first in stride(from: 0, to: all.count, by: 8) {
      let parts = parallelMap(min(8, all.count - first), threads: threads) { index in
        let range = all[first + index]
        var pass = NetworkPass<Double>(network.spec)
        x.rows(range).storage.withUnsafeBufferPointer { pass.forward($0, rows: range.count, anchor) }
        pass.backward(
          roots(linearised(range, theta).outputs, range, kind, stream), anchor, downTo: chosen.lowerBound)
        var sum = empty
        pass.withLayerFactors(chosen, of: network) { sum.absorb($0, weight: 1) }
        return sum
      }
      for part in parts { total.add(part) }
    }
    return total
  }
}
