import BNNDatasets
import Foundation
import Testing

/// Archives of arrays: what NumPy writes is read, and whatever is wrong with one is refused before it costs anything.
@Suite struct NPZTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func bytes(_ name: String) throws -> [UInt8] {
    try [UInt8](Data(contentsOf: URL(fileURLWithPath: fixture(name))))
  }

  private func refusal(_ bytes: [UInt8], columns: [Int]? = [0]) throws -> DataError? {
    failure(try folder.write(bytes, as: "t.npz"), columns: columns)
  }

  private func place(of pattern: [UInt8], in bytes: [UInt8], last: Bool = false) throws -> Int {
    let places = (0...bytes.count - pattern.count).filter { bytes[$0..<$0 + pattern.count].elementsEqual(pattern) }
    return try #require(last ? places.last : places.first)
  }

  // MARK: What NumPy writes

  @Test(arguments: ["table", "table_compressed", "zip64"]) func everyColumn(name: String) throws {
    let table = try read(fixture("\(name).npz"), columns: [0, 1, 2, 3], blockRows: 2)
    #expect(table.names == ["a", "X.0", "X.1", "code", "name", "raw"])
    #expect(table.rows == [[1.5, 1, 2, 3], [-2, 3, 4, 1], [3.25, 5, 6, 3]])
    #expect(try read(fixture("\(name).npz"), columns: [3, 2, 0]).rows == [[3, 2, 1.5], [1, 4, -2], [3, 6, 3.25]])
  }

  @Test func categoriesAndKeptTexts() throws {
    let input = try TableInput(path: fixture("table.npz"))
    let choice = ColumnChoice(targets: ["a"], ignore: ["X.0", "name"], categorical: ["code"])
    let schema = try Schema.fit(choice, to: input)
    #expect(schema.features == ["X.1", "code=1", "code=3", "raw=x", "raw=yz"])
    let reader = try DatasetReader(table: TableReader(input), schema: schema, keeping: ["name", "code"])
    let data = try Dataset(readingAll: reader)
    #expect(data.features == [2, 0, 1, 1, 0, 4, 1, 0, 0, 1, 6, 0, 1, 1, 0])
    #expect(data.kept == [["Köln", "a, b", ""], ["3", "1", "3"]])
  }

  @Test func emptyTextsAreMissing() throws {
    let input = try TableInput(path: fixture("table.npz"))
    let choice = ColumnChoice(targets: ["a"], features: ["name"])
    do throws(DataError) {
      _ = try Schema.fit(choice, to: input)
      Issue.record("nothing was refused")
    } catch {
      check(error, .badData, ["missing"], row: 3, column: "name")
    }
    let schema = try Schema.fit(choice, to: input, options: TableOptions(missing: .drop))
    #expect(schema.features == ["name=Köln", "name=a, b"])
  }

  @Test func arraysThatAreNoColumns() throws {
    let path = fixture("odd.npz")
    #expect(try read(path, columns: [0]).rows == [[1.5], [-2], [3.25]])
    check(failure(path, columns: [0, 1]), .badData, ["\"|O\"", "--ignore meta"])
    #expect(try read(path, columns: [2]).rows == [[0], [0], [0]])
    check(failure(path, columns: [0, 3]), .badData, ["has 2 rows", "a has 3", "--ignore"], column: "short")
  }

  @Test func aPipeIsRead() throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    let pipe = folder.path("pipe.npz")
    #expect(mkfifo(pipe, 0o600) == 0)
    process.arguments = ["-c", "cat '\(fixture("table.npz"))' > '\(pipe)'"]
    try process.run()
    #expect(try read(pipe, columns: [0]).rows == [[1.5], [-2], [3.25]])
    process.waitUntilExit()
  }

  // MARK: What is wrong

  @Test func otherKindsOfFile() throws {
    check(try refusal(Array("a,b\n1,2\n".utf8)), .badData, ["not a zip archive"])
    check(try refusal(try bytes("fortran.npy")), .badData, ["not a zip archive", "--format npy"])
    check(try refusal([]), .badData, ["is empty"])
    let empty: [UInt8] = [0x50, 0x4B, 5, 6] + [UInt8](repeating: 0, count: 18)
    check(try refusal(empty), .badData, ["without NumPy arrays", "spreadsheet"])
    check(
      failure(fixture("table.npz"), options: TableOptions(format: .csv)), .badData, ["zip archive", "--format npz"])
  }

  @Test(arguments: ["table.npz", "table_compressed.npz", "zip64.npz"]) func everyTruncation(name: String) throws {
    let whole = try bytes(name)
    for length in 6..<whole.count {
      let error = try refusal(Array(whole[..<length]))
      #expect(error?.kind == .badData, "\(length) of \(whole.count) bytes: \(error?.description ?? "read")")
    }
  }

  /// A flipped byte is refused, or was of no account: then every number is what it was.
  @Test(arguments: ["table.npz", "table_compressed.npz", "zip64.npz"]) func everyFlippedByte(name: String) throws {
    let whole = try bytes(name)
    let good = try read(fixture(name), columns: [0, 1, 2, 3]).rows
    for place in whole.indices {
      for mask in [0x01, 0xFF] as [UInt8] {
        var damaged = whole
        damaged[place] ^= mask
        let path = try folder.write(damaged, as: "t.npz")
        do throws(DataError) {
          let reader = try TableReader(path: path)
          guard reader.columnNames == ["a", "X.0", "X.1", "code", "name", "raw"] else { continue }
          #expect(try read(path, columns: [0, 1, 2, 3]).rows == good, "byte \(place)")
        } catch {
          #expect(error.kind == .badData, "byte \(place): \(error)")
        }
      }
    }
  }

  @Test func duplicateNames() throws {
    var bytes = try bytes("table.npz")
    // "name.npy" becomes "code.npy" in both of its places.
    for _ in 0..<2 {
      let place = try place(of: Array("name.npy".utf8), in: bytes)
      bytes.replaceSubrange(place..<place + 4, with: Array("code".utf8))
    }
    check(try refusal(bytes), .badData, ["two members have the name \"code.npy\""])
  }

  @Test func twoMembersInOnePlace() throws {
    var bytes = try bytes("table.npz")
    let first = try place(of: [0x50, 0x4B, 1, 2], in: bytes)
    // The place of the second member: that of the first.
    let second = first + 46 + "a.npy".utf8.count
    bytes.replaceSubrange(second + 42..<second + 46, with: [0, 0, 0, 0])
    check(try refusal(bytes), .badData, ["lies outside its place"])
  }

  @Test(arguments: [(8, UInt8(1), "encrypted"), (10, UInt8(12), "method 12")])
  func membersThatCannotBeRead(offset: Int, value: UInt8, words: String) throws {
    var bytes = try bytes("table_compressed.npz")
    bytes[try place(of: [0x50, 0x4B, 1, 2], in: bytes) + offset] = value
    check(try refusal(bytes), .badData, [words])
  }

  @Test func sizesThatAreLies() throws {
    for (offset, name) in [(24, "table_compressed.npz"), (20, "table_compressed.npz"), (24, "table.npz")] {
      for size in [0, 1, 0x7FFF_FFFF, 0xFFFF_FFFE] as [UInt32] {
        var bytes = try bytes(name)
        let entry = try place(of: [0x50, 0x4B, 1, 2], in: bytes)
        withUnsafeBytes(of: size.littleEndian) { bytes.replaceSubrange(entry + offset..<entry + offset + 4, with: $0) }
        #expect(try refusal(bytes)?.kind == .badData, "\(size) at \(offset) of \(name)")
      }
    }
  }

  @Test func aDirectoryThatClaimsTooMuch() throws {
    var bytes = try bytes("table.npz")
    let end = bytes.count - 22
    bytes.replaceSubrange(end + 8..<end + 12, with: [0xFE, 0xFF, 0xFE, 0xFF])
    check(try refusal(bytes), .badData, ["65534 members"])
  }

  /// Thirty megabytes behind a small array in thirty kilobytes: refused where the array ends.
  @Test func aBomb() throws {
    check(failure(fixture("bomb.npz"), columns: [0]), .badData, ["other bytes follow the array"])
  }

  // MARK: Writing

  @Test func whatIsWrittenIsRead() throws {
    let numbers = [0.1, -0.0, 1e100, 5e-324]
    let bytes = try NPZWriter.bytes([
      ("mean", .numbers(numbers)), ("größe \"a\"", .texts(["", "ä,b", "x\ny", "🚲"])), ("q05", .numbers([1, 2, 3, 4])),
    ])
    let path = try folder.write(bytes, as: "out.npz")
    let table = try read(path, columns: [2, 0])
    #expect(table.names == ["mean", "größe \"a\"", "q05"])
    #expect(
      table.rows.map { $0[1].bitPattern } == numbers.map(\.bitPattern) && table.rows.map { $0[0] } == [1, 2, 3, 4])
    let schema = Schema(features: ["q05"], targets: ["mean"])
    let reader = try DatasetReader(path: path, schema: schema, keeping: ["größe \"a\""])
    #expect(try Dataset(readingAll: reader).kept == [["", "ä,b", "x\ny", "🚲"]])
    #expect(
      try bytes
        == NPZWriter.bytes([
          ("mean", .numbers(numbers)), ("größe \"a\"", .texts(["", "ä,b", "x\ny", "🚲"])),
          ("q05", .numbers([1, 2, 3, 4])),
        ]))
  }

  static let hasNumPy = (try? run("import numpy")) == 0

  private static func run(_ script: String, _ arguments: [String] = []) throws -> Int32 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", "-c", script] + arguments
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus
  }

  @Test("NumPy reads what is written", .enabled(if: hasNumPy, "python3 with numpy is not here")) func numPyReads()
    throws
  {
    let path = try folder.write(
      NPZWriter.bytes([("mean", .numbers([0.1, 2])), ("stadt ü", .texts(["Köln", "a"]))]), as: "out.npz")
    let script = """
      import sys, zipfile, numpy as np
      t = np.load(sys.argv[1])
      ok = t["mean"].tolist() == [0.1, 2] and t["stadt ü"].tolist() == ["Köln", "a"]
      sys.exit(0 if ok and zipfile.ZipFile(sys.argv[1]).testzip() is None else 1)
      """
    #expect(try Self.run(script, [path]) == 0)
  }
}
