import BNNInference
import BNNLinearAlgebra
import BNNTestSupport
import Foundation
import Testing

/// Class probabilities beside NumPy's and laplace-torch's.
@Suite struct ClassReferenceTests {
  private static func read<T: Decodable>(_ name: String, as type: T.Type) throws -> T {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
      "Fixtures/\(name)")
    return try JSONDecoder().decode(type, from: Data(contentsOf: file))
  }

  private struct Case: Decodable {
    let mean, exact, deviations, plugIn, probit, pairwiseProbit, laplaceBridge: [Double]
    let covariance: [[Double]]
  }

  @Test func agreeWithNumPy() throws {
    let cases = try Self.read("class_methods.json", as: [Case].self)
    #expect(cases.count == 3)
    for reference in cases {
      let f = OutputGaussian(mean: reference.mean, covariance: Matrix(reference.covariance))
      let closed: [(ClassMethod, [Double])] = [
        (.plugIn, reference.plugIn), (.probit, reference.probit),
        (.pairwiseProbit, reference.pairwiseProbit),
        (.laplaceBridge, reference.laplaceBridge),
      ]
      for (method, expected) in closed {
        // Exponentials of numbers below 20, centring of a covariance of about its own size.
        let found = ClassPredictor(method: method, outputs: f.mean.count)(f).probabilities
        #expect(relativeDifference(found, expected) < 1e-13, "\(method)")
      }
      let samples = 5000
      let found = ClassPredictor(
        method: .monteCarlo(samples: samples), outputs: f.mean.count, seed: 9)(f).probabilities
      for c in f.mean.indices {
        // Six standard errors of both estimates; a pair ±z has at most the variance of one draw.
        let allowed = 6 * reference.deviations[c] * (1 / Double(samples) + 1 / 400_000).squareRoot()
        #expect((found[c] - reference.exact[c]).magnitude < allowed, "class \(c)")
      }
    }
  }

  private struct Networks: Decodable {
    struct Probabilities: Decodable {
      let probit: [[Double]]
      let bridge: [[Double]]?
    }
    struct Posterior: Decodable {
      let functional_covariances: [[[Double]]]
      let class_probabilities: Probabilities?
    }
    struct Network: Decodable {
      let likelihood: String
      let mean: [[Double]]
      let posteriors: [Posterior]
    }
    let networks: [Network]
  }

  /// Its bridge conditions on Σf = 0 where ours centres; given the conditioned Gaussian both are one formula.
  @Test func agreeWithLaplaceTorch() throws {
    let networks = try Self.read("laplace_torch.json", as: Networks.self).networks
    var compared = 0
    for network in networks where ["bernoulli", "categorical"].contains(network.likelihood) {
      for posterior in network.posteriors {
        guard let expected = posterior.class_probabilities else { continue }
        for (i, mean) in network.mean.enumerated() {
          let f = OutputGaussian(
            mean: mean, covariance: Matrix(posterior.functional_covariances[i]))
          let probit = ClassPredictor(method: .probit, outputs: mean.count)(f).probabilities
          #expect(relativeDifference(probit, expected.probit[i]) < 1e-13)
          compared += 1
          guard let bridge = expected.bridge?[i] else { continue }
          let sums = mean.indices.map { f.covariance.row($0).reduce(0, +) }
          let whole = sums.reduce(0, +)
          var conditioned = f
          let total = mean.reduce(0, +)
          for a in mean.indices {
            conditioned.mean[a] -= sums[a] * total / whole
            for b in mean.indices { conditioned.covariance[a, b] -= sums[a] * sums[b] / whole }
          }
          let found = ClassPredictor(method: .laplaceBridge, outputs: mean.count)(conditioned)
            .probabilities
          // Conditioning and centring cancel digits of the covariance.
          #expect(relativeDifference(found, bridge) < 1e-11)
          compared += 1
        }
      }
    }
    #expect(compared > 20)
  }
}
