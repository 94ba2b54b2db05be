import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Testing

@testable import BNNDatasets
@testable import BNNInference

/// Over 1,000 simulated data sets the 90 % intervals of exact engines hold the truth in 90 % of them: that of every weight, and the next
/// observation. Truth is drawn from the prior, D1 and D2 from the model, and the posterior is of two updates. The standard error of a
/// share is √(0.9·0.1/1000) = 0.95 %; 4.5 of them are 4.3 %, and all shares of a model together miss that with probability 1e-4.
@Suite("coverage of exact engines") struct CoverageTests {
  static let sets = 1000
  static let bound = 4.5 * (0.09 / Double(sets)).squareRoot()

  enum Basis: CaseIterable {
    case linear, lastLayer, tangent

    /// Φ of n rows, and w₀.
    func design(rows n: Int) -> (phi: Matrix, priorMean: [Double]?) {
      var gen = Gen(seed: 21)
      let x = gen.matrix(rows: n, columns: 2)
      let network = Network(NetworkSpec(inputs: 2, hidden: [3], outputs: 1, activation: .tanh))
      let theta = gen.normals(network.parameterCount)
      let identity = Normalisation.identity(features: 2, targets: 1)
      switch self {
      case .linear:
        return (
          LinearRegressionBasis(features: 2, outputs: 1, intercept: true, normalisation: identity).design(features: x)
            .rows,
          nil
        )
      case .lastLayer:
        return (LastLayerBasis(network: network, theta: theta, normalisation: identity).design(features: x).rows, nil)
      case .tangent:
        let basis = TangentBasis(network: network, theta: theta, normalisation: identity, outputRoot: nil)
        return (basis.design(features: x).rows, basis.priorMean)
      }
    }
  }

  /// The share of sets in which each weight, and last the observation, lies in its interval.
  ///
  /// - Parameter absorbed: the rows of every update; the last row is the one that is predicted.
  private func shares(_ basis: Basis, _ noise: NoisePrior, absorbed: [Range<Int>]) throws -> [Double] {
    let n = 31
    let (phi, priorMean) = basis.design(rows: n)
    let p = phi.columns
    let ratio = 0.8
    let root = RandomStream(seed: 77)
    var hits = [Int](repeating: 0, count: p + 1)
    for k in 0..<Self.sets {
      var stream = root.split(UInt64(k))
      let variance: Double
      switch noise {
      case .known(let known): variance = known
      case .inverseGamma(let a, let b): variance = 1 / stream.gamma(shape: a, rate: b)
      }
      let sd = variance.squareRoot()
      let weights = stream.normals(p).enumerated().map { (priorMean?[$0] ?? 0) + $1 * sd / ratio.squareRoot() }
      let y = zip(phi.multiplied(by: weights), stream.normals(n)).map { $0 + sd * $1 }
      var statistics = LinearStatistics(weights: p, responses: 1)
      for range in absorbed {
        var rows = Matrix(
          sideBySide: phi.rows(range), Matrix(rows: range.count, columns: 1, storage: Array(y[range])))
        statistics.absorb(&rows)
      }
      let own = try #require(
        try LinearFormation.posterior(
          statistics.system(response: 0), priorMean: priorMean, unpenalised: 0, ratio: ratio, noise: noise))
      let nu = own.noise.degreesOfFreedom
      let reach =
        nu.isFinite
        ? try Distributions.studentQuantile(0.95, degreesOfFreedom: nu) : try Distributions.normalQuantile(0.95)
      for (j, scale) in own.marginalScales().enumerated() where abs(weights[j] - own.mean[j]) <= reach * scale {
        hits[j] += 1
      }
      let last = phi.rows((n - 1)..<n)
      let spread = (own.noise.scaleSquared * (1 + own.factor.variances(along: last)[0])).squareRoot()
      if abs(y[n - 1] - last.multiplied(by: own.mean)[0]) <= reach * spread { hits[p] += 1 }
    }
    return hits.map { Double($0) / Double(Self.sets) }
  }

  @Test(arguments: Basis.allCases, [NoisePrior.known(variance: 0.25), .inverseGamma(shape: 3, rate: 0.5)])
  func intervalsCover(basis: Basis, noise: NoisePrior) throws {
    for (j, share) in try shares(basis, noise, absorbed: [0..<18, 18..<30]).enumerated() {
      #expect(abs(share - 0.9) < Self.bound, "\(basis), \(j): \(share)")
    }
  }

  /// The same of a batch that is absorbed three times, so that a posterior that is too sure is seen.
  @Test func countingThriceDoesNot() throws {
    let all = try shares(.linear, .known(variance: 0.25), absorbed: [0..<18, 18..<30, 18..<30, 18..<30])
    #expect(all.dropLast().allSatisfy { $0 < 0.9 - Self.bound })
  }
}
