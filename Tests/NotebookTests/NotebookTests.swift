import Foundation
import Testing

/// Every page of Notebooks-md runs, in a fresh folder of its own, and says what happens. `NOTEBOOKS=overwrite` rewrites
/// what does not agree.
@Suite struct NotebookTests {
  static let pages: [String] = {
    let all = (try? FileManager.default.contentsOfDirectory(atPath: Toolbox.pages)) ?? []
    return all.filter { $0.hasSuffix(".md") && $0 != "README.md" }.sorted()
  }()
  static let overwrites = ProcessInfo.processInfo.environment["NOTEBOOKS"] == "overwrite"

  #if DEBUG
    static let isFast = false
  #else
    static let isFast = true
  #endif

  @Test func pagesAreThere() { #expect(!Self.pages.isEmpty) }

  @Test func indexNamesEveryPage() throws {
    let index = try String(contentsOfFile: Toolbox.pages + "/README.md", encoding: .utf8)
    let missing = Self.pages.filter { !index.contains("(\($0))") }
    #expect(missing.isEmpty)
  }

  @Test(.enabled(if: isFast, "pages train networks: run with -c release"), arguments: pages)
  func page(_ name: String) async throws {
    let path = "\(Toolbox.pages)/\(name)"
    let page = try Page(path: path)
    for need in page.needs where !FileManager.default.fileExists(atPath: "\(Toolbox.repository)/\(need)") {
      print("\(name): skipped: it needs \(need), which is not there")
      try Test.cancel("needs \(need)")
    }
    try await inScratch { folder in
      var runner = Runner(page, in: folder)
      try await runner.run()
      for note in runner.notes { print("\(name): \(note)") }
      var problems = runner.problems
      if Self.overwrites {
        problems.removeAll(where: \.heals)
        let text = page.text(with: runner.edits)
        if !runner.edits.isEmpty { try text.write(toFile: path, atomically: true, encoding: .utf8) }
      }
      for problem in problems {
        Issue.record("\(name):\(problem.line): \(problem.text)")
      }
      try figures(of: page, drawnIn: folder + "/figures")
    }
  }

  /// README's Swift is one program too; its commands run in CommandTests, since they need tables.
  @Test(.enabled(if: isFast, "links the release products: run with -c release")) func readme() async throws {
    let path = Toolbox.repository + "/README.md"
    let page = try Page(path: path)
    try await inScratch { folder in
      var runner = Runner(page, in: folder, languages: ["swift"])
      try await runner.run()
      #expect(page.blocks.contains { $0.language == "swift" })
      if Self.overwrites, !runner.edits.isEmpty {
        try page.text(with: runner.edits).write(toFile: path, atomically: true, encoding: .utf8)
      }
      for problem in runner.problems where !(Self.overwrites && problem.heals) {
        Issue.record("README.md:\(problem.line): \(problem.text)")
      }
    }
  }

  /// Figures are kept beside the pages, since pages are read where nothing runs; a page shows each figure it draws.
  private func figures(of page: Page, drawnIn folder: String) throws {
    for figure in try FileManager.default.contentsOfDirectory(atPath: folder).sorted() {
      let bytes = try #require(FileManager.default.contents(atPath: "\(folder)/\(figure)"))
      #expect(page.lines.contains { $0.contains("(figures/\(figure))") }, "\(page.name) does not show \(figure)")
      #expect(bytes.count > 1000, "\(figure) is empty")
      if Self.overwrites {
        try FileManager.default.createDirectory(atPath: Toolbox.pages + "/figures", withIntermediateDirectories: true)
        try bytes.write(to: URL(fileURLWithPath: "\(Toolbox.pages)/figures/\(figure)"))
      }
    }
    for figure in page.lines.flatMap({ $0.matches(of: #/\((figures/[^)]+)\)/#) }).map(\.1) {
      let isKept = FileManager.default.fileExists(atPath: "\(Toolbox.pages)/\(figure)")
      #expect(isKept, "\(page.name) shows \(figure), which is not kept; run with NOTEBOOKS=overwrite")
    }
  }
}

/// A fresh folder, removed afterwards.
func inScratch(_ body: (String) async throws -> Void) async throws {
  let folder = NSTemporaryDirectory() + "/notebook-" + UUID().uuidString
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  try await body(folder)
}
