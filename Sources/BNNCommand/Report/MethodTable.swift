import BNNInference

/// Every number of every method, and why one has none.
struct MethodTable {
  let roles: MethodRoles

  private var report: ComparisonReport { roles.report }

  var html: String {
    let error = report.isClassification ? "Error rate" : "RMSE"
    return """
      <section id="table"><h2>All numbers</h2>
      <div class="scroll"><table>
      <thead><tr><th scope="col">Method</th><th scope="col">NLL <small>nats a row</small></th>\
      <th scope="col">Gap closed <small>90 %</small></th><th scope="col">\(error)</th>\
      <th scope="col">Gap closed <small>90 %</small></th><th scope="col">Time</th><th scope="col">Kept of D1</th>\
      <th scope="col">Needs D1?</th><th scope="col">Certificate</th></tr></thead>
      <tbody>
      \(report.methods.indices.map(row).joined(separator: "\n"))
      </tbody></table></div>
      <p class="note">Scores ± one standard error of the mean over test rows\(report.splits > 1 ? " and splits" : ""); \
      less is better. Time is of the update, for the union of \
      retraining\(report.splits > 1 ? ", mean over splits" : "").</p>
      </section>
      """
  }

  private func row(_ index: Int) -> String {
    let method = report.methods[index]
    let role = roles.role(index)
    let head = """
      <th scope="row">\(ReportText.escaped(method.name))\
      <small>\(ReportText.escaped(method.summary))</small></th>
      """
    let numbers =
      method.failure.map { "<td colspan=\"4\" class=\"failure\">failed: \(ReportText.escaped($0))</td>" }
      ?? [Score.nll, .error].map { cells(index, $0) }.joined()
    let certificate = method.certificate.isEmpty ? ReportText.none : ReportText.escaped(method.certificate)
    let time = method.failure == nil && role != .stale ? ReportText.seconds(method.seconds) : ReportText.none
    return """
      <tr class="row-\(role.rawValue)">\(head)\(numbers)<td>\(time)</td>\
      <td>\(method.keptBytes == 0 ? "nothing" : ReportText.bytes(method.keptBytes))</td>\
      <td>\(method.needsOldData ? "yes" : "no")</td>\
      <td>\(certificate)\(method.givesPosterior ? "" : "<small>weights only</small>")</td></tr>
      """
  }

  private func cells(_ index: Int, _ score: Score) -> String {
    guard let result = score.of(report.methods[index]) else {
      return "<td>\(ReportText.none)</td><td>\(ReportText.none)</td>"
    }
    let decimals = score.decimals(report)
    let value = ReportText.number(result.score, decimals: decimals)
    let error = ReportText.number(result.standardError, decimals: decimals)
    // The ends of the scale close nothing and everything by definition.
    let isEnd = index == roles.staleIndex || index == roles.unionIndex
    let share = isEnd ? ReportText.none : ReportText.percent(result.share)
    let interval = isEnd || result.interval == nil ? "" : "<small>\(ReportText.percent(result.interval))</small>"
    return "<td>\(value)<small>± \(error)</small></td><td>\(share)\(interval)</td>"
  }
}
