import BNNLinearAlgebra
import BNNModels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// How far the predictions of two posteriors are apart on given rows, which need no targets.
public struct PredictionDifference: Sendable {
  /// A figure and the row where it is largest, counted from 1 as in its table.
  public struct Extreme: Sendable, Equatable {
    public var value = 0.0
    public var row = 0

    mutating func take(_ other: Double, _ row: Int) {
      if other > value || self.row == 0 { (value, self.row) = (other, row) }
    }
  }

  private let first: Predictor
  private let second: Predictor
  public private(set) var rows = 0
  /// Of amounts and counts: |mean₂ − mean₁| in standard deviations of the first prediction, noise included.
  public private(set) var shift = Extreme()
  private var shifts = 0.0
  /// Of amounts and counts: the larger of sd₂/sd₁ and sd₁/sd₂.
  public private(set) var spread = Extreme()
  /// Of classes: ½ Σ_c |P₂(c) − P₁(c)|.
  public private(set) var variation = Extreme()
  private var variations = 0.0
  /// Rows whose most probable class is another.
  public private(set) var changed = 0
  public let isAboutClasses: Bool

  /// - Throws: `UpdateError.unsuitable` for posteriors with other columns, or with classes in heads, which rows do not tell; as
  ///   `Predictor`.
  public init(_ a: Posterior, _ b: Posterior) throws {
    guard a.schema == b.schema else { throw UpdateError.unsuitable("the two posteriors have other columns") }
    guard a.schema.heads == nil else {
      throw UpdateError.unsuitable("classes are in heads, and rows without targets do not tell theirs")
    }
    first = try Predictor(a)
    second = try Predictor(b)
    isAboutClasses = a.model.likelihood.isClassification
  }

  /// Means over rows of the shift and of the variation; 0 for none.
  public var meanShift: Double { rows > 0 ? shifts / Double(rows) : 0 }
  public var meanVariation: Double { rows > 0 ? variations / Double(rows) : 0 }

  /// Adds rows of features, n × d. O(n) predictions of both.
  ///
  /// - Parameter numbers: of the rows in their table; 1, 2, … after those before where nil.
  public mutating func add(features: Matrix, numbers: [Int]? = nil, threads: Int = 1) throws {
    let (here, there) = (
      try first.predictions(features: features, threads: threads),
      try second.predictions(features: features, threads: threads)
    )
    for (i, pair) in zip(here, there).enumerated() {
      rows += 1
      let row = numbers.map { $0[i] } ?? rows
      switch pair {
      case (.amounts(let a), .amounts(let b)): take(a, b, row)
      case (.classes(let a), .classes(let b)):
        let size =
          zip(a, b).reduce(0.0) { sum, pair in
            sum + 0.5 * zip(pair.0.probabilities, pair.1.probabilities).reduce(0) { $0 + abs($1.0 - $1.1) }
          } / Double(max(1, a.count))
        variation.take(size, row)
        variations += size
        if zip(a, b).contains(where: { $0.mostProbable != $1.mostProbable }) { changed += 1 }
      default: preconditionFailure("one schema has one kind of targets")
      }
    }
  }

  private mutating func take(_ a: [any AmountPredictive], _ b: [any AmountPredictive], _ row: Int) {
    var largest = 0.0
    for (p, q) in zip(a, b) {
      guard let here = p.standardDeviation, let there = q.standardDeviation, here > 0, there > 0 else { continue }
      largest = max(largest, abs(p.mean - q.mean) / here)
      spread.take(max(here / there, there / here), row)
    }
    shift.take(largest, row)
    shifts += largest
  }
}
