import BNNLinearAlgebra
import BNNModels
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

/// A likelihood with what a test must know of it beside its code: expectations over y, by exact sums or by a rule that
/// is exact for what is averaged.
struct LikelihoodCase: Sendable, CustomTestStringConvertible {
  let name: String
  let likelihood: any Likelihood
  /// Whether the observed Hessian is the expected one.
  let isCanonical: Bool
  /// Points and weights of one target's distribution given the row's outputs and the number of the target.
  let points: @Sendable ([Double], Int) -> [(y: Double, weight: Double)]

  var testDescription: String { name }

  static let all: [LikelihoodCase] =
    [
      LikelihoodCase(name: "gaussian", likelihood: GaussianLikelihood(variance: 0.3), isCanonical: true) { f, _ in
        hermite(f[0], 0.3)
      },
      LikelihoodCase(name: "gaussian 3", likelihood: GaussianLikelihood(variances: [0.3, 2, 1e-3]), isCanonical: true) {
        hermite($0[$1], [0.3, 2, 1e-3][$1])
      },
      LikelihoodCase(name: "heteroscedastic", likelihood: HeteroscedasticLikelihood(), isCanonical: false) { f, _ in
        hermite(f[0], exp(f[1]))
      },
      LikelihoodCase(name: "heteroscedastic 2", likelihood: HeteroscedasticLikelihood(targets: 2), isCanonical: false) {
        hermite($0[$1], exp($0[2 + $1]))
      },
      LikelihoodCase(name: "bernoulli", likelihood: BernoulliLikelihood(), isCanonical: true, points: coin),
      LikelihoodCase(name: "bernoulli 2", likelihood: BernoulliLikelihood(targets: 2), isCanonical: true, points: coin),
      LikelihoodCase(
        name: "categorical 2", likelihood: CategoricalLikelihood(classes: 2), isCanonical: true, points: classes),
      LikelihoodCase(
        name: "categorical 7", likelihood: CategoricalLikelihood(classes: 7), isCanonical: true, points: classes),
      LikelihoodCase(name: "poisson", likelihood: PoissonLikelihood(), isCanonical: true, points: counts),
      LikelihoodCase(name: "poisson 2", likelihood: PoissonLikelihood(targets: 2), isCanonical: true, points: counts),
    ] + heads

  /// Gauss–Hermite with three points: exact for polynomials of degree 5 in y, and the Hessians are of degree 2.
  private static func hermite(_ mean: Double, _ variance: Double) -> [(y: Double, weight: Double)] {
    [-1.0, 0, 1].map { (mean + $0 * (3 * variance).squareRoot(), $0 == 0 ? 2.0 / 3 : 1.0 / 6) }
  }

  /// Seven classes in heads, with a target of one of them.
  private static let heads: [LikelihoodCase] = [
    ([[0, 6], [1, 3, 4], [2, 5]], 1), ([[1, 3], [4, 0, 6, 5, 2]], 1), ([[0, 1, 2, 3, 4, 5, 6]], 0),
  ].compactMap { groups, head in
    guard let heads = try? ClassHeads(groups) else { return nil }
    let own = heads.groups[head]
    return LikelihoodCase(
      name: "head \(head) of \(heads.groups)", likelihood: CategoricalLikelihood(heads: heads), isCanonical: true
    ) { f, t in
      classes(own.map { f[$0] }, t).map { (Double(own[Int($0.y)]), $0.weight) }
    }
  }

  private static let coin: @Sendable ([Double], Int) -> [(y: Double, weight: Double)] = { f, t in
    [(0, 1 / (1 + exp(f[t]))), (1, 1 / (1 + exp(-f[t])))]
  }

  private static let classes: @Sendable ([Double], Int) -> [(y: Double, weight: Double)] = { f, _ in
    let sum = f.reduce(0) { $0 + exp($1) }
    return f.enumerated().map { (Double($0), exp($1) / sum) }
  }

  /// λ ≤ e⁴ here: beyond 200 there is less than 1e-40.
  private static let counts: @Sendable ([Double], Int) -> [(y: Double, weight: Double)] = { f, t in
    var weight = exp(-exp(f[t]))
    return (0...200).map { k in
      if k > 0 { weight *= exp(f[t]) / Double(k) }
      return (Double(k), weight)
    }
  }

  /// Rows of targets with weights, all combinations.
  func expectation(_ f: [Double]) -> [(y: [Double], weight: Double)] {
    (0..<likelihood.targets).reduce([(y: [], weight: 1)]) { rows, t in
      rows.flatMap { row in points(f, t).map { (row.y + [$0.y], row.weight * $0.weight) } }
    }
  }

  /// Outputs of one row, within ±4.
  func outputs(_ gen: inout Gen) -> [Double] { gen.normals(likelihood.outputs).map { max(-4, min(4, 1.5 * $0)) } }

  func gradient(_ f: [Double], _ y: [Double]) -> [Double] {
    likelihood.gradients(outputs: Matrix([f]), targets: Matrix([y])).storage
  }

  func roots(_ f: [Double]) -> [Matrix] {
    likelihood.curvatureRoots(outputs: Matrix([f]), targets: Matrix([expectation(f)[0].y]))
  }

  func logDensity(_ f: [Double], _ y: [Double]) -> Double {
    likelihood.logDensities(outputs: Matrix([f]), targets: Matrix([y]))[0]
  }
}

/// How many standard errors the sample's mean is from its expectation.
func standardErrors(_ sample: [Double], from mean: Double, variance: Double) -> Double {
  let n = Double(sample.count)
  return (sample.reduce(0, +) / n - mean).magnitude / (variance / n).squareRoot()
}
