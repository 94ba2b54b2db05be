import BNNInference

/// How much of the way from D1 only to the union every method went; where there is no such way, the scores themselves.
struct GapPicture {
  let roles: MethodRoles

  private var report: ComparisonReport { roles.report }

  var html: String {
    let gaps = [Score.nll, .error].map { $0.gap(report) }
    let title = gaps.allSatisfy(\.isNone) ? "Scores" : "Gap closed"
    return """
      <section id="gap"><h2>\(title)</h2>
      <div class="pair">\(panel(.nll))\(panel(.error))</div>
      <p class="legend"><span class="key"><b class="best">●</b> best without D1</span>
      <span class="key"><b class="own">●</b> needs no row of D1</span>
      <span class="key"><b class="old">◇</b> needs rows of D1</span>
      <span class="key"><b class="old">▶</b> beyond the frame, its number at the right</span></p>
      \(weakness)</section>
      """
  }

  private func panel(_ score: Score) -> String {
    let gap = score.gap(report)
    let name = score.name(report)
    let caption =
      gap.isNone
      ? "No gap in the \(name): retraining on everything is not measurably better than doing nothing on these test "
        + "rows (\(Self.size(gap, score, report))), so no method can be said to close anything. Shown are the scores "
        + "with one standard error to both sides; less is better."
      : "The gap is \(Self.size(gap, score, report)). Lines are 90 % intervals; where they overlap, the order may "
        + "be chance." + (gap.ceiling == nil ? "" : " Ceiling: the union retrained with another seed.")
    let picture = gap.isNone ? scores(score) : shares(score, gap)
    return """
      <figure><h3>\(name.prefix(1).uppercased() + name.dropFirst())</h3>
      \(picture)
      <figcaption>\(caption)</figcaption></figure>
      """
  }

  /// A gap with its interval, in the score's unit.
  static func size(_ gap: ComparisonReport.Gap, _ score: Score, _ report: ComparisonReport) -> String {
    let decimals = ReportText.decimals(for: abs(gap.interval.upperBound - gap.interval.lowerBound) / 2)
    func shown(_ value: Double) -> String { ReportText.number(value, decimals: decimals) }
    // Where the interval alone would speak for a gap, the seeds are the reason that there is none.
    let seeds =
      gap.isNone && gap.interval.lowerBound > 0
      ? "; the union’s own error from seed to seed is \(ReportText.amount(gap.unionError))" : ""
    return "\(shown(gap.size))\(score.unit), 90 % interval \(shown(gap.interval.lowerBound)) to "
      + shown(gap.interval.upperBound) + seeds
  }

  private func shares(_ score: Score, _ gap: ComparisonReport.Gap) -> String {
    let results = roles.updates.map { (index: $0, result: score.of(report.methods[$0])) }
    let ends = results.compactMap(\.result).flatMap { [$0.share, $0.interval?.lowerBound, $0.interval?.upperBound] }
      .compactMap { $0 }.filter(Axis.canDraw)
    // As wide as what lies within half a way of the two ends; the way itself fills at least half of the frame.
    let near = ends.filter { $0 >= -0.5 && $0 <= 1.5 }
    let frame = min(-0.05, (near.min() ?? 0) - 0.03)...max(1.05, (near.max() ?? 1) + 0.03)
    var references = [(0.0, "D1 only", "reference", 0), (1.0, "union", "reference", 0)]
    if let ceiling = gap.ceiling, Axis.canDraw(ceiling) {
      references.append((ceiling, "ceiling \(ReportText.percent(ceiling))", "reference dashed", 1))
    }
    return DotPlot(
      description: "Gap closed in the \(score.name(report)), by method",
      rows: results.map { row($0.index, $0.result?.share, $0.result?.interval, ReportText.percent($0.result?.share)) },
      frame: frame, references: references, axisTitle: "gap closed", isShare: true
    ).svg
  }

  private func scores(_ score: Score) -> String {
    let decimals = score.decimals(report)
    let rows = report.methods.indices.map { index in
      let result = score.of(report.methods[index])
      let interval = result.flatMap { result -> ClosedRange<Double>? in
        guard Axis.canDraw(result.score), Axis.canDraw(result.standardError), result.standardError >= 0 else {
          return nil
        }
        return (result.score - result.standardError)...(result.score + result.standardError)
      }
      return row(index, result?.score, interval, ReportText.number(result?.score, decimals: decimals))
    }
    let ends = [roles.stale, roles.union].compactMap { $0.flatMap(score.of) }.flatMap {
      [$0.score - $0.standardError, $0.score + $0.standardError]
    }
    let values = rows.flatMap { [$0.value, $0.interval?.lowerBound, $0.interval?.upperBound] }.compactMap { $0 }
    return DotPlot(
      description: "The \(score.name(report)) by method, with standard errors", rows: rows,
      frame: Axis.robustFrame(values, always: ends),
      references: roles.union.flatMap(score.of).map { [($0.score, "union", "reference", 0)] } ?? [],
      axisTitle: score.name(report) + (score == .nll ? " (nats a row)" : ""), isShare: false
    ).svg
  }

  private func row(_ index: Int, _ value: Double?, _ interval: ClosedRange<Double>?, _ number: String) -> DotPlot.Row {
    let method = report.methods[index]
    return DotPlot.Row(
      label: method.name, value: value, interval: interval, number: method.failure == nil ? number : "failed",
      role: roles.role(index))
  }

  private var weakness: String {
    let weak = [Score.nll, .error].filter { $0.gap(report).isWeakReference }.map { $0.name(report) }
    guard !weak.isEmpty else { return "" }
    return """
      <p class="warning"><strong>Weak reference.</strong> Linear regression on all rows beats the union in the \
      \(weak.joined(separator: " and the ")): the gap is smaller than it could be, and shares near or above 100 % say \
      little.</p>
      """
  }
}
