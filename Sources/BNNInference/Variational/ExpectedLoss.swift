import BNNLinearAlgebra
import BNNModels
import BNNProbability

/// E_q[−Σ log p(y | θ)] of a batch, every row at its weight, under a factorised Gaussian, by draws of every row's pre-activations.
struct ExpectedLoss<Scalar: BLASScalar>: Sendable {
  /// Rows of a piece; fixed, since it decides bits.
  private static var piece: Int { 512 }

  let spec: NetworkSpec
  let x: [Scalar]
  let y: Matrix
  let weights: [Double]?
  let likelihood: any Likelihood
  let threads: Int

  /// The mean over 2·pairs draws a row, two a pair and each other's mirror image, and its standard error: rows are drawn
  /// independently, so that differences between a row's pairs tell it.
  func estimated(
    _ q: FactorisedGaussian, pairs: Int = 2, stream: RandomStream
  ) -> (mean: Double, standardError: Double) {
    precondition(pairs >= 2, "one pair has no spread")
    let mean = q.mean.map { Scalar($0) }
    let variance = q.variance.map { Scalar($0) }
    let count = (y.rows + Self.piece - 1) / Self.piece
    let parts = parallelMap(count, threads: threads) { index in
      let rows = (index * Self.piece)..<min((index + 1) * Self.piece, y.rows)
      let targets = y.rows(rows)
      var pass = VariationalPass<Scalar>(spec)
      var noise = [Float](repeating: 0, count: rows.count * pass.unitCount)
      var own = stream.split(UInt64(index))
      let indices = Array(rows)
      var losses = [[Double]](repeating: [], count: rows.count)
      for _ in 0..<pairs {
        noise.withUnsafeMutableBufferPointer { own.fillNormals($0) }
        var pair = [Double](repeating: 0, count: rows.count)
        for sign: Scalar in [1, -1] {
          pass.forward(rows: rows.count, mean: mean, variance: variance, noise: noise, sign: sign) {
            gatherRows(x, indices[...], width: spec.inputs, into: $0)
          }
          let densities = likelihood.weightedDensities(
            outputs: pass.output(), targets: targets, weights: weights.map { Array($0[rows]) })
          for i in densities.indices { pair[i] -= 0.5 * densities[i] }
        }
        for i in pair.indices { losses[i].append(pair[i]) }
      }
      var (sum, variance) = (0.0, 0.0)
      for row in losses {
        let mean = row.reduce(0, +) / Double(pairs)
        sum += mean
        variance += row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(pairs * (pairs - 1))
      }
      return (sum, variance)
    }
    let total = parts.reduce((0.0, 0.0)) { ($0.0 + $1.0, $0.1 + $1.1) }
    return (total.0, total.1.squareRoot())
  }
}
