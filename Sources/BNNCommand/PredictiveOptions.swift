import ArgumentParser
import BNNInference

/// How the spread of a network's outputs becomes probabilities of classes.
struct PredictiveOptions: ParsableArguments {
  @Option(
    name: .long,
    help: """
      classes only: probit, pairwise-probit, bridge (a Dirichlet distribution), monte-carlo (1,000 draws) or plug-in (the \
      most probable network, its uncertainty left out).
      """)
  var predictive = "probit"

  private static let all: [(name: String, method: ClassMethod)] = [
    ("probit", .probit), ("pairwise-probit", .pairwiseProbit), ("bridge", .laplaceBridge),
    ("monte-carlo", .monteCarlo(samples: 500)), ("plug-in", .plugIn),
  ]

  func validate() throws {
    guard Self.all.contains(where: { $0.name == predictive }) else {
      throw ValidationError(
        "--predictive is one of \(Self.all.map(\.name).joined(separator: ", ")); got \"\(predictive)\"")
    }
  }

  var method: ClassMethod { Self.all.first { $0.name == predictive }?.method ?? .probit }
}
