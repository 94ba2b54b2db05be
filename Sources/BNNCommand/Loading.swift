import BNNDatasets
import BNNInference
import BNNLinearAlgebra
import BNNPosteriorFile
import BNNPosteriors
import Foundation

/// Blocks of this many rows are read, absorbed and predicted at a time; fixed, since it decides bits.
let blockRows = 4096

extension Dataset {
  var featureMatrix: Matrix { Matrix(rows: rows, columns: featureCount, storage: features) }
  var targetMatrix: Matrix { Matrix(rows: rows, columns: targetCount, storage: targets) }
}

/// What a batch was: how many rows, their digest, rows left out.
struct BatchSummary {
  var rows = 0
  var digest = RowDigest()
  /// A sample of the rows' fingerprints; nil where none is wanted.
  var sketch: RowSketch?
  /// Some of the rows as they are; nil where none are wanted.
  var sample: RowSample?
  var dropped = 0
  /// Rows with a level never seen before.
  var unseen = 0

  mutating func add(_ block: Dataset) {
    rows += block.rows
    var row = 0
    block.forEachRowHash {
      add($0)
      sample?.add($0, row: row, of: block)
      row += 1
    }
  }

  mutating func add(_ buffer: RowBuffer, from first: Int) {
    rows += buffer.rows - first
    var row = first
    buffer.forEachRowHash(from: first) {
      add($0)
      sample?.add($0, row: row, of: buffer)
      row += 1
    }
  }

  @inline(__always) private mutating func add(_ hash: RowHash) {
    digest.add(hash)
    sketch?.add(hash)
  }

  /// What the reader left out or had to interpret, once it has given all rows.
  mutating func finish(_ reader: DatasetReader) {
    sketch?.settle()
    sample?.settle()
    dropped = reader.droppedRows
    unseen = reader.unseenRows.reduce(0) { $0 + $1.rows }
  }
}

extension DataOptions {
  /// What the lineage keeps of how a batch was read: only what changed it.
  func lineageSettings(_ batch: BatchSummary, _ levels: UnseenOptions? = nil) -> [String: String] {
    var settings: [String: String] = [:]
    if batch.dropped > 0 {
      settings[UpdateSetting.missing] = missing
      settings[UpdateSetting.missingValues] = missingValues
    }
    if batch.unseen > 0 { settings[UpdateSetting.unseen] = levels?.unseen }
    return settings
  }
}

/// Reads a table block by block into a sequential update; one pass, bounded memory.
func absorb(
  _ reader: DatasetReader, into update: inout SequentialUpdate, threads: Int, console: Console,
  sketch: RowSketch? = nil, expected: Set<String> = []
) throws -> BatchSummary {
  var summary = BatchSummary(sketch: sketch, sample: RowSample(of: reader))
  if update.takesBuffers, reader.isPlain {
    var buffer = RowBuffer()
    let width = reader.featureCount + reader.targetCount
    // Read, digested and multiplied in pieces that stay in the processor's cache; about half a megabyte.
    let piece = max(192, (1 << 16) / max(1, width) / 192 * 192)
    var isMore = true
    while isMore {
      while isMore, buffer.rows < RowAccumulator.segment {
        let first = buffer.rows
        isMore = try reader.read(maxRows: min(piece, RowAccumulator.segment - first), into: &buffer)
        summary.add(buffer, from: first)
        update.prepare(buffer)
      }
      update.absorb(buffer)
      buffer.removeAll()
      console.progress("\(reader.file): \(summary.rows) rows absorbed")
    }
  }
  while let block = try reader.nextBlock(maxRows: blockRows) {
    try update.absorb(
      features: block.featureMatrix, targets: block.targetMatrix, weights: block.weights, threads: threads)
    summary.add(block)
    console.progress("\(reader.file): \(summary.rows) rows absorbed")
  }
  summary.finish(reader)
  console.clearProgress()
  remark(on: reader, console, expected: expected)
  return summary
}

extension Posterior {
  /// The sample that a batch needs to be compared with the rows so far; nil where none is kept.
  var batchSketch: RowSketch? { rowSketch.map { RowSketch(comparableTo: $0) } }

