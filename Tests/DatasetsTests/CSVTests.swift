import BNNDatasets
import Testing

@Suite struct CSVTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func table(_ text: String, columns: [Int]? = nil, options: TableOptions = TableOptions()) throws -> Table {
    try read(folder.write(text), columns: columns, options: options)
  }

  @Test(arguments: ["\n", "\r\n", "\r"])
  func lineEndsBOMQuotesAndBlankLines(end: String) throws {
    let lines = ["", "\"a\",\"b \"\"x\"\"\", c ", "1,2,3", "", "\" 4 \",+5,.6", "", ""]
    let expected = Table(
      names: ["a", "b \"x\"", "c"], rows: [[1, 2, 3], [4, 5, 0.6]], rowNumbers: [1, 2], dropped: 0)
    #expect(try table("\u{FEFF}" + lines.joined(separator: end)) == expected)
  }

  @Test func lastLineNeedsNoEnd() throws {
    #expect(try table("a,b\n1,2\n3,4").rows == [[1, 2], [3, 4]])
  }

  @Test func chosenColumnsComeInTheirOrderAndOthersMayBeText() throws {
    let read = try table("a,name,b\n1,x,2\n3,\"y, z\",4\n", columns: [2, 0])
    #expect(read.rows == [[2, 1], [4, 3]])
  }

  @Test(arguments: [";", "\t", "|"])
  func delimiters(delimiter: String) throws {
    let byte = try #require(delimiter.utf8.first)
    let read = try table(
      ["a", "b"].joined(separator: delimiter) + "\n1.5\(delimiter)2\n", options: TableOptions(delimiter: byte))
    #expect(read.names == ["a", "b"])
    #expect(read.rows == [[1.5, 2]])
  }

  @Test func tabsKeepEmptyCells() throws {
    let error = failure(try folder.write("a\tb\tc\n1\t\t3\n"), options: TableOptions(delimiter: 9))
    check(error, .badData, ["missing"], row: 1, line: 2, column: "b")
  }

  @Test func blockSizeChangesNothing() throws {
    var draws = Draws(state: 3)
    var text = "a,b,c\n"
    for row in 0..<40_000 {
      let missing = draws.next() % 50 == 0
      text += "\(row),\(missing ? "NA" : "\(Double(draws.next() % 1000) / 7)"),\(draws.next() % 10)\n"
    }
    let path = try folder.write(text)
    let options = TableOptions(missing: .drop)
    let whole = try read(path, options: options, blockRows: .max)
    #expect(whole.rows.count + whole.dropped == 40_000)
    #expect(whole.dropped > 0)
    #expect(zip(whole.rows, whole.rowNumbers).allSatisfy { Int($0[0]) + 1 == $1 })
    for blockRows in [1, 7, 4096, 30_000] {
      #expect(try read(path, options: options, blockRows: blockRows) == whole)
    }
  }

  @Test func blocksBeforeAnErrorAreFullOnesAndTheErrorStays() throws {
    let reader = try TableReader(path: folder.write("a\n1\n2\n3\nx\n"))
    #expect(try reader.nextBlock(maxRows: 2)?.values == [1, 2])
    for _ in 0..<2 {
      #expect(throws: DataError.self) { try reader.nextBlock(maxRows: 2) }
    }
  }

  @Test func gzipEqualsPlain() throws {
    let text = "a,b\n" + (0..<50_000).map { "\($0),\(Double($0) / 3)\n" }.joined()
    let plain = try read(folder.write(text))
    #expect(try read(folder.write(folder.gzip(text.utf8), as: "t.csv.gz")) == plain)
    // By its content, whatever the name.
    #expect(try read(folder.write(folder.gzip(text.utf8), as: "renamed.csv")) == plain)
  }

  @Test func gzipOfSeveralMembersWithPadding() throws {
    let bytes = try folder.gzip("a,b\n1,".utf8) + folder.gzip("2\n3,4\n".utf8) + [0, 0, 0, 0]
    #expect(try read(folder.write(bytes, as: "t.csv.gz")).rows == [[1, 2], [3, 4]])
  }

  // MARK: Missing values

  @Test func missingIsRefusedOrDropped() throws {
    let text = "a,b\n1,2\n,4\n5,?\n7,8\n"
    check(
      failure(try folder.write(text)), .badData, ["data row 2 (line 3), column a", "missing", "--missing drop"], row: 2,
      line: 3, column: "a")
    let read = try table(text, options: TableOptions(missing: .drop))
    #expect(read == Table(names: ["a", "b"], rows: [[1, 2], [7, 8]], rowNumbers: [1, 4], dropped: 2))
  }

  @Test func missingInAColumnNotChosenIsNothing() throws {
    #expect(try table("a,b\n1,\n2,NA\n", columns: [0]).rows == [[1], [2]])
  }

  @Test func blankLinesOfOneColumnAreMissingExceptAtTheEnd() throws {
    let text = "y\r\n1\r\n\r\n2\r\n\r\n\r\n"
    check(failure(try folder.write(text)), .badData, ["blank", "one column"], row: 2, line: 3, column: "y")
    let read = try table(text, options: TableOptions(missing: .drop))
    #expect(read == Table(names: ["y"], rows: [[1], [2]], rowNumbers: [1, 3], dropped: 1))
  }

  @Test func droppingEveryRowIsAnError() throws {
    let error = failure(try folder.write("a,b\n1,\n2,\n"), options: TableOptions(missing: .drop))
    check(error, .badData, ["every one of the 2 data rows"])
  }

  @Test func droppingDoesNotHideText() throws {
    let error = failure(try folder.write("a,b\n1,2\n,x\n"), options: TableOptions(missing: .drop))
    check(error, .badData, ["\"x\" is not a number"], row: 2, column: "b")
  }
}
