import BNNDatasets
import BNNLinearAlgebra
import BNNPosteriors
import BNNProbability

/// Whether a batch is like the rows that a posterior has seen: one verdict of three questions, asked before it is absorbed.
///
/// 1. **Scatter**: are its targets as near to their predictions as they should be? F of the whole batch in the linear family
///    (`MisfitTest`); else the mean of e² over the batch (of −log p where targets are classes or counts, or have a noise of their
///    own) against that of D1's rows that were not learnt from.
/// 2. **Level**: do they lie on one side of their predictions? Amounts only.
/// 3. **Inputs**: is every column spread as before? Kolmogorov–Smirnov for amounts, χ² for categories and for numbers with few
///    different values.
///
/// The chance of a false alarm is at most `level` in all (Bonferroni): half of it for the first two, half for the columns, among which
/// those that differ are named by Holm's procedure.
public struct DriftTest: Sendable, Equatable {
  /// The chance that a batch from the same source is called different.
  public static let level = 0.01

  /// One column's test.
  public struct Column: Sendable, Equatable {
    public let name: String
    /// `kolmogorov-smirnov` or `chi-squared`.
    public let test: String
    public let pValue: Double
    /// Whether this column differs, with at most half of `level` for any column that does not.
    public let differs: Bool
  }

  /// Of one question and what it asks about.
  public struct Question: Sendable, Equatable {
    public let pValue: Double
    /// How many times as far as D1's the targets are from their predictions, squared (F in the linear family); or `isInNats` what they
    /// lose beyond what D1's do; of the level nil.
    public let statistic: Double?
    public var isInNats = false
    /// Of F under the model itself; nil for every other.
    public let modelPValue: Double?
  }

  public let scatter: Question?
  public let level: Question?
  /// By p-value.
  public let columns: [Column]
  /// The verdict: below `level` the batch differs. Nil where nothing could be asked.
  public let pValue: Double?

  public var found: Bool { (pValue ?? 1) < Self.level }

  /// Of all columns, whichever differs; nil where none could be asked.
  public var inputsPValue: Double? {
    columns.isEmpty ? nil : min(1, Double(columns.count) * (columns.map(\.pValue).min() ?? 1))
  }

  /// What differs, in words that the lineage keeps: `scatter`, `level`, and columns by name.
  public var reasons: [String] {
    guard found else { return [] }
    let share = Self.share(of: columns, scatter, level)
    var words: [String] = []
    if (scatter?.pValue ?? 1) < share.question { words.append("scatter") }
    if (level?.pValue ?? 1) < share.question { words.append("level") }
    return words + columns.filter(\.differs).map(\.name)
  }

  /// - Parameter columns: names, tests and p-values.
  init(scatter: Question?, level: Question?, columns: [(name: String, test: String, pValue: Double)]) {
    self.scatter = scatter
    self.level = level
    let share = Self.share(of: columns, scatter, level)
    let differs = TwoSampleTests.holm(columns.map(\.pValue), level: share.inputs)
    self.columns = zip(columns, differs).map {
      Column(name: $0.name, test: $0.test, pValue: $0.pValue, differs: $1)
    }.sorted { $0.pValue < $1.pValue }
    let questions = [scatter?.pValue, level?.pValue].compactMap { $0 }.min().map { $0 * Self.level / share.question }
    let inputs = columns.map(\.pValue).min().map { $0 * Double(columns.count) * Self.level / share.inputs }
    pValue = [questions, inputs].compactMap { $0 }.min().map { min(1, $0) }
  }

  /// What of `level` each question about the targets and all columns together may spend.
  private static func share<C>(of columns: [C], _ scatter: Question?, _ level: Question?) -> (
    question: Double, inputs: Double
  ) {
    let questions = [scatter, level].compactMap { $0 }.count
    guard questions > 0 else { return (0, Self.level) }
    guard !columns.isEmpty else { return (Self.level / Double(questions), 0) }
    return (Self.level / 2 / Double(questions), Self.level / 2)
  }
}