  /// About how many rows of a batch it holds; nil where no sample is kept. Words on stderr when they are more than the earlier
  /// rows' own duplicates explain.
  func repeatedRows(_ batch: BatchSummary, file: String, _ console: Console) throws -> RepeatedRows? {
    guard let earlier = rowSketch, let own = batch.sketch else { return nil }
    let repeated = try RepeatedRows(own, rows: batch.rows, in: earlier)
    guard repeated.isSurprising else { return repeated }
    let error = repeated.standardError
    console.note(
      "\(file): about \(Int(min(repeated.estimate, Double(batch.rows)).rounded())) of these \(batch.rows) rows "
        + (error > 0 ? "(± \(readable(error))) " : "")
        + "seem to be in the posterior already, where the earlier rows' own duplicates "
        + "would explain \(Int(repeated.expected.rounded())) (p = \(String(format: "%.1g", repeated.pValue))); what is counted twice makes a "
        + "posterior too sure: leave them out, or start again from the posterior before (`bnn-update forget` takes this batch out)"
    )
    return repeated
  }
}

/// The posterior in a file. Whoever names a table there is told the order of the arguments.
func loadPosterior(_ path: String) throws -> PosteriorFile {
  do {
    return try PosteriorFile(path: path)
  } catch {
    guard error.kind == .corrupt, TableFormat.infer(fromPath: path) != nil else { throw error }
    throw PosteriorFileError(
      .corrupt, file: path, "is not a posterior file; its name is that of a table",
      remedy: "name the posterior first, then the table; `bnn-update fit` makes a posterior of a table")
  }
}

/// Refuses to replace a posterior that another program changed meanwhile.
func refuseChanged(_ path: String, since digest: String) throws {
  guard (try? PosteriorFile(path: path))?.digest == digest else {
    throw CommandFailure(
      ExitStatus.cannotWrite, "was changed by another program during the update; it is left as it is", file: path,
      remedy: "run the update again")
  }
}

/// Refuses an output that is one of the inputs.
func refuseOutput(_ output: String, amongInputs inputs: [String]) throws {
  for input in inputs where input != "-" && sameFile(input, output) {
    throw CommandFailure.usage(
      "the output \(output) is the file \(input) that is read", remedy: "name another file with -o")
  }
}

private func sameFile(_ a: String, _ b: String) -> Bool {
  var (one, two) = (stat(), stat())
  return stat(a, &one) == 0 && stat(b, &two) == 0 && one.st_dev == two.st_dev && one.st_ino == two.st_ino
}

/// One line about columns that were not used, but for those that the user `expected` not to be, and one about rows that
/// were left out.
func remark(on reader: DatasetReader, _ console: Console, expected: Set<String> = []) {
  let ignored = reader.columns.ignored.filter { !expected.contains($0) }
  if !ignored.isEmpty {
    let shown = ignored.prefix(6).joined(separator: ", ") + (ignored.count > 6 ? ", …" : "")
    console.note("\(reader.file): ignoring \(ignored.count == 1 ? "column" : "columns") \(shown)")
  }
  if reader.droppedRows > 0 {
    console.note("\(reader.file): left out \(reader.droppedRows) rows with a missing value")
  }
  if reader.weightlessRows > 0 { console.note("\(reader.file): left out \(reader.weightlessRows) rows of weight 0") }
  for (column, rows) in reader.unseenRows {
    let own = reader.schema.featureColumns.first { $0.name == column }
    let reference = own?.dropsFirstLevel == true ? own?.levels?.first : nil
    console.note(
      "\(reader.file): \(rows) \(rows == 1 ? "row has" : "rows have") a level of \(column) that D1 did not have; "
        + (reference.map { "they count as \($0), the level without an input" } ?? "all inputs of \(column) are 0 there")
    )
  }
}

extension Posterior {
  /// How its normalisation was found.
  var normalisationRule: NormalisationRule {
    model.standardised ? normalisation.isPooled == true ? .pixel : .standard : .none
  }

  /// σ per target in the target's units, averaged over members; nil while not identified.
  var noiseDeviations: [Double?] { overMembers(noiseDeviations(of:)) }

  /// κ·a/b per response, averaged over members; nil while not identified.
  var priorPrecisions: [Double?] { overMembers(priorPrecisions(of:)) }

