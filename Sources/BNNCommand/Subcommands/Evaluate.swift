import ArgumentParser
import BNNDatasets
import BNNInference
import BNNPosteriorFile

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Score predictions on rows whose targets are known: rmse, nll, crps, coverage; classes: accuracy, nll, brier, ece."
  )

  @Argument(help: "The posterior file.")
  var posterior: String

  @Argument(help: "Rows with features and targets: a .csv, .csv.gz, .npy, .npz or IDX file, or -.")
  var data: String

  @Option(name: .long, help: "Another posterior to score on the same rows; exit 2 when the first is worse than it.")
  var against: String?

  @OptionGroup var tasks: TaskOptions
  @OptionGroup var predictive: PredictiveOptions
  @OptionGroup var labels: LabelOptions
  @OptionGroup var properties: PropertyOptions
  @OptionGroup var tables: DataOptions
  @OptionGroup var levels: UnseenOptions
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let console = global.console
    let own = try loadPosterior(posterior).posterior
    try properties.check(against: own, file: posterior)
    let other = try against.map { try loadOther($0, own) }
    let reader = try DatasetReader(
      path: data, labels: labels.file, schema: own.model.schema, options: levels.apply(to: tables.options),
      task: tasks.choice)
    let rows = try Dataset(readingAll: reader)
    remark(on: reader, console)
    let each = try score(own, rows)
    let theirs = try other.map { try score($0, rows) }
    let comparison = try theirs.map { try compare(each, $0) }
    var object = [("rows", JSONText.integer(rows.rows))] + each.members
    each.say(of: own.schema, console)

    if let other, let against, let theirs, let comparison {
      object.append(
        (
          "against",
          .object(
            theirs.members + [
              ("nll_difference", .number(comparison.difference)),
              ("standard_error", .optional(comparison.standardError)), ("worse", .boolean(comparison.isWorse)),
            ])
        ))
      if comparison.isWorse { object.append(("refused", .object([("why", .string("worse"))]))) }
      console.say("\(against), on the same rows:")
      theirs.say(of: other.schema, console)
      console.say(verdict(comparison))
    }
    console.result(object)
    if comparison?.isWorse == true { throw ExitCode(ExitStatus.found) }
  }

  private func compare(_ own: TableScores, _ other: TableScores) throws -> PairedComparison {
    let result: PairedComparison
    switch (own, other) {
    case (.amounts(let own), .amounts(let other)): result = PairedComparison(own, other)
    case (.classes(let own), .classes(let other)): result = PairedComparison(own, other)
    default:
      throw CommandFailure(
        ExitStatus.usage, "one posterior predicts classes and the other amounts", file: against,
        remedy: "compare posteriors of the same targets")
    }
    guard result.difference.isFinite else {
      throw CommandFailure(
        ExitStatus.failed, "the two cannot be compared: a row's predicted density is too small for a number",
        file: data, remedy: "look for a target or feature far outside all others")
    }
    return result
  }

  private func verdict(_ comparison: PairedComparison) -> String {
    let size = readable(abs(comparison.difference))
    let order =
      comparison.difference == 0
      ? "both score the same: \(size)" : "\(posterior) is \(comparison.difference > 0 ? "worse" : "better") by \(size)"
    return "\(order) ± \(readable(comparison.standardError)) nats a row"
      + (comparison.isWorse ? ": worse by more than two standard errors" : "")
  }

  private func loadOther(_ path: String, _ own: Posterior) throws -> Posterior {
    let other = try loadPosterior(path).posterior
    guard other.model.schema == own.model.schema else {
      throw CommandFailure(
        ExitStatus.usage, "its columns are not those of \(posterior)", file: path,
        remedy: "compare posteriors of the same features, targets and heads")
    }
    return other
  }

  private func score(_ own: Posterior, _ rows: Dataset) throws -> TableScores {
    try own.tableScores(
      features: rows.featureMatrix, targets: rows.targetMatrix, weights: rows.weights,
      method: predictive.method, seed: global.seed, threads: global.workers)
  }
}
