import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@testable import BNNInference

/// Draws of weights put into the network itself: against the closed form where the network is linear in them, against
/// quadrature over the weights where it is not.
struct NetworkMonteCarloTests {
  static let rows = 24

  /// A posterior after rows on [−1, 1]ᵈ.
  private static func posterior(
    _ kind: LikelihoodKind, inputs: Int, hidden: [Int], _ settings: LaplaceSettings, members: Int = 1
  ) throws -> Posterior {
    var stream = RandomStream(seed: 5)
    let x = Matrix(
      rows: rows, columns: inputs, storage: (0..<(rows * inputs)).map { _ in 2 * stream.uniform() - 1 })
    let y = Matrix(
      rows: rows, columns: 1,
      storage: (0..<rows).map { i in
        switch kind {
        case .gaussian, .heteroscedastic: sin(3 * x[i, 0]) + 0.1 * Double(i % 5)
        case .poisson: Double(i % 3) + (x[i, 0] > 0 ? 2 : 0)
        case .bernoulli: (x[i, 0] > 0) != (i % 5 == 0) ? 1 : 0
        case .categorical: Double(i % 4 == 0 ? i / 4 % 3 : x[i, 0] > 0.3 ? 2 : x[i, 0] > -0.3 ? 1 : 0)
        }
      })
    let classes: TargetKind =
      switch kind {
      case .bernoulli: .classes(["no", "yes"])
      case .categorical: .classes(["a", "b", "c"])
      case .poisson: .count
      default: .number
      }
    return try Posterior.laplace(
      NetworkSpec(
        inputs: inputs, hidden: hidden, outputs: kind.outputs(targets: 1, classes: 3), activation: .tanh),
      settings: settings, likelihood: kind,
      schema: Schema(
        featureColumns: (0..<inputs).map { FeatureColumn(name: "x\($0)") }, targets: ["y"], targetKind: classes),
      features: x, targets: y, normalisation: .identity(features: inputs, targets: 1), standardised: false,
      prior: PriorSettings(precision: .given(0.5)), members: members
    ).posterior
  }

