import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

/// The loss of a batch under a network, in single or double precision.
///
/// Rows are evaluated in pieces of fixed size that are added in order, so that the result does not depend on the threads.
struct NetworkLoss<Scalar: BLASScalar>: BatchLoss {
  /// Rows of one pass; a function of the network alone, since it decides bits.
  private var piece: Int { network.rowsAtOnce(roots: network.outputs, atMost: 512) }
  /// Sums are taken over at most so many runs of rows side by side; fixed, since it decides bits.
  static var segments: Int { 8 }

  let network: Network
  let likelihood: any Likelihood
  /// Normalised inputs, n × d.
  let x: [Scalar]
  let y: Matrix
  let weights: [Double]?
  let threads: Int

  func evaluate(_ theta: [Double]) -> (value: Double, gradient: [Double]) {
    let own = theta.map { Scalar($0) }
    let runs = segmented(y.rows)
    let parts = parallelMap(runs.count, threads: threads) { index in
      var pass = NetworkPass<Scalar>(network.spec)
      var gradient = [Scalar](repeating: 0, count: theta.count)
      var total = [Double](repeating: 0, count: theta.count)
      var value = 0.0
      for range in runs[index] {
        forward(range, own, &pass)
        let (part, g) = outputGradient(pass.output(), range)
        pass.backward([g], own)
        pass.gradient(into: &gradient)
        value += part
        pass.add(gradient, to: &total)
      }
      return (value, total)
    }
    return added(parts, count: theta.count)
  }

  func outputs(_ theta: [Double]) -> Matrix {
    let own = theta.map { Scalar($0) }
    let runs = segmented(y.rows)
    let parts = parallelMap(runs.count, threads: threads) { index in
      var pass = NetworkPass<Scalar>(network.spec)
      return runs[index].flatMap { range in
        forward(range, own, &pass)
        return pass.output().storage
      }
    }
    return Matrix(rows: y.rows, columns: network.outputs, storage: parts.flatMap { $0 })
  }

  func absorbed(
    _ theta: [Double], kind: CurvatureKind, chosen: Range<Int>, into empty: AnyCurvature, stream: RandomStream
  ) -> AnyCurvature {
    let own = theta.map { Scalar($0) }
    let runs = segmented(y.rows)
    let parts = parallelMap(runs.count, threads: threads) { index in
      var pass = NetworkPass<Scalar>(network.spec)
      var sum = empty
      for range in runs[index] {
        forward(range, own, &pass)
        pass.backward(roots(pass.output(), range, kind, stream), own, downTo: chosen.lowerBound)
        pass.withLayerFactors(chosen, of: network) { sum.absorb($0, weight: 1) }
      }
      return sum
    }
    guard var total = parts.first else { return empty }
    for part in parts.dropFirst() { total.add(part) }
    return total
  }

  private func forward(_ range: Range<Int>, _ theta: [Scalar], _ pass: inout NetworkPass<Scalar>) {
    let d = network.spec.inputs
    x.withUnsafeBufferPointer { x in
      pass.forward(
        UnsafeBufferPointer(rebasing: x[(range.lowerBound * d)..<(range.upperBound * d)]), rows: range.count, theta)
    }
  }

  /// Pieces of rows, neighbours in at most `segments` runs.
  private func segmented(_ rows: Int) -> [[Range<Int>]] {
    let piece = piece
    let pieces = stride(from: 0, to: rows, by: piece).map { $0..<min($0 + piece, rows) }
    let count = min(Self.segments, pieces.count)
    return (0..<count).map { k in Array(pieces[(pieces.count * k / count)..<(pieces.count * (k + 1) / count)]) }
  }
}

extension NetworkPass {
  /// The factors of the layers with weights among neighbouring ones of a network, for the time of the call.
  func withLayerFactors(_ chosen: Range<Int>, of network: Network, _ body: ([LayerFactors<Scalar>]) -> Void) {
    collect(chosen.filter { network.layers[$0].shape != nil }[...], [], body)
  }

  private func collect(
    _ remaining: ArraySlice<Int>, _ factors: [LayerFactors<Scalar>], _ body: ([LayerFactors<Scalar>]) -> Void
  ) {
    guard let next = remaining.first else { return body(factors) }
    withFactors(ofLayer: next) { collect(remaining.dropFirst(), factors + [$0], body) }
  }
}
