import BNNLinearAlgebra
import BNNModels
import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Minimises the negative bound
///
///     E_q[−log p(D | θ)] + KL(q ‖ N(m₁, Λ₁⁻¹)),     q = ∏ N(m_j, s_j²),
///
/// over a factorised Gaussian, in passes over minibatches in random order. Both terms are sums in nats: a minibatch of B rows of
/// N stands for all with N/B, and the divergence is taken whole (Nguyen et al. 2018, "Variational continual learning"). One
/// thread: minibatches follow each other, and every one is a few matrix products.
struct VariationalTraining<Scalar: BLASScalar>: Sendable {
  /// Passes whose mean bound is compared with that of as many before, and at least as many with the rate falling at the end.
  var window: Int { max(10, epochs / 20) }

  /// Of the layers whose weights are uncertain.
  let spec: NetworkSpec
  /// What goes into the first of them, n × d.
  let x: [Scalar]
  let y: Matrix
  let weights: [Double]?
  let epochs: Int
  let batchSize: Int
  let learningRate: Double
  let settings: VariationalSettings
  let progress: @Sendable (Double, String) -> Void

  /// What may change between passes.
  struct Values {
    var prior: VariationalPrior
    var likelihood: any Likelihood
  }

  struct Outcome: Sendable {
    var q: FactorisedGaussian
    /// The bound after every pass, by the draws of that pass.
    var bounds: [Double]
  }

  /// - Parameters:
  ///   - tune: given q and Σ w(y − f)² expected under it, after every pass: the hyper-parameters from then on.
  func fitted(
    from start: FactorisedGaussian, _ values: Values, stream: RandomStream,
    tune: (FactorisedGaussian, Double) -> Values? = { _, _ in nil }
  ) throws -> Outcome {
    switch settings.optimiser {
    case .adam: try fitted(VariationalAdam<Scalar>.self, from: start, values, stream: stream, tune: tune)
    case .naturalGradient:
      try fitted(VariationalNewton<Scalar>.self, from: start, values, stream: stream, tune: tune)
    }
  }

  private func fitted<Optimiser: VariationalOptimiser>(
    _: Optimiser.Type, from start: FactorisedGaussian, _ values: Values, stream: RandomStream,
    tune: (FactorisedGaussian, Double) -> Values?
  ) throws -> Outcome where Optimiser.Scalar == Scalar {
    var values = values
    var optimiser = Optimiser(spec, from: start, prior: values.prior)
    let n = y.rows
    let batch = min(batchSize, n)
    let steps = (n + batch - 1) / batch
    var last = epochs
    // Where on the half cosine the rate is, and how far a step goes.
    var phase = 0.0
    var advance = settings.schedule == .cosine ? 1 / Double(max(1, epochs * steps)) : 0
    var isFalling = false
    var bounds: [Double] = []
    var epoch = 0
    while epoch < last {
      var own = stream.split(UInt64(epoch))
      let order = own.permutation(n)
      var draws = own.split(1)
      var (loss, squares) = (0.0, 0.0)
      for first in stride(from: 0, to: n, by: batch) {
        let indices = order[first..<min(first + batch, n)]
        let part = VariationalBatch(
          x: x, inputs: spec.inputs, indices: indices, targets: y.gathering(indices),
          weights: weights.map { all in indices.map { all[$0] } }, likelihood: values.likelihood,
          scale: Double(n) / Double(indices.count))
        let rate = learningRate * 0.5 * (1 + cos(Double.pi * phase))
        let seen = optimiser.step(part, rate: rate, settings: settings, stream: &draws)
        loss += seen.loss
        squares += seen.squaredResiduals
        phase += advance
      }
      let q = optimiser.q
      let bound = -loss - values.prior.divergence(q)
      guard bound.isFinite else {
        throw UpdateError.notFinite("the variational bound (try a smaller --learning-rate)")
      }
      bounds.append(bound)
      epoch += 1
      progress(Double(epoch) / Double(last), "pass \(epoch) of \(last), bound \(Float(bound)) nats")
      if settings.stopsEarly, !isFalling, epoch < last, hasLevelled(bounds) {
        // At a high rate the bound levels off in the noise of the steps, and rises again as the rate falls.
        isFalling = true
        last = settings.schedule == .constant ? epoch : min(last, epoch + max(window, epoch / 4))
        advance = (1 - phase) / Double(max(1, (last - epoch) * steps))
      }
      if let next = tune(q, squares) {
        values = next
        optimiser.setPrior(next.prior)
      }
    }
    return Outcome(q: optimiser.q, bounds: bounds)
  }

  /// Whether the mean bound of the last passes is no longer above that of as many before; looked at once a window, since
  /// neighbouring means share most of their noise.
  private func hasLevelled(_ bounds: [Double]) -> Bool {
    let w = window
    guard bounds.count >= 2 * w, bounds.count.isMultiple(of: w) else { return false }
    return bounds.suffix(w).reduce(0, +) <= bounds.dropLast(w).suffix(w).reduce(0, +)
  }
}