extension Posterior {
  /// Asks whether rows are like those seen before; nil where the posterior keeps nothing to judge by and its weights are not
  /// identified yet.
  ///
  /// - Parameters:
  ///   - update: of this posterior, with all rows absorbed and not finished; made with `countingApart`.
  ///   - sample: of the same rows.
  /// - Throws: `GSLError`, and as `Predictor`.
  public func driftTest(_ update: SequentialUpdate, _ sample: RowSample, threads: Int = 1) throws -> DriftTest? {
    guard rows > 0, sample.total > 0 else { return nil }
    let (scatter, level) =
      model.method.keepsCurvature
      ? try lossQuestions(sample.prefix(scoredRows), threads: threads) : try misfitQuestions(update, threads: threads)
    let test = DriftTest(scatter: scatter, level: level, columns: try columnTests(sample))
    return test.pValue == nil ? nil : test
  }

  /// The smallest of several responses' p-values times their number; of several members, whose tests depend on each other, twice
  /// the mean (Rüschendorf 1982).
  private func joined(_ pValues: [Double?]) -> Double? {
    let present = pValues.compactMap { $0 }
    guard !present.isEmpty, present.count == pValues.count else { return nil }
    let responses = pValues.count / members.count
    let each = members.indices.map { m in
      min(1, Double(responses) * (present[(m * responses)..<((m + 1) * responses)].min() ?? 1))
    }
    return members.count == 1 ? each[0] : min(1, 2 * each.reduce(0, +) / Double(members.count))
  }

  private func misfitQuestions(
    _ update: SequentialUpdate, threads: Int
  ) throws -> (DriftTest.Question?, DriftTest.Question?) {
    // What a network that was trained on its rows says of them holds for no others, nor does a prior that few rows have chosen.
    let isGiven = model.method == .linear && model.prior.precision != .auto
    guard isProper, let batch = update.batchStatistics, isGiven || drift?.scores.isEmpty == false else {
      return (nil, nil)
    }
    let tests = try misfits(of: batch, threads: threads)
    guard let pValue = joined(tests.map { $0.pValue }) else { return (nil, nil) }
    return (
      DriftTest.Question(
        pValue: pValue, statistic: tests.map(\.statistic).max(), modelPValue: joined(tests.map { $0.modelPValue })),
      joined(tests.map(\.levelPValue)).map { DriftTest.Question(pValue: $0, statistic: nil, modelPValue: nil) }
    )
  }

  private func lossQuestions(
    _ sample: RowSample, threads: Int
  ) throws -> (DriftTest.Question?, DriftTest.Question?) {
    guard let reference = drift?.scores.first, let own = reference.loss else { return (nil, nil) }
    let rows = try losses(sample, threads: threads)
    let (counts, n) = (sample.multiplicities, sample.effectiveRows)
    func mean(_ values: [Double]) -> Double {
      zip(values, counts).reduce(0) { $0 + $1.0 * Double($1.1) } / Double(max(1, counts.reduce(0, +)))
    }
    let scatter: DriftTest.Question
    if let squares = rows.squares, let known = reference.square, known.mean > 0 {
      // Fits differ in the noise that they find, and −log p with it; how far rows are in units of it differs less.
      let square = mean(squares)
      scatter = DriftTest.Question(
        pValue: try known.upperTail(ofMeanSquare: square, of: n), statistic: square / known.mean, modelPValue: nil)
    } else {
      let loss = mean(rows.losses)
      scatter = DriftTest.Question(
        pValue: loss.isFinite ? try own.upperTail(ofMean: loss, of: n) : 0, statistic: loss - own.mean, isInNats: true,
        modelPValue: nil)
    }
    var level: DriftTest.Question?
    if let residuals = rows.residuals, let moments = reference.residual {
      level = DriftTest.Question(
        pValue: try moments.bothTails(ofMean: mean(residuals), of: n), statistic: nil, modelPValue: nil)
    }
    return (scatter, level)
  }

  private func columnTests(_ sample: RowSample) throws -> [(name: String, test: String, pValue: Double)] {
    guard let before = drift?.inputs, before.rows > 0 else { return [] }
    var own = before.emptied
    own.add(sample, schema)
    let (n, m) = (before.effectiveRows, own.effectiveRows)
    return try schema.featureColumns.indices.map { c in
      let name = schema.featureColumns[c].name
      let (here, there) = (before.columns[c], own.columns[c])
      guard here.isDiscrete else {
        return (
          name, "kolmogorov-smirnov", TwoSampleTests.kolmogorovSmirnov(distance: here.distance(to: there), n, m)
        )
      }
      return (name, "chi-squared", try TwoSampleTests.homogeneity(here.counts, there.counts, effective: n, m))
    }
  }
}
