import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import Synchronization

/// Runs methods on the same rows and says how far each goes from D1 only to the network retrained on everything.
public struct Comparison: Sendable {
  public let problem: ComparisonProblem
  public let methods: [ComparisonMethod]
  /// The union is retrained from this many seeds every split, and its score is their mean.
  public static let unionSeeds = 3
  /// Test rows that a picture shows at most.
  static let pictureRows = 400

  /// - Parameter methods: `stale` and `union` are added where they are missing.
  public init(_ problem: ComparisonProblem, methods: [ComparisonMethod]) {
    self.problem = problem
    let all = ComparisonMethod.all(problem)
    let between = methods.filter { $0.step != .nothing && $0.step != .retrain }
    self.methods = all.filter { $0.step == .nothing } + between + all.filter { $0.step == .retrain }
  }

  /// What one method gave on one split.
  private struct Outcome: Sendable {
    var method: Int
    var split: Int
    var failure: String?
    /// One but for the union, which has one a seed.
    var tests: [Assessment] = []
    var stream: [Double] = []
    var old: Double?
    var new: Double?
    var seconds = 0.0
    var keptBytes = 0
    var certificate = ""
    var evidence: Double?
    var predictions: [(mean: Double, low: Double, high: Double)] = []
  }

  /// Work that goes together: methods that start from the same posterior of one split, or one seed of the union.
  private struct Job: Sendable {
    var split: Int
    var base: ComparisonBase
    var methods: [Int]
    var unionSeed: Int?
  }

  /// - Parameters:
  ///   - splits: of the same problem; each is run with a seed of its own.
  ///   - axis: the feature along which predictions are drawn.
  ///   - progress: share done and words; called from the threads that work.
  /// - Throws: what doing nothing or retraining throws; a failure of any other method is part of the report.
  public func run(
    _ splits: [ComparisonSplit], seed: UInt64 = 0, axis: Int = 0, threads: Int = 1,
    progress: @escaping @Sendable (Double, String) -> Void = { _, _ in }
  ) throws -> ComparisonReport {
    precondition(!splits.isEmpty, "there is a split to compare on")
    let jobs = jobs(splits: splits.count)
    let done = Mutex(0)
    let picture = pictureRows(splits[0], axis)
    let workers = max(1, min(threads, jobs.count))
    let outcomes = try parallelMap(jobs.count, threads: workers) { index in
      let result = try run(
        jobs[index], splits[jobs[index].split], seed: seed, picture: picture, threads: max(1, threads / workers))
      let count = done.withLock {
        $0 += 1
        return $0
      }
      progress(Double(count) / Double(jobs.count), "\(count) of \(jobs.count) parts of the work done")
      return result
    }.flatMap { $0 }
    return try report(outcomes, splits, seed: seed, axis: axis, picture: picture)
  }

  private func jobs(splits: Int) -> [Job] {
    var result: [Job] = []
    for split in 0..<splits {
      var places: [ComparisonBase: Int] = [:]
      for (index, method) in methods.enumerated() {
        if method.step == .retrain {
          result += (0..<Self.unionSeeds).map { Job(split: split, base: method.base, methods: [index], unionSeed: $0) }
        } else if let place = places[method.base] {
          result[place].methods.append(index)
        } else {
          places[method.base] = result.count
          result.append(Job(split: split, base: method.base, methods: [index]))
        }
      }
    }
    return result
  }

