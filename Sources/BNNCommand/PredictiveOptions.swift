import ArgumentParser
import BNNInference

/// How the uncertainty of a network's weights reaches its predictions.
struct PredictiveOptions: ParsableArguments {
  @Option(
    name: .long,
    help: """
      laplace, kalman: auto (the network linearised; classes by pairwise-probit, two of bernoulli by probit, with the share of \
      the spread that D1's rows bear out). mean-field: auto is moments (means and variances from layer to layer; classes with \
      all of the spread). All three: network-monte-carlo (--samples draws of the weights, each put into the network itself). \
      Classes only, of the network linearised: probit, pairwise-probit, bridge (a Dirichlet distribution), monte-carlo (1,000 draws \
      of the linearised network's outputs) or plug-in (the most probable network, its uncertainty left out).
      """)
  var predictive = "auto"

  @Option(
    name: .long,
    help: "network-monte-carlo only: draws of the weights, in pairs; the same ones for all rows (default: 1000).")
  var samples: Int?

  private static let all: [(name: String, method: PredictiveMethod)] = [
    ("auto", .automatic), ("probit", .linearised(classes: .probit)),
    ("pairwise-probit", .linearised(classes: .pairwiseProbit)), ("bridge", .linearised(classes: .laplaceBridge)),
    ("monte-carlo", .linearised(classes: .monteCarlo(samples: 500))),
    ("network-monte-carlo", .networkMonteCarlo(samples: 500)), ("moments", .moments(classes: nil)),
    ("plug-in", .linearised(classes: .plugIn)),
  ]

  func validate() throws {
    guard Self.all.contains(where: { $0.name == predictive }) else {
      throw ValidationError(
        "--predictive is one of \(Self.all.map(\.name).joined(separator: ", ")); got \"\(predictive)\"")
    }
    if let samples {
      guard predictive == "network-monte-carlo" else {
        throw ValidationError("--samples belongs to --predictive network-monte-carlo")
      }
      guard samples >= 2, samples.isMultiple(of: 2), samples <= 1_000_000 else {
        throw ValidationError("--samples is an even number, 2 to 1,000,000; got \(samples)")
      }
    }
  }

  var method: PredictiveMethod {
    if let samples { return .networkMonteCarlo(samples: samples / 2) }
    return Self.all.first { $0.name == predictive }?.method ?? .automatic
  }
}
