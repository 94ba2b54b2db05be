import BNNInference

/// Predictions with 90 % bands along one column: before the update, after the best one without D1, and retrained.
struct PredictionPicture {
  let roles: MethodRoles

  private struct Row {
    let at: Double
    let observed: Double
    let isNew: Bool?
    let index: Int
  }

  /// Empty for classes, and where no shown method has predictions of these rows.
  var html: String {
    guard let picture = roles.report.picture else { return "" }
    let count = picture.at.count
    guard count > 1, picture.observed.count == count else { return "" }
    let shown = roles.shown(withHotStart: false).filter { roles.report.methods[$0].predictions.count == count }
    let rows = (0..<count).filter { Axis.canDraw(picture.at[$0]) && Axis.canDraw(picture.observed[$0]) }.map {
      Row(
        at: picture.at[$0], observed: picture.observed[$0],
        isNew: picture.isNew.count == count ? picture.isNew[$0] : nil,
        index: $0)
    }
    guard !shown.isEmpty, rows.count > 1 else { return "" }
    let observed = rows.map(\.observed)
    // A band a hundred times as wide as the data must not flatten the data.
    let range = Axis.frame(observed, padding: 0.5)
    let ends = shown.flatMap { index in
      rows.flatMap { row -> [Double] in
        let prediction = roles.report.methods[index].predictions[row.index]
        return [prediction.low, prediction.high].filter(range.contains)
      }
    }
    let frame = Axis.frame(observed + ends, padding: 0.04)
    let panels = shown.map { panel($0, picture, rows, frame) }.joined()
    let isSplit = rows.contains { $0.isNew != nil }
    let key =
      isSplit
      ? "<span class=\"key\"><b class=\"first\">○</b> test rows like D1’s</span> "
        + "<span class=\"key\"><b class=\"second\">▲</b> test rows like D2’s</span>"
      : "<span class=\"key\"><b class=\"first\">○</b> test rows</span>"
    return """
      <section id="predictions"><h2>Predictions of \(ReportText.escaped(picture.target))</h2>
      <div class="triple">\(panels)</div>
      <p class="legend">\(key) <span class="key">lines: predicted mean</span> \
      <span class="key">shaded: 90 % band of a new observation</span></p>
      <p class="note">\(ReportText.rows(count)) of the first split’s test rows, along \
      \(ReportText.escaped(picture.name)). Any other columns differ from row to row as well.</p></section>
      """
  }

  private func panel(
    _ index: Int, _ picture: ComparisonReport.PictureAxis, _ rows: [Row], _ frame: ClosedRange<Double>
  ) -> String {
    let x = Axis(domain: Axis.frame(rows.map(\.at), padding: 0.02), start: 50, end: 312)
    let y = Axis(domain: frame, start: 214, end: 30)
    let title = roles.title(index)
    var chart = Chart(width: 320, height: 254, description: "Predictions of \(title) along \(picture.name)")
    chart.axes(x: x, y: y, xTitle: picture.name, yTitle: picture.target)
    let method = roles.report.methods[index]
    let drawn = rows.compactMap { row -> (row: Row, mean: Double, low: Double, high: Double)? in
      let prediction = method.predictions[row.index]
      let isDrawn = [prediction.mean, prediction.low, prediction.high].allSatisfy(Axis.canDraw)
      return isDrawn ? (row, prediction.mean, prediction.low, prediction.high) : nil
    }
    let role = roles.role(index).rawValue
    chart.clipped(x, y) { chart, x, y in
      if Self.isSmooth(drawn.map(\.mean)) {
        let upper = drawn.map { (x: x($0.row.at), y: y($0.high)) }
        let lower = drawn.reversed().map { (x: x($0.row.at), y: y($0.low)) }
        chart.path(upper + lower, closed: true, role + " band")
        marks(rows, &chart, x, y)
        chart.path(drawn.map { (x: x($0.row.at), y: y($0.mean)) }, role + " curve")
      } else {
        // Where other columns move the prediction from row to row a curve would be a scribble.
        for each in drawn { chart.line(x(each.row.at), y(each.low), x(each.row.at), y(each.high), role + " bar") }
        marks(rows, &chart, x, y)
        for each in drawn {
          chart.line(x(each.row.at) - 2.5, y(each.mean), x(each.row.at) + 2.5, y(each.mean), role + " curve")
        }
      }
    }
    return "<figure><h3>\(ReportText.escaped(title))</h3>\(chart.svg)</figure>"
  }

  private func marks(_ rows: [Row], _ chart: inout Chart, _ x: Axis, _ y: Axis) {
    for row in rows {
      let isNew = row.isNew == true
      chart.mark(isNew ? .triangle : .ring, x(row.at), y(row.observed), radius: 2, isNew ? "second" : "first")
    }
  }

  /// Whether a curve through the values can be followed: its ups and downs add up to less than six times its range.
  private static func isSmooth(_ values: [Double]) -> Bool {
    guard let low = values.min(), let high = values.max() else { return true }
    return zip(values, values.dropFirst()).reduce(0) { $0 + abs($1.1 - $1.0) } <= 6 * (high - low)
  }
}
