import ArgumentParser
import BNNDatasets
import BNNInference
import BNNLinearAlgebra
import BNNModels
import BNNPosteriorFile
import BNNPosteriors
import Foundation

/// Weights beyond which a tangent is not the default, and beyond which it is refused.
enum TangentLimit {
  static let automatic = 2000
  static let possible = 6000
  /// Numbers of a subspace's directions (M × P) beyond which it is refused: 800 MB, and four times that while it is chosen.
  static let subspace = 100_000_000
  /// Units of the last hidden layer beyond which a last-layer posterior is refused.
  static let lastLayer = 10_000
  /// Numbers that the curvature of a Laplace posterior and its factor may hold: 6.4 GB.
  static let curvature = 8e8
  /// Weights beyond which a network is refused.
  static let network = 20_000_000
}

struct Fit: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make the first posterior from D1: train a network (or a linear model) and keep what the data said.")

  @Argument(help: "D1: a .csv, .csv.gz, .npy, .npz or IDX file, or - for standard input.")
  var data: String

  @OptionGroup var model: ModelOptions
  @OptionGroup var labels: LabelOptions
  @OptionGroup var tasks: TaskOptions

  @Option(
    name: .long,
    help: """
      tangent, moving-tangent, last-layer, parallel-branch (the inputs beside the last layer's features), linear, laplace, kalman, mean-field or point (default: tangent up to 2,000 weights, then \
      last-layer; laplace where the likelihood is not gaussian). kalman is for streams: every update takes its rows one at a \
      time. mean-field is variational, with two numbers a weight; prefer laplace where its matrix fits. \
      point is trained weights without a posterior, for the updates that people try (hot-start, freeze, ewc, …).
      """)
  var method: String?

  @Option(
    name: .long,
    help: """
      tangent only: let the weights move in this many directions, chosen on D1; for networks beyond about 2,000 weights.
      """)
  var subspace: Int?

  @Option(
    name: .long,
    help: """
      tangent only: as --subspace, but in directions drawn at random, fewer than D1 has rows, so that the file holds no span of D1's \
      rows, from which they could be solved for.
      """)
  var sketchOnly: Int?

  @Flag(
    name: .long,
    help: """
      tangent and moving-tangent: join the members into one network, the mean of theirs, with one posterior over all their weights.
      """)
  var join = false

  @Flag(name: .long, help: "linear only: no intercept.")
  var noIntercept = false

  @Flag(
    name: .long,
    help: """
      kalman only: no training; one pass of the filter over D1 in its order, from random weights. Noise and prior by how well \
      every row was predicted from those before it.
      """)
  var onePass = false

  @Option(
    name: .long,
    help: """
      kalman with --one-pass only: what earlier rows count before each row, more than 0 and at most 1, or auto (by how well \
      the rows were predicted).
      """)
  var forgetting = AutoSetting(argument: "auto")!

  @Flag(name: .long, help: "kalman with --one-pass only: single precision, at about half the time.")
  var singlePrecision = false

  @Flag(
    name: .long,
    help: """
      Keep no sample of the rows' fingerprints (up to 1,024, about 8 kB), by which updates warn of rows that were absorbed before; whoever \
      has a row of the sample can tell from the file that it was seen.
      """)
  var noRowSketch = false

  @Flag(
    name: .long,
    help: """
      Keep nothing of how the input columns are spread (up to 31 values of each and the shares of rows between them), by which updates \
      tell whether new rows are like the earlier ones.
      """)
  var noColumnSketch = false

  @OptionGroup var keeping: SiteOptions
  @OptionGroup var laplace: LaplaceOptions
  @OptionGroup var training: TrainingOptions
  @OptionGroup var variational: VariationalOptions
  @OptionGroup var optimizer: OptimizerOptions
  @OptionGroup var destination: OutputOptions
  @OptionGroup var tables: DataOptions
  @OptionGroup var global: GlobalOptions

  func validate() throws {
    try model.validateTarget(isLabelled: labels.file != nil)
    try validateClasses()
    if let method, Method(rawValue: method) == nil {
      let all = Method.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("--method is one of \(all); got \"\(method)\"")
    }
    if laplace.isUsed, method != nil, !keepsCurvature {
      throw ValidationError(
        "--structure, --layers, --curvature, --curvature-draws and --prior-per belong to --method laplace, kalman or mean-field"
      )
    }
    if onePass, method != Method.kalman.rawValue { throw ValidationError("--one-pass belongs to --method kalman") }
    if case .given(let tau) = forgetting.setting {
      guard onePass else { throw ValidationError("--forgetting belongs to --one-pass") }
      guard tau > 0, tau <= 1 else { throw ValidationError("--forgetting is more than 0 and at most 1; got \(tau)") }
    }
    if singlePrecision, !onePass { throw ValidationError("--single-precision belongs to --one-pass") }
    if onePass, laplace.curvature != "ggn" || laplace.priorPer != PriorScope.network.rawValue || training.epochs != nil
    {
      throw ValidationError("--curvature, --prior-per and --epochs are not of --one-pass, which does not train")
    }
    if model.normalize == NormalisationRule.pixel.rawValue, method == Method.linear.rawValue {
      throw ValidationError("--normalize pixel belongs to networks; --method linear takes standard or none")
    }
    if noIntercept, method != Method.linear.rawValue {
      throw ValidationError("--no-intercept belongs to --method linear")
    }
    try validateDirections()
    if keeping.keepSites, keepsCurvature || method == Method.movingTangent.rawValue {
      throw ValidationError("--keep-sites of fit belongs to --method linear, last-layer, parallel-branch and tangent")
    }
    if model.weights != nil, method == Method.movingTangent.rawValue {
      throw ValidationError("--method moving-tangent cannot weigh rows yet; use tangent with --weights")
    }
    if model.network != nil, method == Method.linear.rawValue {
      throw ValidationError("--network belongs to the methods with a network, not to linear")
    }
    if model.members > 1, method == Method.linear.rawValue { throw ValidationError("a linear model has one member") }
  }

  func run() throws { try execute(global.console).print(global.console) }

  /// Whether the method takes classes.
  private var takesClasses: Bool { method == nil || keepsCurvature || method == Method.tangent.rawValue }

  private func validateClasses() throws {
    if let likelihood = model.likelihood, !model.mayBeGaussian {
      if let method, !takesClasses {
        throw ValidationError(
          "--likelihood \(likelihood) belongs to --method laplace, kalman, mean-field or tangent, not \(method)")
      }
      if directions != nil { throw ValidationError("\(directionsFlag) belongs to --likelihood gaussian") }
    }
    if let flag = model.classFlag, !takesClasses || directions != nil {
      throw ValidationError("\(flag) belongs to --method laplace, kalman, mean-field or tangent")
    }
  }

  /// A flat prior cannot choose between an intercept and the sum of all levels.
  private var coding: LevelCoding {
    method == Method.linear.rawValue && model.priorPrecision.setting == .given(0)
      ? .reference(intercept: !noIntercept) : .full
  }

  /// Of no rows; nil where none is wanted.
  var newSketch: RowSketch? { noRowSketch ? nil : RowSketch() }

  /// Fits, writes the file, and returns what there is to say.
  func execute(_ console: Console) throws -> UpdateSummary {
    var own = self
    own.model = try model.resolved()
    return try own.fit(console)
  }

  private func fit(_ console: Console) throws -> UpdateSummary {
    let started = Date()
    try refuseOutput(destination.output, amongInputs: [data] + labels.labels)
    try AtomicFile.check(destination.output, replacing: destination.force)
    // Twice: the first reading finds categories and their levels.
    let input = try TableInput(path: data, labels: labels.file)
    let schema = try Schema.fit(
      model.choice(isLabelled: labels.file != nil, takesClasses: takesClasses, task: tasks.taskColumn), to: input,
      options: tables.options,
      coding: coding)
    let table = try TableReader(input, options: tables.options)
    let reader = try DatasetReader(table: table, schema: schema, readsTime: true, task: tasks.choice)
    let prior = model.prior

    let fitted: (posterior: Posterior, report: UpdateReport)
    let summary: BatchSummary
    var refit: Refit?
    if !keepsCurvature { try variational.refuseUnused() }
    if method == Method.point.rawValue {
      try optimizer.check(epochs: training.epochs)
    } else {
      try optimizer.refuseUnused()
    }
    if method == Method.linear.rawValue {
      var update = SequentialUpdate(
        .linear(
          schema: schema, intercept: !noIntercept, standardised: model.normalisationRule(.csv) != .none, prior: prior))
      summary = try absorb(
        reader, into: &update, threads: global.workers, console: console, sketch: newSketch,
        expected: Set(model.unused(table.columnNames)))
      fitted = try update.finish(threads: global.workers)
    } else {
      (fitted, summary, refit) = try fitNetwork(
        reader, header: table.columnNames, schema: schema, prior: prior, console: console)
    }
    var posterior = fitted.posterior
    posterior.rowSketch = summary.sketch
    posterior.drift = try summary.sample.map { sample -> DriftReference in
      console.progress("looking how unseen rows are predicted")
      let made = try posterior.driftReference(
        sample, keepsColumns: !noColumnSketch, threads: global.workers, refitting: refit)
      console.clearProgress()
      return made
    }
    if keeping.keepSites { posterior = try posterior.keepingFirstSite() }
    let trained = posterior.model.method != .linear && !onePass
    var settings = tables.lineageSettings(summary)
    settings.merge(keeping.lineage) { $1 }
    if onePass {
      settings[UpdateSetting.onePass] = "true"
      if singlePrecision { settings[UpdateSetting.precision] = "single" }
      if case .given(let tau) = forgetting.setting { settings[UpdateSetting.forgetting] = "\(tau)" }
    }
    if trained, posterior.model.method == .meanField {
      settings.merge(
        VariationalOptions.lineage(
          training.settings(variational), report: fitted.report.variational, given: training.epochs)
      ) { $1 }
    } else if trained {
      let own = training.settings(
        rows: summary.rows, products: posterior.model.network.map { Network($0).productsPerRow } ?? 0)
      settings.merge(TrainingOptions.lineage(own)) { $1 }
      var kept = own
      kept.scheduleEpochs = optimizer.scheduleEpochs
      settings.merge(PointOptions.lineage(keepsOptimiser: optimizer.keepOptimizer, kept)) { $1 }
    }
    posterior.lineage = [
      LineageEntry(
        number: 1, action: "fit", rows: summary.rows, rowDigest: summary.digest.description,
        method: posterior.model.methodName, settings: settings, logEvidence: fitted.report.logEvidence,
        seed: global.seed, version: libraryVersion, parent: nil, label: destination.label,
        subspaceShare: fitted.report.subspaceShare,
        timeRange: reader.timeRange.map { [$0.first, $0.last] })
    ]
    let (bytes, _) = try PosteriorFile.encode(posterior)
    try AtomicFile.write(bytes, to: destination.output, replacing: destination.force)
    return UpdateSummary(
      action: "fit", posterior: posterior, report: fitted.report, output: destination.output, bytes: bytes.count,
      seconds: Date().timeIntervalSince(started))
  }

  /// Makes a posterior of one member from other rows than D1's, with everything else the same.
  typealias Refit = (Dataset) throws -> Posterior

  private func fitNetwork(
    _ reader: DatasetReader, header: [String], schema: Schema, prior: PriorSettings, console: Console
  ) throws -> ((posterior: Posterior, report: UpdateReport), BatchSummary, Refit?) {
    if let kind = try laplaceLikelihood(schema) {
      return try fitLaplace(reader, header: header, schema: schema, prior: prior, likelihood: kind, console: console)
    }
    let spec = try model.network(schema, .gaussian)
    if join, !JoinedMembers.takes(spec) {
      throw CommandFailure.usage(
        "--join is of dense networks with a hidden layer and a linear last one",
        remedy: "leave --join out: the members then have a posterior each")
    }
    let weights = Network(join ? JoinedMembers.spec(spec, count: model.members) : spec).parameterCount
    guard weights <= TangentLimit.network else {
      throw CommandFailure.usage(
        "a network with \(weights) weights is more than the \(TangentLimit.network) that are possible",
        remedy: "use fewer or smaller layers (--hidden)")
    }
    let chosen: Method
    if let directions {
      chosen = .tangent
      try checkSubspace(directions, weights: weights)
    } else if let method {
      chosen = Method(rawValue: method) ?? .tangent
      if chosen.isTangent, weights > TangentLimit.possible {
        throw CommandFailure.usage(
          "the tangent of a network with \(weights) weights would need a \(weights) × \(weights) matrix",
          remedy:
            "keep some directions of it (--subspace 1000), use --method last-layer, or fewer than "
            + "\(TangentLimit.possible) weights (--hidden)")
      }
    } else {
      chosen = weights <= TangentLimit.automatic ? .tangent : .lastLayer
      if chosen == .lastLayer {
        console.note(
          "the network has \(weights) weights: keeping the posterior of its last layer only, since a tangent update "
            + "would cost about \(Int(pow(Double(weights) / 2000, 3) * 20)) s "
            + "(--method tangent asks for it up to \(TangentLimit.possible); --subspace M keeps M directions of all weights)"
        )
      }
    }
    let features = chosen.frozenWeights(of: Network(spec)) - 1
    guard chosen.isTangent || features <= TangentLimit.lastLayer else {
      throw CommandFailure.usage(
        "the posterior of a last layer on \(features) units\(chosen == .parallelBranch ? " and inputs" : "") would need a "
          + "\(features) × \(features) matrix",
        remedy: "use at most \(TangentLimit.lastLayer) units in the last hidden layer (--hidden)")
    }
    let (dataset, summary) = try readAll(reader, header: header, console)
    try checkDirections(rows: dataset.rows, schema, reader)
    let rule = model.normalisationRule(reader.format)
    func fit(_ rows: Dataset, members: Int, _ console: Console?) throws -> (posterior: Posterior, report: UpdateReport)
    {
      try Posterior.network(
        spec, method: chosen, schema: schema, features: rows.featureMatrix, targets: rows.targetMatrix,
        weights: rows.weights, normalisation: Normalisation.fit(rows, rule: rule, targetKind: schema.targetKind),
        standardised: rule != .none, prior: prior,
        training: training.settings(rows: rows.rows, products: Network(spec).productsPerRow),
        members: members, isJoined: join, subspace: directions, isSketch: sketchOnly != nil, seed: global.seed,
        threads: global.workers,
        progress: { _, message in console?.progress(message) })
    }
    let fitted = try fit(dataset, members: model.members, console)
    console.clearProgress()
    return (fitted, summary, { try fit($0, members: 1, nil).posterior })
  }

  /// All rows of D1, of which a network needs two.
  func readAll(
    _ reader: DatasetReader, header: [String], _ console: Console
  ) throws -> (dataset: Dataset, summary: BatchSummary) {
    let dataset = try Dataset(readingAll: reader)
    var summary = BatchSummary(sketch: newSketch, sample: RowSample(of: reader))
    summary.add(dataset)
    try finish(&summary, reader, rows: dataset.rows, header: header, console)
    return (dataset, summary)
  }

  /// What follows when all rows have been read.
  func finish(
    _ summary: inout BatchSummary, _ reader: DatasetReader, rows: Int, header: [String], _ console: Console
  ) throws {
    remark(on: reader, console, expected: Set(model.unused(header)))
    summary.finish(reader)
    guard rows >= 2 else {
      throw CommandFailure(
        ExitStatus.badData, "a network needs at least two rows to start from, got \(rows)", file: reader.file,
        remedy: "fit on more rows, or use --method linear, which takes one row at a time")
    }
  }
}
