import Foundation
import Testing

/// The runner itself, on pages of a few lines.
@Suite struct RunnerTests {
  /// Runs a page; returns its problems and the page as rewriting would leave it.
  private func run(_ text: String) async throws -> (problems: [Runner.Problem], rewritten: String) {
    var result: (problems: [Runner.Problem], rewritten: String) = ([], "")
    try await inScratch { folder in
      let page = try Page(name: "p.md", text: text)
      var runner = Runner(page, in: folder)
      try await runner.run()
      result = (runner.problems, page.text(with: runner.edits))
    }
    return result
  }

  private func console(_ lines: String) -> String { "```console\n\(lines)\n```" }

  @Test func aTruePagePasses() async throws {
    let text = console("$ printf 'a 1.5\\nb\\n' > f; cat f\na 1.5000001\nb\n$ cat f | head -1\na 1.5\n$ false\n? 1")
    let (problems, rewritten) = try await run(text)
    #expect(problems.isEmpty)
    #expect(rewritten == text, "what agrees is not rewritten, not even within the tolerance")
  }

  @Test(arguments: [
    ("$ echo a 1.5\na 1.6", "$ echo a 1.5\na 1.5"),  // a wrong number
    ("$ echo a b\na c", "$ echo a b\na b"),  // a wrong word
    ("$ exit 3", "$ exit 3\n? 3"),  // a wrong exit status
    ("$ true\n? 2", "$ true"),
    ("$ printf 'a\\nb\\n'\na", "$ printf 'a\\nb\\n'\na\nb"),  // a missing line
    ("$ echo a\na\nb", "$ echo a\na"),  // a line too many
    ("$ echo a >&2", "$ echo a >&2\na"),  // what it says on the other stream
    ("$ nosuchcommand 2> f\n$ echo a\nb", "$ nosuchcommand 2> f\n? 127\n$ echo a\na"),
  ])
  func aFalsePageFailsAndIsRewritten(_ page: String, _ truth: String) async throws {
    let (problems, rewritten) = try await run(console(page))
    #expect(!problems.isEmpty && problems.allSatisfy(\.heals))
    #expect(rewritten == console(truth))
    #expect(try await run(rewritten).problems.isEmpty)
  }

  @Test func theEnvironmentIsPinned() async throws {
    let text = console(
      "$ echo $LANG $TZ $COLUMNS $NO_COLOR; date -d @0 +%H\nC GMT 80 1\n00\n"
        + "$ ls\nfigures\n$ command -v bnn-update\n[..]/bnn-update"
    )
    #expect(try await run(text).problems.isEmpty)
  }

  @Test(.enabled(if: NotebookTests.isFast, "Swift blocks link the release build")) func swiftBlocksAreOneProgram()
    async throws
  {
    let text = """
      ```console
      $ echo 4 > f
      ```
      ```swift
      import BNN
      let a = Matrix([[1, 2]])
      ```
      ```swift
      print(a.columns)
      ```
      ```text
      2
      ```
      ```swift
      import Foundation
      print(try String(contentsOfFile: "f", encoding: .utf8))
      ```
      ```text
      4
      ```
      """
    #expect(try await run(text).problems.isEmpty)
    let wrong = try await run(text.replacing("```text\n2", with: "```text\n3"))
    #expect(wrong.problems.count == 1)
    #expect(wrong.rewritten == text)
  }

  @Test func aSwiftErrorNamesThePagesLine() async throws {
    let (problems, _) = try await run("\n```swift\nlet x: Int = \"a\"\n```")
    #expect(problems.count == 1 && problems[0].line == 2 && !problems[0].heals)
    #expect(problems.first?.text.contains("p.md:3:") == true)
  }

  @Test(.enabled(if: NotebookTests.isFast, "Swift blocks link the release build")) func whatIsPrintedMustBeOnThePage()
    async throws
  {
    let (problems, _) = try await run("```swift\nprint(1)\n```\n\nText.\n")
    #expect(problems.count == 1 && !problems[0].heals)
  }
}
