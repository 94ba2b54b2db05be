import BNNInference

/// What the page says in sentences.
struct ReportWords {
  let roles: MethodRoles

  private var report: ComparisonReport { roles.report }

  /// What the gap is, which method closes most of it without a row of D1, and what it kept.
  var headline: String {
    let score = roles.deciding
    let gap = score.gap(report)
    let size = GapPicture.size(gap, score, report)
    guard !gap.isNone else {
      return
        "On these \(ReportText.count(report.rows.test)) test rows retraining on D1 and D2 together is not measurably "
        + "better than doing nothing (\(size)): there is no gap to close." + bestOfNone
    }
    let start =
      "Retraining on D1 and D2 together improves the \(score.name(report)) on \(ReportText.count(report.rows.test)) "
      + "test rows by \(size), over doing nothing. "
    guard let best = roles.best, let result = score.of(best) else {
      return start + "No method that needs no row of D1 came to an end here."
    }
    var closes = "closes \(ReportText.percent(result.share)) of that gap"
    if let share = result.share, share <= 0 { closes = "closes none of that gap" }
    if let interval = result.interval { closes += " (90 % interval \(ReportText.percent(interval)))" }
    let other: Score = score == .nll ? .error : .nll
    let also =
      other.gap(report).isNone
      ? nil : other.of(best)?.share.map { "\(ReportText.percent($0)) in the \(other.name(report))" }
    return start + "Without a row of D1, \(best.name) \(closes)" + (also.map { " and \($0)" } ?? "") + ". " + kept(best)
  }

  private var bestOfNone: String {
    guard let best = roles.best, let result = roles.deciding.of(best) else { return "" }
    let decimals = roles.deciding.decimals(report)
    return " The best score without a row of D1 is \(best.name)’s, "
      + "\(ReportText.number(result.score, decimals: decimals)) ± "
      + "\(ReportText.number(result.standardError, decimals: decimals))\(roles.deciding.unit). \(kept(best))"
  }

  private func kept(_ method: ComparisonReport.MethodResult) -> String {
    method.keptBytes == 0
      ? "Nothing of D1 must be kept for it." : "It keeps \(ReportText.bytes(method.keptBytes)) of what D1 said."
  }

  /// How much was compared.
  var size: String {
    let batches = report.batches > 1 ? " in \(report.batches) batches" : ""
    let splits = report.splits > 1 ? "; \(report.splits) splits or seeds" : "; one split"
    return "D1 has \(ReportText.rows(report.rows.first)), D2 \(ReportText.rows(report.rows.second))\(batches), "
      + "the test \(ReportText.rows(report.rows.test))\(splits)."
  }

  /// What the frozen layers hide; empty where it is not known.
  var information: String {
    guard let lost = report.information else { return "" }
    var sentences: [String] = []
    if let factor = lost.logBayesFactor, factor.isFinite {
      let shown = ReportText.amount(abs(factor))
      sentences.append(
        factor > 0
          ? "All rows together are better explained by the tangent (the whole network, linearised) than by the last "
            + "layer alone, by \(shown) nats a row (log Bayes factor): the frozen layers’ features hide something that "
            + "the rows say."
          : "All rows together are explained no better by the tangent (the whole network, linearised) than by the last "
            + "layer alone (log Bayes factor \(ReportText.amount(factor)) nats a row): nothing says that the frozen "
            + "layers hide anything.")
    } else {
      sentences.append("The two models’ evidence cannot be compared here: one of them has no finite evidence.")
    }
    guard lost.heldOut.isFinite else { return section(sentences) }
    let decimals = ReportText.decimals(for: lost.heldOutStandardError ?? abs(lost.heldOut))
    let error = lost.heldOutStandardError.map { " ± \(ReportText.number($0, decimals: decimals))" } ?? ""
    let amount = "\(ReportText.number(abs(lost.heldOut), decimals: decimals))\(error) nats a row"
    sentences.append(
      "On the test rows the last layer is \(amount) \(lost.heldOut >= 0 ? "worse" : "better") than the tangent"
        + (lost.heldOutStandardError.map { abs(lost.heldOut) < 2 * $0 } == true
          ? ", less than two standard errors." : "."))
    sentences.append("Where both are calibrated, that difference estimates the information lost in the frozen layers.")
    return section(sentences)
  }

  private func section(_ sentences: [String]) -> String {
    "<section id=\"information\"><h2>Information lost in the frozen layers</h2>"
      + "<p>\(sentences.joined(separator: " "))</p></section>"
  }

  /// What the page's terms mean.
  var guide: String {
    """
    <section id="reading"><h2>How to read this</h2>
    <dl>
    <dt>Stale, union</dt><dd>Stale is the model of D1 left as it is. The union is the model retrained on D1 and D2 \
    together from new random weights; its score is the mean of \(Comparison.unionSeeds) seeds. They are the two ends of the \
    scale.</dd>
    <dt>Gap closed</dt><dd>1 − Σ(score(method) − score(union)) / Σ(score(D1 only) − score(union)), over the same test \
    rows and splits: 0 % is doing nothing, 100 % is retraining. Numbers are never clipped: below 0 % the update did \
    harm, above 100 % it beat the union. Intervals are 90 % of a paired bootstrap.</dd>
    <dt>No gap</dt><dd>The gap’s interval reaches 0, or the gap is less than twice the union’s own error from seed to \
    seed. Then no share is given, and the scores speak for themselves.</dd>
    <dt>Ceiling</dt><dd>The gap closed by the union itself when retrained with another seed: a method that reaches it \
    cannot be told from retraining.</dd>
    <dt>Best without D1</dt><dd>The best score on these same test rows among the methods that need no row of D1, so \
    its own number flatters it a little; the more methods, the more.</dd>
    <dt>Weak reference</dt><dd>Linear regression on all rows beats the union: the retrained network is not a good \
    yardstick, and a share near or above 100 % is no praise.</dd>
    <dt>Kept of D1</dt><dd>What must be kept of D1 so that the method can absorb D2: a posterior or weights, and for \
    methods that need rows of D1 those rows too. A posterior is a summary, not an anonymised one: with fewer rows \
    than weights the rows can be computed from it.</dd>
    <dt>Certificate</dt><dd>exact: the sequential posterior is the same model’s posterior of all rows, to rounding \
    (not the same as retraining). approximate: it is not, and only a measurement like this tells how near it comes.</dd>
    </dl></section>
    """
  }
}
