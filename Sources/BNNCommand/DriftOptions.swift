import ArgumentParser
import BNNDatasets
import BNNInference
import BNNPosteriors

/// What an update does where the new rows are not like the earlier ones.
struct DriftOptions: ParsableArguments {
  @Option(
    name: .long,
    help: """
      Where the new rows are not like the earlier ones (one test of their scatter and level about the predictions and of every \
      input column, at a level of 1 % in all): warn; fail, which writes nothing and ends with exit 2; or temper, which makes \
      all earlier rows count less, by the new ones' evidence (linear family and laplace).
      """)
  var onDrift = "warn"

  static let (fail, temper) = ("fail", "temper")

  func validate() throws {
    guard ["warn", Self.fail, Self.temper].contains(onDrift) else {
      throw ValidationError("--on-drift is warn, fail or temper, got \"\(onDrift)\"")
    }
  }

  /// Whether earlier rows are to count less because of this verdict.
  func tempers(_ test: DriftTest?) -> Bool { onDrift == Self.temper && test?.found == true }

  /// Words about a batch that is not like the rows before; throws where that is to end the update.
  func judge(_ test: DriftTest?, file: String, _ console: Console) throws {
    guard let test, test.found else { return }
    let words = "these rows are not like those before them (p = \(brief(test.pValue))): \(test.words)"
    guard onDrift == Self.fail else {
      guard onDrift != Self.temper else {
        return console.note("\(file): \(words); the earlier ones are made to count less")
      }
      return console.note(
        "\(file): \(words); an update takes both for rows of one source: see `predict` and `evaluate` on rows of either kind, or fit anew"
      )
    }
    throw CommandFailure(
      ExitStatus.found, words, file: file, remedy: "--on-drift warn absorbs them all the same", refused: "drift")
  }
}

/// A probability for people.
func brief(_ pValue: Double?) -> String { pValue.map { $0 < 1e-300 ? "0" : String(format: "%.2g", $0) } ?? "–" }

extension DriftTest {
  /// What differs and by how much, for people.
  var words: String {
    let reasons = reasons
    var parts: [String] = []
    if reasons.contains("scatter"), let scatter {
      let size = scatter.statistic.map { readable($0) } ?? ""
      parts.append(
        (scatter.isInNats
          ? "targets are less probable than D1's by \(size) nats a row"
          : "targets scatter \(size) times as much as expected")
          + " (p = \(brief(scatter.pValue)))")
    }
    if reasons.contains("level"), let level {
      parts.append("targets lie on one side of their predictions (p = \(brief(level.pValue)))")
    }
    let differing = columns.filter(\.differs)
    if !differing.isEmpty {
      let shown = differing.prefix(6).map { "\($0.name) (p = \(brief($0.pValue)))" }.joined(separator: ", ")
      parts.append(
        "\(differing.count == 1 ? "column" : "columns") \(shown)\(differing.count > 6 ? " and \(differing.count - 6) more" : "")"
      )
    }
    return parts.joined(separator: "; ")
  }

  var record: DriftRecord { DriftRecord(pValue: pValue ?? 1, reasons: reasons) }

  /// Columns that differ, or the five that differ most.
  var json: JSONText {
    let shown = columns.prefix(max(5, columns.count { $0.differs }))
    func question(_ own: Question?) -> JSONText {
      own.map {
        .object([
          ("p_value", .number($0.pValue)), ("statistic", .optional($0.statistic)),
          ("p_value_model", .optional($0.modelPValue)),
        ])
      } ?? .null
    }
    return .object([
      ("p_value", .optional(pValue)), ("found", .boolean(found)), ("reasons", .strings(reasons)),
      ("scatter", question(scatter)), ("level", question(level)),
      (
        "inputs",
        columns.isEmpty
          ? .null
          : .object([
            ("p_value", .optional(inputsPValue)),
            (
              "columns",
              .array(
                shown.map {
                  .object([
                    ("name", .string($0.name)), ("test", .string($0.test)), ("p_value", .number($0.pValue)),
                    ("differs", .boolean($0.differs)),
                  ])
                })
            ),
          ])
      ),
    ])
  }
}

extension RowSample {
  /// Of no rows yet, of those that a reader gives.
  init(of reader: DatasetReader) {
    self.init(
      featureCount: reader.featureCount, targetCount: reader.targetCount, isWeighted: reader.columns.weights != nil)
  }
}
