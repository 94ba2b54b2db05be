@testable import BNNCommand
@testable import BNNInference
import Foundation
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite("compare --report")
struct ReportTests {
  private typealias Report = ComparisonReport

  private let context = [("D1", "first.csv"), ("seed", "1")]

  /// The methods of a comparison with a gap of 1 nat a row and of 2 in the error.
  private func method(_ name: String, _ regret: Double, needsOldData: Bool = false) -> Report.MethodResult {
    func closed(_ size: Double) -> Report.GapClosed {
      Report.GapClosed(
        score: size * (1 + regret), standardError: 0.02, regret: size * regret, share: 1 - regret,
        interval: (0.95 - regret)...(1.05 - regret))
    }
    return Report.MethodResult(
      name: name, summary: "what \(name) does", needsOldData: needsOldData, givesPosterior: true, certificate: "exact",
      nll: closed(1), error: closed(2), failure: nil, seconds: 0.25, keptBytes: 24_300, oldRows: 1, newRows: 1 + regret,
      stream: [1 + regret], coverage: [(0.05, 0.07), (0.5, 0.52), (0.95, 0.9)], reliability: [],
      predictions: [(1, 0.5, 1.5), (2, 1.5, 2.5), (3, 2.5, 3.5)])
  }

  private func report(isNone: Bool = false) -> Report {
    func gap(_ size: Double) -> Report.Gap {
      Report.Gap(
        size: size, interval: (0.9 * size)...(1.1 * size), unionError: 0.01, isNone: isNone,
        ceiling: isNone ? nil : 0.98, isWeakReference: false)
    }
    return Report(
      isClassification: false, rows: (1200, 300, 3), splits: 1, batches: 1, nll: gap(1), error: gap(2),
      methods: [
        method("stale", 1), method("last-layer", 0.4), method("tangent", 0.1), method("far-off", 30),
        method("hot-start", 0.05, needsOldData: true), method("union", 0, needsOldData: true),
      ],
      information: Report.InformationLost(logBayesFactor: 0.12, heldOut: 0.05, heldOutStandardError: 0.01),
      picture: Report.PictureAxis(
        name: "year", target: "level", at: [1, 2, 3], observed: [1.1, 2.2, 2.9], isNew: [false, false, true]))
  }

  private func page(_ report: Report, title: String = "Update") -> String {
    ComparisonPage(report: report, title: title, context: context).html
  }

