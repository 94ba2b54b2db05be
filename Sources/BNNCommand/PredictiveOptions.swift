import ArgumentParser
import BNNInference

/// How the spread of a network's outputs becomes probabilities of classes.
struct PredictiveOptions: ParsableArguments {
  @Option(
    name: .long,
    help: """
      classes only: auto (bridge for several classes, probit for two, with the share of the spread that D1's rows bear out \
      one by one), probit, pairwise-probit, bridge (a Dirichlet \
      distribution), monte-carlo (1,000 draws) or plug-in (the most probable network, its uncertainty left out).
      """)
  var predictive = "auto"

  private static let all: [(name: String, method: ClassMethod)] = [
    ("probit", .probit), ("pairwise-probit", .pairwiseProbit), ("bridge", .laplaceBridge),
    ("monte-carlo", .monteCarlo(samples: 500)), ("plug-in", .plugIn),
  ]

  func validate() throws {
    guard predictive == "auto" || Self.all.contains(where: { $0.name == predictive }) else {
      throw ValidationError(
        "--predictive is one of auto, \(Self.all.map(\.name).joined(separator: ", ")); got \"\(predictive)\"")
    }
  }

  /// nil for the likelihood's own.
  var method: ClassMethod? { Self.all.first { $0.name == predictive }?.method }
}
