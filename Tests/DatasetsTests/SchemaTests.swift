import BNNDatasets
import Foundation
import Testing

@Suite struct SchemaTests {
  private let header = ["cement", "water", "age", "strength"]

  private func refusal(_ body: () throws(DataError) -> Void) -> DataError? {
    do throws(DataError) {
      try body()
      return nil
    } catch {
      return error
    }
  }

  @Test func chooses() throws {
    let all = try Schema.choose(header: header, targets: ["strength"], file: "f")
    #expect(all == Schema(features: ["cement", "water", "age"], targets: ["strength"]))
    let less = try Schema.choose(header: header, targets: ["strength"], ignore: ["water"], file: "f")
    #expect(less.features == ["cement", "age"])
    let named = try Schema.choose(header: header, targets: ["strength"], features: ["age", "cement"], file: "f")
    #expect(named.features == ["age", "cement"])
    #expect(
      try Schema.choose(header: ["y"], targets: ["y"], allowingNoFeatures: true, file: "f").features.isEmpty)
  }

  @Test func refusesWhatCannotBeMeant() {
    check(
      refusal { () throws(DataError) in _ = try Schema.choose(header: header, targets: ["strenght"], file: "f") },
      .badData, ["no column strenght (did you mean strength?)", "cement, water, age, strength"])
    check(
      refusal { () throws(DataError) in _ = try Schema.choose(header: ["a", "b", "a"], targets: ["b"], file: "f") },
      .badData, ["same name: a"])
    check(
      refusal { () throws(DataError) in _ = try Schema.choose(header: ["y"], targets: ["y"], file: "f") },
      .badData, ["no column is left as a feature"])
    check(
      refusal { () throws(DataError) in
        _ = try Schema.choose(header: header, targets: ["age"], features: ["age"], file: "f")
      }, .usage, ["\"age\" is asked for twice"])
    check(
      refusal { () throws(DataError) in
        _ = try Schema.choose(header: header, targets: ["age"], ignore: ["id"], file: "f")
      }, .badData, ["no column id"])
    check(
      refusal { () throws(DataError) in _ = try Schema.choose(header: ["", "a", "y"], targets: ["y"], file: "f") },
      .badData, ["column 1 has no name", "--ignore ''"])
  }

  @Test func resolvesInAnyOrder() throws {
    let schema = Schema(features: ["a", "b"], targets: ["y"])
    let columns = try schema.resolve(header: ["y", "id", "b", "a", "note"], file: "f")
    #expect(columns.features == [3, 2])
    #expect(columns.targets == [0])
    #expect(columns.ignored == ["id", "note"])
  }

  @Test func missingColumnsAreAllNamed() {
    let schema = Schema(features: ["cement", "water"], targets: ["strength"])
    let error = refusal { () throws(DataError) in
      _ = try schema.resolve(header: ["Cement", "age"], file: "more.csv")
    }
    check(error, .badData, ["more.csv: ", "cement (did you mean Cement?), water, strength", "the columns are: Cement"])
  }

  @Test func optionalTargets() throws {
    let schema = Schema(features: ["a"], targets: ["y", "z"])
    #expect(try schema.resolve(header: ["a"], targets: .optional, file: "f").targets.isEmpty)
    #expect(try schema.resolve(header: ["z", "y", "a"], targets: .optional, file: "f").targets == [1, 0])
    let some = try schema.resolve(header: ["a", "y"], targets: .optional, file: "f")
    #expect(some.targets.isEmpty)
    #expect(some.ignored == ["y"])
  }

  @Test func repeatedNamesMatterOnlyIfUsed() throws {
    let schema = Schema(features: ["a"], targets: ["y"])
    #expect(try schema.resolve(header: ["x", "a", "x", "y"], file: "f").ignored == ["x", "x"])
    check(
      refusal { () throws(DataError) in _ = try schema.resolve(header: ["a", "a", "y"], file: "f") }, .badData,
      ["\"a\" is there twice"])
  }

  @Test func manyColumnsAreListedShort() {
    let names = (0..<500).map { "column\($0)" }
    let error = refusal { () throws(DataError) in _ = try Schema.choose(header: names, targets: ["q"], file: "f") }
    check(error, .badData, ["column19 and 480 more"])
  }

  @Test func survivesJSON() throws {
    let schema = Schema(features: ["a", "b"], targets: ["y"])
    #expect(try JSONDecoder().decode(Schema.self, from: JSONEncoder().encode(schema)) == schema)
  }
}