  /// Expects well-formed XML that fetches nothing and in which no number is missing.
  private func check(_ html: String, _ location: SourceLocation = #_sourceLocation) {
    let parser = XMLParser(data: Data(html.utf8))
    #expect(
      parser.parse(), "line \(parser.lineNumber): \(String(describing: parser.parserError))", sourceLocation: location)
    let ownNames = html.replacingOccurrences(of: "http://www.w3.org/2000/svg", with: "")
    for word in ["http", "src=", "url(", "@import", "<script"] {
      #expect(!ownNames.contains(word), "\(word)", sourceLocation: location)
    }
    let words = html.lowercased().split { !$0.isLetter }
    for word in ["nan", "inf", "infinity", "nil", "optional"] {
      #expect(!words.contains(Substring(word)), "\(word)", sourceLocation: location)
    }
  }

  private func sections(_ html: String) -> [String] {
    html.components(separatedBy: "<section id=\"").dropFirst().map { String($0.prefix { $0 != "\"" }) }
  }

  @Test("the headline names the gap, the best method without old data, what it closes and what it keeps")
  func headline() {
    let html = page(report())
    check(html)
    #expect(html.contains("improves the negative log-likelihood on 3 test rows by 1.00 nats a row"))
    #expect(
      html.contains(
        "tangent closes 90\u{A0}% of that gap (90 % interval 85 to 95\u{A0}%) and 90\u{A0}% in the root mean squared error"
      ))
    #expect(html.contains("It keeps 24.3\u{A0}kB of what D1 said."))
    #expect(sections(html) == ["gap", "table", "predictions", "calibration", "forgetting", "information", "reading"])
    #expect(html.contains("<dt>D1</dt><dd>first.csv</dd>"))
  }

  @Test("a value beyond the frame is an arrow inside it, and its number is written")
  func clipped() {
    let html = page(report())
    #expect(html.contains(">−2900\u{A0}%<"))
    // Nothing lies outside its picture by more than a mark.
    for picture in html.components(separatedBy: "<svg xmlns").dropFirst() {
      let numbers = picture.components(separatedBy: "viewBox=\"0 0 ")[1].prefix { $0 != "\"" }.split(separator: " ")
      let (width, height) = (Double(numbers[0]) ?? 0, Double(numbers[1]) ?? 0)
      for (key, limit) in [("x", width), ("y", height), ("x1", width), ("y2", height), ("cx", width), ("cy", height)] {
        for value in picture.components(separatedBy: " \(key)=\"").dropFirst() {
          let position = Double(value.prefix { $0 != "\"" }) ?? .nan
          #expect(position >= 0 && position <= limit, "\(key)=\(position) of \(limit)")
        }
      }
    }
  }

  @Test("without a gap the page says so and shows scores instead of shares")
  func noGap() {
    var own = report(isNone: true)
    for index in own.methods.indices {
      own.methods[index].nll?.share = nil
      own.methods[index].nll?.interval = nil
      own.methods[index].error?.share = nil
      own.methods[index].error?.interval = nil
    }
    let html = page(own)
    check(html)
    #expect(html.contains("there is no gap to close. The best score without a row of D1 is tangent’s, 1.100 ± 0.020"))
    #expect(html.contains("<section id=\"gap\"><h2>Scores</h2>"))
    #expect(!html.contains(">gap closed<"))
    // The interval is above 0: the reason must be the other one.
    #expect(html.contains("from seed to seed is 0.010"))
  }

  @Test("names from the data are text, whatever they hold")
  func hostileNames() {
    let hostile = "<script>alert('1')</script>&\"\u{0}\u{1B}]]>"
    var own = report()
    own.picture?.name = hostile
    own.picture?.target = hostile
    own.methods[1].name = hostile
    own.methods[1].summary = hostile
    own.methods[1].certificate = hostile
    own.methods[3].failure = hostile
    let html = ComparisonPage(report: own, title: hostile, context: [(hostile, hostile)]).html
    check(html)
    #expect(
      html.contains(
        "<h1>&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;\u{FFFD}\u{FFFD}]]&gt;</h1>"))
  }

  @Test("what is nil is a dash and leaves its section out")
  func nothingKnown() {
    var own = report()
    own.information = nil
    own.picture = nil
    for index in own.methods.indices {
      own.methods[index].nll = nil
      own.methods[index].error = nil
      own.methods[index].oldRows = nil
      own.methods[index].newRows = nil
      own.methods[index].stream = []
      own.methods[index].coverage = []
      own.methods[index].predictions = []
    }
    own.nll.ceiling = nil
    let html = page(own)
    check(html)
    #expect(html.contains("No method that needs no row of D1 came to an end here."))
    #expect(sections(html) == ["gap", "table", "reading"])
    own.methods = []
    check(page(own))
  }

  @Test(
    "numbers that are not finite, or too large for differences, draw nothing wrong",
    arguments: [Double.infinity, -.infinity, .nan, .greatestFiniteMagnitude, -1e300])
  func notFinite(value: Double) {
    var own = report()
    own.batches = 2
    for index in [1, 3, 5] {
      own.methods[index].nll?.score = value
      own.methods[index].nll?.standardError = value
      own.methods[index].nll?.share = value
      own.methods[index].nll?.interval = value.isNaN ? nil : min(value, 0)...max(value, 0)
      own.methods[index].error = own.methods[index].nll
      own.methods[index].oldRows = value
      own.methods[index].newRows = value
      own.methods[index].seconds = value
      own.methods[index].stream = [value, value]
      own.methods[index].coverage[1].observed = value
      own.methods[index].predictions[1] = (value, value, value)
    }
    own.information = Report.InformationLost(logBayesFactor: value, heldOut: value, heldOutStandardError: value)
    own.nll.size = value
    own.nll.ceiling = value
    own.picture?.at[0] = value
    own.picture?.observed[1] = value
    check(page(own))
    own.nll.isNone = true
    own.error.isNone = true
    own.isClassification = true
    for index in own.methods.indices { own.methods[index].reliability = [(value, value, 3), (0.75, 0.5, 7)] }
    check(page(own))
  }

  @Test("a stream has a picture of the score after every batch; a failed method its reason")
  func streamAndFailure() {
    var own = report()
    own.batches = 3
    for index in own.methods.indices { own.methods[index].stream = index == 0 ? [2] : [1.5, 1.3, 1.1] }
    own.methods[2].failure = "the optimum was not found"
    own.methods[2].nll = nil
    own.methods[2].error = nil
    own.nll.isWeakReference = true
    let html = page(own)
    check(html)
    #expect(sections(html).contains("stream"))
    #expect(html.contains("failed: the optimum was not found"))
    #expect(html.contains("last-layer closes 60\u{A0}%"))
    #expect(html.contains("Weak reference."))
  }

  @Test("classes: reliability instead of coverage, and no picture of predictions")
  func classes() {
    var own = report()
    own.isClassification = true
    own.picture = nil
    for index in own.methods.indices {
      own.methods[index].coverage = []
      own.methods[index].reliability = [(0.55, 0.5, 10), (0.95, 0.9, 30)]
    }
    let html = page(own)
    check(html)
    #expect(sections(html) == ["gap", "table", "calibration", "forgetting", "information", "reading"])
    // 10/40 · 0.05 + 30/40 · 0.05
    #expect(html.contains(">5.0 %</text>"))
    #expect(html.contains("<h3>Error rate</h3>"))
  }

  @Test("labels of crowded points overlap neither each other nor the points")
  func crowdedLabels() {
    var points: [(x: Double, y: Double)] = []
    for x in [200.0, 203, 206] {
      for y in [150.0, 153, 156] { points.append((x, y)) }
    }
    var labels = Labels(within: 0...440, 0...300, points: points)
    let places = points.indices.map { labels.place("method-\($0)", at: points[$0]) }
    for (index, first) in places.enumerated() {
      for second in places[..<index] {
        // Eight letters of 12 pixels are some 54 wide and 12 high.
        #expect(abs(first.x - second.x) >= 54 || abs(first.y - second.y) >= 12)
      }
    }
    for place in places {
      for point in points {
        #expect(point.x < place.x || point.x > place.x + 54 || point.y < place.y - 9 || point.y > place.y + 3)
      }
    }
    let heights = Labels.spread([10, 11, 12, 299, 300], gap: 14, within: 0...300)
    #expect(zip(heights, heights.dropFirst()).allSatisfy { (low: Double, high: Double) in high - low > 13.999 })
    #expect(heights.allSatisfy { (0...300).contains($0) })
  }

  @Test(
    "sizes, times and numbers are readable",
    arguments: [
      (ReportText.bytes(999), "999\u{A0}B"), (ReportText.bytes(1_240_000), "1.2\u{A0}MB"),
      (ReportText.seconds(0.0004), "under 1 ms"), (ReportText.seconds(0.25), "250\u{A0}ms"),
      (ReportText.seconds(312), "5\u{A0}min"), (ReportText.count(1_234_567), "1,234,567"),
      (ReportText.number(-0.0004, decimals: 2), "0.00"), (ReportText.number(-1.5, decimals: 1), "−1.5"),
      (ReportText.number(nil, decimals: 1), "–"), (ReportText.number(.infinity, decimals: 1), "∞"),
      (ReportText.amount(0.01234), "0.012"), (ReportText.percent(0.963), "96\u{A0}%"),
    ])
  func numbers(shown: String, expected: String) { #expect(shown == expected) }
}
