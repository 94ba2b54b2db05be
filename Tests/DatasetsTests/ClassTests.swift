import BNNDatasets
import Foundation
import Testing

/// Targets that are classes or counts: which labels there are, what index each gets, and what is refused.
@Suite struct ClassTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func fit(
    _ text: String, _ kind: TargetChoice, options: TableOptions = TableOptions()
  ) throws -> Schema {
    try Schema.fit(ColumnChoice(targets: ["y"], kind: kind), to: TableInput(path: folder.write(text)), options: options)
  }

  private func refusal(
    _ text: String, _ kind: TargetChoice, targets: [String] = ["y"], options: TableOptions = TableOptions()
  ) throws -> DataError? {
    let input = try TableInput(path: folder.write(text))
    do throws(DataError) {
      _ = try Schema.fit(ColumnChoice(targets: targets, kind: kind), to: input, options: options)
      return nil
    } catch {
      return error
    }
  }

  private func targets(_ text: String, _ schema: Schema, options: TableOptions = TableOptions()) throws -> [Double] {
    let path = try folder.write(text, as: "more.csv")
    return try Dataset(readingAll: DatasetReader(path: path, schema: schema, options: options)).targets
  }

  private func readingRefusal(_ text: String, _ schema: Schema) throws -> DataError? {
    let path = try folder.write(text, as: "more.csv")
    do throws(DataError) {
      _ = try Dataset(readingAll: DatasetReader(path: path, schema: schema))
      return nil
    } catch {
      return error
    }
  }

  // MARK: Which classes

  @Test(arguments: [TargetChoice.automatic, .classes])
  func textsAreClassesByCodePoint(kind: TargetChoice) throws {
    let text = "a,y\n1,rain\n2,sun\n3, rain \n4,Fog\n"
    let schema = try fit(text, kind)
    #expect(schema.classes == ["Fog", "rain", "sun"])
    #expect(schema.targetKind == .classes(["Fog", "rain", "sun"]) && schema.targets == ["y"])
    #expect(try targets(text, schema) == [1, 2, 1, 0])
    // A class that D2 does not have keeps its place.
    #expect(try targets("y,a\nsun,1\nsun,2\n", schema) == [2, 2])
  }

  @Test func integersAreClassesOnlyIfAsked() throws {
    let text = "a,y\n1,10\n2,9\n3,-1\n4,9.0\n5,1e1\n6,09\n"
    #expect(try fit(text, .automatic).targetKind == .number)
    #expect(try fit(text, .number).targetKind == .number)
    let schema = try fit(text, .classes)
    #expect(schema.classes == ["-1", "9", "10"])
    #expect(try targets(text, schema) == [2, 1, 0, 1, 2, 1])
    #expect(try targets("a,y\n1,+9\n2,10.000\n", schema) == [1, 2])
  }

  @Test func declaredClassesKeepTheirOrder() throws {
    let schema = try fit("a,y\n1,b\n2,b\n", .declaredClasses(["c", "a", "b"]))
    #expect(schema.classes == ["c", "a", "b"])
    #expect(try targets("a,y\n1,a\n2,c\n3,b\n", schema) == [1, 0, 2])
    let mixed = try fit("a,y\n1,1\n2,none\n", .declaredClasses(["1", "none"]))
    #expect(try targets("a,y\n1,none\n2,1.0\n", mixed) == [1, 0])
    // Codes with zeros in front are the class of their text before they are a number.
    #expect(try targets("a,y\n1,007\n2,7\n", fit("a,y\n1,7\n", .declaredClasses(["7", "007"]))) == [1, 0])
  }

  @Test func levelsOfRowsLeftOutAreNoClasses() throws {
    let text = "a,y\n1,u\n,v\n3,w\n4,NA\n"
    let drop = TableOptions(missing: .drop)
    let schema = try fit(text, .automatic, options: drop)
    #expect(schema.classes == ["u", "w"])
    #expect(try targets(text, schema, options: drop) == [0, 1])
    check(try refusal(text, .automatic), .badData, ["missing"], row: 2, column: "a")
  }

  @Test func classesOfArrays() throws {
    let values: [Double] = [0.5, 2, 1.5, 1, 2.5, 2]
    let path = try folder.write(npy("<f8", [3, 2], values.flatMap { littleEndian($0.bitPattern) }), as: "a.npy")
    let choice = ColumnChoice(targets: ["1"], kind: .classes)
    let schema = try Schema.fit(choice, to: TableInput(path: path))
    #expect(schema.classes == ["1", "2"] && schema.features == ["0"])
    let data = try Dataset(readingAll: DatasetReader(path: path, schema: schema))
    #expect(data.targets == [1, 0, 1] && data.features == [0.5, 1.5, 2.5])
    let wrong = ColumnChoice(targets: ["0"], kind: .classes)
    do throws(DataError) {
      _ = try Schema.fit(wrong, to: TableInput(path: path))
      Issue.record("fractions were classes")
    } catch {
      check(error, .badData, ["\"0.5\" is no class"], row: 1, column: "0")
    }
  }

  // MARK: What is refused

  @Test func labelsThatAreNoIntegers() throws {
    check(
      try refusal("a,y\n1,1\n2,2.5\n3,x\n", .classes), .badData,
      ["\"2.5\" is no class", "integer", "--likelihood gaussian"],
      row: 2, line: 3, column: "y")
    check(
      try refusal("a,y\n1,1\n2,2\n3,x\n", .classes), .badData, ["\"x\" is not an integer", "--classes"], row: 3,
      line: 4,
      column: "y")
    check(
      try refusal("a,y\n1,1\n2,x\n", .automatic), .badData, ["\"x\" is not a number", "--classes"], row: 2, column: "y")
    check(try refusal("a,y\n1,1\n2,1e300\n", .classes), .badData, ["\"1e300\" is no class"], row: 2, column: "y")
    check(
      try refusal("a,y\n1,2020-01-01\n2,2020-01-02\n", .automatic), .badData, ["holds dates"], row: 1, column: "y")
  }

  @Test func textWhereNumbersAreNeeded() throws {
    for kind in [TargetChoice.number, .count] {
      check(
        try refusal("a,y\n1,rain\n2,sun\n", kind), .badData, ["the target is text (\"rain\")", "categorical"], row: 1,
        column: "y")
    }
  }

  @Test func oneClassIsNoChoice() throws {
    check(try refusal("a,y\n1,u\n2,u\n", .automatic), .badData, ["the same class (u)", "--classes"], column: "y")
    check(try refusal("a,y\n1,3\n2,3\n", .classes), .badData, ["the same class (3)"], column: "y")
    #expect(try fit("a,y\n1,3\n2,3\n", .declaredClasses((0..<10).map(String.init))).classes?.count == 10)
  }

  @Test func aThousandClassesAndNotOneMore() throws {
    func table(_ classes: Int) -> String { "a,y\n" + (0..<2000).map { "\($0),\($0 % classes)\n" }.joined() }
    #expect(try fit(table(1000), .classes).classes == (0..<1000).map(String.init))
    check(try refusal(table(1001), .classes), .badData, ["more than 1000 different classes"], column: "y")
    check(
      try refusal("a,y\n1,1\n", .declaredClasses((0..<1001).map(String.init))), .usage, ["1001 declared classes"])
  }

  @Test func declarationsThatCannotBeMeant() throws {
    for (labels, part) in [
      (["a"], "one class is no choice"), (["a", ""], "no name"), (["a", "b", " a"], "\"a\" is declared twice"),
      (["1", "1.0"], "\"1\" is declared twice"),
    ] {
      check(try refusal("a,y\n1,a\n", .declaredClasses(labels)), .usage, [part, "--classes"])
    }
    check(
      try refusal("a,y,z\n1,u,v\n2,v,u\n", .automatic, targets: ["y", "z"]), .usage,
      ["several targets cannot be classes"])
    check(
      try refusal("a,y,z\n1,1,2\n", .declaredClasses(["1", "2"]), targets: ["y", "z"]), .usage,
      ["several targets cannot be classes"])
  }

  @Test func classesNeverDeclared() throws {
    let schema = try fit("a,y\n1,u\n2,v\n", .automatic)
    check(
      try readingRefusal("a,y\n1,u\n2,w\n", schema), .badData,
      ["\"w\" is none of the classes", "the classes are: u, v", "--classes"], row: 2, line: 3, column: "y")
    let integers = try fit("a,y\n1,0\n2,1\n", .classes)
    check(try readingRefusal("a,y\n1,2\n", integers), .badData, ["\"2\" is none of the classes"], row: 1, column: "y")
    check(try readingRefusal("a,y\n1,0.5\n", integers), .badData, ["\"0.5\" is none"], row: 1, column: "y")
    // What may be ignored in a feature may not in the target.
    let path = try folder.write("a,y\n1,w\n", as: "more.csv")
    let reader = try DatasetReader(path: path, schema: schema, options: TableOptions(unseen: .ignore))
    #expect(throws: DataError.self) { try reader.nextBlock(maxRows: 5) }
    // A prediction does not look at the target.
    #expect(try Dataset(readingAll: DatasetReader(path: path, schema: schema, targets: .none)).rows == 1)
  }

  // MARK: Counts

  @Test func counts() throws {
    let schema = try fit("a,y\n1,0\n2,3.0\n", .count)
    #expect(schema.targetKind == .count && schema.classes == nil)
    #expect(try targets("a,y\n1,0\n2,12\n3,1e3\n", schema) == [0, 12, 1000])
    for bad in ["-1", "0.5", "1e20"] {
      check(
        try readingRefusal("a,y\n1,1\n2,\(bad)\n", schema), .badData, ["is no count", "poisson"], row: 2, column: "y")
    }
  }

  // MARK: What is kept

  @Test func normalisationLeavesThemAlone() throws {
    let data = Dataset(features: [1, 3], featureCount: 1, targets: [4, 6], targetCount: 1, rows: 2)
    for kind in [TargetKind.count, .classes(["a", "b"])] {
      let fitted = Normalisation.fit(data, targetKind: kind)
      #expect(fitted.targetCenter == [0] && fitted.targetScale == [1])
      #expect(fitted.featureCenter == [2] && fitted.featureScale == [1])
    }
    #expect(Normalisation.fit(data).targetCenter == [5])
  }

  @Test func schemaSurvivesItsFile() throws {
    let columns = [FeatureColumn(name: "x")]
    for kind in [TargetKind.number, .count, .classes(["u", "v\"\n"])] {
      let schema = Schema(featureColumns: columns, targets: ["y"], targetKind: kind)
      #expect(try JSONDecoder().decode(Schema.self, from: JSONEncoder().encode(schema)) == schema)
    }
    let old = #"{"features": ["x"], "targets": ["y"]}"#
    #expect(
      try JSONDecoder().decode(Schema.self, from: Data(old.utf8)) == Schema(features: ["x"], targets: ["y"]))
    for bad in [#""classes": ["a"]"#, #""classes": ["a", "a"]"#, #""target_kind": "ranks""#] {
      let text = #"{"features": ["x"], "targets": ["y"], \#(bad)}"#
      #expect(throws: DecodingError.self) { try JSONDecoder().decode(Schema.self, from: Data(text.utf8)) }
    }
  }
}
