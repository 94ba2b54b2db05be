import BNNLinearAlgebra
import BNNModels
import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Adam on the means and the log deviations ρ = log s of a factorised Gaussian, with gradients by the local
/// reparameterisation (Kingma, Salimans & Welling 2015, "Variational dropout and the local reparameterization trick",
/// section 2.3): not weights are drawn but every row's pre-activations, whose distribution they determine. With L the sum of
/// −log p over all rows,
///
///     ∂/∂m = E[∂L/∂m] + Λ₁(m − m₁),     ∂/∂ρ = 2s²·E[∂L/∂s²] + s²diag(Λ₁) − 1.
struct VariationalAdam<Scalar: BLASScalar>: VariationalOptimiser {
  private var pass: VariationalPass<Scalar>
  private var mean: [Scalar]
  private var logDeviation: [Scalar]
  private var variance: [Scalar]
  private var pull: VariationalPull<Scalar>
  /// Adam's first and second of the means, then of the log deviations.
  private(set) var moments: [Scalar]
  private var steps = 0
  private var noise: [Float] = []
  private var meanGradient: [Scalar]
  private var varianceGradient: [Scalar]
  private var meanPart: [Scalar] = []
  private var variancePart: [Scalar] = []

  init(_ spec: NetworkSpec, from q: FactorisedGaussian, prior: VariationalPrior) {
    pass = VariationalPass(spec)
    mean = q.mean.map { Scalar($0) }
    logDeviation = q.variance.map { Scalar(0.5 * log($0)) }
    variance = q.variance.map { Scalar($0) }
    pull = VariationalPull(prior)
    moments = [Scalar](repeating: 0, count: 4 * mean.count)
    meanGradient = mean
    varianceGradient = mean
  }

  var q: FactorisedGaussian {
    FactorisedGaussian(
      mean: mean.map(\.doubleValue), variance: logDeviation.map { exp(2 * $0.doubleValue) })
  }

  mutating func setPrior(_ prior: VariationalPrior) { pull = VariationalPull(prior) }

  mutating func step(
    _ batch: VariationalBatch<Scalar>, rate: Double, settings: VariationalSettings, stream: inout RandomStream
  ) -> (loss: Double, squaredResiduals: Double) {
    let needed = batch.rows * pass.unitCount
    if noise.count < needed { noise = [Float](repeating: 0, count: needed) }
    let share = 1 / Double(settings.samples * settings.signs.count)
    var (loss, squares) = (0.0, 0.0)
    var isFirst = true
    for _ in 0..<settings.samples {
      noise.withUnsafeMutableBufferPointer { stream.fillNormals(UnsafeMutableBufferPointer(rebasing: $0[0..<needed])) }
      for sign in settings.signs {
        pass.forward(
          rows: batch.rows, mean: mean, variance: variance, noise: noise, sign: Scalar(sign),
          writingInputs: batch.writeInputs)
        let own = batch.loss(pass.output(), share: share)
        loss += share * own.value
        squares += share * own.squaredResiduals
        pass.backward(own.gradient, mean: mean, variance: variance)
        if isFirst {
          pass.gradient(mean: &meanGradient, variance: &varianceGradient)
        } else {
          if meanPart.isEmpty { (meanPart, variancePart) = (meanGradient, varianceGradient) }
          pass.gradient(mean: &meanPart, variance: &variancePart)
          Self.add(meanPart, to: &meanGradient)
          Self.add(variancePart, to: &varianceGradient)
        }
        isFirst = false
      }
    }
    pull.update(at: mean)
    move(rate: rate)
    return (loss, squares)
  }

  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  private static func add(_ part: [Scalar], to sum: inout [Scalar]) {
    for j in sum.indices { sum[j] += part[j] }
  }

  /// Adam's step on means and log deviations, in one pass over the weights.
  private mutating func move(rate: Double) {
    steps += 1
    let (length, root) = AdamBias.scales(step: steps, rate: rate)
    let count = mean.count
    mean.withUnsafeMutableBufferPointer { mean in
      logDeviation.withUnsafeMutableBufferPointer { logDeviation in
        variance.withUnsafeMutableBufferPointer { variance in
          moments.withUnsafeMutableBufferPointer { moments in
            withPointers(meanGradient, varianceGradient, pull.values, pull.diagonal) {
              guard let mean = mean.baseAddress, let logDeviation = logDeviation.baseAddress,
                let variance = variance.baseAddress, let moments = moments.baseAddress
              else { return }
              Scalar.variationalAdamStep(
                mean: mean, logDeviation: logDeviation, variance: variance, meanGradient: $0, varianceGradient: $1,
                pull: $2, precision: $3, moments: moments, count: count, length: Scalar(length), root: Scalar(root))
            }
          }
        }
      }
    }
  }
}

/// Where four arrays are, for the time of the call; nothing for empty ones.
private func withPointers<Scalar>(
  _ a: [Scalar], _ b: [Scalar], _ c: [Scalar], _ d: [Scalar],
  _ body: (UnsafePointer<Scalar>, UnsafePointer<Scalar>, UnsafePointer<Scalar>, UnsafePointer<Scalar>) -> Void
) {
  a.withUnsafeBufferPointer { a in
    b.withUnsafeBufferPointer { b in
      c.withUnsafeBufferPointer { c in
        d.withUnsafeBufferPointer { d in
          guard let a = a.baseAddress, let b = b.baseAddress, let c = c.baseAddress, let d = d.baseAddress
          else { return }
          body(a, b, c, d)
        }
      }
    }
  }
}
