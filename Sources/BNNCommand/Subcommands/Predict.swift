import ArgumentParser
import BNNDatasets
import BNNInference
import BNNPosteriorFile
import Foundation

struct Predict: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Predict rows: mean, spread and quantiles; or classes with their probabilities.")

  @Argument(help: "The posterior file.")
  var posterior: String

  @Argument(help: "Rows with the posterior's features: a .csv, .csv.gz, .npy, .npz or IDX file, or -.")
  var data: String

  @Option(name: [.short, .long], help: "A .csv, .json or .npz file (default: CSV on standard output).")
  var output: String?

  @Flag(name: .long, help: "Overwrite the output if it exists.")
  var force = false

  @Option(name: .long, help: "Probabilities of the quantile columns, comma-separated.")
  var quantiles = "0.05,0.5,0.95"

  @Option(name: .long, help: "Columns of the table that are copied in front as they are, comma-separated.")
  var keep: String?

  @Flag(
    name: .long,
    help: """
      Of classes: two more columns, by which rows unlike those learnt from stand out: entropy, of the predicted classes in nats, and \
      output_sd, the spread that the weights leave to the network's outputs (laplace, kalman, mean-field).
      """)
  var uncertainty = false

  @OptionGroup var tasks: TaskOptions
  @OptionGroup var predictive: PredictiveOptions
  @OptionGroup var properties: PropertyOptions
  @OptionGroup var tables: DataOptions
  @OptionGroup var levels: UnseenOptions
  @OptionGroup var global: GlobalOptions

  private func probabilities() throws -> [Double] {
    let levels = try quantiles.split(separator: ",", omittingEmptySubsequences: false).map { part in
      guard let p = Double(part.trimmingCharacters(in: .whitespaces)), p > 0, p < 1 else {
        throw ValidationError("--quantiles are probabilities between 0 and 1, got \"\(part)\"")
      }
      return p
    }
    guard Set(levels.map(columnName)).count == levels.count else {
      throw ValidationError("--quantiles names a probability twice, got \"\(quantiles)\"")
    }
    return levels
  }

  func validate() throws {
    _ = try probabilities()
    if let output, output != "-", PredictionTable.Form(suffixOf: output) == nil {
      throw ValidationError("-o names a .csv, .json or .npz file, got \"\(output)\"")
    }
    let kept = names(keep) ?? []
    guard Set(kept).count == kept.count else {
      throw ValidationError("--keep names a column twice, got \"\(keep ?? "")\"")
    }
  }

  func run() throws {
    let console = global.console
    let target = output == "-" ? nil : output
    if let target {
      try refuseOutput(target, amongInputs: [posterior, data])
      try AtomicFile.check(target, replacing: force)
    }
    let own = try loadPosterior(posterior).posterior
    try properties.check(against: own, file: posterior)
    let kept = names(keep) ?? []
    let reader = try DatasetReader(
      path: data, schema: own.model.schema, targets: .none, options: levels.apply(to: tables.options), keeping: kept,
      task: tasks.choice)
    let probabilities = try probabilities()
    let heads = own.model.schema.heads
    if heads != nil, !reader.tellsHeads { throw untold(own.model.schema) }
    let all = own.model.likelihood.isClassification ? own.model.schema.classes ?? ["0", "1"] : []
    // Of one task its classes alone.
    let shown = tasks.task.flatMap { heads?[$0] } ?? Array(all.indices)
    let classes = shown.map { all[$0] }
    let spread = try functionalVariance(own)
    let columns =
      classes.isEmpty
      ? columnNames(own.model.schema.targets, probabilities)
      : classes.map { "p_\($0)" } + (spread == nil ? [] : ["entropy", "output_sd"])
    if let both = kept.first(where: { columns.contains($0) || (!classes.isEmpty && $0 == "class") }) {
      throw CommandFailure.usage(
        "--keep \(both) would have the name of a column of predictions", remedy: "rename it in \(reader.file)")
    }
    let form = target.flatMap(PredictionTable.Form.init(suffixOf:)) ?? (global.json ? .json : .csv)
    var table = PredictionTable(form: form, kept: kept + (classes.isEmpty ? [] : ["class"]), names: columns)
    let predictor = try Predictor(own, method: predictive.method, seed: global.seed)
    while let block = try reader.nextBlock(maxRows: blockRows) {
      let predictions = try predictor.predictions(
        features: block.featureMatrix, heads: block.heads, threads: global.workers)
      let variances = try spread?(features: block.featureMatrix, heads: block.heads, threads: global.workers)
      for (i, prediction) in predictions.enumerated() {
        let copied = block.kept.map { $0[i] }
        switch prediction {
        case .amounts(let all):
          table.add(kept: copied, values: try all.flatMap { try cells($0, probabilities) })
        case .classes(let found):
          let own = block.heads.flatMap { heads?[$0[i]] } ?? Array(all.indices)
          var values = [Double](repeating: 0, count: all.count)
          for (c, p) in zip(own, found[0].probabilities) { values[c] = p }
          let uncertainty = variances.map { [found[0].entropy, $0[i].squareRoot()] } ?? []
          table.add(kept: copied + [all[own[found[0].mostProbable]]], values: shown.map { values[$0] } + uncertainty)
        }
      }
      if target == nil, form == .csv { Console.write(table.takeText(), to: STDOUT_FILENO) }
      console.progress("\(reader.file): \(table.rows) rows predicted")
    }
    console.clearProgress()
    remark(on: reader, console, expected: Set(kept))
    if let target {
      try AtomicFile.write(try table.file(), to: target, replacing: force)
      console.say("\(target): \(table.rows) predictions")
      console.result([("rows", .integer(table.rows)), ("output", .string(target))])
    } else {
      console.result([("rows", .integer(table.rows)), ("predictions", .verbatim(table.array()))])
    }
  }

  /// Nil where it is not asked for.
  private func functionalVariance(_ own: Posterior) throws -> FunctionalVariance? {
    guard uncertainty else { return nil }
    guard own.model.likelihood.isClassification else {
      throw CommandFailure.usage(
        "--uncertainty is of classes; predictions of \(own.model.schema.targets.joined(separator: ", ")) have sd and epistemic_sd",
        remedy: "leave it out")
    }
    do {
      return try FunctionalVariance(own)
    } catch let UpdateError.unsuitable(words) {
      throw CommandFailure.usage(words, remedy: "leave --uncertainty out, or fit with --method laplace")
    }
  }

  private func untold(_ schema: Schema) -> CommandFailure {
    CommandFailure(
      ExitStatus.usage,
      "classes are in heads, and the features of a row do not tell which is its own"
        + (schema.task.map { "; there is no column \"\($0)\", which told it at the fit" } ?? ""),
      file: data,
      remedy:
        "name the head of all rows with --task (\(schema.taskListing)), or a column of their numbers with --task-column"
    )
  }

  private func columnNames(_ targets: [String], _ levels: [Double]) -> [String] {
    let own =
      ["mean", "sd", "epistemic_sd", "aleatoric_sd"]
      + levels.map(columnName)
    return targets.count == 1 ? own : targets.flatMap { target in own.map { "\(target)_\($0)" } }
  }

  /// q05, q97.5: the percentage without what multiplying by 100 adds to it.
  private func columnName(_ p: Double) -> String {
    let percent = (p * 1e12).rounded() / 1e10
    return percent == percent.rounded() ? String(format: "q%02d", Int(percent)) : "q\(percent)"
  }

  private func cells(_ prediction: any AmountPredictive, _ levels: [Double]) throws -> [Double?] {
    [
      prediction.mean, prediction.standardDeviation, prediction.epistemicVariance.squareRoot(),
      prediction.aleatoricVariance.squareRoot(),
    ] + (try levels.map { try prediction.quantile($0) })
  }
}