  private func run(
    _ job: Job, _ split: ComparisonSplit, seed: UInt64, picture: [Int], threads: Int
  ) throws -> [Outcome] {
    let own = seed &+ UInt64(job.split)
    var stopwatch = Stopwatch()
    if let unionSeed = job.unionSeed {
      let rows = split.first.joined(split.second)
      // Apart from the seeds of the splits.
      let posterior = try job.base.fit(rows, problem, seed: own &+ UInt64(unionSeed) &* 1_000_003, threads: threads)
      var outcome = Outcome(method: job.methods[0], split: job.split)
      outcome.seconds = stopwatch.lap()
      outcome.keptBytes = try methods[job.methods[0]].keptBytes(posterior, problem, rows: split.first)
      try assess(posterior, split, &outcome, isDrawn: unionSeed == 0, picture, seed: own, threads: threads)
      return [outcome]
    }
    let before = Result { try job.base.fit(split.first, problem, seed: own, threads: threads) }
    return try job.methods.map { index in
      let method = methods[index]
      var outcome = Outcome(method: index, split: job.split)
      do {
        var posterior = try before.get()
        outcome.keptBytes = try method.keptBytes(posterior, problem, rows: split.first)
        _ = stopwatch.lap()
        for batch in method.step == .nothing ? [] : split.second.batches(problem.batches) {
          posterior = try method.updated(posterior, by: batch, problem, seed: own, threads: threads)
          if problem.batches > 1 {
            outcome.seconds += stopwatch.lap()
            outcome.stream.append(try nll(posterior, split.test, seed: own, threads: threads) ?? .nan)
            _ = stopwatch.lap()
          }
        }
        outcome.seconds += stopwatch.lap()
        outcome.certificate = method.step == .nothing ? "" : posterior.certificate.update.rawValue
        outcome.evidence = total(posterior)
        try assess(posterior, split, &outcome, isDrawn: true, picture, seed: own, threads: threads)
      } catch  where method.step != .nothing {
        outcome.failure = "\(error)"
      }
      return outcome
    }
  }

  private func assess(
    _ posterior: Posterior, _ split: ComparisonSplit, _ outcome: inout Outcome, isDrawn: Bool, _ picture: [Int],
    seed: UInt64, threads: Int
  ) throws {
    var test = try assessed(posterior, split.test, seed: seed, threads: threads)
    if !problem.likelihood.isClassification, isDrawn {
      let drawn = outcome.split == 0 ? picture : []
      outcome.predictions = try test.look(posterior, split.test, at: drawn, seed: seed, threads: threads)
    }
    outcome.tests = [test]
    if isDrawn {
      outcome.old = try nll(posterior, split.old, seed: seed, threads: threads)
      outcome.new = try nll(posterior, split.new, seed: seed, threads: threads)
    }
  }

  private func assessed(_ posterior: Posterior, _ rows: ComparisonRows, seed: UInt64, threads: Int) throws -> Assessment
  {
    try Assessment(
      posterior, rows, spreads: posterior.normalisation.targetScale, seed: seed, threads: threads)
  }

  private func nll(_ posterior: Posterior, _ rows: ComparisonRows?, seed: UInt64, threads: Int) throws -> Double? {
    guard let rows, rows.count > 0 else { return nil }
    return PairedGap.score(try assessed(posterior, rows, seed: seed, threads: threads).nll, isRoot: false)
  }

  /// log p of all rows, mean over members; nil where improper.
  private func total(_ posterior: Posterior) -> Double? {
    guard !posterior.model.method.keepsCurvature else { return nil }
    let all = posterior.members.indices.compactMap { posterior.logEvidence(ofMember: $0) }
    return all.count == posterior.members.count ? all.reduce(0, +) / Double(max(1, all.count)) : nil
  }

  // MARK: The report

  private func pictureRows(_ split: ComparisonSplit, _ axis: Int) -> [Int] {
    let count = split.test.count
    let order = (0..<count).sorted { split.test.features[$0, axis] < split.test.features[$1, axis] }
    let shown = min(count, Self.pictureRows)
    return (0..<shown).map { order[$0 * count / shown] }
  }

