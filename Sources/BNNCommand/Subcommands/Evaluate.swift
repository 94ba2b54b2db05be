import ArgumentParser
import BNNDatasets
import BNNInference
import BNNPosteriorFile

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Score predictions on rows whose targets are known: rmse, nll, crps, coverage.")

  @Argument(help: "The posterior file.")
  var posterior: String

  @Argument(help: "Rows with features and targets.")
  var data: String

  @OptionGroup var properties: PropertyOptions
  @OptionGroup var tables: DataOptions
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let console = global.console
    let own = try loadPosterior(posterior).posterior
    try properties.check(against: own, file: posterior)
    let reader = try DatasetReader(path: data, schema: own.model.schema, options: tables.options)
    let rows = try Dataset(readingAll: reader)
    remark(on: reader, console)
    let scores = try own.scores(features: rows.featureMatrix, targets: rows.targetMatrix, threads: global.workers)
    console.result([
      ("rows", .integer(rows.rows)), ("nll", .perTarget(scores.map(\.negativeLogLikelihood))),
      ("rmse", .perTarget(scores.map(\.rootMeanSquaredError))), ("crps", .perTarget(scores.map(\.crps))),
      ("coverage_90", .perTarget(scores.map(\.coverage90))),
    ])
    for (name, score) in zip(own.model.schema.targets, scores) {
      console.say(
        "\(name): \(rows.rows) rows, rmse \(readable(score.rootMeanSquaredError)), nll "
          + "\(readable(score.negativeLogLikelihood)) nats a row, crps \(readable(score.crps)), "
          + "\(readable(100 * score.coverage90)) % inside the 90 % interval")
    }
  }
}
