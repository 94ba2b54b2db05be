import BNNInference

/// The score of the test rows after every batch of a stream.
struct StreamPicture {
  let roles: MethodRoles

  var html: String {
    let report = roles.report
    guard report.batches > 1 else { return "" }
    let lines = report.methods.indices.compactMap { index -> (index: Int, points: [(x: Double, y: Double)])? in
      var stream = report.methods[index].stream
      // The two ends of the scale see no batches.
      if stream.isEmpty, index == roles.staleIndex || index == roles.unionIndex, let end = report.methods[index].nll {
        stream = [end.score]
      }
      guard stream.count == 1 || stream.count == report.batches else { return nil }
      // One number holds for the whole stream.
      let values = stream.count == 1 ? Array(repeating: stream[0], count: report.batches) : stream
      let points = values.enumerated().map { (x: Double($0 + 1), y: $1) }.filter { Axis.canDraw($0.y) }
      return points.isEmpty ? nil : (index, points)
    }
    guard !lines.isEmpty else { return "" }
    return """
      <section id="stream"><h2>After every batch</h2>
      <figure class="wide">\(picture(lines))</figure>
      <p class="note">Mean negative log-likelihood of all test rows, nats a row, after each of D2’s \(report.batches) \
      batches\(report.splits > 1 ? ", mean over \(report.splits) splits" : ""). Dashed: doing nothing; black: the \
      union.</p>
      </section>
      """
  }

  private func picture(_ lines: [(index: Int, points: [(x: Double, y: Double)])]) -> String {
    let names = lines.map { ReportText.shortened(roles.report.methods[$0.index].name, to: 20) }
    let gutter = 22 + 6.7 * Double(names.map(\.count).max() ?? 0)
    let height = max(300, 40 + 15 * Double(lines.count))
    let ends = lines.filter { $0.index == roles.staleIndex || $0.index == roles.unionIndex }.flatMap {
      $0.points.map(\.y)
    }
    let x = Axis(domain: 1...Double(roles.report.batches), start: 58, end: 444 - gutter)
    let y = Axis(
      domain: Axis.robustFrame(lines.flatMap { $0.points.map(\.y) }, always: ends), start: height - 42, end: 32)
    var chart = Chart(width: 444, height: height, description: "Score after every batch, by method")
    chart.axes(
      x: x, y: y, xTitle: "batches of D2 absorbed", yTitle: "negative log-likelihood, nats a row",
      xTicks: min(5, roles.report.batches - 1))
    // The grey ones first, so that they lie behind.
    let order: [MethodRoles.Role] = [.old, .own, .stale, .union, .best]
    for role in order {
      for line in lines where roles.role(line.index) == role {
        chart.clipped(x, y) { chart, x, y in
          chart.path(
            line.points.map { (x: x($0.x), y: y($0.y)) }, role.rawValue + " curve" + (role == .stale ? " dashed" : ""))
        }
        guard line.points.count <= 30 else { continue }
        for point in line.points where y.domain.contains(point.y) && role != .stale {
          chart.mark(role.shape, x(point.x), y(point.y), radius: 2.5, role.rawValue)
        }
      }
    }
    let wanted = lines.map { y.clamped($0.points[$0.points.count - 1].y) }
    let heights = Labels.spread(wanted, gap: 14, within: y.end...y.start)
    for (number, line) in lines.enumerated() {
      let role = roles.role(line.index)
      chart.line(x.end + 2, wanted[number], x.end + 12, heights[number], "leader")
      let isOutside = !y.domain.contains(line.points[line.points.count - 1].y)
      if isOutside { chart.arrow(x.end, wanted[number], towards: (0, wanted[number] <= y.end ? -1 : 1), role.rawValue) }
      chart.text(
        names[number], x.end + 15, heights[number] + 4, style: role == .best ? "strong" : "",
        full: "\(roles.report.methods[line.index].name): \(ReportText.amount(line.points[line.points.count - 1].y))")
    }
    return chart.svg
  }
}
