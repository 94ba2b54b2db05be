import Foundation

/// Runs one page from top to bottom in one folder.
///
/// Console and gnuplot blocks run where they stand. The Swift blocks of a page are one program, and so are its Python
/// blocks; a program runs where its first block stands.
struct Runner {
  let page: Page
  let tools: Toolbox
  /// The languages whose blocks run; nil: all that can.
  let languages: Set<String>?
  private(set) var problems: [Problem] = []
  /// What was left out on this machine, in words.
  private(set) var notes: [String] = []
  /// What would make the page say what happened.
  private(set) var edits: [Edit] = []

  struct Problem: Sendable, Equatable {
    let line: Int
    let text: String
    /// True when rewriting the page heals it.
    var heals = false
  }

  init(_ page: Page, in folder: String, languages: Set<String>? = nil) {
    self.page = page
    self.languages = languages
    tools = Toolbox(folder: folder)
  }

  mutating func run() async throws {
    try FileManager.default.createDirectory(atPath: tools.folder + "/figures", withIntermediateDirectories: true)
    for (index, block) in page.blocks.enumerated() where languages?.contains(block.language) ?? true {
      switch block.language {
      case "console": try await console(block)
      case "gnuplot": try await plot(block)
      case "swift", "python":
        let isFirst = !page.blocks[..<index].contains { $0.language == block.language }
        if isFirst { try await program(block.language) }
      default: break
      }
    }
  }

  private mutating func console(_ block: Page.Block) async throws {
    for exchange in try page.exchanges(of: block) {
      let outcome = try await tools.run(["sh", "-c", exchange.command])
      var wrong: [String] = []
      if outcome.status != exchange.status {
        wrong.append("the exit status is \(outcome.status), the page says \(exchange.status)")
      }
      if let text = Comparison.difference(page: exchange.output, output: outcome.lines, block.tolerance) {
        wrong.append(text)
      }
      guard !wrong.isEmpty else { continue }
      problems.append(
        Problem(line: exchange.line, text: "$ \(exchange.command)\n" + wrong.joined(separator: "\n"), heals: true))
      let status = outcome.status == 0 ? [] : ["? \(outcome.status)"]
      edits.append(Edit(range: exchange.answer, lines: status + printed(outcome.lines)))
    }
  }

  private mutating func plot(_ block: Page.Block) async throws {
    guard try await tools.can("command -v gnuplot") else {
      notes.append("line \(block.line): no gnuplot here, so the figure was not drawn")
      return
    }
    let script = tools.folder + "/figure.gnuplot"
    try page.content(of: block).joined(separator: "\n").write(toFile: script, atomically: true, encoding: .utf8)
    let outcome = try await tools.run(["gnuplot", script])
    if outcome.status != 0 { problems.append(Problem(line: block.line, text: "gnuplot: \(outcome.text)")) }
  }

  /// A line between the outputs of two blocks of one program.
  private static let border = "\u{1}"

  private mutating func program(_ language: String) async throws {
    let own = page.blocks.filter { $0.language == language }
    if language == "python", try await !tools.can("python3 -c 'import numpy'") {
      notes.append("no Python with NumPy here, so \(own.count) python blocks were not run")
      return
    }
    let outcome = try await language == "swift" ? swift(own) : python(own)
    let parts = outcome.text.components(separatedBy: Self.border + "\n")
    if outcome.status != 0 {
      let text = "the \(language) program ended with status \(outcome.status):\n\(parts.last ?? "")"
      problems.append(Problem(line: own[max(0, min(parts.count, own.count) - 1)].line, text: text))
      return
    }
    for (block, part) in zip(own, parts) { compare(part, with: block) }
  }

  private func swift(_ own: [Page.Block]) async throws -> Toolbox.Outcome {
    // Ends and origins of blocks are marked, so that outputs can be told apart and errors name lines of the page.
    let source = own.map { block in
      "#sourceLocation(file: \"\(page.name)\", line: \(block.line + 1))\n"
        + page.content(of: block).joined(separator: "\n") + "\n#sourceLocation()\nprint(\"\\u{1}\")\n"
    }
    let file = tools.folder + "/nb.swift"
    try source.joined().write(toFile: file, atomically: true, encoding: .utf8)
    let compiled = try await tools.compile(file, to: tools.folder + "/nb")
    return try await compiled.status == 0 ? tools.run([tools.folder + "/nb"]) : compiled
  }

  private func python(_ own: [Page.Block]) async throws -> Toolbox.Outcome {
    let source = own.map { page.content(of: $0).joined(separator: "\n") + "\nprint('\\x01', flush=True)\n" }
    let file = tools.folder + "/nb.py"
    try source.joined().write(toFile: file, atomically: true, encoding: .utf8)
    return try await tools.run(["python3", file])
  }

  /// Compares a program block's output with the ```` ```text ```` block that follows it.
  private mutating func compare(_ output: String, with block: Page.Block) {
    let lines = output.components(separatedBy: "\n")
    let next = page.blocks.firstIndex(of: block).map { $0 + 1 }
    guard let next, page.blocks.indices.contains(next), page.blocks[next].language == "text" else {
      if !output.isEmpty {
        problems.append(Problem(line: block.line, text: "this block prints, but no ```text block follows:\n\(output)"))
      }
      return
    }
    let expected = page.blocks[next]
    if let text = Comparison.difference(page: page.content(of: expected), output: lines, expected.tolerance) {
      problems.append(Problem(line: expected.line, text: text, heals: true))
      edits.append(Edit(range: expected.content, lines: printed(lines)))
    }
  }

  /// Output as lines of a page: without the empty line after the last line end.
  private func printed(_ lines: [String]) -> [String] {
    var lines = lines
    while lines.last?.isEmpty == true { lines.removeLast() }
    return lines
  }
}
