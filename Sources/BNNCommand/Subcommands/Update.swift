import ArgumentParser
import BNNDatasets
import BNNInference
import BNNModels
import BNNPosteriorFile
import BNNPosteriors
import Foundation

struct Update: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Absorb new data: posterior file + D2 → posterior file. D1 is not needed.")

  @Argument(help: "The posterior after everything seen so far.")
  var posterior: String

  @Argument(help: "D2: a .csv, .csv.gz, .npy, .npz or IDX file, or - for standard input.")
  var data: String

  @Flag(name: .long, help: "Absorb rows that the lineage says were absorbed before.")
  var allowRepeatedData = false

  @OptionGroup var tasks: TaskOptions
  @OptionGroup var drift: DriftOptions
  @OptionGroup var keeping: SiteOptions
  @OptionGroup var noise: NoiseOptions
  @OptionGroup var filter: FilterOptions
  @OptionGroup var training: TrainingOptions
  @OptionGroup var variational: VariationalOptions
  @OptionGroup var point: PointOptions
  @OptionGroup var destination: ReplacementOptions
  @OptionGroup var labels: LabelOptions
  @OptionGroup var properties: PropertyOptions
  @OptionGroup var tables: DataOptions
  @OptionGroup var levels: UnseenOptions
  @OptionGroup var global: GlobalOptions

  func run() throws { try execute(global.console).print(global.console) }

  /// Updates, writes the file, and returns what there is to say.
  func execute(_ console: Console) throws -> UpdateSummary {
    let started = Date()
    let file = try loadPosterior(posterior)
    try properties.check(against: file.posterior, file: posterior, allowsStaying: true)
    let output = destination.output ?? posterior
    if destination.inPlace {
      try refuseOutput(output, amongInputs: [data] + labels.labels)
    } else {
      try refuseOutput(output, amongInputs: [posterior, data] + labels.labels)
    }
    try AtomicFile.check(output, replacing: destination.replaces)
    let prior = file.posterior
    if keeping.keepSites { try prior.checkKeepsSites() }
    try noise.check(prior, file: posterior)
    if filter.filters(prior, method: properties.method) {
      try variational.refuseUnused()
      try point.refuseUnused()
      return try filterRows(file, output: output, console, started: started)
    }
    try filter.refuseUnused()
    if filter.forgetting != nil || drift.onDrift == DriftOptions.temper {
      guard filter.forgetting == nil || drift.onDrift != DriftOptions.temper else {
        throw CommandFailure.usage(
          "--forgetting says what earlier rows count, and --on-drift temper would choose it", remedy: "give one of them"
        )
      }
      guard properties.method == nil || properties.method == prior.model.methodName else {
        throw CommandFailure.usage(
          "earlier rows cannot be made to count less in an update that becomes one of --method \(properties.method ?? "")",
          remedy: "update once with --forgetting, then with --method")
      }
      try prior.checkTempers()
    }
    let isMeanField = prior.model.method == .meanField || properties.method == Method.meanField.rawValue
    if !isMeanField { try variational.refuseUnused() }
    let pointMethod = PointOptions.method(properties.method, of: prior)
    if pointMethod == nil { try point.refuseUnused() }
    let pointSettings = try pointMethod.map { try point.settings($0) }
    let reader = try DatasetReader(
      path: data, labels: labels.file, schema: prior.model.schema, options: levels.apply(to: tables.options),
      readsTime: true, task: tasks.choice)
    let stays = prior.model.method == .movingTangent && properties.method == Method.tangent.rawValue
    let isLaplace = prior.model.method == .laplace && !isMeanField && pointMethod == nil
    // How many rows there are is known when they are read; the choice between second-order steps and Adam can wait.
    var update =
      try pointSettings.map {
        try SequentialUpdate(
          point: $0, of: prior, keepingNoise: noise.keepNoise, training: training.settings(point.optimizer))
      }
      ?? (isMeanField
        ? SequentialUpdate(meanField: prior, keepingSite: keeping.keepSites, keepingNoise: noise.keepNoise)
        : SequentialUpdate(
          prior, moving: !stays, keepingSite: keeping.keepSites, keepingNoise: noise.keepNoise, countingApart: true))
    let summary = try absorb(
      reader, into: &update, threads: global.workers, console: console, sketch: prior.batchSketch)
    var settings = tables.lineageSettings(summary, levels)
    let isAllowed = try isRepeated(summary, prior.lineage)
    if isAllowed { settings[UpdateSetting.repeatedData] = "true" }
    settings.merge(keeping.lineage) { $1 }
    settings.merge(noise.lineage) { $1 }
    let test = try summary.sample.flatMap { try prior.driftTest(update, $0, threads: global.workers) }
    try drift.judge(test, file: data, console)
    if isLaplace {
      update.training = training.settings(
        rows: summary.rows, products: prior.model.network.map { Network($0).productsPerRow } ?? 0)
      settings.merge(TrainingOptions.lineage(update.training)) { $1 }
    }
    if isMeanField { update.training = training.settings(variational) }
    let chosen = drift.tempers(test) ? try update.powerByEvidence(threads: global.workers, seed: global.seed) : nil
    if let power = filter.forgetting ?? chosen, power < 1 {
      update = try update.tempering(by: power, threads: global.workers)
      settings[UpdateSetting.forgetting] = "\(power)"
    }
    var (next, report) = try update.finish(
      threads: global.workers, seed: global.seed, progress: { _, message in console.progress(message) })
    console.clearProgress()
    if isMeanField {
      settings.merge(
        VariationalOptions.lineage(update.training, report: report.variational, given: training.epochs)
      ) { $1 }
    }
    if let report = report.point { settings.merge(PointOptions.lineage(report, update.training)) { $1 } }
    if next.model.method != prior.model.method, let own = prior.model.laplace {
      settings[UpdateSetting.earlierStructure] = own.structure.rawValue
    }
    next.lineage =
      prior.lineage + [
        LineageEntry(
          number: prior.lineage.count + 1, action: "update", rows: summary.rows, rowDigest: summary.digest.description,
          method: pointMethod?.rawValue ?? (stays ? Method.tangent.rawValue : next.model.methodName),
          settings: settings,
          logEvidence: report.logEvidence, seed: global.seed, version: libraryVersion, parent: file.digest,
          label: destination.label, subspaceShare: report.subspaceShare,
          timeRange: reader.timeRange.map { [$0.first, $0.last] }, drift: test?.record,
          informationGain: report.power == nil ? try next.informationGain(since: prior) : nil)
      ]
    next.rowSketch = prior.rowSketch.map { $0.with(summary.sketch) }
    if let sample = summary.sample { next.drift?.inputs?.add(sample, prior.schema) }
    let (bytes, _) = try PosteriorFile.encode(next)
    if destination.inPlace { try refuseChanged(posterior, since: file.digest) }
    try AtomicFile.write(bytes, to: output, replacing: destination.replaces)
    if summary.rows > prior.rows, prior.model.method != .linear,
      prior.model.method != .movingTangent, !prior.model.method.keepsCurvature
    {
      console.note(
        "this batch is larger than everything seen before it (\(summary.rows) rows against \(prior.rows)): a network "
          + "fitted on it alone may do better than one linearised at the first batch; compare both on held-out rows, "
          + "or start from a fit with --method moving-tangent")
    }
    return UpdateSummary(
      action: "update", posterior: next, report: report, output: output, bytes: bytes.count,
      seconds: Date().timeIntervalSince(started),
      repeated: isAllowed || allowRepeatedData ? nil : try prior.repeatedRows(summary, file: data, console),
      drift: test)
  }

  /// Whether the rows were absorbed before, which is refused unless it is allowed.
  func isRepeated(_ batch: BatchSummary, _ lineage: [LineageEntry]) throws -> Bool {
    guard let earlier = lineage.batches(rows: batch.rows, digest: batch.digest), let first = earlier.first,
      let last = earlier.last
    else { return false }
    guard allowRepeatedData else {
      throw CommandFailure(
        ExitStatus.found,
        "these rows were absorbed before: they are "
          + (first == last ? "the batch of update \(first.number)" : "updates \(first.number) to \(last.number)"),
        file: data,
        remedy: "counting data twice makes a posterior too sure; --allow-repeated-data absorbs them again",
        refused: "repeated_data")
    }
    return true
  }
}