  /// σ per target in the target's units; nil while not identified.
  func noiseDeviations(of member: Member) -> [Double?] {
    if let own = member.laplace {
      let unit = normalisation.weightScale ?? 1
      return own.noiseVariance.map { variance in normalisation.targetScale.map { (variance * unit).squareRoot() * $0 } }
        ?? []
    }
    guard let last = member.responses.indices.last else { return [] }
    return model.schema.targets.indices.map { c in
      let spread = member.outputRoot.map { root in root.row(c).reduce(0) { $0 + $1 * $1 } } ?? 1
      return member.responses[min(c, last)].posterior.map {
        ($0.noise.scaleSquared * spread * (normalisation.weightScale ?? 1)).squareRoot() * normalisation.targetScale[c]
      }
    }
  }

  /// κ·a/b per response, or one a layer of a Laplace posterior where they differ; nil while not identified. Of precisions of
  /// every weight, the geometric mean of each layer's.
  func priorPrecisions(of member: Member) -> [Double?] {
    guard let own = member.laplace else { return member.responses.map(\.priorPrecision) }
    let values = own.prior.perLayer ?? own.prior.geometricMeans(own.curvature.layers)
    return Set(values).count == 1 ? [values[0]] : values
  }

  /// τ, the share of the outputs' spread that predictions of classes believe, averaged over members; nil for other targets.
  var predictiveScale: Double? {
    guard model.likelihood.isClassification, model.method != .point else { return nil }
    return average(members.map { $0.laplace?.predictiveScale })
  }

  /// What there is to say of precisions of every weight.
  var priorRemark: String {
    let all = members.compactMap { own -> [Double]? in
      if case .weights(let values)? = own.laplace?.prior { values } else { nil }
    }.flatMap { $0 }
    guard !all.isEmpty else { return "" }
    return
      " (geometric mean of every layer's; each weight has its own, and \(all.count { $0 >= 1e4 }) of \(all.count) are "
      + "held within some 0.01 of zero)"
  }

  private func overMembers(_ values: (Member) -> [Double?]) -> [Double?] {
    let each = members.map(values)
    return (each.first ?? []).indices.map { i in average(each.map { $0[i] }) }
  }

  /// Weights that move, per member.
  var movingWeights: Int {
    if let own = members.first?.laplace { return own.curvature.layers.reduce(0) { $0 + $1.parameterCount } }
    return (members.first?.statistics.weights ?? 0) * (members.first?.responses.count ?? 0)
  }

  private func average(_ values: [Double?]) -> Double? {
    let present = values.compactMap { $0 }
    return present.count == values.count && !present.isEmpty ? present.reduce(0, +) / Double(present.count) : nil
  }
}

extension PriorPrecision {
  /// exp of the mean of log δ over each layer's weights.
  fileprivate func geometricMeans(_ layers: [LayerShape]) -> [Double] {
    let all = expanded(layers)
    return layers.ranges.map { range in exp(all[range].reduce(0) { $0 + log($1) } / Double(range.count)) }
  }
}

/// Certificate as the command prints it.
func certificateJSON(_ posterior: Posterior) -> JSONText {
  let certificate = posterior.certificate
  return .object([
    ("update", .string(certificate.update.rawValue)),
    (
      "conditional_on",
      .array(
        certificate.conditionalOn.map { condition in
          .object([
            ("what", .string(condition.what)), ("fixed_by", condition.fixedBy.map { .integer($0) } ?? .null),
          ])
        })
    ), ("reasons", .strings(certificate.reasons)),
  ])
}

/// Why a posterior cannot predict yet, for people.
func notIdentified(_ names: [String]) -> String {
  if names == ["(noise)"] {
    return
      "not identified yet: the noise is unknown, and there are no more rows than weights (or no residual) to tell it"
  }
  let shown = names.prefix(10).joined(separator: ", ") + (names.count > 10 ? ", …" : "")
  return "not identified yet: the data so far say nothing about a direction that involves \(shown)"
}

/// Numbers for people: six significant digits.
func readable(_ value: Double?) -> String {
  guard let value else { return "–" }
  return String(format: "%.6g", value)
}

func readable(_ values: [Double?]) -> String { values.map { readable($0) }.joined(separator: ", ") }
