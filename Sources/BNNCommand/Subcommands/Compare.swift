import ArgumentParser
import BNNDatasets
import BNNInference
import BNNModels
import BNNPosteriorFile
import Foundation

struct Compare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Try every way to update on your own rows, from D1 only to retrained on D1 and D2.",
    discussion: """
      Every method learns D1, then D2 alone, and is scored on the test rows between `stale` (D1 only) and `union` (retrained on \
      both, the mean of three seeds). Gap closed is 1 − Σ(method − union)/Σ(stale − union), over splits, with 90 % of a paired \
      bootstrap; it is left out where the two ends cannot be told apart.
      """)

  @Argument(help: "D1; or, with --order, the file that is cut into D1, D2 and test rows.")
  var first: String

  @Argument(help: "D2.")
  var second: String?

  @Option(name: .long, help: "Test rows, which no method learns from.")
  var test: String?

  @Option(
    name: .long,
    help: """
      Cut one file: a tenth of the rows at random is the test, the others are D1 and D2 by halves: random, feature (the lower \
      half of --along is D1) or time (the earlier half of --time is D1, or of the file).
      """)
  var order: CutOrder?

  @Option(name: .long, help: "The feature of --order feature, along which the report draws too (default: the first).")
  var along: String?

  @Option(
    name: .long,
    help: """
      Methods, comma-separated, or all (default: those that should take under a minute). stale and union are always among them.
      """)
  var methods: String?

  @Option(name: .long, help: "Repeat with this many seeds; with --order every one cuts the file anew.")
  var seeds = 1

  @Option(name: .long, help: "Cut D2 into this many batches that come one after another.")
  var stream = 1

  @Option(name: .long, help: "Write a page with pictures (HTML, one file).")
  var report: String?

  @Flag(name: .long, help: "Overwrite the report if it exists.")
  var force = false

  @Option(name: .long, help: "Labels of images, a file for each data file, in their order.")
  var labels: [String] = []

  @OptionGroup var model: ModelOptions
  @OptionGroup var training: TrainingOptions
  @OptionGroup var tables: DataOptions
  @OptionGroup var global: GlobalOptions

  private var files: [String] { [first] + [second, test].compactMap { $0 } }

  func validate() throws {
    try model.validateTarget(isLabelled: !labels.isEmpty)
    if order == nil {
      guard second != nil, test != nil else {
        throw ValidationError(
          "name D1, D2 and --test rows, or one file and how to cut it (--order random, feature or time)")
      }
      if along != nil, report == nil { throw ValidationError("--along belongs to --order feature or to --report") }
    } else if second != nil || test != nil {
      throw ValidationError("--order cuts one file; leave D2 and --test out")
    }
    guard labels.isEmpty || labels.count == files.count else {
      throw ValidationError("--labels is given once per data file: \(files.count), got \(labels.count)")
    }
    guard (1...1000).contains(seeds) else { throw ValidationError("--seeds is between 1 and 1000, got \(seeds)") }
    guard (1...10_000).contains(stream) else { throw ValidationError("--stream is between 1 and 10000, got \(stream)") }
    guard !files.contains("-") else { throw ValidationError("compare reads its files more than once; name them") }
  }

  func run() throws {
    var own = self
    own.model = try model.resolved()
    try own.compare()
  }

  private func compare() throws {
    let console = global.console
    let started = Date()
    if let report {
      try refuseOutput(report, amongInputs: files + labels)
      try AtomicFile.check(report, replacing: force)
    }
    let input = try TableInput(path: first, labels: labels.first)
    let schema = try Schema.fit(model.choice(isLabelled: !labels.isEmpty), to: input, options: tables.options)
    let axis = try axis(schema)
    let tables = try files.indices.map { try read($0, schema, console) }
    let splits = try splits(tables, axis)
    let rule = model.normalisationRule(try TableReader(input, options: self.tables.options).format)
    let likelihood = try model.likelihoodKind(schema)
    let network = try model.network(schema, likelihood)
    let weights = Network(network).parameterCount
    guard weights <= TangentLimit.network else {
      throw CommandFailure.usage("a network with \(weights) weights is more than \(TangentLimit.network)")
    }
    let rows = splits[0].first.count + splits[0].second.count
    let problem = ComparisonProblem(
      schema: schema, network: network, likelihood: likelihood, rule: rule, prior: model.prior,
      training: training.settings(rows: splits[0].first.count, products: Network(network).productsPerRow),
      members: model.members,
      batches: stream, size: { try PosteriorFile.encode($0).bytes.count })
    let chosen = try chosen(problem, rows: rows, console)
    let found = try Comparison(problem, methods: chosen).run(
      splits, seed: global.seed, axis: axis, threads: global.workers, progress: { console.progress("compare: \($1)") })
    console.clearProgress()
    let seconds = Date().timeIntervalSince(started)
    if let report {
      let page = ComparisonPage(
        report: found, title: "bnn-update compare: \(files.map(name).joined(separator: ", "))",
        context: [
          ("Files", files.map(name).joined(separator: ", ")), ("Seed", String(global.seed)),
          (
            "Network",
            network.isDense
              ? "\(schema.features.count)-\(model.hidden.replacingOccurrences(of: ",", with: "-"))-\(Network(network).outputs)"
              : "\(network.inputs) inputs, " + network.layers.map(\.words).joined(separator: ", ")
          ),
          ("Version", libraryVersion),
        ])
      try AtomicFile.write(Array(page.html.utf8), to: report, replacing: force)
    }
    ComparisonText(report: found).say(console)
    if let report { console.say("Report: \(report)") }
    console.result(ComparisonText.json(found, seconds: seconds, output: report))
  }

  private func name(_ path: String) -> String { URL(fileURLWithPath: path).lastPathComponent }

  private func axis(_ schema: Schema) throws -> Int {
    guard let along else { return 0 }
    guard let index = schema.features.firstIndex(of: along) else {
      throw CommandFailure(
        ExitStatus.usage, "--along \(along) is no numeric feature", file: first,
        remedy: "name one of " + schema.features.prefix(8).joined(separator: ", "))
    }
    return index
  }

  private func read(_ index: Int, _ schema: Schema, _ console: Console) throws -> Dataset {
    let reader = try DatasetReader(
      path: files[index], labels: labels.isEmpty ? nil : labels[index], schema: schema, options: tables.options,
      keeping: order == .time ? model.time.map { [$0] } ?? [] : [])
    let rows = try Dataset(readingAll: reader)
    remark(on: reader, console, expected: Set(model.unused(reader.columns.ignored)))
    guard rows.rows >= (order == nil ? 2 : 20) else {
      throw CommandFailure(
        ExitStatus.badData, "\(rows.rows) rows are too few to compare on", file: files[index],
        remedy: order == nil ? "give at least two" : "give at least 20, or files of their own")
    }
    return rows
  }

  private func splits(_ tables: [Dataset], _ axis: Int) throws -> [ComparisonSplit] {
    let rows = tables.map {
      ComparisonRows(features: $0.featureMatrix, targets: $0.targetMatrix, weights: $0.weights)
    }
    guard let order else {
      // D1's own rows show what is forgotten: a thousand are enough.
      let step = max(1, rows[0].count / 1000)
      let old = rows[0].gathering(Array(stride(from: 0, to: rows[0].count, by: step)))
      let split = ComparisonSplit(first: rows[0], second: rows[1], test: rows[2], old: old, new: rows[2])
      return Array(repeating: split, count: seeds)
    }
    let keys = try order.keys(tables[0], axis: axis, time: model.time, file: first)
    return (0..<seeds).map { order.split(rows[0], keys: keys, seed: global.seed &+ UInt64($0)) }
  }

  private func chosen(
    _ problem: ComparisonProblem, rows: Int, _ console: Console
  ) throws -> [ComparisonMethod] {
    // The filter and mean-field inference know dense layers alone.
    let all = ComparisonMethod.all(problem).filter {
      problem.network.isDense || !["kalman", "mean-field"].contains($0.name)
    }
    guard let methods else {
      let limit = 60.0
      let (own, left) = all.reduce(into: ([ComparisonMethod](), [String]())) {
        if $1.estimatedSeconds(problem, rows: rows) <= limit { $0.0.append($1) } else { $0.1.append($1.name) }
      }
      let others = left.filter { $0 != "stale" && $0 != "union" }
      if !others.isEmpty {
        console.note(
          "left out, since they may take more than a minute: \(others.joined(separator: ", ")) (--methods all)")
      }
      return own
    }
    if methods == "all" { return all }
    return try (names(methods) ?? []).map { name in
      guard let method = all.first(where: { $0.name == name }) else {
        throw CommandFailure.usage(
          "--methods names \(name), which these data and this network do not have",
          remedy: "choose from \(all.map(\.name).joined(separator: ", "))")
      }
      return method
    }
  }
}
