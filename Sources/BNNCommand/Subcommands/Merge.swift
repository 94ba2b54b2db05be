import ArgumentParser
import BNNDatasets
import BNNInference
import BNNModels
import BNNPosteriorFile
import BNNPosteriors
import Foundation

struct MergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Posteriors that were updated from one prior, each with data of its own → the posterior of all the data.",
    usage: "bnn-update merge [<options>] --prior <prior> -o <output> <posterior> ...",
    discussion: """
      Exact for linear, last-layer, parallel-branch and tangent; by adding precisions for laplace, kalman and mean-field. The noise \
      of laplace is then that of all rows; updates of kalman, mean-field and Kronecker structures must have kept the prior's (update \
      --keep-noise, or a fit with --noise). The result may be merged again, \
      with posteriors of the same prior. Linear models that were fitted apart need no --prior. Two posteriors that hold the same batch \
      are refused (exit 2). Where the rows are still at hand, --rounds K --data D2.csv --data D3.csv lets every shard see its rows again, K times, \
      under what all others say: laplace and mean-field then come nearer to training on all rows. The posteriors must have columns, network, linearisation point and normalisation of the prior.
      """)

  @Option(name: .long, help: "The posterior that all others were updated from.")
  var prior: String?

  @Argument(help: "The posteriors.")
  var posteriors: [String]

  @Flag(name: .long, help: "Merge posteriors that hold the same batch, which then counts twice.")
  var allowRepeatedData = false

  @Option(name: .long, help: "Further rounds in which every posterior sees its rows again; needs --data.")
  var rounds = 0

  @Option(
    name: .long, help: "With --rounds, the rows of a posterior since the prior, once for each and in their order.")
  var data: [String] = []

  @OptionGroup var training: TrainingOptions
  @OptionGroup var destination: OutputOptions
  @OptionGroup var tables: DataOptions
  @OptionGroup var levels: UnseenOptions
  @OptionGroup var global: GlobalOptions

  func validate() throws {
    guard (0...1000).contains(rounds) else { throw ValidationError("--rounds is between 0 and 1000, got \(rounds)") }
    guard rounds > 0 || data.isEmpty else { throw ValidationError("--data belongs to --rounds") }
    guard rounds == 0 || data.count == posteriors.count else {
      throw ValidationError(
        "--rounds needs the --data of each of the \(posteriors.count) posteriors, and there are \(data.count)")
    }
    guard rounds == 0 || prior != nil else {
      throw ValidationError("--rounds needs the --prior that all were updated from")
    }
  }

  func run() throws {
    let console = global.console
    let started = Date()
    try refuseOutput(destination.output, amongInputs: posteriors + data + (prior.map { [$0] } ?? []))
    try AtomicFile.check(destination.output, replacing: destination.force)
    let start = try prior.map(loadPosterior)
    let shards = try posteriors.map(loadPosterior)
    var (merged, report) = try merged(shards, start, console)
    var settings = [
      LineageEntry.shardEntries: shards.map {
        String($0.posterior.lineage.count - (start?.posterior.lineage.count ?? 0))
      }
      .joined(separator: ","),
      LineageEntry.shardDigests: shards.map(\.digest).joined(separator: ","),
    ]
    if rounds > 0 { settings[UpdateSetting.rounds] = String(rounds) }
    if allowRepeatedData { settings[UpdateSetting.repeatedData] = "true" }
    var rows = RowDigest()
    for entry in merged.lineage.dropFirst(start?.posterior.lineage.count ?? 0).held {
      if let own = RowDigest(hex: entry.rowDigest) { rows.add(own) }
    }
    merged.lineage.append(
      LineageEntry(
        number: merged.lineage.count + 1, action: "merge", rows: report.rows, rowDigest: rows.description,
        method: merged.model.methodName, settings: settings, logEvidence: report.logEvidence, seed: global.seed,
        version: libraryVersion, parent: start?.digest, label: destination.label))
    let (bytes, _) = try PosteriorFile.encode(merged)
    try AtomicFile.write(bytes, to: destination.output, replacing: destination.force)
    UpdateSummary(
      action: "merge", posterior: merged, report: report, output: destination.output, bytes: bytes.count,
      seconds: Date().timeIntervalSince(started)
    ).print(console)
  }

  private func merged(
    _ shards: [PosteriorFile], _ start: PosteriorFile?, _ console: Console
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    guard rounds > 0, let start else {
      return try Posterior.merged(
        shards.map(\.posterior), prior: start?.posterior, priorDigest: start?.digest, names: posteriors,
        allowsRepeatedData: allowRepeatedData, threads: global.workers)
    }
    let model = start.posterior.model
    let largest = shards.map(\.posterior.rows).max() ?? 0
    let settings = training.settings(rows: largest, products: model.network.map { Network($0).productsPerRow } ?? 0)
    let quiet = Console(json: false, quiet: true)
    let result = try Posterior.merged(
      shards.map(\.posterior), prior: start.posterior, priorDigest: start.digest, names: posteriors,
      allowsRepeatedData: allowRepeatedData, threads: global.workers, seed: global.seed,
      rounds: MergeRounds(rounds, training: settings),
      absorbing: { k, update in
        let reader = try DatasetReader(
          path: data[k], schema: model.schema, options: levels.apply(to: tables.options), readsTime: true)
        let summary = try absorb(reader, into: &update, threads: global.workers, console: quiet)
        let added = Array(shards[k].posterior.lineage.dropFirst(start.posterior.lineage.count)).held
        let digest = added.reduce(into: RowDigest()) { sum, entry in RowDigest(hex: entry.rowDigest).map { sum.add($0) }
        }
        guard summary.rows == added.reduce(0, { $0 + $1.rows }), summary.digest == digest else {
          throw CommandFailure(
            ExitStatus.badData,
            "these \(summary.rows) rows are not those that \(posteriors[k]) has absorbed since the prior",
            file: data[k], remedy: "give one --data for every posterior, in their order")
        }
      },
      progress: { console.progress("\($0) of \($1) steps of \(rounds) \(rounds == 1 ? "round" : "rounds")") })
    console.clearProgress()
    if let why = result.rounds.unneeded {
      console.note("no rounds were made: \(why)")
    } else {
      console.note(
        "rounds moved the mean by " + result.rounds.shifts.map { brief($0) }.joined(separator: ", ")
          + " standard deviations"
          + (result.rounds.skipped > 0
            ? "; \(result.rounds.skipped) steps were left out, since they led to no posterior" : ""))
    }
    return (result.posterior, result.report)
  }
}
