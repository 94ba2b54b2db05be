import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@testable import BNNInference

/// One input, one output, nothing hidden: two weights, slope and bias. Every row's output z ~ N(m_w x + m_b, s_w² x² + s_b²), so that
/// what is expected of a row is an integral in one dimension.
struct VariationalCase: CustomTestStringConvertible {
  enum Kind: String, CaseIterable, Sendable { case bernoulli, poisson, gaussian }

  let kind: Kind
  let isWeighted: Bool
  let x: [Double]
  let y: Matrix
  let weights: [Double]?
  var q = FactorisedGaussian(mean: [0.6, -0.3], variance: [0.25, 0.16])
  let spec = NetworkSpec(inputs: 1, hidden: [], outputs: 1, activation: .tanh)
  static let noiseVariance = 0.3

  init(_ kind: Kind, rows: Int = 24, isWeighted: Bool = false) {
    self.kind = kind
    self.isWeighted = isWeighted
    var gen = Gen(seed: 21)
    x = gen.normals(rows)
    let targets = x.indices.map { i -> Double in
      switch kind {
      case .bernoulli: (i % 3 == 0) != (i % 2 == 0) ? 1 : 0
      case .poisson: Double(i % 4)
      case .gaussian: sin(Double(i))
      }
    }
    y = Matrix(rows: rows, columns: 1, storage: targets)
    weights = isWeighted ? (0..<rows).map { _ in 0.3 + 2 * gen.stream.uniform() } : nil
  }

  var testDescription: String { kind.rawValue + (isWeighted ? ", weighted" : "") }

  static var all: [VariationalCase] {
    Kind.allCases.flatMap { kind in [false, true].map { VariationalCase(kind, isWeighted: $0) } }
  }

  var likelihood: any Likelihood {
    switch kind {
    case .bernoulli: BernoulliLikelihood()
    case .poisson: PoissonLikelihood()
    case .gaussian: GaussianLikelihood(variance: Self.noiseVariance)
    }
  }

  /// −log p(y | z) and its first two derivatives, written out.
  func loss(_ y: Double, _ z: Double) -> (value: Double, first: Double, second: Double) {
    switch kind {
    case .bernoulli:
      let p = 1 / (1 + exp(-z))
      return (log1p(exp(-abs(z))) + max(z, 0) - y * z, p - y, p * (1 - p))
    case .poisson: return (exp(z) - y * z + lgamma(y + 1), exp(z) - y, exp(z))
    case .gaussian:
      let s = Self.noiseVariance
      return (0.5 * ((y - z) * (y - z) / s + log(2 * Double.pi * s)), (z - y) / s, 1 / s)
    }
  }

  /// Σ w E_q[g] over rows by quadrature.
  func expected(_ g: (_ x: Double, _ y: Double, _ z: Double) -> Double) throws -> Double {
    var sum = 0.0
    for i in x.indices {
      let (mean, deviation) = (
        q.mean[0] * x[i] + q.mean[1], (q.variance[0] * x[i] * x[i] + q.variance[1]).squareRoot()
      )
      let own = try withoutActuallyEscaping(g) { g in
        try quadrature(-12, 12) { t in
          exp(-0.5 * t * t) / (2 * Double.pi).squareRoot() * g(x[i], y[i, 0], mean + deviation * t)
        }
      }
      sum += (weights?[i] ?? 1) * own
    }
    return sum
  }

  /// E_q[−Σ log p] over rows: of normal noise the density is that of N(z, σ²/w).
  func expectedLoss() throws -> Double {
    let constant = kind == .gaussian ? 0.5 * log(2 * Double.pi * Self.noiseVariance) : 0
    return try expected { loss($1, $2).value }
      + (weights ?? []).reduce(0) { $0 + (1 - $1) * constant - (kind == .gaussian ? 0.5 * log($1) : 0) }
  }

  func batch<Scalar: BLASScalar>(_ indices: ArraySlice<Int>, scale: Double) -> VariationalBatch<Scalar> {
    VariationalBatch(
      x: x.map { Scalar($0) }, inputs: 1, indices: indices, targets: y.gathering(indices),
      weights: weights.map { all in indices.map { all[$0] } }, likelihood: likelihood, scale: scale)
  }
}
