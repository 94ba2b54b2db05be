/// How the values of one column are spread, by a few places and how many rows lie between them. Counts add, so that what a union of
/// tables has is the sum, and a part can be taken away again.
public struct ColumnSketch: Sendable, Equatable {
  /// Bins of a column of amounts: as many of the first table's rows in each, where no value is frequent.
  public static let bins = 32
  /// Different values of the first table up to which a column is discrete: each has a bin of its own.
  public static let mostLevels = 16

  /// Ascending. Bin i has the values from cut i − 1 up to below cut i.
  public let cuts: [Double]
  /// One more than cuts; not whole where only a sample of the rows was looked at.
  public var counts: [Double]
  /// Whether the bins are single values, and what lies between them.
  public let isDiscrete: Bool

  /// From what a file holds; nil unless cuts are ascending and every count is a number from 0 on.
  public init?(cuts: [Double], counts: [Double], isDiscrete: Bool) {
    guard counts.count == cuts.count + 1, zip(cuts, cuts.dropFirst()).allSatisfy({ $0 < $1 }),
      counts.allSatisfy({ $0 >= 0 && $0.isFinite }), cuts.allSatisfy(\.isFinite)
    else { return nil }
    self.cuts = cuts
    self.counts = counts
    self.isDiscrete = isDiscrete
  }

  /// Of a category with levels 0, 1, …, and −1 for a level that it does not have.
  init(levels: Int) {
    cuts = (0..<levels).map { Double($0) - 0.5 }
    counts = [Double](repeating: 0, count: levels + 1)
    isDiscrete = true
  }

  /// Cuts for numbers that came `times`: at the i/32 quantiles, and on both sides of a value that is several of them; or on both
  /// sides of every value, where there are few.
  init(values: [Double], times: [Int]) {
    let order = values.indices.sorted { values[$0] < values[$1] }
    let total = times.reduce(0, +)
    let levels = Set(values)
    var found: Set<Double> = []
    isDiscrete = levels.count <= Self.mostLevels && total >= 10 * levels.count
    if isDiscrete {
      for value in levels { found.formUnion([value, value.nextUp]) }
    } else {
      var (place, below) = (0, 0)
      for i in 1..<Self.bins where !order.isEmpty {
        let rank = (i * total + Self.bins - 1) / Self.bins
        while below + times[order[place]] < rank {
          below += times[order[place]]
          place += 1
        }
        let value = values[order[place]]
        if !found.insert(value).inserted { found.insert(value.nextUp) }
      }
    }
    cuts = found.sorted()
    counts = [Double](repeating: 0, count: cuts.count + 1)
  }

  /// Adds rows of this value; negative takes them away. O(log bins).
  mutating func add(_ value: Double, _ rows: Double) {
    var (low, high) = (0, cuts.count)
    while low < high {
      let middle = (low + high) / 2
      if cuts[middle] <= value { low = middle + 1 } else { high = middle }
    }
    counts[low] += rows
  }

  /// The largest distance between the distribution functions, at the cuts.
  public func distance(to other: ColumnSketch) -> Double {
    let (n, m) = (counts.reduce(0, +), other.counts.reduce(0, +))
    guard n > 0, m > 0 else { return 0 }
    var (here, there, largest) = (0.0, 0.0, 0.0)
    for (a, b) in zip(counts, other.counts) {
      here += a / n
      there += b / m
      largest = max(largest, abs(here - there))
    }
    return largest
  }
}

/// How the columns of a table are spread, each for itself.
///
/// What it reveals: of every column of amounts up to 31 of its values (in the first table), and of every column the shares of the
/// rows between them, or of the different values where they are few. No row, and nothing of how columns go together.
public struct InputSketch: Sendable, Equatable {
  /// One a feature column of the schema.
  public var columns: [ColumnSketch]
  /// Rows that it describes.
  public var rows: Double
  /// Σ n²/m over batches of n rows of which it looked at m, so that rows²/squares is what all of them count as.
  public var squares: Double

  public init(columns: [ColumnSketch], rows: Double, squares: Double) {
    self.columns = columns
    self.rows = rows
    self.squares = squares
  }

  /// With places chosen by these rows, and their counts.
  public init(_ sample: RowSample, _ schema: Schema) {
    let values = sample.columnValues(schema)
    columns = zip(schema.featureColumns, values).map { column, values in
      column.levels.map { ColumnSketch(levels: $0.count) }
        ?? ColumnSketch(values: values, times: sample.multiplicities)
    }
    (rows, squares) = (0, 0)
    add(values, sample, sign: 1)
  }

  /// The same places without rows.
  public var emptied: InputSketch {
    var result = self
    result.rows = 0
    result.squares = 0
    for c in columns.indices { result.columns[c].counts = columns[c].counts.map { _ in 0 } }
    return result
  }

  /// What all rows count as.
  public var effectiveRows: Double { squares > 0 ? rows * rows / squares : 0 }

  public mutating func add(_ sample: RowSample, _ schema: Schema) { add(sample.columnValues(schema), sample, sign: 1) }

  /// Takes rows away that had been added.
  public mutating func remove(_ sample: RowSample, _ schema: Schema) {
    add(sample.columnValues(schema), sample, sign: -1)
    clear()
  }

  private mutating func add(_ values: [[Double]], _ sample: RowSample, sign: Double) {
    let seen = sample.multiplicities.reduce(0, +)
    guard seen > 0 else { return }
    let each = sign * Double(sample.total) / Double(seen)
    for c in columns.indices {
      for (value, times) in zip(values[c], sample.multiplicities) { columns[c].add(value, each * Double(times)) }
    }
    rows += sign * Double(sample.total)
    squares += sign * Double(sample.total) * Double(sample.total) / sample.effectiveRows
  }

  /// Makes every row count `factor` times.
  public mutating func scale(by factor: Double) {
    for c in columns.indices { columns[c].counts = columns[c].counts.map { $0 * factor } }
    rows *= factor
    squares *= factor
  }

  /// What shards say that went on from one sketch, whose rows they all have; nil where their places are not the same.
  public static func merged(_ shards: [InputSketch], prior: InputSketch?) -> InputSketch? {
    guard var result = prior ?? shards.first?.emptied else { return nil }
    let start = result
    for shard in shards {
      guard zip(shard.columns, start.columns).allSatisfy({ $0.cuts == $1.cuts }) else { return nil }
      for c in result.columns.indices {
        for b in result.columns[c].counts.indices {
          result.columns[c].counts[b] += shard.columns[c].counts[b] - start.columns[c].counts[b]
        }
      }
      result.rows += shard.rows - start.rows
      result.squares += shard.squares - start.squares
    }
    result.clear()
    return result
  }

  /// What is nothing but rounding.
  private mutating func clear() {
    for c in columns.indices {
      for b in columns[c].counts.indices where columns[c].counts[b] < 1e-6 { columns[c].counts[b] = 0 }
    }
    (rows, squares) = (max(0, rows), max(0, squares))
  }
}

extension RowSample {
  /// Of every feature column its values: numbers, or the place of a category's level (−1 where no input of it is 1).
  fileprivate func columnValues(_ schema: Schema) -> [[Double]] {
    let (all, width) = (features, featureCount)
    var offset = 0
    return schema.featureColumns.map { column in
      let (start, inputs) = (offset, column.inputs.count)
      offset += inputs
      guard column.levels != nil else { return (0..<rows).map { all[$0 * width + start] } }
      return (0..<rows).map { i in
        Double((0..<inputs).first { all[i * width + start + $0] > 0.5 } ?? -1)
      }
    }
  }
}
