import BNNInference

/// A comparison as one HTML page that needs nothing beside itself: no network, no script, no font; also well-formed
/// XML.
struct ComparisonPage {
  let report: ComparisonReport
  let title: String
  /// What it was made of: files, seed, version.
  let context: [(String, String)]

  /// - Complexity: O(methods · (methods + rows of the picture)).
  var html: String {
    let roles = MethodRoles(report)
    let words = ReportWords(roles: roles)
    let sections = [
      GapPicture(roles: roles).html, MethodTable(roles: roles).html, PredictionPicture(roles: roles).html,
      CalibrationPicture(roles: roles).html, ForgettingPicture(roles: roles).html, StreamPicture(roles: roles).html,
      words.information, words.guide,
    ]
    return """
      <!DOCTYPE html>
      <html lang="en" xml:lang="en">
      <head>
      <meta charset="utf-8"/>
      <meta name="viewport" content="width=device-width, initial-scale=1"/>
      <title>\(ReportText.escaped(title))</title>
      <style>
      \(PageStyle.css)
      </style>
      </head>
      <body><main>
      <h1>\(ReportText.escaped(title))</h1>
      <p class="headline">\(ReportText.escaped(words.headline))</p>
      <p class="note">\(ReportText.escaped(words.size))</p>
      \(sections.filter { !$0.isEmpty }.joined(separator: "\n"))
      \(footer)
      </main></body>
      </html>

      """
  }

  private var footer: String {
    let rows = context.map { "<dt>\(ReportText.escaped($0.0))</dt><dd>\(ReportText.escaped($0.1))</dd>" }
    return rows.isEmpty ? "" : "<footer><dl>\(rows.joined(separator: "\n"))</dl></footer>"
  }
}
