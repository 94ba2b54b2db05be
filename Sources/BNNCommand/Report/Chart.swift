import Foundation

/// From values to pixels in a straight line, with ticks at round numbers.
struct Axis {
  let domain: ClosedRange<Double>
  /// The pixels of the domain's ends.
  let start: Double
  let end: Double

  func callAsFunction(_ value: Double) -> Double {
    start + (end - start) * (value - domain.lowerBound) / (domain.upperBound - domain.lowerBound)
  }

  func clamped(_ value: Double) -> Double {
    self(min(max(value, domain.lowerBound), domain.upperBound))
  }

  /// The distance between ticks: 1, 2 or 5 times a power of ten, such that there are about `count`.
  func step(count: Int) -> Double {
    let raw = (domain.upperBound - domain.lowerBound) / Double(max(1, count))
    let power = pow(10, floor(log10(raw)))
    return power * ([1, 2, 5].first { $0 * power >= raw * 0.999 } ?? 10)
  }

  func ticks(count: Int = 5) -> [(value: Double, label: String)] {
    let step = step(count: count)
    let decimals = max(0, -Int(floor(log10(step) + 1e-9)))
    let first = Int((domain.lowerBound / step - 1e-9).rounded(.up))
    let last = Int((domain.upperBound / step + 1e-9).rounded(.down))
    guard last >= first, last - first < 100 else { return [] }
    return (first...last).map { (Double($0) * step, ReportText.number(Double($0) * step, decimals: decimals)) }
  }

  /// What can be drawn: finite, and far enough from overflow that differences are.
  static func canDraw(_ value: Double) -> Bool { abs(value) < 1e12 }

  /// The range of the values with `padding` of it on both sides; of values that cannot be drawn nothing is taken.
  static func frame(_ values: [Double], padding: Double = 0.06) -> ClosedRange<Double> {
    let drawn = values.filter(canDraw)
    guard let low = drawn.min(), let high = drawn.max() else { return 0...1 }
    // Differences below rounding are no range: a tenth of the value is, around it.
    let largest = max(abs(low), abs(high))
    guard high - low > largest * 1e-9 else { return (low - max(0.05, largest / 20))...(high + max(0.05, largest / 20)) }
    let width = high - low
    return (low - padding * width)...(high + padding * width)
  }

  /// As `frame`, without what lies far outside the rest: beyond the quartiles by more than three times their distance.
  /// Of `always` nothing is left out.
  static func robustFrame(_ values: [Double], always: [Double] = [], padding: Double = 0.06) -> ClosedRange<Double> {
    let sorted = values.filter(canDraw).sorted()
    guard sorted.count > 2 else { return frame(sorted + always, padding: padding) }
    let low = sorted[sorted.count / 4]
    let high = sorted[(3 * sorted.count) / 4]
    let reach =
      3 * max(high - low, ((always.filter(canDraw).max() ?? high) - (always.filter(canDraw).min() ?? low)) / 2)
    return frame(sorted.filter { $0 >= low - reach && $0 <= high + reach } + always, padding: padding)
  }
}

/// An SVG picture that grows from the back to the front. Colours come from the page's style, by class.
struct Chart {
  let width: Double
  let height: Double
  /// What a reader hears who does not see it.
  let description: String
  private var body = ""

  enum Anchor: String { case start, middle, end }
  enum Shape { case circle, ring, diamond, triangle, square }

  init(width: Double, height: Double, description: String) {
    self.width = width
    self.height = height
    self.description = description
  }

  var svg: String {
    """
    <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Self.pixel(width)) \(Self.pixel(height))" \
    width="\(Self.pixel(width))" height="\(Self.pixel(height))" role="img" \
    aria-label="\(ReportText.escaped(description))">
    \(body)</svg>
    """
  }

  mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String) {
    body += """
      <line x1="\(Self.pixel(x1))" y1="\(Self.pixel(y1))" x2="\(Self.pixel(x2))" y2="\(Self.pixel(y2))" \
      class="\(style)"/>\n
      """
  }

  /// Text, escaped here; `full` shows where the pointer rests.
  mutating func text(
    _ text: String, _ x: Double, _ y: Double, _ anchor: Anchor = .start, style: String = "", full: String? = nil
  ) {
    let title = full.map { "<title>\(ReportText.escaped($0))</title>" } ?? ""
    body += """
      <text x="\(Self.pixel(x))" y="\(Self.pixel(y))" text-anchor="\(anchor.rawValue)" class="\(style)">\
      \(ReportText.escaped(text))\(title)</text>\n
      """
  }

  mutating func path(_ points: [(x: Double, y: Double)], closed: Bool = false, _ style: String) {
    guard points.count > 1 else { return }
    let steps = points.map { "\(Self.pixel($0.x)) \(Self.pixel($0.y))" }.joined(separator: "L")
    body += "<path d=\"M\(steps)\(closed ? "Z" : "")\" class=\"\(style)\"/>\n"
  }

  /// A mark whose area is that of a circle of `radius`.
  mutating func mark(_ shape: Shape, _ x: Double, _ y: Double, radius r: Double = 4, _ style: String) {
    switch shape {
    case .circle, .ring:
      let kind = shape == .ring ? " hollow" : ""
      body += """
        <circle cx="\(Self.pixel(x))" cy="\(Self.pixel(y))" r="\(Self.pixel(r))" class="\(style)\(kind)"/>\n
        """
    case .diamond:
      let d = 1.25 * r
      path([(x, y - d), (x + d, y), (x, y + d), (x - d, y)], closed: true, style + " hollow")
    case .triangle: path([(x, y - 1.4 * r), (x + 1.3 * r, y + r), (x - 1.3 * r, y + r)], closed: true, style)
    case .square:
      let d = 0.89 * r
      path([(x - d, y - d), (x + d, y - d), (x + d, y + d), (x - d, y + d)], closed: true, style)
    }
  }

  /// An arrowhead with its tip here: the value lies farther that way.
  mutating func arrow(_ x: Double, _ y: Double, towards direction: (x: Double, y: Double), _ style: String) {
    let (dx, dy) = direction
    path(
      [(x, y), (x - 9 * dx - 5 * dy, y - 9 * dy - 5 * dx), (x - 9 * dx + 5 * dy, y - 9 * dy + 5 * dx)], closed: true,
      style)
  }

  /// Grid, ticks and titles of two axes; `y` may run downwards, as pixels do.
  mutating func axes(x: Axis, y: Axis, xTitle: String, yTitle: String, ticks: Int = 5, xTicks: Int = 5) {
    let bottom = max(y.start, y.end)
    let top = min(y.start, y.end)
    for tick in y.ticks(count: ticks) {
      line(x.start, y(tick.value), x.end, y(tick.value), "grid")
      text(tick.label, x.start - 6, y(tick.value) + 4, .end, style: "muted")
    }
    // Half as many labels where they are long, such as years with decimals.
    let longest = x.ticks(count: xTicks).map(\.label.count).max() ?? 1
    let room = Int((x.end - x.start) / (Double(longest) * 7 + 14))
    for tick in x.ticks(count: max(1, min(xTicks, room))) {
      line(x(tick.value), bottom, x(tick.value), top, "grid")
      text(tick.label, x(tick.value), bottom + 16, .middle, style: "muted")
    }
    text(ReportText.shortened(xTitle, to: Int(width / 6.4)), (x.start + x.end) / 2, bottom + 34, .middle, full: xTitle)
    text(ReportText.shortened(yTitle, to: Int(width / 6.4)), 4, top - 13, full: yTitle)
  }

  /// What `draw` adds, in coordinates from this rectangle's corner, cut at its edges.
  mutating func clipped(_ x: Axis, _ y: Axis, _ draw: (inout Chart, Axis, Axis) -> Void) {
    let top = min(y.start, y.end)
    var inner = Chart(width: x.end - x.start, height: abs(y.end - y.start), description: "")
    draw(
      &inner, Axis(domain: x.domain, start: 0, end: inner.width),
      Axis(domain: y.domain, start: y.start - top, end: y.end - top))
    body += """
      <svg x="\(Self.pixel(x.start))" y="\(Self.pixel(top))" width="\(Self.pixel(inner.width))" \
      height="\(Self.pixel(inner.height))">\n\(inner.body)</svg>\n
      """
  }

  static func pixel(_ value: Double) -> String {
    guard value.isFinite else { return "0" }
    let text = String(format: "%.1f", min(max(value, -1e5), 1e5))
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }
}
