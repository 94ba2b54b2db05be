import BNNDatasets
import BNNInference
import BNNPosteriorFile
import BNNPosteriors
import Foundation

extension Update {
  /// Rows between two looks at the clock and the lock; what a signal waits for at most.
  private static let block = 1024

  /// An update whose rows are absorbed one by one as they are read. From standard input, and with `--save-every`, the rows before
  /// whatever ends it are in the posterior.
  func filterRows(
    _ file: PosteriorFile, output: String, _ console: Console, started: Date
  ) throws -> UpdateSummary {
    let prior = file.posterior
    if drift.onDrift == DriftOptions.temper { try prior.checkTempers() }
    let keeps = data == "-" || filter.saveEvery != nil
    var options = levels.apply(to: tables.options)
    options.isStream = keeps
    options.demandsLineEnd = data == "-"
    let stream = try FilterStream(self, file, output: output)
    let reader = try DatasetReader(
      path: data, labels: labels.file, schema: prior.model.schema, options: options, readsTime: true,
      task: tasks.choice)
    if keeps { Interruption.beforeEnding { stream.interrupted() } }
    defer { Interruption.beforeEnding(nil) }
    // Other forms than csv give whole blocks or none.
    let most = data == "-" && reader.format != .csv ? 1 : Self.block
    do {
      while let block = try reader.nextBlock(maxRows: min(most, stream.rowsToSave)) {
        let rows = try stream.absorb(block, reader)
        console.progress("\(reader.file): \(rows) rows absorbed")
      }
    } catch {
      console.clearProgress()
      guard keeps, stream.rows > 0 else { throw error }
      _ = try stream.judge(reader, nil)
      try stream.save(reader)
      throw stream.explained(error)
    }
    console.clearProgress()
    remark(on: reader, console)
    let test = try stream.judge(reader, console)
    let saved = try stream.save(reader)
    return UpdateSummary(
      action: "update", posterior: saved.posterior, report: saved.report, output: output, bytes: saved.bytes,
      seconds: Date().timeIntervalSince(started),
      repeated: allowRepeatedData ? nil : try prior.repeatedRows(stream.batch, file: reader.file, console), drift: test)
  }
}

/// An update by the filter on its way, with what is saved of it. The lock is held while rows are absorbed or the file is written,
/// and free while the next rows are waited for, when a signal may save.
private final class FilterStream: @unchecked Sendable {
  private let lock = NSLock()
  private let command: Update
  private let file: PosteriorFile
  private let output: String
  private var update: SequentialUpdate
  private var summary: BatchSummary
  private var timeRange: [String]?
  private var drift: DriftTest?
  /// Digest of what is in the output, once this update has written it; its rows.
  private var written: (digest: String, rows: Int)?
  /// What was there before; nil for nothing.
  private let previous: [UInt8]?

  init(_ command: Update, _ file: PosteriorFile, output: String) throws {
    self.command = command
    self.file = file
    self.output = output
    summary = BatchSummary(sketch: file.posterior.batchSketch)
    previous = FileManager.default.contents(atPath: output).map { Array($0) }
    update = try SequentialUpdate(
      filtering: file.posterior, command.filter.settings, keepingSite: command.keeping.keepSites,
      keepingNoise: command.noise.keepNoise)
  }

  var rows: Int { lock.withLock { summary.rows } }
  var batch: BatchSummary { lock.withLock { summary } }

  /// How many rows may come before the posterior is written again.
  var rowsToSave: Int {
    lock.withLock { command.filter.saveEvery.map { $0 - summary.rows % $0 } ?? .max }
  }

  /// Absorbs rows and, when it is time, writes the posterior; the rows so far.
  func absorb(_ block: Dataset, _ reader: DatasetReader) throws -> Int {
    try lock.withLock {
      if summary.sample == nil { summary.sample = RowSample(of: reader) }
      try update.absorb(
        features: block.featureMatrix, targets: block.targetMatrix, weights: block.weights,
        threads: command.global.workers)
      summary.add(block)
      note(reader)
      if let every = command.filter.saveEvery, summary.rows % every == 0 { _ = try write() }
      return summary.rows
    }
  }

  private func note(_ reader: DatasetReader) {
    summary.finish(reader)
    timeRange = reader.timeRange.map { [$0.first, $0.last] }
  }

  /// Whether all rows are like those before them; takes back what was saved on the way where that is to end the update. Without a
  /// console the verdict is for the lineage only.
  func judge(_ reader: DatasetReader, _ console: Console?) throws -> DriftTest? {
    try lock.withLock {
      note(reader)
      drift = try summary.sample.flatMap {
        try file.posterior.driftTest(update, $0, threads: command.global.workers)
      }
      do {
        if let console { try command.drift.judge(drift, file: reader.file, console) }
      } catch {
        takeBack()
        throw error
      }
      return drift
    }
  }

  @discardableResult
  func save(_ reader: DatasetReader) throws -> (posterior: Posterior, report: UpdateReport, bytes: Int) {
    try lock.withLock {
      note(reader)
      return try write()
    }
  }

  /// For a signal: what there is to say.
  func interrupted() -> String {
    lock.withLock {
      guard summary.rows > 0 else { return "nothing was written" }
      guard written?.rows == summary.rows || (try? write()) != nil else {
        return written.map { "the first \($0.rows) rows are in \(output)" } ?? "nothing was written"
      }
      return "the \(summary.rows) rows so far are in \(output)"
    }
  }

  /// What ended the stream, and where the rows before it are.
  func explained(_ error: any Error) -> CommandFailure {
    var failure = CommandFailure(error)
    let words = "the \(rows) rows before it are in \(output)"
    failure.message += "; \(words)"
    failure.words += "; \(words)"
    return failure
  }

  private func write() throws -> (posterior: Posterior, report: UpdateReport, bytes: Int) {
    let prior = file.posterior
    var settings = command.tables.lineageSettings(summary, command.levels)
    settings.merge(command.filter.lineage) { $1 }
    settings.merge(command.keeping.lineage) { $1 }
    settings.merge(command.noise.lineage) { $1 }
    do {
      if try command.isRepeated(summary, prior.lineage) { settings[UpdateSetting.repeatedData] = "true" }
    } catch {
      takeBack()
      throw error
    }
    var (next, report) = try update.finish(threads: command.global.workers, seed: command.global.seed)
    next.lineage =
      prior.lineage + [
        LineageEntry(
          number: prior.lineage.count + 1, action: "update", rows: summary.rows, rowDigest: summary.digest.description,
          method: Method.kalman.rawValue, settings: settings, logEvidence: report.logEvidence,
          seed: command.global.seed, version: libraryVersion, parent: file.digest, label: command.destination.label,
          timeRange: timeRange, drift: drift?.record, informationGain: try next.informationGain(since: prior))
      ]
    next.rowSketch = prior.rowSketch.map { $0.with(summary.sketch) }
    if let sample = summary.sample { next.drift?.inputs?.add(sample, prior.schema) }
    let (bytes, digest) = try PosteriorFile.encode(next)
    if command.destination.inPlace { try refuseChanged(command.posterior, since: written?.digest ?? file.digest) }
    try AtomicFile.write(bytes, to: output, replacing: command.destination.replaces || written != nil)
    written = (digest, summary.rows)
    return (next, report, bytes.count)
  }

  /// Rows that turn out to be old ones were no update: what was saved on the way goes.
  private func takeBack() {
    guard written != nil else { return }
    if let previous {
      try? AtomicFile.write(previous, to: output, replacing: true)
    } else {
      unlink(output)
    }
    written = nil
  }
}
