import BNNInference

/// What every method lost on rows like D1's against what it won on rows like D2's.
struct ForgettingPicture {
  let roles: MethodRoles

  var html: String {
    let report = roles.report
    let points = report.methods.indices.compactMap { index -> (index: Int, old: Double, new: Double)? in
      guard let old = report.methods[index].oldRows, let new = report.methods[index].newRows, !old.isNaN, !new.isNaN
      else { return nil }
      return (index, old, new)
    }
    guard points.count > 1 else { return "" }
    return """
      <section id="forgetting"><h2>Forgotten and learned</h2>
      <figure class="wide">\(picture(points))</figure>
      <p class="note">Mean negative log-likelihood after the update, nats a row: to the right, rows like D1’s are \
      predicted worse (forgotten); downwards, rows like D2’s are predicted better (learned). Lines pass through doing \
      nothing (dashed) and the union; the best place is the lower left corner. Marks as above; squares are the two \
      ends of the scale.</p></section>
      """
  }

  private func picture(_ points: [(index: Int, old: Double, new: Double)]) -> String {
    let ends = points.filter { $0.index == roles.staleIndex || $0.index == roles.unionIndex }
    let x = Axis(
      domain: Axis.robustFrame(points.map(\.old), always: ends.map(\.old), padding: 0.12), start: 58, end: 436)
    let y = Axis(
      domain: Axis.robustFrame(points.map(\.new), always: ends.map(\.new), padding: 0.12), start: 306, end: 32)
    var chart = Chart(width: 444, height: 348, description: "Forgotten against learned, by method")
    chart.axes(
      x: x, y: y, xTitle: "rows like D1’s: forgotten →", yTitle: "↓ learned: rows like D2’s, nats a row")
    for end in ends {
      let style = end.index == roles.staleIndex ? "reference dashed" : "reference"
      if x.domain.contains(end.old) { chart.line(x(end.old), y.start, x(end.old), y.end, style) }
      if y.domain.contains(end.new) { chart.line(x.start, y(end.new), x.end, y(end.new), style) }
    }
    let places = points.map { (x: x.clamped($0.old), y: y.clamped($0.new)) }
    var labels = Labels(within: x.start...x.end, y.end...y.start, points: places)
    // The best first, for it gets the nearest place; and last to be drawn, for nothing covers it.
    let order = points.indices.sorted { rank(points[$0].index) < rank(points[$1].index) }
    for number in order {
      let point = points[number]
      var text = ReportText.shortened(roles.report.methods[point.index].name, to: 24)
      if !x.domain.contains(point.old) || !y.domain.contains(point.new) {
        text += " (\(ReportText.amount(point.old)), \(ReportText.amount(point.new)))"
      }
      let label = labels.place(text, at: places[number])
      if let end = label.leader { chart.line(places[number].x, places[number].y, end.x, end.y, "leader") }
      chart.text(text, label.x, label.y, style: roles.role(point.index) == .best ? "halo strong" : "halo")
    }
    for number in order.reversed() {
      let (point, place) = (points[number], places[number])
      let role = roles.role(point.index)
      if !x.domain.contains(point.old) {
        chart.arrow(place.x, place.y, towards: (point.old > x.domain.upperBound ? 1 : -1, 0), role.rawValue)
      } else if !y.domain.contains(point.new) {
        chart.arrow(place.x, place.y, towards: (0, point.new > y.domain.upperBound ? -1 : 1), role.rawValue)
      } else {
        chart.mark(role.shape, place.x, place.y, radius: 4.5, role.rawValue)
      }
    }
    return chart.svg
  }

  private func rank(_ index: Int) -> Int {
    switch roles.role(index) {
    case .best: 0
    case .stale, .union: 1
    case .own: 2
    case .old: 3
    }
  }
}