  private func report(
    _ outcomes: [Outcome], _ splits: [ComparisonSplit], seed: UInt64, axis: Int, picture: [Int]
  ) throws -> ComparisonReport {
    let isClassification = problem.likelihood.isClassification
    let byMethod = methods.indices.map { index in
      splits.indices.map { split in outcomes.filter { $0.method == index && $0.split == split } }
    }
    let stream = RandomStream(seed: seed).split(0x636f_6d70)
    func gap(_ rows: (Assessment) -> [Double], isRoot: Bool) -> PairedGap {
      let linear = methods.firstIndex { $0.base == .linear }.map { byMethod[$0] }
      return PairedGap(
        stale: byMethod[0].map { rows($0[0].tests[0]) },
        unions: byMethod[methods.count - 1].map { own in own.map { rows($0.tests[0]) } },
        linear: linear.flatMap { own in
          own.contains { $0.contains { $0.failure != nil } } ? nil : own.map { rows($0[0].tests[0]) }
        }, isRoot: isRoot, stream: stream)
    }
    let nll = gap({ $0.nll }, isRoot: false)
    let error = gap({ $0.error }, isRoot: !isClassification)
    let results = methods.indices.map { index in
      result(methods[index], byMethod[index].flatMap { $0 }, splits.count, nll, error)
    }
    var axisShown: ComparisonReport.PictureAxis?
    if !isClassification {
      let test = splits[0].test
      axisShown = ComparisonReport.PictureAxis(
        name: problem.schema.features[axis], target: problem.schema.targets[0],
        at: picture.map { test.features[$0, axis] }, observed: picture.map { test.targets[$0, 0] },
        isNew: splits[0].isNew.map { own in picture.map { own[$0] } } ?? [])
    }
    return ComparisonReport(
      isClassification: isClassification,
      rows: (splits[0].first.count, splits[0].second.count, splits[0].test.count), splits: splits.count,
      batches: problem.batches, nll: nll.gap, error: error.gap, methods: results,
      information: information(byMethod, rows: splits[0].first.count + splits[0].second.count), picture: axisShown)
  }

  private func result(
    _ method: ComparisonMethod, _ own: [Outcome], _ splits: Int, _ nll: PairedGap, _ error: PairedGap
  ) -> ComparisonReport.MethodResult {
    let failure = own.compactMap(\.failure).first
    func mean(_ values: [Double?]) -> Double? {
      let present = values.compactMap { $0 }
      return present.isEmpty ? nil : present.reduce(0, +) / Double(present.count)
    }
    // The union's first seed stands for it, but in its score.
    let first = own.filter { !$0.tests.isEmpty }.reduce(into: [Int: Outcome]()) { $0[$1.split] = $0[$1.split] ?? $1 }
      .sorted { $0.key < $1.key }.map(\.value)
    let batches = first.map(\.stream.count).min() ?? 0
    func closed(_ gap: PairedGap, _ rows: (Assessment) -> [Double]) -> ComparisonReport.GapClosed? {
      guard failure == nil else { return nil }
      if method.step == .retrain { return gap.ofUnion }
      return gap.closed(by: first.map { rows($0.tests[0]) })
    }
    return ComparisonReport.MethodResult(
      name: method.name, summary: method.summary, needsOldData: method.needsOldData,
      givesPosterior: method.givesPosterior, certificate: first.first?.certificate ?? "",
      nll: closed(nll) { $0.nll }, error: closed(error) { $0.error }, failure: failure,
      seconds: mean(own.map(\.seconds)) ?? 0, keptBytes: own.map(\.keptBytes).max() ?? 0,
      oldRows: mean(first.map(\.old)), newRows: mean(first.map(\.new)),
      stream: (0..<batches).map { k in mean(first.map { $0.stream[k] }) ?? .nan },
      coverage: Assessment.coverage(first.flatMap { $0.tests[0].probability }),
      reliability: Assessment.reliability(first.flatMap { $0.tests[0].confidence }),
      predictions: first.first { $0.split == 0 }?.predictions ?? [])
  }

  private func information(_ byMethod: [[[Outcome]]], rows: Int) -> ComparisonReport.InformationLost? {
    func outcomes(_ name: String) -> [Outcome]? {
      guard let index = methods.firstIndex(where: { $0.name == name }) else { return nil }
      let own = byMethod[index].flatMap { $0 }
      return own.contains { $0.failure != nil } ? nil : own
    }
    guard let tangent = outcomes("tangent"), let frozen = outcomes("last-layer") else { return nil }
    let differences = zip(frozen, tangent).flatMap { a, b in zip(a.tests[0].nll, b.tests[0].nll).map { $0 - $1 } }
    let heldOut = PairedComparison(differences: differences)
    let factors = zip(tangent, frozen).compactMap { a, b in a.evidence.flatMap { own in b.evidence.map { own - $0 } } }
    return ComparisonReport.InformationLost(
      logBayesFactor: factors.count == tangent.count
        ? factors.reduce(0, +) / Double(max(1, factors.count * rows)) : nil,
      heldOut: heldOut.difference, heldOutStandardError: heldOut.standardError)
  }
}
