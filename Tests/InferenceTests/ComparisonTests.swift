import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@testable import BNNInference

/// Methods side by side on the same rows.
@Suite("comparison") struct ComparisonTests {
  /// y = sin 3a + b² + noise; D1 where a < 0, D2 where not.
  private static func rows(_ count: Int, seed: UInt64, _ range: ClosedRange<Double>) -> ComparisonRows {
    var stream = RandomStream(seed: seed)
    var (x, y): ([Double], [Double]) = ([], [])
    for _ in 0..<count {
      let a = range.lowerBound + (range.upperBound - range.lowerBound) * stream.uniform()
      let b = 2 * stream.uniform() - 1
      x += [a, b]
      y.append(sin(3 * a) + b * b + 0.3 * (stream.uniform() + stream.uniform() - 1))
    }
    return ComparisonRows(
      features: Matrix(rows: count, columns: 2, storage: x), targets: Matrix(rows: count, columns: 1, storage: y))
  }

  private static let split = ComparisonSplit(
    first: rows(60, seed: 1, -1...0), second: rows(60, seed: 2, 0...1), test: rows(80, seed: 3, -1...1),
    old: rows(40, seed: 4, -1...0), new: rows(40, seed: 5, 0...1))

  private static func problem(batches: Int = 1) -> ComparisonProblem {
    ComparisonProblem(
      schema: Schema(features: ["a", "b"], targets: ["y"]),
      network: NetworkSpec(inputs: 2, hidden: [6], outputs: 1, activation: .tanh), likelihood: .gaussian,
      training: TrainingSettings(schedule: [20, 20, 20]), batches: batches, size: { _ in 1000 })
  }

  private static func run(
    _ names: [String], batches: Int = 1, threads: Int = 2, splits: Int = 1
  ) throws -> ComparisonReport {
    let problem = problem(batches: batches)
    let chosen = ComparisonMethod.all(problem).filter { names.contains($0.name) }
    return try Comparison(problem, methods: chosen).run(
      Array(repeating: split, count: splits), seed: 7, threads: threads)
  }

  @Test("the ends are what fit gives of D1 and of the concatenated rows")
  func ends() throws {
    let report = try Self.run(["tangent"])
    #expect(report.methods.map(\.name) == ["stale", "tangent", "union"])
    func score(_ rows: ComparisonRows, seed: UInt64) throws -> Double {
      let normalisation = Normalisation.fit(
        CompactRows(features: rows.features, targets: rows.targets, weights: nil))
      let posterior = try Posterior.network(
        Self.problem().network, method: .tangent, schema: Self.problem().schema, features: rows.features,
        targets: rows.targets, normalisation: normalisation, training: Self.problem().training, seed: seed
      ).posterior
      return try posterior.scores(features: Self.split.test.features, targets: Self.split.test.targets)[0]
        .negativeLogLikelihood
    }
    let first = Self.split.first, second = Self.split.second
    let both = ComparisonRows(
      features: Matrix(rows: 120, columns: 2, storage: first.features.storage + second.features.storage),
      targets: Matrix(rows: 120, columns: 1, storage: first.targets.storage + second.targets.storage))
    // The same computation: means of the same numbers.
    #expect(report.methods[0].nll?.score == (try score(first, seed: 7)))
    let seeds = try (0..<3).map { try score(both, seed: 7 + $0 * 1_000_003) }
    let union = try #require(report.methods[2].nll?.score)
    #expect(abs(union - seeds.reduce(0, +) / 3) < 1e-14 * max(1, abs(union)))
    #expect(report.methods[2].needsOldData && !report.methods[1].needsOldData)
    #expect(report.methods[2].keptBytes == 60 * 3 * 8)
  }

  @Test("linear regression by batches is linear regression on all rows, whatever the batches (E1)")
  func linear() throws {
    let whole = try Self.run(["linear"])
    let streamed = try Self.run(["linear"], batches: 7)
    let all = try #require(whole.methods[1].nll?.score)
    let batches = try #require(streamed.methods[1].nll?.score)
    // Three coefficients of a well-conditioned design; E1's tolerance is far below.
    #expect(abs(all - batches) < 1e-9)
    #expect(streamed.methods[1].stream.count == 7)
    #expect(abs((streamed.methods[1].stream.last ?? 0) - all) < 1e-9)
    #expect(whole.methods[1].certificate == "exact")
  }

  @Test("threads do not change the result, and every method ends in scores")
  func everyMethod() throws {
    let names = ComparisonMethod.all(Self.problem()).map(\.name).filter { $0 != "mean-field" }
    let one = try Self.run(names, threads: 1)
    let two = try Self.run(names, threads: 2)
    for (a, b) in zip(one.methods, two.methods) {
      #expect(a.failure == nil, "\(a.name): \(a.failure ?? "")")
      #expect(a.nll == b.nll && a.error == b.error, "\(a.name)")
      #expect(a.coverage.map(\.observed) == b.coverage.map(\.observed))
      #expect(a.oldRows != nil && a.newRows != nil)
    }
    let information = try #require(one.information)
    #expect(information.logBayesFactor != nil && information.heldOut.isFinite)
    // D1 says nothing of where D2 is: whoever sees D2 must do better there than doing nothing.
    func named(_ name: String) throws -> ComparisonReport.MethodResult {
      try #require(one.methods.first { $0.name == name })
    }
    #expect(try #require(try named("tangent").newRows) < (try #require(try named("stale").newRows)))
  }

  @Test(
    "what the command leaves out by default is what takes long: of 3,000 rows × 20 columns the moving tangent alone")
  func estimates() {
    var problem = Self.problem()
    problem.schema = Schema(features: (0..<20).map { "x\($0)" }, targets: ["y"])
    problem.network = NetworkSpec(inputs: 20, hidden: [50], outputs: 1, activation: .tanh)
    problem.training = TrainingSettings()
    // Measured on two cores: the others end within 30 s each, the moving tangent after two minutes.
    let slow = ComparisonMethod.all(problem).filter { $0.estimatedSeconds(problem, rows: 3000) > 60 }
    #expect(slow.map(\.name) == ["moving-tangent"])
  }

  @Test("under a flat prior, methods that need a proper one are not offered")
  func flat() throws {
    var problem = Self.problem()
    problem.prior = PriorSettings(precision: .given(0))
    let names = ComparisonMethod.all(problem).map(\.name)
    #expect(!names.contains("laplace") && !names.contains("hot-start") && !names.contains("moving-tangent"))
    #expect(names.contains("linear") && names.first == "stale" && names.last == "union")
  }
}
