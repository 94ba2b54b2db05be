import ArgumentParser
import BNNDatasets
import BNNInference
import BNNPosteriorFile
import BNNPosteriors
import Foundation

struct Forget: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Take a batch out again that `update` absorbed: posterior file + the batch → as if it had never been seen.",
    usage: "bnn-update forget [<options>] <posterior> <data>",
    discussion: """
      From what the posterior kept of it (--keep-sites of fit and update), to rounding; else by subtraction, which is refused where the \
      rows that stay say too little to survive it. laplace, kalman and mean-field need what was kept. The rows of a network's first fit \
      stay, since they made the network. The lineage says that something was forgotten; the same rows can be absorbed again.
      """)

  @Argument(help: "The posterior.")
  var posterior: String

  @Argument(help: "The batch, or several that were absorbed one after another: a table as `update` takes it.")
  var data: String

  @Flag(
    name: .long,
    help: """
      Forget rows of a network's first fit in the weights that move; linearisation point or features, normalisation and levels stay \
      as these rows made them.
      """)
  var linearPartOnly = false

  @OptionGroup var destination: ReplacementOptions
  @OptionGroup var labels: LabelOptions
  @OptionGroup var tables: DataOptions
  @OptionGroup var levels: UnseenOptions
  @OptionGroup var global: GlobalOptions

  func run() throws {
    let console = global.console
    let started = Date()
    let file = try loadPosterior(posterior)
    let own = file.posterior
    let output = destination.output ?? posterior
    try refuseOutput(output, amongInputs: (destination.inPlace ? [] : [posterior]) + [data] + labels.labels)
    try AtomicFile.check(output, replacing: destination.replaces)
    let reader = try DatasetReader(
      path: data, labels: labels.file, schema: own.model.schema, options: levels.apply(to: tables.options),
      readsTime: true)
    var batch = SequentialUpdate(own.forgettingData())
    let summary = try absorb(reader, into: &batch, threads: global.workers, console: console, sketch: own.batchSketch)
    guard let entries = own.lineage.batches(rows: summary.rows, digest: summary.digest) else {
      throw CommandFailure(
        ExitStatus.badData,
        "these \(summary.rows) rows are no batch, and no batches one after another, that the posterior holds",
        file: data, remedy: "give the whole batch as it was absorbed; `bnn-update inspect` lists them")
    }
    var (next, report) = try own.forgetting(
      batch, absorbedAs: entries, linearPartOnly: linearPartOnly, threads: global.workers)
    if let gone = summary.sketch { next.rowSketch?.remove(gone) }
    if entries.contains(where: \.isFirst) {
      next.drift = nil
    } else if let gone = summary.sample {
      next.drift?.inputs?.remove(gone, own.schema)
    }
    for (k, entry) in entries.enumerated() {
      next.lineage.append(
        LineageEntry(
          number: next.lineage.count + 1, action: "forget", rows: entry.rows, rowDigest: entry.rowDigest,
          method: next.model.methodName,
          settings: linearPartOnly && entry.action == "fit" ? [UpdateSetting.linearPartOnly: "true"] : [:],
          logEvidence: k == entries.count - 1 ? report.logEvidence : nil, seed: global.seed, version: libraryVersion,
          parent: file.digest, label: destination.label))
    }
    let (bytes, _) = try PosteriorFile.encode(next)
    if destination.inPlace { try refuseChanged(posterior, since: file.digest) }
    try AtomicFile.write(bytes, to: output, replacing: destination.replaces)
    UpdateSummary(
      action: "forget", posterior: next, report: report, output: output, bytes: bytes.count,
      seconds: Date().timeIntervalSince(started)
    ).print(console)
  }
}
