import BNNDatasets
import Foundation
import Testing

/// Labels that come in a file of their own.
@Suite struct LabelTests {
  private let folder: TemporaryFolder
  private let images: String

  init() throws {
    folder = try TemporaryFolder()
    images = try folder.write(idx(0x08, [4, 1, 2], [1, 2, 3, 4, 5, 6, 7, 8]), as: "images.idx")
  }

  private func rows(_ labels: String, options: TableOptions = TableOptions()) throws -> [[Double]] {
    let reader = try TableReader(path: images, labels: labels, options: options)
    #expect(reader.columnNames == ["0", "1", "label"])
    var result: [[Double]] = []
    while let block = try reader.nextBlock(maxRows: 3) {
      result += (0..<block.rows).map { Array(block.values[$0 * 3..<($0 + 1) * 3]) }
    }
    return result
  }

  private func refusal(_ labels: String, options: TableOptions = TableOptions()) -> DataError? {
    do {
      _ = try rows(labels, options: options)
      return nil
    } catch {
      return error as? DataError
    }
  }

  @Test func everyForm() throws {
    let bytes = idx(0x08, [4], [9, 0, 9, 3])
    let forms = [
      try folder.write(bytes, as: "l1-idx1-ubyte"), try folder.write(folder.gzip(bytes), as: "l2.gz"),
      try folder.write(npy("<i8", [4], [9, 0, 9, 3].flatMap { littleEndian(Int64($0)) }), as: "l3.npy"),
      try folder.write(npy("|u1", [4, 1], [9, 0, 9, 3]), as: "l4.npy"),
      try folder.write("label\n9\n0\n9\n3\n", as: "l5.csv"), try folder.write("9\n0\n9\n3\n", as: "l6.csv"),
      try folder.write("9\r\n0\r\n9\r\n3", as: "l7.txt"),
      try folder.write(folder.gzip("9\n0\n9\n3\n".utf8), as: "l8.csv.gz"),
      // A data frame's column without a name is called 0: the number of rows tells.
      try folder.write("0\n9\n0\n9\n3\n", as: "l9.csv"),
    ]
    for form in forms { #expect(try rows(form) == [[1, 2, 9], [3, 4, 0], [5, 6, 9], [7, 8, 3]], "\(form)") }
  }

  @Test func textsWithAndWithoutAHeader() throws {
    for text in ["kind\ncat\ndog\ncat\nowl\n", "cat\ndog\ncat\nowl\n"] {
      let labels = try folder.write(text, as: "labels.csv")
      let input = try TableInput(path: images, labels: labels)
      let schema = try Schema.fit(ColumnChoice(targets: ["label"], kind: .automatic), to: input)
      #expect(schema.classes == ["cat", "dog", "owl"] && schema.features == ["0", "1"])
      let data = try Dataset(readingAll: DatasetReader(table: TableReader(input), schema: schema))
      #expect(data.targets == [0, 1, 0, 2] && data.features == [1, 2, 3, 4, 5, 6, 7, 8])
      #expect(try Dataset(readingAll: DatasetReader(path: images, labels: labels, schema: schema)) == data)
      // A prediction needs no labels.
      #expect(try Dataset(readingAll: DatasetReader(path: images, schema: schema, targets: .none)).rows == 4)
    }
  }

  /// Beside a csv file the number of rows is not known: a first line that comes again is a label.
  @Test func besideCSV() throws {
    let table = try folder.write("a\n1\n2\n3\n", as: "a.csv")
    let schema = Schema(
      featureColumns: [FeatureColumn(name: "a")], targets: ["species"], targetKind: .classes(["u", "v"]))
    for text in ["u\nv\nu\n", "kind\nu\nv\nu\n"] {
      let labels = try folder.write(text, as: "l.csv")
      let reader = try DatasetReader(path: table, labels: labels, schema: schema)
      #expect(try Dataset(readingAll: reader).targets == [0, 1, 0])
    }
    let short = try DatasetReader(path: table, labels: folder.write("u\nv\nu\nv\nu\n", as: "l.csv"), schema: schema)
    do throws(DataError) {
      _ = try Dataset(readingAll: short)
      Issue.record("five labels were those of three rows")
    } catch {
      check(error, .badData, ["l.csv: has 5 labels, and", "a.csv has 3 rows"])
    }
  }

  @Test func rowsLeftOutOnEitherSide() throws {
    let values: [Double] = [1, .nan, 3, 4, 5, .nan]
    let images = try folder.write(npy("<f8", [6, 1], values.flatMap { littleEndian($0.bitPattern) }), as: "x.npy")
    let labels = try folder.write("u\nv\nNA\nv\nu\n?\n", as: "l.csv")
    let drop = TableOptions(missing: .drop)
    let schema = Schema(
      featureColumns: [FeatureColumn(name: "0")], targets: ["label"], targetKind: .classes(["u", "v"]))
    for size in [1, 2, 100] {
      let reader = try DatasetReader(path: images, labels: labels, schema: schema, options: drop)
      var (numbers, targets): ([Int], [Double]) = ([], [])
      while let block = try reader.nextBlock(maxRows: size) {
        numbers += block.rowNumbers
        targets += block.targets
      }
      #expect(numbers == [1, 4, 5] && targets == [0, 1, 0] && reader.droppedRows == 3)
    }
  }

  @Test func badTargetsAreInTheFileOfLabels() throws {
    let schema = Schema(
      featureColumns: ["0", "1"].map { FeatureColumn(name: $0) }, targets: ["label"], targetKind: .count)
    for (cell, message) in [("2.5", "2.5 is no count"), ("-1", "-1.0 is no count"), ("1e200", "too large")] {
      let labels = try folder.write("3\n\(cell)\n1\n0\n", as: "l.csv")
      do throws(DataError) {
        _ = try Dataset(readingAll: DatasetReader(path: images, labels: labels, schema: schema))
        Issue.record("\(cell) was taken")
      } catch {
        check(error, .badData, ["l.csv", message], row: 2, column: "label")
      }
    }
  }

  @Test func whatIsRefused() throws {
    let short = try folder.write(idx(0x08, [3], [1, 2, 3]), as: "short.idx")
    check(refusal(short), .badData, ["short.idx: has 3 labels, and", "images.idx has 4 rows", "--labels"])
    check(refusal(images), .badData, ["has 2 columns, and labels are one"])
    check(refusal(try folder.write("", as: "none.csv")), .badData, ["is empty"])
    check(refusal(folder.path("gone")), .missingInput, ["no such file"])
    check(
      refusal(try folder.write("1\nx\n2\n3\n", as: "l.csv")), .badData, ["\"x\" is not a number"], row: 2, line: 2,
      column: "label")
    // With a header and without.
    for first in ["kind,n\n", ""] {
      let two = try folder.write(first + "cat,2\ndog,2\ncat,2\ndog,2\n", as: "l.csv")
      check(refusal(two), .badData, ["l.csv: has 2 columns, and labels are one"])
    }
    #expect(refusal(try folder.write("\"1\"\n2\n3\n4\n", as: "quoted.csv")) == nil)
    check(refusal(try folder.write(idx(0x08, [4], [1, 2]), as: "cut.idx")), .badData, ["cut off: 2 of its 4 rows"])
    let table = try folder.write("a,label\n1,2\n", as: "t.csv")
    #expect(throws: DataError.self) { try TableReader(path: table, labels: short) }
    #expect(throws: DataError.self) { try TableInput(path: "-", labels: "-") }
  }
}
