import BNNDatasets
import BNNInference
import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport

/// Rows of features and targets in their own units.
struct Rows {
  var x: Matrix
  var y: Matrix

  var count: Int { x.rows }
  var schema: Schema {
    Schema(features: (0..<x.columns).map { "x\($0)" }, targets: (0..<y.columns).map { "y\($0)" })
  }

  var digest: String {
    RowDigest(
      of: Dataset(
        features: x.storage, featureCount: x.columns, targets: y.storage, targetCount: y.columns, rows: count)
    ).description
  }

  /// The rows of these indices, in their order.
  func picking(_ indices: some Sequence<Int>) -> Rows {
    let chosen = Array(indices)
    return Rows(
      x: Matrix(rows: chosen.count, columns: x.columns, storage: chosen.flatMap { x.row($0) }),
      y: Matrix(rows: chosen.count, columns: y.columns, storage: chosen.flatMap { y.row($0) }))
  }
}

/// Batches of row numbers, one after another.
typealias Batches = [[Int]]

extension Gen {
  /// All of `rows` in a random order, cut at random into batches of at most `largest`.
  mutating func batches(_ rows: Range<Int>, largest: Int) -> Batches {
    let order = permutation(rows.count).map { $0 + rows.lowerBound }
    return partition(rows.count, largest: largest).map { Array(order[$0]) }
  }
}

extension Posterior {
  /// After the batches one by one, each a finished update.
  func updated(_ rows: Rows, _ batches: Batches) throws -> (posterior: Posterior, reports: [UpdateReport]) {
    var posterior = self
    var reports: [UpdateReport] = []
    for batch in batches {
      var update = SequentialUpdate(posterior)
      let own = rows.picking(batch)
      try update.absorb(features: own.x, targets: own.y)
      let (next, report) = try update.finish()
      posterior = next
      reports.append(report)
    }
    return (posterior, reports)
  }

  /// After these batches one by one, with the lineage that a caller writes; what each says is kept apart where `keeping` says so.
  func absorbing(_ rows: Rows, _ batches: Batches, keeping: (Int) -> Bool = { _ in false }) throws -> Posterior {
    var posterior = self
    for (k, batch) in batches.enumerated() {
      let own = rows.picking(batch)
      var update = SequentialUpdate(posterior, keepingSite: keeping(k))
      try update.absorb(features: own.x, targets: own.y)
      posterior = try update.finish().posterior.recording(own, action: "update")
    }
    return posterior
  }

  /// With a lineage entry of these rows.
  func recording(_ rows: Rows, action: String) -> Posterior {
    var result = self
    result.lineage.append(
      LineageEntry(
        number: lineage.count + 1, action: action, rows: rows.count, rowDigest: rows.digest, method: model.methodName,
        settings: [:], logEvidence: nil, seed: 0, version: "test", parent: nil, label: nil))
    return result
  }

  /// Without a batch.
  func forgetting(_ batch: Rows, linearPartOnly: Bool = false) throws -> (posterior: Posterior, report: UpdateReport) {
    var update = SequentialUpdate(forgettingData())
    try update.absorb(features: batch.x, targets: batch.y)
    let entries = lineage.held.filter { $0.rowDigest == batch.digest }
    let (posterior, report) = try forgetting(update, absorbedAs: entries, linearPartOnly: linearPartOnly)
    return (posterior.recording(batch, action: "forget"), report)
  }

  /// After all rows of one batch.
  func updated(_ rows: Rows) throws -> Posterior { try updated(rows, [Array(0..<rows.count)]).posterior }
}

/// What can be asked of the prior.
enum Priors: String, CaseIterable, Sendable {
  case tuned, givenPrecision, givenNoise, allGiven, flat, flatKnownNoise

  var settings: PriorSettings {
    switch self {
    case .tuned: PriorSettings()
    case .givenPrecision: PriorSettings(precision: .given(0.7))
    case .givenNoise: PriorSettings(noise: .given(0.3))
    case .allGiven: PriorSettings(precision: .given(2.5), noise: .given(0.4))
    case .flat: PriorSettings(precision: .given(0))
    case .flatKnownNoise: PriorSettings(precision: .given(0), noise: .given(0.3))
    }
  }

  var isFlat: Bool { settings.isFlat }
}

/// Shapes of linear data.
enum Design: String, CaseIterable, Sendable {
  case plain, twoTargets, collinear, constantColumn, badlyScaled, fewRows

  /// True when least squares has one answer.
  func isIdentified(intercept: Bool) -> Bool {
    switch self {
    case .plain, .twoTargets, .badlyScaled: true
    case .collinear, .fewRows: false
    case .constantColumn: !intercept
    }
  }

  func rows(_ gen: inout Gen) -> Rows {
    let n = self == .fewRows ? gen.integer(in: 3...5) : gen.integer(in: 25...60)
    let d = self == .fewRows ? gen.integer(in: 6...8) : gen.integer(in: 2...5)
    var x = gen.matrix(rows: n, columns: d)
    let scales = (0..<d).map { _ in
      self == .badlyScaled ? Double(sign: .plus, exponent: gen.integer(in: -30...30), significand: 1) : 1
    }
    let centers = gen.normals(d)
    for i in 0..<n { for j in 0..<d { x[i, j] = scales[j] * (x[i, j] + 3 * centers[j]) } }
    if self == .collinear { for i in 0..<n { x[i, d - 1] = x[i, 0] } }
    if self == .constantColumn { for i in 0..<n { x[i, 0] = 7.3 } }
    let c = self == .twoTargets ? 2 : 1
    let weights = gen.matrix(rows: d, columns: c)
    let noise = gen.normals(n * c)
    var y = Matrix(rows: n, columns: c)
    for i in 0..<n {
      for t in 0..<c {
        y[i, t] = 2 + 0.3 * noise[i * c + t]
        for j in 0..<d { y[i, t] += x[i, j] / scales[j] * weights[j, t] }
      }
    }
    return Rows(x: x, y: y)
  }
}
