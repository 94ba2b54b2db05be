import ArgumentParser
import BNNDatasets
import BNNInference
import BNNPosteriorFile

struct Diff: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "How far two posteriors of one model are apart; exit 2 beyond --tolerance.",
    usage: "bnn-update diff [<options>] <first> <second>")

  @Argument(help: "A posterior file.")
  var first: String

  @Argument(help: "Another of the same model.")
  var second: String

  @Option(name: .long, help: "Largest relative difference of means and deviations that counts as equal.")
  var tolerance: Double?

  @Option(
    name: .long, help: "Also how far apart their predictions are on the rows of this table, which needs no targets.")
  var data: String?

  @OptionGroup var tables: DataOptions
  @OptionGroup var levels: UnseenOptions
  @OptionGroup var global: GlobalOptions

  func validate() throws {
    if let tolerance, !(tolerance >= 0) {
      throw ValidationError("--tolerance must be a number that is not negative, got \(tolerance)")
    }
  }

  func run() throws {
    let console = global.console
    let a = try loadPosterior(first).posterior
    let b = try loadPosterior(second).posterior
    let difference = try PosteriorDifference(a, b)
    let predictions = try data.map { try predicted($0, a, b) }
    let within = tolerance.map { difference.isWithin($0) }
    console.result([
      ("max_abs_mean", .number(difference.maxAbsMean)), ("max_rel_mean", .number(difference.maxRelMean)),
      ("max_rel_sd", .number(difference.maxRelSd)), ("kl_forward", .optional(difference.klForward)),
      ("kl_backward", .optional(difference.klBackward)), ("rows", .array([.integer(a.rows), .integer(b.rows)])),
      ("max_shift", .optional(difference.mostShifted?.maxShift)),
      ("max_shift_weight", .optional(difference.mostShifted?.shifted)),
      ("max_sd_ratio", .optional(difference.mostRespread?.maxSpreadRatio)),
      ("max_sd_ratio_weight", .optional(difference.mostRespread?.respread)),
      ("predictions", predictions?.json ?? .null), ("within_tolerance", within.map { .boolean($0) } ?? .null),
      (
        "members",
        .array(
          difference.members.map { own in
            .object([
              ("max_abs_mean", .number(own.maxAbsMean)), ("max_rel_mean", .number(own.maxRelMean)),
              ("max_rel_sd", .number(own.maxRelSd)), ("kl_forward", .optional(own.klForward)),
              ("kl_backward", .optional(own.klBackward)),
            ])
          })
      ),
    ])
    if difference.members.count > 1 {
      for (k, own) in difference.members.enumerated() {
        console.say(
          "network \(k + 1): means by \(readable(own.maxAbsMean)) (relative \(readable(own.maxRelMean))), deviations by "
            + "\(readable(own.maxRelSd)); KL \(readable(own.klForward)) and \(readable(own.klBackward)) nats")
      }
    }
    console.say(
      "means differ by at most \(readable(difference.maxAbsMean)) (relative \(readable(difference.maxRelMean))), "
        + "deviations by \(readable(difference.maxRelSd))"
        + (difference.members.count > 1
          ? "" : "; KL \(readable(difference.klForward)) and \(readable(difference.klBackward)) nats")
        + (within.map { $0 ? "; within the tolerance" : "; beyond the tolerance" } ?? ""))
    // Of what only rounding moved there is no most.
    if let most = difference.mostShifted, most.maxShift > 1e-6, let weight = most.shifted {
      console.say(
        "the mean of \(weight) moved most: by \(readable(most.maxShift)) of its standard deviations in \(first)")
    }
    if let most = difference.mostRespread, most.maxSpreadRatio > 1 + 1e-6, let weight = most.respread {
      console.say("the spread of \(weight) changed most: by a factor of \(readable(most.maxSpreadRatio))")
    }
    if let predictions { console.say(predictions.words) }
    if within == false { throw ExitCode(ExitStatus.found) }
  }

  private func predicted(_ file: String, _ a: Posterior, _ b: Posterior) throws -> PredictionDifference {
    var difference = try PredictionDifference(a, b)
    let reader = try DatasetReader(
      path: file, schema: a.schema, targets: .none, options: levels.apply(to: tables.options))
    while let block = try reader.nextBlock(maxRows: blockRows) {
      try difference.add(features: block.featureMatrix, numbers: block.rowNumbers, threads: global.workers)
    }
    return difference
  }
}

extension PredictionDifference {
  fileprivate var json: JSONText {
    func extreme(_ own: Extreme) -> JSONText {
      .object([("value", .number(own.value)), ("row", .integer(own.row))])
    }
    return isAboutClasses
      ? .object([
        ("rows", .integer(rows)), ("classes_changed", .integer(changed)), ("mean_variation", .number(meanVariation)),
        ("max_variation", extreme(variation)),
      ])
      : .object([
        ("rows", .integer(rows)), ("mean_shift", .number(meanShift)), ("max_shift", extreme(shift)),
        ("max_sd_ratio", extreme(spread)),
      ])
  }

  fileprivate var words: String {
    isAboutClasses
      ? "predictions of \(rows) rows: \(changed) have another class; probabilities differ by \(readable(meanVariation)) on average (total "
        + "variation), at most by \(readable(variation.value)) in row \(variation.row)"
      : "predictions of \(rows) rows: means differ by \(readable(meanShift)) of their standard deviations on average, at most by "
        + "\(readable(shift.value)) in row \(shift.row); deviations by a factor of at most \(readable(spread.value)) in row \(spread.row)"
  }
}