  /// Without a hidden layer outputs are Gaussian with the linearised moments. Pairs ±Lz have the mean exactly; the product of
  /// two outputs' deviations has the variance S_aa S_bb + S_ab², so that S pairs know S_ab to its root over √S: eight of
  /// those, for some 150 comparisons a chance of 1e-13.
  @Test(arguments: CurvatureStructure.allCases)
  func linearNetworksHaveTheClosedForm(_ structure: CurvatureStructure) throws {
    let own = try Self.posterior(
      .heteroscedastic, inputs: 3, hidden: [], LaplaceSettings(structure: structure, rank: 3))
    let network = Network(try #require(own.model.network))
    let member = own.members[0]
    let state = try #require(member.laplace)
    let x = Matrix([[0.2, -1, 0.5], [3, 0.1, -2], [0, 0, 0], [-0.4, 0.9, 1]])
    let exact = try LaplaceMoments(network, member.theta, state).linearised(x)
    let samples = 20_000
    let drawn = try NetworkDraws(
      network, member.theta, state, samples: samples, stream: RandomStream(seed: 8)
    ).outputs(x)
    #expect(drawn.count == 2 * samples)
    for i in 0..<x.rows {
      let f = exact.row(i)
      for a in 0..<2 {
        let mean = drawn.reduce(0) { $0 + $1[i, a] } / Double(drawn.count)
        // Displacements are kept in single precision; their signs cancel.
        #expect(abs(mean - f.mean[a]) < 1e-12 * max(1, abs(f.mean[a])))
        for b in 0...a {
          let found = drawn.reduce(0) { $0 + ($1[i, a] - f.mean[a]) * ($1[i, b] - f.mean[b]) } / Double(drawn.count)
          let (va, vb, both) = (f.covariance[a, a], f.covariance[b, b], f.covariance[a, b])
          #expect(abs(found - both) < 8 * ((va * vb + both * both) / Double(samples)).squareRoot())
        }
      }
    }
  }

  /// E g(f(x; θ)) over the two weights of a hidden unit by nested quadrature, from the precision's own inverse.
  private struct Oracle {
    let network: Network
    let theta: [Double]
    /// Lower triangular, LLᵀ = Λ⁻¹.
    let root: (Double, Double, Double)

    init(_ posterior: Posterior) throws {
      network = Network(try #require(posterior.model.network))
      theta = posterior.members[0].theta
      let state = try #require(posterior.members[0].laplace)
      let (first, second) = (state.precisionTimes([1, 0]), state.precisionTimes([0, 1]))
      let determinant = first[0] * second[1] - first[1] * second[0]
      let (a, b, c) = (second[1] / determinant, -first[1] / determinant, first[0] / determinant)
      root = (a.squareRoot(), b / a.squareRoot(), (c - b * b / a).squareRoot())
    }

    func expectation(_ x: Double, _ g: @escaping ([Double]) -> Double) throws -> Double {
      let normal = { (z: Double) in exp(-0.5 * z * z) / (2 * Double.pi).squareRoot() }
      return try quadrature(-8, 8) { z0 in
        let inner = try? quadrature(-8, 8) { z1 in
          var own = theta
          own[0] += root.0 * z0
          own[1] += root.1 * z0 + root.2 * z1
          let f = network.forward(Matrix([[x]]), network.parameters(own))
          return normal(z1) * g(Array(f.row(0)))
        }
        return normal(z0) * (inner ?? .nan)
      }
    }
  }

  /// One hidden unit, its weight and bias uncertain. Pairs have at most twice the variance of their halves: S pairs know E g
  /// to √(Var g/S); eight of those.
  @Test(arguments: LikelihoodKind.allCases, [CurvatureStructure.full, .diagonal])
  func nonlinearNetworksHaveTheIntegral(_ kind: LikelihoodKind, _ structure: CurvatureStructure) throws {
    let own = try Self.posterior(
      kind, inputs: 1, hidden: [1], LaplaceSettings(structure: structure, layers: 0..<1))
    let oracle = try Oracle(own)
    let samples = 20_000
    let predictor = try Predictor(own, method: .networkMonteCarlo(samples: samples), seed: 2)
    for x in [-1.5, 0.1, 0.8] {
      let row = try #require(try predictor.predictions(features: Matrix([[x]])).first)
      func check(_ found: Double, _ what: String, _ g: @escaping ([Double]) -> Double) throws {
        let mean = try oracle.expectation(x, g)
        let variance = max(0, try oracle.expectation(x) { pow(g($0) - mean, 2) })
        #expect(variance > 1e-12, "the network is uncertain there")
        #expect(abs(found - mean) < 8 * (variance / Double(samples)).squareRoot(), "\(what) at \(x)")
      }
      switch row {
      case .classes(let all):
        for c in 0..<all[0].probabilities.count {
          try check(all[0].probabilities[c], "class \(c)") { f in
            if f.count == 1 { return 1 / (1 + exp(c == 1 ? -f[0] : f[0])) }
            return exp(f[c]) / f.reduce(0) { $0 + exp($1) }
          }
        }
      case .amounts(let all):
        let variance = own.members[0].laplace?.noiseVariance ?? .nan
        let y = kind == .poisson ? 2.0 : 0.3
        try check(exp(all[0].logDensity(y)), "density") { f in
          switch kind {
          case .poisson: exp(2 * f[0] - exp(f[0])) / 2
          case .gaussian: exp(-0.5 * pow(y - f[0], 2) / variance) / (2 * Double.pi * variance).squareRoot()
          default: exp(-0.5 * pow(y - f[0], 2) / exp(f[1])) / (2 * Double.pi * exp(f[1])).squareRoot()
          }
        }
        try check(all[0].mean, "mean") { f in kind == .poisson ? exp(f[0]) : f[0] }
        let square = all[0].epistemicVariance + all[0].mean * all[0].mean
        try check(square, "second moment") { f in kind == .poisson ? exp(2 * f[0]) : f[0] * f[0] }
        if kind != .gaussian {
          try check(all[0].aleatoricVariance, "noise") { f in kind == .poisson ? exp(f[0]) : exp(f[1]) }
        } else {
          #expect(abs(all[0].aleatoricVariance / variance - 1) < 1e-12)
        }
      }
    }
  }

  /// Members are pooled, pieces of rows have the same weights, and neither threads nor the other rows show.
  @Test(arguments: [CurvatureStructure.full, .diagonal])
  func drawsAreCommonToAllRows(_ structure: CurvatureStructure) throws {
    let own = try Self.posterior(
      .categorical, inputs: 1, hidden: [4], LaplaceSettings(structure: structure), members: 2)
    let predictor = try Predictor(own, method: .networkMonteCarlo(samples: 4000), seed: 2)
    let x = Matrix(rows: 700, columns: 1, storage: (0..<700).map { Double($0 % 3) })
    let all = try predictor.predictions(features: x, threads: 3)
    func classes(_ row: RowPrediction?) throws -> ClassPredictive {
      guard case .classes(let own) = row else { throw UpdateError.unsuitable("classes") }
      return own[0]
    }
    let one = try predictor.predictions(features: Matrix([[1]]))
    // Rows side by side are multiplied in another order: rounding.
    #expect(relativeDifference(try classes(one[0]).probabilities, try classes(all[1]).probabilities) < 1e-12)
    #expect(relativeDifference(try classes(all[1]).probabilities, try classes(all[697]).probabilities) < 1e-12)
    let other = try Predictor(own, method: .networkMonteCarlo(samples: 4000), seed: 3)
    #expect(try classes(other.predictions(features: Matrix([[1]]))[0]) != classes(one[0]))
    #expect(try #require(try classes(one[0]).mutualInformation) > 0)
  }

  /// Of independent weights the first layer's sums are drawn, which every row cannot tell from draws of the weights: means and
  /// mean products of two outputs against weights drawn here, eight of the difference's standard errors by both scatters.
  @Test func sumsOfTheFirstLayerAreDrawsOfItsWeights() throws {
    let own = try Self.posterior(.categorical, inputs: 3, hidden: [4, 3], LaplaceSettings(structure: .diagonal))
    let network = Network(try #require(own.model.network))
    let member = own.members[0]
    let state = try #require(member.laplace)
    let x = Matrix([[0.2, -1, 0.5], [3, 0.1, -2]])
    let samples = 8000
    let drawn = try NetworkDraws(
      network, member.theta, state, samples: samples / 2, stream: RandomStream(seed: 8)
    ).outputs(x)
    let deviations = try state.factored().marginalVariances.map { $0.squareRoot() }
    var stream = RandomStream(seed: 9)
    let direct = (0..<samples).map { _ in
      let noise = stream.normals(deviations.count)
      let theta = member.theta.indices.map { member.theta[$0] + deviations[$0] * noise[$0] }
      return network.forward(x, network.parameters(theta))
    }
    func compare(_ statistic: (Matrix) -> Double) {
      func moments(_ all: [Double]) -> (mean: Double, variance: Double) {
        let mean = all.reduce(0, +) / Double(all.count)
        return (mean, all.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(all.count))
      }
      let (one, other) = (moments(drawn.map(statistic)), moments(direct.map(statistic)))
      #expect(other.variance > 0.001, "the network is uncertain there")
      // A pair's mean has at most the variance of one draw.
      let error = ((2 * one.variance + other.variance) / Double(samples)).squareRoot()
      #expect(abs(one.mean - other.mean) < 8 * error)
    }
    for i in 0..<x.rows {
      for a in 0..<3 {
        compare { $0[i, a] }
        for b in 0...a { compare { $0[i, a] * $0[i, b] } }
      }
    }
  }

  @Test func posteriorsOfLinearModelsHaveNone() throws {
    let tangent = try Self.posterior(.bernoulli, inputs: 1, hidden: [2], LaplaceSettings(isLinearised: true))
    #expect(throws: UpdateError.self) { try Predictor(tangent, method: .networkMonteCarlo(samples: 10)) }
    var linear = SequentialUpdate(.linear(schema: Schema(features: ["x"], targets: ["y"])))
    try linear.absorb(features: Matrix([[0], [1], [3]]), targets: Matrix([[0], [1.1], [2.8]]))
    let posterior = try linear.finish().posterior
    #expect(throws: UpdateError.self) { try Predictor(posterior, method: .networkMonteCarlo(samples: 10)) }
  }

  /// ∫(F − 1{t ≥ y})² dt by quadrature, for a mixture that the trapezoidal rule takes and one that pairs take.
  @Test(arguments: [(400, 0.05), (6, 0.002)])
  func crpsOfManyNormals(_ count: Int, _ narrow: Double) throws {
    var stream = RandomStream(seed: 4)
    let mixture = NormalMixture(
      weights: [Double](repeating: 1 / Double(count), count: count), locations: stream.normals(count),
      deviations: (0..<count).map { $0 % 2 == 0 ? 0.3 : 0.3 + narrow })
    for y in [-1.0, 0.2, 4] {
      func below(_ t: Double) -> Double {
        mixture.weights.indices.reduce(0) {
          $0 + mixture.weights[$1]
            * Distributions.normalCDF((t - mixture.locations[$1]) / mixture.deviations[$1])
        }
      }
      let expected =
        try quadrature(-12, y) { pow(below($0), 2) } + quadrature(y, 12) { pow(1 - below($0), 2) }
      #expect(abs(mixture.crps(y) - expected) < 1e-10)
    }
  }
}
