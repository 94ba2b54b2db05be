import BNNInference
import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport
import Foundation
import Testing

/// The tuned κ against the evidence by dense Cholesky of I + ΦΦᵀ/κ.
@Suite struct TunedPrecisionTests {
  private struct Problem {
    var phi: [[Wide]]
    var y: [Wide]
    var noise: NoisePrior

    func evidence(_ kappa: Double) -> Double {
      let sigma = Dense.covariance(phi, penalties: [Wide](repeating: Wide(kappa), count: phi[0].count))
      switch noise {
      case .known(let variance): return Dense.logNormal(y, sigma, variance: variance)
      case .inverseGamma(let a, let b): return Dense.logStudent(y, sigma, a: a, b: b)
      }
    }

    var system: LinearSystem {
      let p = phi[0].count
      var statistics = LinearStatistics(weights: p, responses: 1)
      var rows = Matrix(zip(phi, y).map { ($0 + [$1]).map { Double($0) } })
      statistics.absorb(&rows)
      return statistics.system(response: 0)
    }

    func formed() throws -> LinearResponse {
      try LinearFormation.form(system, priorMean: nil, unpenalised: 0, precision: .auto, noise: noise).response
    }
  }

  private static let noises: [NoisePrior] = [.weak, .known(variance: 0.09), .inverseGamma(shape: 2, rate: 0.3)]

  private func problem(_ gen: inout Gen, _ noise: NoisePrior) -> Problem {
    let (n, p) = (gen.integer(in: 4...30), gen.integer(in: 1...6))
    let phi = gen.matrix(rows: n, columns: p, condition: pow(10, Double(gen.integer(in: 0...3))))
    let weights = gen.normals(p)
    let errors = gen.normals(n)
    let size = pow(10, Double(gen.integer(in: -1...1)))
    return Problem(
      phi: (0..<n).map { phi.row($0).map { Wide($0) } },
      y: zip(phi.multiplied(by: weights), errors).map { Wide(3 * $0 + 0.3 * size * $1) }, noise: noise)
  }

  @Test(arguments: Gen.seeds(20)) func isAMaximumOfTheDenseEvidence(seed: UInt64) throws {
    for noise in Self.noises {
      var gen = Gen(seed: seed)
      let own = problem(&gen, noise)
      let response = try own.formed()
      let kappa = response.ratio
      let best = own.evidence(kappa)
      #expect(try abs(#require(response.logEvidence) - best) < 1e-9, "seed \(seed), κ = \(kappa)")
      // Never below a point of a dense grid over everything that is searched.
      for i in -96...96 {
        let other = own.evidence(pow(10, Double(i) / 8))
        #expect(other <= best + 1e-9, "seed \(seed), κ = \(kappa), better at 10^\(Double(i) / 8)")
      }
      // Stationary inside the searched range: a central difference with step h in log κ has an error of h²|ℓ‴|/6
      // with |ℓ‴| of the order of P, and rounding 1e-12/h.
      guard kappa > 1e-11, kappa < 1e11 else { continue }
      let h = 1e-4
      let slope = (own.evidence(kappa * exp(h)) - own.evidence(kappa * exp(-h))) / (2 * h)
      #expect(abs(slope) < 1e-6, "seed \(seed), κ = \(kappa)")
    }
  }

  @Test(arguments: Gen.seeds(20)) func curveAgreesWithDenseDensitiesEverywhere(seed: UInt64) throws {
    for noise in Self.noises {
      var gen = Gen(seed: seed)
      let own = problem(&gen, noise)
      let curve = try EvidenceCurve(own.system, priorMean: nil, unpenalised: 0, noise: noise)
      for exponent in stride(from: -6.0, through: 6, by: 1.5) {
        let kappa = pow(10, exponent)
        #expect(try abs(curve.logEvidence(kappa) - own.evidence(kappa)) < 1e-8, "seed \(seed), κ = \(kappa)")
        let h = 1e-4
        let slope = (own.evidence(kappa * exp(h)) - own.evidence(kappa * exp(-h))) / (2 * h)
        #expect(abs(curve.derivative(kappa) - slope) < 1e-6 * max(1, abs(slope)), "seed \(seed), κ = \(kappa)")
      }
    }
  }

  /// One strong, well-determined direction and several weak ones that share a small κ of their own: two maxima.
  @Test func bothModesAreFoundAndTheHigherWins() throws {
    var sides: Set<Bool> = []
    for step in 0...40 {
      // Singular values 1 and 0.01; the large projection on the small one moves from nothing to much.
      let weak = 0.05 * Double(step)
      var phi = [[Wide]](repeating: [0, 0, 0, 0, 0, 0], count: 6)
      for j in 0..<6 { phi[j][j] = j < 3 ? 30 : 0.03 }
      let own = Problem(
        phi: phi, y: [3, -3, 3, Wide(weak), Wide(-weak), Wide(weak)], noise: .known(variance: 0.09))
      let response = try own.formed()
      let grid = (-96...96).map { own.evidence(pow(10, Double($0) / 8)) }
      let maxima = (1..<192).filter { grid[$0] > grid[$0 - 1] && grid[$0] > grid[$0 + 1] }
      let best = own.evidence(response.ratio)
      #expect(grid.allSatisfy { $0 <= best + 1e-9 }, "weak = \(weak), κ = \(response.ratio), maxima \(maxima)")
      if maxima.count == 2 { sides.insert(response.ratio > 1) }
    }
    #expect(sides.count == 2, "each of the two maxima has been the higher one")
  }

  /// The user's α: κ/σ̂²(κ) = α.
  @Test(arguments: Gen.seeds(20), [1e-6, 0.1, 1, 50, 1e7]) func givenPrecisionIsMet(seed: UInt64, alpha: Double) throws
  {
    for noise in Self.noises {
      var gen = Gen(seed: seed)
      let own = problem(&gen, noise)
      let response = try LinearFormation.form(
        own.system, priorMean: nil, unpenalised: 0, precision: .given(alpha), noise: noise
      ).response
      // A root to a few ulps of log κ.
      let found = try #require(response.priorPrecision)
      #expect(relativeWorst([found], [alpha]) < 1e-12, "seed \(seed): \(found)")
      let ridge = Dense.ridge(
        own.phi, own.y, penalties: [Wide](repeating: Wide(response.ratio), count: own.phi[0].count))
      let belief = NetworkSequenceTests.noise(ridge, count: own.y.count, noise)
      #expect(relativeWorst([response.ratio / belief.scaleSquared], [alpha]) < 1e-10, "seed \(seed)")
    }
  }
}
