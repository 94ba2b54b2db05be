import BNNLinearAlgebra
import BNNModels
import BNNProbability

/// What moves a factorised Gaussian down the negative bound, minibatch by minibatch. A new one is one new file and a case of
/// `VariationalSettings.Optimiser`.
protocol VariationalOptimiser {
  associatedtype Scalar: BLASScalar
  /// - Parameters:
  ///   - spec: of the layers whose weights are uncertain.
  ///   - prior: N(m₁, Λ₁⁻¹) over their weights.
  init(_ spec: NetworkSpec, from q: FactorisedGaussian, prior: VariationalPrior)
  var q: FactorisedGaussian { get }
  /// The prior from the next step on: its hyper-parameters may move between passes.
  mutating func setPrior(_ prior: VariationalPrior)
  /// One step against the gradient of the negative bound, estimated from a minibatch.
  ///
  /// - Parameter stream: of its draws.
  /// - Returns: −Σ log p at the rows' weights and Σ w(y − f)² of the minibatch's rows, means over the draws.
  mutating func step(
    _ batch: VariationalBatch<Scalar>, rate: Double, settings: VariationalSettings, stream: inout RandomStream
  ) -> (loss: Double, squaredResiduals: Double)
}

/// A prior in the scalars of an optimiser, and its pull Λ₁(m − m₁) on the means.
struct VariationalPull<Scalar: BLASScalar> {
  /// diag Λ₁.
  let diagonal: [Scalar]
  private(set) var values: [Scalar]
  private let prior: VariationalPrior
  private let mean: [Scalar]

  init(_ prior: VariationalPrior) {
    self.prior = prior
    mean = prior.mean.map { Scalar($0) }
    diagonal = prior.diagonal.map { Scalar($0) }
    values = [Scalar](repeating: 0, count: mean.count)
  }

  /// `values` at these means.
  mutating func update(at m: [Scalar]) {
    if prior.times == nil {
      Adam.fill(&values, diagonal, m, mean, from: 0)
    } else {
      values = prior.pull(m.map(\.doubleValue)).map { Scalar($0) }
    }
  }
}

extension VariationalSettings {
  /// ε and, where asked for, −ε of every draw.
  var signs: [Double] { isAntithetic ? [1, -1] : [1] }
}
