import BNNDatasets
import Foundation
import Testing

@Suite struct CSVErrorTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func refusal(_ text: String, options: TableOptions = TableOptions()) throws -> DataError? {
    failure(try folder.write(text), options: options)
  }

  // MARK: Cells

  @Test func textNamesRowLineColumnAndText() throws {
    var text = "id,cement\n"
    for row in 1...16 { text += "\(row),1\n" }
    let error = try refusal(text + "17,abc\n")
    let sentence = "table.csv, data row 17 (line 18), column cement: \"abc\" is not a number; correct the cell"
    check(error, .badData, [sentence], row: 17, line: 18, column: "cement")
    #expect(error?.exitCode == 65)
  }

  @Test func lineCountsQuotedLineEndsAndBlankLines() throws {
    let path = try folder.write("a,\"long\r\nname\"\r\n\r\n1,\"x\n\ny\"\r\n\r\nz,2\r\n")
    check(failure(path, columns: [0]), .badData, ["\"z\""], row: 2, line: 8, column: "a")
  }

  @Test func textInTheFirstRowSuggestsToIgnoreTheColumn() throws {
    check(try refusal("a,species\n1,cat\n"), .badData, ["--ignore 'species'"], row: 1, column: "species")
    let later = try refusal("a,species\n1,2\n3,cat\n")
    check(later, .badData, ["correct the cell"], row: 2, column: "species")
  }

  @Test func longOrHostileTextIsCutAndCleaned() throws {
    let error = try refusal("a,b\n1,2\n\u{1B}[31m\(String(repeating: "é", count: 100)),2\n")
    check(error, .badData, ["�[31m\(String(repeating: "é", count: 35))…"], row: 2, column: "a")
    #expect(error?.description.contains("\u{1B}") == false)
  }

  @Test func decimalCommaIsExplained() throws {
    let error = try refusal("a;b\n1,5;2\n", options: TableOptions(delimiter: UInt8(ascii: ";")))
    check(error, .badData, ["\"1,5\" is not a number", "decimal point"], row: 1, column: "a")
  }

  @Test(arguments: ["inf", "1e999"])
  func notFinite(text: String) throws {
    check(try refusal("a,b\n1,\(text)\n"), .badData, ["\"\(text)\" is not a finite number"], row: 1, column: "b")
  }

  @Test func hexadecimalIsText() throws {
    check(try refusal("a,b\n1,2\n0x1p3,1\n"), .badData, ["\"0x1p3\" is not a number"], row: 2, column: "a")
  }

  @Test func shortAndLongRows() throws {
    check(try refusal("a,b\n1,2\n3\n"), .badData, ["has 1 cell, but the header has 2 columns"], row: 2, line: 3)
    check(try refusal("a,b\n1,2,\n"), .badData, ["has 3 cells, but the header has 2 columns"], row: 1, line: 2)
  }

  @Test func unclosedQuote() throws {
    check(try refusal("a,b\n1,2\n3,\"4\n5,6\n"), .badData, ["never closed"], line: 3)
  }

  @Test func endlessCellsAndHeadersDoNotFillMemory() throws {
    let text = "a,b\n1,\"" + String(repeating: "x,", count: 9_000_000)
    check(try refusal(text), .badData, ["does not end for 16 MiB"], line: 2)
    check(try refusal(String(repeating: "x,", count: 2_200_000)), .badData, ["the first row does not end"])
  }

  @Test func damagedFilesAreReadOrRefused() throws {
    let good = Array("a,b,\"c d\"\r\n1.5,\"2\",3e5\r\n4,NA,\"6\"\r\n\r\n7,8,-9\r\n".utf8)
    let hostile = Array("\",\r\n\0\u{FEFF};e.-x".utf8)
    var draws = Draws(state: 6)
    for _ in 0..<500 {
      var bytes = good
      for _ in 0..<1 + draws.next() % 4 {
        bytes[Int(draws.next() % UInt64(good.count))] = hostile[Int(draws.next() % UInt64(hostile.count))]
      }
      let path = try folder.write(bytes)
      if let error = failure(path, options: TableOptions(missing: .drop)) { #expect(error.kind == .badData) }
    }
  }

  // MARK: The header

  @Test func emptyAndHeaderOnly() throws {
    check(try refusal(""), .badData, ["is empty"])
    check(try refusal("\n\n"), .badData, ["only blank lines"])
    check(try refusal("\u{FEFF}"), .badData, ["is empty"])
    check(try refusal("a,b\n"), .badData, ["has a header but no data rows"])
    check(try refusal("a,b"), .badData, ["has a header but no data rows"])
  }

  @Test func headerOfNumbers() throws {
    check(try refusal("1.5,2,NA\n3,4,5\n"), .badData, ["the first row looks like data (1.5,2,NA); a header row"])
  }

  @Test func headerThatIsNotText() throws {
    check(failure(try folder.write([0x61, 0x00, 0x62, 0x0A])), .badData, ["not text in UTF-8"])
    check(failure(try folder.write([0x61, 0x2C, 0xE9, 0x0A])), .badData, ["not text in UTF-8 (cell 2"])
    check(failure(try folder.write([0xFF, 0xFE, 0x61, 0x00, 0x0A, 0x00])), .badData, ["not text in UTF-8"])
  }

  @Test func wrongDelimiterIsGuessed() throws {
    check(try refusal("a;b\n1;2\n"), .badData, ["\"a;b\"", "--delimiter ';'"])
    check(try refusal("a\tb\n1\t2\n"), .badData, ["--delimiter tab"])
    let semicolon = TableOptions(delimiter: UInt8(ascii: ";"))
    check(try refusal("a,b\n1,2\n", options: semicolon), .badData, ["--delimiter ','"])
  }

  @Test(arguments: [0, 10, 13, 32, 34] as [UInt8])
  func impossibleDelimiter(delimiter: UInt8) throws {
    let error = try refusal("a,b\n1,2\n", options: TableOptions(delimiter: delimiter))
    check(error, .usage, ["delimiter"])
    #expect(error?.exitCode == 64)
  }

  // MARK: The file

  @Test func noSuchFileAndFolder() throws {
    let missing = failure(folder.path("none.csv"))
    check(missing, .missingInput, ["none.csv: there is no such file"])
    #expect(missing?.exitCode == 66)
    try FileManager.default.createDirectory(atPath: folder.path("dir.csv"), withIntermediateDirectories: true)
    let directory = failure(folder.path("dir.csv"))
    check(directory, .unreadable, ["is a folder"])
    #expect(directory?.exitCode == 66)
  }

  @Test func unknownFormat() throws {
    check(failure(try folder.write("a\n1\n", as: "t.txt")), .usage, ["--format"])
    check(failure("-"), .usage, ["standard input", "--format"])
    #expect(try read(folder.write("a\n1\n", as: "t.txt"), options: TableOptions(format: .csv)).rows == [[1]])
    #expect(TableFormat.infer(fromPath: "A.CSV.GZ") == .csv)
    #expect(TableFormat.infer(fromPath: "x/y.npy") == .npy)
    #expect(TableFormat.infer(fromPath: "csv") == nil)
  }

  @Test func otherKindsOfFile() throws {
    check(failure(try folder.write([0x50, 0x4B, 3, 4, 0, 0])), .badData, ["zip archive"])
    check(failure(fixture("fortran.npy"), options: TableOptions(format: .csv)), .badData, ["--format npy"])
    check(failure(try folder.write("a\n1\n", as: "t.npy")), .badData, ["is not a NumPy array"])
  }

  @Test func gzipTroubles() throws {
    check(failure(try folder.write("a\n1\n", as: "t.csv.gz")), .badData, ["is named .gz but is not gzip data"])
    let text = "a,b\n" + (0..<20_000).map { "\($0),\($0 % 7)\n" }.joined()
    let good = try folder.gzip(text.utf8)
    check(failure(try folder.write(good.dropLast(20), as: "t.csv.gz")), .badData, ["the gzip data end too early"])
    check(failure(try folder.write(good.prefix(2), as: "t.csv.gz")), .badData, ["the gzip data end too early"])
    var flipped = good
    for index in good.count / 2..<good.count / 2 + 8 { flipped[index] ^= 0x5A }
    check(failure(try folder.write(flipped, as: "t.csv.gz")), .badData, ["gzip data are damaged"])
    check(failure(try folder.write(good + Array("rest".utf8), as: "t.csv.gz")), .badData, ["other bytes follow"])
  }
}
