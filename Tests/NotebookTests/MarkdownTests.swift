import Testing

@Suite struct MarkdownTests {
  private let text = """
    # Title
    <!-- needs: ../shared/data -->

    ````markdown
    ```console
    $ not a block of its own
    ```
    ````

    ```console tolerance=1e-3 absolute=0.5
    $ one
    > two
    ? 2
    out
    $ three
    ```
    """

  @Test func blocksNeedsAndTolerances() throws {
    let page = try Page(name: "p.md", text: text)
    #expect(page.needs == ["../shared/data"])
    #expect(page.blocks.map(\.language) == ["markdown", "console"])
    #expect(page.blocks.map(\.line) == [4, 10])
    #expect(page.blocks[0].tolerance == Tolerance())
    #expect(page.blocks[1].tolerance == Tolerance(relative: 1e-3, absolute: 0.5))
  }

  @Test func exchanges() throws {
    let page = try Page(name: "p.md", text: text)
    #expect(
      try page.exchanges(of: page.blocks[1]) == [
        Exchange(command: "one\ntwo", status: 2, output: ["out"], line: 11, answer: 12..<14),
        Exchange(command: "three", status: 0, output: [], line: 15, answer: 15..<15),
      ])
  }

  @Test func editsReplaceLinesAndNothingElse() throws {
    let page = try Page(name: "p.md", text: text)
    let own = try page.exchanges(of: page.blocks[1])
    let rewritten = page.text(with: [
      Edit(range: own[0].answer, lines: ["new", "lines"]), Edit(range: own[1].answer, lines: ["? 1", "more"]),
    ])
    #expect(
      rewritten
        == text.replacing("? 2\nout", with: "new\nlines").replacing("$ three", with: "$ three\n? 1\nmore"))
    #expect(page.text(with: []) == text)
  }

  @Test(arguments: [
    "```swift\nlet x = 1", "```console tolerance\n```", "```text tolerance=-1\n```", "```text precision=1\n```",
  ])
  func badPagesAreRefused(_ text: String) {
    #expect(throws: Page.SyntaxError.self) { try Page(name: "p.md", text: text) }
  }

  @Test func consoleBlocksBeginWithACommand() throws {
    let page = try Page(name: "p.md", text: "```console\nout\n```")
    #expect(throws: Page.SyntaxError.self) { try page.exchanges(of: page.blocks[0]) }
  }
}
