import BNNInference

/// Whether what is said to happen in so many cases of a hundred does.
struct CalibrationPicture {
  let roles: MethodRoles

  private var report: ComparisonReport { roles.report }

  var html: String {
    let shown = roles.shown(withHotStart: true).filter { !points($0).isEmpty }
    guard !shown.isEmpty else { return "" }
    let meaning =
      report.isClassification
      ? "Every dot is a tenth of the confidences: how often the predicted class was right where the prediction was "
        + "that sure; its area shows how many rows. Below the diagonal is overconfident. The number is the mean "
        + "distance from the diagonal over rows (expected calibration error)."
      : "How many of the test’s values lie below the predicted quantile. On the diagonal is calibrated; flatter than "
        + "it is overconfident, steeper is too cautious, and above or below it all along is biased. The number is the "
        + "mean distance from the diagonal."
    return """
      <section id="calibration"><h2>Calibration</h2>
      <div class="quadruple">\(shown.map(panel).joined())</div>
      <p class="note">\(meaning)</p></section>
      """
  }

  private func points(_ index: Int) -> [(x: Double, y: Double, weight: Double)] {
    let method = report.methods[index]
    let all =
      report.isClassification
      ? method.reliability.map { (x: $0.confidence, y: $0.accuracy, weight: Double($0.rows)) }
      : method.coverage.map { (x: $0.predicted, y: $0.observed, weight: 1) }
    return all.filter { (0...1).contains($0.x) && (0...1).contains($0.y) && $0.weight > 0 }
  }

  private func panel(_ index: Int) -> String {
    let x = Axis(domain: 0...1, start: 36, end: 226)
    let y = Axis(domain: 0...1, start: 206, end: 30)
    let title = roles.title(index)
    var chart = Chart(width: 234, height: 246, description: "Calibration of \(title)")
    chart.axes(
      x: x, y: y, xTitle: report.isClassification ? "confidence" : "predicted quantile",
      yTitle: report.isClassification ? "share that was right" : "share of rows below")
    chart.line(x(0), y(0), x(1), y(1), "reference dashed")
    let points = points(index)
    let role = roles.role(index)
    let total = points.reduce(0) { $0 + $1.weight }
    chart.path(points.map { (x: x($0.x), y: y($0.y)) }, role.rawValue + " curve")
    for point in points {
      let radius = report.isClassification ? 2 + 7 * (point.weight / total).squareRoot() : 2.5
      chart.mark(.circle, x(point.x), y(point.y), radius: radius, role.rawValue)
    }
    let distance = points.reduce(0) { $0 + $1.weight * abs($1.x - $1.y) } / total
    chart.text(
      ReportText.number(100 * distance, decimals: 1) + " %", x.end - 6, y.start - 8, .end, style: "strong")
    return "<figure><h3>\(ReportText.escaped(title))</h3>\(chart.svg)</figure>"
  }
}