/// Properties that the posterior file fixes. A flag that repeats one is welcome; one that disagrees is an error that
/// names both values.
struct PropertyOptions: ParsableArguments {
  @Option(name: .long, help: "Must be the posterior's, when given.")
  var target: [String] = []
  @Option(name: .long, help: "Must be the posterior's, when given.")
  var features: String?
  @Option(name: .long, help: "Must be the posterior's, when given.")
  var categorical: String?
  @Option(name: .long, help: "Must be the posterior's, when given.")
  var time: String?
  @Option(name: .long, help: "Must be the posterior's, when given.")
  var weights: String?
  @Option(
    name: .long,
    help: """
      Must be the posterior's, when given; or tangent, to update a moving-tangent posterior where it is; kalman, to \
      continue a laplace posterior row by row; or mean-field, with a laplace or kalman posterior as the prior, whole; or, to continue \
      the weights of a point or laplace posterior without one, hot-start (training goes on; what a point does anyway), freeze (the \
      first layers stay), layer-rates (lower layers move more slowly), ewc (a penalty by the diagonal of earlier curvature), l2-start \
      (one that is the same for all weights), distil (agree with the network before at the new rows) or oversample (new rows count \
      more). From mean-field and these there is no way back.
      """)
  var method: String?
  @Option(name: .long, help: "Must be the posterior's, when given.")
  var subspace: Int?
  @Option(name: .long, help: "Must be the posterior's, when given.")
  var hidden: String?
  @Option(name: .long, help: "Must be the posterior's, when given.")
  var activation: String?
  @Option(name: .long, help: "Must be the posterior's, when given.")
  var likelihood: String?
  @Option(name: .long, help: "Must be the posterior's, when given.")
  var classes: String?
  @Option(name: .long, help: "Must be the posterior's, when given.")
  var heads: String?
  @Option(name: .long, help: "Must be the posterior's, when given.")
  var members: Int?
  @Option(name: .long, help: "Must be the posterior's, when given.")
  var normalize: String?

