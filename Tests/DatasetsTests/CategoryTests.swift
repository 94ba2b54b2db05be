import BNNDatasets
import Foundation
import Testing

/// Which columns become categories, what inputs they become, and what is refused.
@Suite struct CategoryTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func fit(
    _ text: String, _ choice: ColumnChoice = ColumnChoice(targets: ["y"]), options: TableOptions = TableOptions(),
    coding: LevelCoding = .full
  ) throws -> Schema {
    try Schema.fit(choice, to: TableInput(path: folder.write(text)), options: options, coding: coding)
  }

  private func refusal(
    _ text: String, _ choice: ColumnChoice = ColumnChoice(targets: ["y"]), options: TableOptions = TableOptions()
  ) throws -> DataError? {
    let input = try TableInput(path: folder.write(text))
    do throws(DataError) {
      _ = try Schema.fit(choice, to: input, options: options)
      return nil
    } catch {
      return error
    }
  }

  private func rows(_ text: String, _ schema: Schema, options: TableOptions = TableOptions()) throws -> [[Double]] {
    let data = try Dataset(
      readingAll: DatasetReader(path: folder.write(text, as: "more.csv"), schema: schema, options: options))
    return (0..<data.rows).map { row in
      Array(data.features[row * data.featureCount..<(row + 1) * data.featureCount])
    }
  }

  private let colours = "colour,size,y\nred,1,1\nblue,2,2\n red ,3,3\ngreen,4,4\n"

  @Test func textBecomesOneInputALevel() throws {
    let schema = try fit(colours)
    #expect(schema.features == ["colour=blue", "colour=green", "colour=red", "size"])
    #expect(schema.featureColumns.map(\.name) == ["colour", "size"])
    #expect(try rows(colours, schema) == [[0, 0, 1, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 1, 0, 4]])
    // In another order of columns and rows, with one that is new.
    #expect(try rows("y,new,size,colour\n1,x,7,green\n2,x,8,blue\n", schema) == [[0, 1, 0, 7], [1, 0, 0, 8]])
  }

  @Test func levelsDoNotDependOnTheOrderOfRows() throws {
    let lines = ["b,1", "a,2", "ä,3", "B,4", "a b,5"]
    let one = try fit("c,y\n" + lines.joined(separator: "\n"))
    #expect(one == (try fit("c,y\n" + lines.reversed().joined(separator: "\n"))))
    #expect(one.features == ["c=B", "c=a", "c=a b", "c=b", "c=ä"])
  }

  @Test func integerCodesByName() throws {
    let text = "k,y\n10,1\n9,2\n-1,3\n9,4\n"
    let choice = ColumnChoice(targets: ["y"], categorical: ["k"])
    #expect(try fit(text).features == ["k"])
    let schema = try fit(text, choice)
    #expect(schema.features == ["k=-1", "k=9", "k=10"])
    // A table with missing values writes integers with a fraction of zeros.
    #expect(try rows("k,y\n9.0,1\n10.,1\n-1.00,1\n", schema) == [[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    #expect(try fit("k,y\n007,1\n7,2\n0.5,1\n", choice).features == ["k=0.5", "k=007", "k=7"])
  }

  @Test func someTextAmongNumbersNamesTheFirst() throws {
    let error = try refusal("a,y\n1,1\n2,2\nx,3\nz,4\n")
    check(
      error, .badData, ["\"x\" is not a number", "--missing-values", "--categorical a"], row: 3, line: 4, column: "a")
    #expect(error?.exitCode == 65)
    check(try refusal("a,y\nx,1\n2,2\n"), .badData, ["\"x\" is not a number"], row: 1, column: "a")
    let named = try fit("a,y\nx,1\n2,2\n", ColumnChoice(targets: ["y"], categorical: ["a"]))
    #expect(named.features == ["a=2", "a=x"])
  }

  @Test func numbersWithCommasAreNoCategory() throws {
    let semicolon = TableOptions(delimiter: UInt8(ascii: ";"))
    let error = try refusal("a;y\n1,5;1\n2,5;2\n", options: semicolon)
    check(error, .badData, ["\"1,5\"", "decimal point"], row: 1, column: "a")
    check(try refusal("a;y\n1;1,5\n2;2,5\n", options: semicolon), .badData, ["decimal point"], row: 1, column: "y")
    check(
      try refusal("a,y\n\"1,234.5\",1\n", options: TableOptions()), .badData, ["decimal point"], row: 1, column: "a")
  }

  @Test(arguments: ["2011-01-31", "2011-01-31 07:45", "2011-01-31T07:45:30.5Z", "2011-01-31T07:45+02:00"])
  func datesAreAnError(date: String) throws {
    let error = try refusal("day,a,y\n\(date),1,1\n\(date),2,2\n")
    check(error, .badData, ["holds dates", "--time day", "--ignore day"], row: 1, line: 2, column: "day")
    #expect(try fit("day,a,y\n\(date),1,1\n", ColumnChoice(targets: ["y"], time: "day")).features == ["a"])
    #expect(try fit("day,a,y\n\(date),1,1\n", ColumnChoice(targets: ["y"], ignore: ["day"])).features == ["a"])
    #expect(try fit("day,a,y\n\(date),1,1\n", ColumnChoice(targets: ["y"], categorical: ["day"])).features.count == 2)
  }

  @Test func aHundredLevelsAndNotOneMore() throws {
    func table(_ levels: Int) -> String { "c,y\n" + (0..<300).map { "l\($0 % levels),\($0)\n" }.joined() }
    #expect(try fit(table(100)).features.count == 100)
    check(try refusal(table(101)), .badData, ["more than 100", "--ignore c"], column: "c")
    let codes = ColumnChoice(targets: ["y"], categorical: ["k"])
    check(
      try refusal("k,y\n" + (0..<300).map { "\($0),1\n" }.joined(), codes), .badData, ["more than 100"], column: "k")
  }

  @Test func referenceCodingDropsTheFirstLevel() throws {
    let text = "c,d,y\na,p,1\nb,q,2\nc,p,3\n"
    #expect(try fit(text, coding: .reference(intercept: true)).features == ["c=b", "c=c", "d=q"])
    #expect(try fit(text, coding: .reference(intercept: false)).features == ["c=a", "c=b", "c=c", "d=q"])
    let schema = try fit(text, coding: .reference(intercept: true))
    #expect(try rows(text, schema) == [[0, 0, 0], [1, 0, 1], [0, 1, 0]])
  }

  @Test func levelsNeverSeen() throws {
    let schema = try fit(colours)
    let text = "colour,size,y\nred,1,1\npuce,2,2\nmauve,2,2\n"
    let path = try folder.write(text, as: "new.csv")
    do throws(DataError) {
      _ = try Dataset(readingAll: DatasetReader(path: path, schema: schema))
      Issue.record("nothing was refused")
    } catch {
      check(
        error, .badData,
        ["\"puce\" is a level that the first data did not have", "blue, green, red", "--unseen ignore"],
        row: 2, line: 3, column: "colour")
    }
    let reader = try DatasetReader(path: path, schema: schema, options: TableOptions(unseen: .ignore))
    let data = try Dataset(readingAll: reader)
    #expect(data.features == [0, 0, 1, 1, 0, 0, 0, 2, 0, 0, 0, 2])
    #expect(reader.unseenRows.map(\.column) == ["colour"] && reader.unseenRows.map(\.rows) == [2])
  }

  @Test func namesThatAreNoFeatures() throws {
    check(try refusal(colours, ColumnChoice(targets: ["y"], categorical: ["colur"])), .badData, ["mean colour"])
    let error = try refusal(colours, ColumnChoice(targets: ["y"], categorical: ["y"]))
    check(error, .usage, ["\"y\"", "--categorical", "target"])
    check(try refusal(colours, ColumnChoice(targets: ["y"], ignore: ["size"], time: "size")), .usage, ["twice"])
  }

  // MARK: Missing values

  @Test func missingCategoriesAndTargets() throws {
    let text = "c,a,y\nx,1,1\n,2,2\nNA,3,3\nz,4,\ny,5,5\n"
    check(try refusal(text), .badData, ["missing", "--missing drop"], row: 2, column: "c")
    let drop = TableOptions(missing: .drop)
    // z stands only in a row that is left out, so no row would ever have it.
    let schema = try fit(text, options: drop)
    #expect(schema.features == ["c=x", "c=y", "a"])
    #expect(try rows(text, schema, options: drop) == [[1, 0, 1], [0, 1, 5]])
  }

  @Test func moreMissingValues() throws {
    let text = "c,a,y\nx,1,1\nNone,2,2\ny,-999,3\nx,-999.0,4\nx,5,none\n"
    let options = TableOptions(missing: .drop, missingValues: ["-999", "none"])
    let schema = try fit(text, options: options)
    #expect(schema.features == ["c=x", "a"])
    let reader = try DatasetReader(path: folder.write(text), schema: schema, options: options)
    #expect(try Dataset(readingAll: reader).rowNumbers == [1])
    #expect(reader.droppedRows == 4)
    check(
      try refusal(text, options: TableOptions(missingValues: ["none"])), .badData, ["missing (\"None\")"], row: 2,
      column: "c")
  }

  // MARK: Times

  @Test func rangeOfTimes() throws {
    let schema = Schema(featureColumns: [FeatureColumn(name: "a")], targets: ["y"], time: "t")
    let text = "t,a,y\n2011-03-01,1,1\n,2,2\n2010-12-31T23:00-02:00,3,3\n2011-01-01 00:59,4,4\n"
    let reader = try DatasetReader(path: folder.write(text), schema: schema, readsTime: true)
    _ = try Dataset(readingAll: reader)
    // 23:00 two hours west of Greenwich is 01:00 there.
    #expect(reader.timeRange?.first == "2011-01-01 00:59" && reader.timeRange?.last == "2011-03-01")
    #expect(throws: DataError.self) {
      try DatasetReader(path: folder.write("a,y\n1,1\n"), schema: schema, readsTime: true)
    }
    #expect(try Dataset(readingAll: DatasetReader(path: folder.write("a,y\n1,1\n"), schema: schema)).rows == 1)
    for bad in ["2011-02-29", "2011-13-01", "yesterday", "2011-01-01x"] {
      let reader = try DatasetReader(path: folder.write("t,a,y\n\(bad),1,1\n"), schema: schema, readsTime: true)
      do throws(DataError) {
        _ = try reader.nextBlock(maxRows: 5)
        Issue.record("\(bad) was read")
      } catch {
        check(error, .badData, ["\"\(bad)\" is no time"], row: 1, column: "t")
      }
    }
  }

  // MARK: The record in a file

  @Test func schemaSurvivesItsFile() throws {
    let schema = Schema(
      featureColumns: [
        FeatureColumn(name: "c", levels: ["a", "b\"\n"], dropsFirstLevel: true), FeatureColumn(name: "x"),
      ], targets: ["y"], weights: "w", time: "t")
    let data = try JSONEncoder().encode(schema)
    #expect(try JSONDecoder().decode(Schema.self, from: data) == schema)
    // A schema of numbers is written as before there were categories.
    let plain = try JSONSerialization.jsonObject(
      with: JSONEncoder().encode(Schema(features: ["a"], targets: ["y"])))
    #expect(plain as? [String: [String]] == ["features": ["a"], "targets": ["y"]])
    let contradiction =
      #"{"features": ["c=a"], "targets": ["y"], "columns": [{"name": "c", "drops_first_level": false}]}"#
    #expect(throws: DecodingError.self) { try JSONDecoder().decode(Schema.self, from: Data(contradiction.utf8)) }
  }

  @Test func aPipeIsKeptForTheSecondReading() throws {
    let path = folder.path("pipe.csv")
    #expect(mkfifo(path, 0o600) == 0)
    let text = colours
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", "cat '\(try folder.write(text, as: "plain.csv"))' > '\(path)'"]
    try process.run()
    let input = try TableInput(path: path)
    for _ in 0..<3 {
      let reader = try DatasetReader(table: TableReader(input), schema: Schema(features: ["size"], targets: ["y"]))
      #expect(try Dataset(readingAll: reader).features == [1, 2, 3, 4])
    }
    process.waitUntilExit()
  }
}
