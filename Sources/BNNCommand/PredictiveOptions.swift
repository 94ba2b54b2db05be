import ArgumentParser
import BNNInference

/// How the uncertainty of a network's weights reaches its predictions.
struct PredictiveOptions: ParsableArguments {
  @Option(
    name: .long,
    help: """
      Laplace posteriors: auto (the network linearised; classes by pairwise-probit, two of bernoulli by probit, with the \
      share of the spread that D1's rows bear out) or network-monte-carlo (1,000 draws of the weights, each put into the \
      network itself). Classes only: probit, pairwise-probit, bridge (a Dirichlet distribution), monte-carlo (1,000 draws \
      of the linearised network's outputs) or plug-in (the most probable network, its uncertainty left out).
      """)
  var predictive = "auto"

  private static let all: [(name: String, method: PredictiveMethod)] = [
    ("auto", .automatic), ("probit", .linearised(classes: .probit)),
    ("pairwise-probit", .linearised(classes: .pairwiseProbit)), ("bridge", .linearised(classes: .laplaceBridge)),
    ("monte-carlo", .linearised(classes: .monteCarlo(samples: 500))),
    ("network-monte-carlo", .networkMonteCarlo(samples: 500)), ("plug-in", .linearised(classes: .plugIn)),
  ]

  func validate() throws {
    guard Self.all.contains(where: { $0.name == predictive }) else {
      throw ValidationError(
        "--predictive is one of \(Self.all.map(\.name).joined(separator: ", ")); got \"\(predictive)\"")
    }
  }

  var method: PredictiveMethod { Self.all.first { $0.name == predictive }?.method ?? .automatic }
}