  /// `--classes` as a list, or as the number of classes 0, 1, ….
  private func sameClasses(_ held: [String]?, file: String) throws {
    guard let classes, classLabels(classes) != held else { return }
    throw CommandFailure(
      ExitStatus.usage,
      "--classes \(classes) disagrees with the posterior, which has \(held?.joined(separator: ",") ?? "no classes")",
      file: file, remedy: "leave the flag out, or fit a new posterior")
  }

  /// `--heads` as the same groups in the same order.
  private func sameHeads(_ held: [[String]]?, file: String) throws {
    guard let heads, groups(heads)?.map(Set.init) != held?.map(Set.init) else { return }
    let own = held.map { $0.map { $0.joined(separator: ",") }.joined(separator: ";") }
    throw CommandFailure(
      ExitStatus.usage, "--heads \(heads) disagrees with the posterior, which has \(own ?? "no heads")", file: file,
      remedy: "leave the flag out, or fit a new posterior")
  }

  /// - Parameter allowsStaying: accept `--method tangent` for a moving tangent that is to stay where it is, and `--method
  ///   kalman` for a Laplace posterior, and `--method mean-field` for either, and a `PointMethod` for weights.
  func check(against posterior: Posterior, file: String, allowsStaying: Bool = false) throws {
    func same(_ flag: String, _ given: String?, _ held: String) throws {
      guard let given, given != held else { return }
      throw CommandFailure(
        ExitStatus.usage, "\(flag) \(given) disagrees with the posterior, which has \(held)", file: file,
        remedy: "leave the flag out, or fit a new posterior")
    }
    let model = posterior.model
    try same(
      "--target", target.isEmpty ? nil : target.joined(separator: ","), model.schema.targets.joined(separator: ","))
    let columns = model.schema.featureColumns
    try same(
      "--features", features.map { names($0)?.joined(separator: ",") ?? $0 },
      columns.map(\.name).joined(separator: ","))
    // Columns of text are categories without being named.
    let categories = columns.filter { $0.levels != nil }.map(\.name)
    if !(names(categorical) ?? []).allSatisfy(categories.contains) {
      try same(
        "--categorical", categorical,
        categories.isEmpty ? "no categories" : "the categories \(categories.joined(separator: ","))")
    }
    try same("--time", time, model.schema.time ?? "no column of times")
    try same("--weights", weights, model.schema.weights ?? "no row weights")
    let staysInPlace = allowsStaying && model.method == .movingTangent && method == Method.tangent.rawValue
    let filters = allowsStaying && model.method == .laplace && method == Method.kalman.rawValue
    let becomesMeanField = allowsStaying && posterior.canUpdateMeanField && method == Method.meanField.rawValue
    if allowsStaying, method == Method.meanField.rawValue, !model.method.keepsCurvature {
      throw CommandFailure(
        ExitStatus.usage,
        "mean-field inference continues a posterior of mean-field, laplace or kalman, and this one is of \(model.methodName)",
        file: file, remedy: "leave --method out, or fit D1 with one of these")
    }
    let continuesWeights =
      allowsStaying && posterior.canContinueWeights && method.flatMap { PointMethod(rawValue: $0) } != nil
    if allowsStaying, let method, PointMethod(rawValue: method) != nil, !continuesWeights {
      throw CommandFailure(
        ExitStatus.usage,
        "--method \(method) continues the weights of a posterior of point, or of laplace over all layers, and this one is of "
          + model.methodName + (model.laplace?.layers == nil ? "" : " over some layers"),
        file: file, remedy: "leave --method out, or fit D1 with one of these")
    }
    if !staysInPlace, !filters, !becomesMeanField, !continuesWeights { try same("--method", method, model.methodName) }
    try same("--subspace", subspace.map(String.init), model.subspace.map(String.init) ?? "none")
    try same("--likelihood", likelihood, model.likelihood.rawValue)
    let joined = model.joined ?? 1
    try same("--members", members.map(String.init), String(posterior.members.count * joined))
    try same("--normalize", normalize, posterior.normalisationRule.rawValue)
    try sameClasses(model.schema.classes, file: file)
    try sameHeads(model.schema.headLabels, file: file)
    let isDense = model.network?.isDense != false || joined > 1
    let units = model.network?.hiddenUnits.map { String($0 / joined) } ?? []
    let activations = Set(model.network?.hiddenActivations.map(\.rawValue) ?? [])
    let other = isDense ? "no hidden layer" : "that of a network file"
    try same("--hidden", hidden, units.isEmpty ? other : units.joined(separator: ","))
    try same("--activation", activation, activations.isEmpty ? other : activations.sorted().joined(separator: ","))
  }
}
