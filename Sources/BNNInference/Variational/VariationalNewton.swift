import BNNLinearAlgebra
import BNNModels
import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Variational online Newton: natural-gradient steps on a factorised Gaussian with precisions p = 1/s² (Khan & Lin 2017;
/// Khan et al. 2018, "Fast and scalable Bayesian deep learning by weight-perturbation in Adam"). With θ = m + sε, g the gradient of
/// L, the sum of −log p over all rows, at θ, and ĥ = g·ε/s an unbiased estimate of E[∂²L/∂θ²] (Stein's identity):
///
///     f = ĥ + diag(Λ₁) − p,   p ← p + bf + ½(bf)²/p,   m ← m − rate·(ḡ + Λ₁(m − m₁))/p
///
/// where ḡ is the running mean of g. The quadratic term keeps p positive (Lin, Schmidt & Khan 2020; as in IVON, Shen et al. 2024,
/// "Variational learning is effective for large deep networks"). The published optimiser knows one prior precision around
/// zero; here Λ₁ and m₁ are those of any earlier Gaussian, and what the step divides by is the whole precision.
struct VariationalNewton<Scalar: BLASScalar>: VariationalOptimiser {
  /// Of the running mean of gradients.
  private static var momentum: Double { 0.9 }
  /// b: how fast the precisions follow; a time constant of so many steps.
  private static var memory: Double { 1e4 }

  private var pass: NetworkPass<Scalar>
  private var mean: [Scalar]
  /// s.
  private var deviation: [Scalar]
  private var pull: VariationalPull<Scalar>
  private var average: [Scalar]
  private var theta: [Scalar]
  private var noise: [Float]
  private var gradient: [Scalar]
  private var gradientSum: [Scalar]
  /// Σ ±ε·g; over s it is the sum of ĥ.
  private var productSum: [Scalar]
  private var steps = 0
  /// What a rate of 1 may be at most, so that mean steps under a structured prior do not diverge.
  private let rateLimit: Double

  init(_ spec: NetworkSpec, from q: FactorisedGaussian, prior: VariationalPrior) {
    pass = NetworkPass(spec)
    mean = q.mean.map { Scalar($0) }
    deviation = q.variance.map { Scalar($0.squareRoot()) }
    pull = VariationalPull(prior)
    average = [Scalar](repeating: 0, count: mean.count)
    theta = mean
    noise = [Float](repeating: 0, count: mean.count)
    gradient = average
    gradientSum = average
    productSum = average
    rateLimit = Self.limit(prior)
  }

  var q: FactorisedGaussian {
    FactorisedGaussian(mean: mean.map(\.doubleValue), variance: deviation.map { $0.doubleValue * $0.doubleValue })
  }

  mutating func setPrior(_ prior: VariationalPrior) { pull = VariationalPull(prior) }

  /// 1/λ_max(D⁻¹Λ₁) with D = diag Λ₁, by power iteration: a mean step of the natural gradient is one of Jacobi's iteration,
  /// which diverges beyond twice that (../shared/mathematics.md).
  private static func limit(_ prior: VariationalPrior) -> Double {
    guard let times = prior.times else { return 1 }
    var v = prior.diagonal.map { 1 / $0.squareRoot() }
    var largest = 1.0
    for _ in 0..<20 {
      let size = v.reduce(0) { $0 + $1 * $1 }.squareRoot()
      let unit = zip(v, prior.diagonal).map { $0 / size / $1.squareRoot() }
      v = zip(times(unit), prior.diagonal).map { $0 / $1.squareRoot() }
      largest = max(largest, v.reduce(0) { $0 + $1 * $1 }.squareRoot())
    }
    return 1 / largest
  }

  mutating func step(
    _ batch: VariationalBatch<Scalar>, rate: Double, settings: VariationalSettings, stream: inout RandomStream
  ) -> (loss: Double, squaredResiduals: Double) {
    let share = 1 / Double(settings.samples * settings.signs.count)
    var (loss, squares) = (0.0, 0.0)
    for _ in 0..<settings.samples {
      noise.withUnsafeMutableBufferPointer { stream.fillNormals($0) }
      for sign in settings.signs {
        Scalar.newtonDraw(
          &theta, mean: mean, deviation: deviation, noise: noise, sign: Scalar(sign), count: theta.count)
        pass.forward(rows: batch.rows, theta, writingInputs: batch.writeInputs)
        let own = batch.loss(pass.output(), share: share)
        loss += share * own.value
        squares += share * own.squaredResiduals
        pass.backward([own.gradient], theta)
        pass.gradient(into: &gradient)
        Scalar.newtonCollect(
          gradient, noise: noise, sign: Scalar(sign), gradients: &gradientSum, products: &productSum,
          count: gradient.count)
      }
    }
    pull.update(at: mean)
    steps += 1
    let unbiased = 1 / (1 - pow(Self.momentum, Double(steps)))
    Scalar.newtonStep(
      mean: &mean, deviation: &deviation, average: &average, gradients: &gradientSum, products: &productSum,
      pull: pull.values, prior: pull.diagonal, count: mean.count, rate: Scalar(min(rate, rateLimit)),
      keep: Scalar(Self.momentum), unbiased: Scalar(unbiased), follow: Scalar(1 / min(Self.memory, 100 + Double(steps)))
    )
    return (loss, squares)
  }
}
