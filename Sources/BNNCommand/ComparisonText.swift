import BNNInference
import Foundation

/// A comparison as the terminal and programs see it.
struct ComparisonText {
  let report: ComparisonReport

  private var errorName: String { report.isClassification ? "error" : "rmse" }

  func say(_ console: Console) {
    let (d1, d2, test) = report.rows
    console.say(
      "\(d1) rows of D1, \(d2) of D2\(report.batches > 1 ? " in \(report.batches) batches" : ""), \(test) for testing"
        + (report.splits > 1 ? "; \(report.splits) seeds" : ""))
    console.say("")
    let width = report.methods.map(\.name.count).max() ?? 0
    let head = [
      padded("method", width), right("nll", 9), right("gap closed", 22), right(errorName, 10), right("gap closed", 22),
      right("seconds", 8), right("kept", 8), " D1?  certificate",
    ]
    console.say(head.joined(separator: " "))
    for method in report.methods {
      guard let nll = method.nll, let error = method.error else {
        console.say("\(padded(method.name, width))  failed: \(method.failure ?? "")")
        continue
      }
      console.say(
        [
          padded(method.name, width), right(number(nll.score), 9), right(share(nll), 22),
          right(number(error.score), 10),
          right(share(error), 22), right(String(format: "%.1f", method.seconds), 8),
          right(ReportText.bytes(method.keptBytes), 8),
          method.needsOldData ? " yes  " : " no   ",
          method.certificate.isEmpty ? "–" : method.certificate + (method.givesPosterior ? "" : ", a point"),
        ].joined(separator: " "))
    }
    console.say("")
    say(report.nll, "nll", console)
    say(report.error, errorName, console)
    if let lost = report.information {
      console.say(
        "what the frozen layers hide: log Bayes factor of tangent against last-layer "
          + "\(readable(lost.logBayesFactor)) nats a row of all data; on the test rows "
          + "\(readable(lost.heldOut)) ± \(readable(lost.heldOutStandardError)) nats a row")
    }
  }

  private func say(_ gap: ComparisonReport.Gap, _ name: String, _ console: Console) {
    let size =
      "\(name): D1 only is \(readable(gap.size)) worse than the union (90 %: \(readable(gap.interval.lowerBound)) to "
      + "\(readable(gap.interval.upperBound)))"
    console.say(
      size
        + (gap.isNone
          ? "; no gap that could be told from chance, so nothing to close"
          : gap.ceiling.map { "; the union from another seed closes \(percent($0))" } ?? "")
        + (gap.isWeakReference ? "; linear regression on the union is better still: a weak reference" : ""))
  }

  private func number(_ value: Double) -> String { String(format: "%.4g", value) }

  private func percent(_ value: Double) -> String { String(format: "%.0f %%", 100 * value) }

  private func share(_ own: ComparisonReport.GapClosed) -> String {
    guard let share = own.share else { return "–" }
    let interval = own.interval.map {
      " [\(String(format: "%.0f", 100 * $0.lowerBound)), \(String(format: "%.0f", 100 * $0.upperBound))]"
    }
    return percent(share) + (own.interval.map { $0.lowerBound < $0.upperBound } == true ? interval ?? "" : "")
  }

  private func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  private func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  // MARK: JSON

  static func json(_ report: ComparisonReport, seconds: Double, output: String?) -> [(String, JSONText)] {
    let error = report.isClassification ? "error" : "rmse"
    func gap(_ own: ComparisonReport.Gap) -> JSONText {
      .object([
        ("size", .number(own.size)),
        ("interval", .array([.number(own.interval.lowerBound), .number(own.interval.upperBound)])),
        ("union_standard_error", .number(own.unionError)), ("no_gap", .boolean(own.isNone)),
        ("ceiling", .optional(own.ceiling)), ("weak_reference", .boolean(own.isWeakReference)),
      ])
    }
    return [
      (
        "rows",
        .object([
          ("d1", .integer(report.rows.first)), ("d2", .integer(report.rows.second)),
          ("test", .integer(report.rows.test)),
        ])
      ), ("seeds", .integer(report.splits)), ("stream", .integer(report.batches)),
      ("gap", .object([("nll", gap(report.nll)), (error, gap(report.error))])),
      (
        "no_gap",
        .object([("nll", .boolean(report.nll.isNone)), (error, .boolean(report.error.isNone))])
      ), ("weak_reference", .boolean(report.nll.isWeakReference || report.error.isWeakReference)),
      ("methods", .array(report.methods.map { method($0, error, isClassification: report.isClassification) })),
      (
        "information_lost",
        report.information.map {
          .object([
            ("log_bayes_factor", .optional($0.logBayesFactor)), ("held_out", .number($0.heldOut)),
            ("held_out_standard_error", .optional($0.heldOutStandardError)),
          ])
        } ?? .null
      ), ("report", .optional(output)), ("seconds", .number(seconds)),
    ]
  }

  private static func method(
    _ own: ComparisonReport.MethodResult, _ error: String, isClassification: Bool
  ) -> JSONText {
    func pair(_ value: (ComparisonReport.GapClosed) -> JSONText) -> JSONText {
      .object([("nll", own.nll.map(value) ?? .null), (error, own.error.map(value) ?? .null)])
    }
    func interval(_ closed: ComparisonReport.GapClosed) -> JSONText {
      closed.interval.map { .array([.number($0.lowerBound), .number($0.upperBound)]) } ?? .null
    }
    return .object([
      ("name", .string(own.name)), ("nll", .optional(own.nll?.score)),
      isClassification
        ? ("accuracy", .optional(own.error.map { 1 - $0.score })) : ("rmse", .optional(own.error?.score)),
      ("gap_closed", pair { .optional($0.share) }), ("gap_interval", pair(interval)),
      ("regret", pair { .number($0.regret) }), ("standard_error", pair { .number($0.standardError) }),
      ("seconds", .number(own.seconds)), ("kept_bytes", .integer(own.keptBytes)),
      ("needs_old_data", .boolean(own.needsOldData)), ("gives_posterior", .boolean(own.givesPosterior)),
      ("certificate", own.certificate.isEmpty ? .null : .string(own.certificate)),
      ("old_rows_nll", .optional(own.oldRows)), ("new_rows_nll", .optional(own.newRows)),
      ("stream_nll", .array(own.stream.map { .number($0) })), ("failure", .optional(own.failure)),
    ])
  }
}
