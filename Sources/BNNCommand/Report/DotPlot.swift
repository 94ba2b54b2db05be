/// Values with intervals, one row each, along a common horizontal axis. What lies outside the frame becomes an arrow
/// at its edge; its number stands in the right column like every other.
struct DotPlot {
  struct Row {
    let label: String
    let value: Double?
    let interval: ClosedRange<Double>?
    let number: String
    let role: MethodRoles.Role
  }

  let description: String
  let rows: [Row]
  let frame: ClosedRange<Double>
  /// Vertical lines with a name above; a second level of names for those that would run into the first.
  let references: [(value: Double, label: String, style: String, level: Int)]
  let axisTitle: String
  /// Whether ticks are shares, shown as percentages.
  let isShare: Bool

  var svg: String {
    let rowHeight = 26.0
    let levels = Double((references.map(\.level).max() ?? 0) + 1)
    let top = 10 + 16 * levels
    let bottom = top + rowHeight * Double(max(1, rows.count)) + 4
    let longest = rows.map(\.label.count).max() ?? 0
    let gutter = min(150, 16 + 6.9 * Double(longest))
    let right = 14 + 6.9 * Double(min(10, rows.map(\.number.count).max() ?? 0))
    let axis = Axis(domain: frame, start: gutter, end: 440 - right)
    var chart = Chart(width: 440, height: bottom + 44, description: description)
    for tick in axis.ticks(count: 5) {
      chart.line(axis(tick.value), top, axis(tick.value), bottom, "grid")
      chart.text(
        isShare ? ReportText.number(100 * tick.value, decimals: 0) + " %" : tick.label, axis(tick.value), bottom + 16,
        .middle, style: "muted")
    }
    chart.text(axisTitle, (axis.start + axis.end) / 2, bottom + 36, .middle)
    for reference in references where frame.contains(reference.value) {
      let x = axis(reference.value)
      let y = top - 4 - 16 * Double(reference.level)
      chart.line(x, y + 2, x, bottom, reference.style)
      let width = 3.4 * Double(reference.label.count)
      let anchor: Chart.Anchor = x + width > 438 ? .end : x - width < 2 ? .start : .middle
      chart.text(reference.label, anchor == .end ? min(438, x + 8) : x, y - 2, anchor, style: "muted")
    }
    for (index, row) in rows.enumerated() {
      draw(row, at: top + rowHeight * (Double(index) + 0.5), axis, &chart)
    }
    return chart.svg
  }

  private func draw(_ row: Row, at y: Double, _ axis: Axis, _ chart: inout Chart) {
    let style = row.role.rawValue
    let emphasis = row.role == .best ? "strong" : ""
    let limit = Int((axis.start - 12) / 6.7)
    chart.text(
      ReportText.shortened(row.label, to: limit), axis.start - 10, y + 4, .end, style: emphasis, full: row.label)
    chart.text(row.number, 438, y + 4, .end, style: emphasis)
    if let interval = row.interval, !interval.lowerBound.isNaN, !interval.upperBound.isNaN,
      interval.upperBound >= frame.lowerBound, interval.lowerBound <= frame.upperBound
    {
      let low = axis.clamped(interval.lowerBound)
      let high = axis.clamped(interval.upperBound)
      chart.line(low, y, high, y, style + " stroke")
      // A cap says that the interval ends here; none that it runs on.
      if frame.contains(interval.lowerBound) { chart.line(low, y - 4, low, y + 4, style + " stroke") }
      if frame.contains(interval.upperBound) { chart.line(high, y - 4, high, y + 4, style + " stroke") }
    }
    guard let value = row.value, !value.isNaN else { return }
    if value > frame.upperBound {
      chart.arrow(axis.end, y, towards: (1, 0), style)
    } else if value < frame.lowerBound {
      chart.arrow(axis.start, y, towards: (-1, 0), style)
    } else {
      chart.mark(row.role.shape, axis(value), y, radius: 4.5, style)
    }
  }
}

extension MethodRoles.Role {
  /// A second sign beside the colour: filled needs no row of D1.
  var shape: Chart.Shape {
    switch self {
    case .best, .own: .circle
    case .old: .diamond
    case .stale, .union: .square
    }
  }
}
