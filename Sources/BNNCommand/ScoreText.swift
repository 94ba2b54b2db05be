import BNNDatasets
import BNNInference

/// Scores as the command prints them.
extension TableScores {
  private var rows: Int {
    switch self {
    case .amounts(let all): all.first?.count ?? 0
    case .classes(let all): all.count
    }
  }

  var members: [(String, JSONText)] {
    switch self {
    case .amounts(let all):
      let scores = all.map { RegressionScores($0) }
      return [
        ("nll", .perTarget(scores.map(\.negativeLogLikelihood))),
        ("rmse", .perTarget(scores.map(\.rootMeanSquaredError))),
        ("crps", .perTarget(scores.map(\.crps))), ("coverage_90", .perTarget(scores.map(\.coverage90))),
      ]
    case .classes(let all):
      let own = ClassScores(all)
      return [
        ("nll", .number(own.negativeLogLikelihood)), ("accuracy", .number(own.accuracy)), ("brier", .number(own.brier)),
        ("ece", .number(own.expectedCalibrationError)),
      ]
    }
  }

  /// - Parameter label: words before every line.
  func say(_ label: String = "", of schema: Schema, _ console: Console) {
    switch self {
    case .classes(let all):
      let score = ClassScores(all)
      console.say(
        "\(label)\(schema.targets[0]): \(rows) rows, accuracy \(readable(100 * score.accuracy)) %, nll "
          + "\(readable(score.negativeLogLikelihood)) nats a row, brier \(readable(score.brier)), expected calibration error "
          + readable(score.expectedCalibrationError)
          + (schema.heads == nil ? "" : "; each row within the head of its class"))
    case .amounts(let all):
      for (name, score) in zip(schema.targets, all.map { RegressionScores($0) }) {
        console.say(
          "\(label)\(name): \(rows) rows, rmse \(readable(score.rootMeanSquaredError)), nll "
            + "\(readable(score.negativeLogLikelihood)) nats a row, crps \(readable(score.crps)), "
            + "\(readable(100 * score.coverage90)) % inside the 90 % interval")
      }
    }
  }
}
