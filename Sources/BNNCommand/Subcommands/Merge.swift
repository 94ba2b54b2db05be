import ArgumentParser
import BNNDatasets
import BNNInference
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
      are refused (exit 2). The posteriors must have columns, network, linearisation point and normalisation of the prior.
      """)

  @Option(name: .long, help: "The posterior that all others were updated from.")
  var prior: String?

  @Argument(help: "The posteriors.")
  var posteriors: [String]

  @Flag(name: .long, help: "Merge posteriors that hold the same batch, which then counts twice.")
  var allowRepeatedData = false

  @OptionGroup var destination: OutputOptions
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let console = global.console
    let started = Date()
    try refuseOutput(destination.output, amongInputs: posteriors + (prior.map { [$0] } ?? []))
    try AtomicFile.check(destination.output, replacing: destination.force)
    let start = try prior.map(loadPosterior)
    let shards = try posteriors.map(loadPosterior)
    var (merged, report) = try Posterior.merged(
      shards.map(\.posterior), prior: start?.posterior, priorDigest: start?.digest, names: posteriors,
      allowsRepeatedData: allowRepeatedData, threads: global.workers)
    var settings = [
      LineageEntry.shardEntries: shards.map {
        String($0.posterior.lineage.count - (start?.posterior.lineage.count ?? 0))
      }
      .joined(separator: ","),
      LineageEntry.shardDigests: shards.map(\.digest).joined(separator: ","),
    ]
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
}
