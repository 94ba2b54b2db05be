import BNNDatasets
import Foundation
import Testing

/// Classes in groups: which groups there are, and what is refused.
@Suite struct HeadTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private static let text = "a,y\n1,0\n2,2\n3,3\n4,1\n"

  private func fit(_ heads: [[String]], _ kind: TargetChoice) throws -> Schema {
    try Schema.fit(
      ColumnChoice(targets: ["y"], kind: kind, heads: heads), to: TableInput(path: folder.write(Self.text)))
  }

  private func refusal(_ heads: [[String]], _ kind: TargetChoice = .classes) throws -> DataError? {
    let input = try TableInput(path: folder.write(Self.text))
    do throws(DataError) {
      _ = try Schema.fit(ColumnChoice(targets: ["y"], kind: kind, heads: heads), to: input)
      return nil
    } catch {
      return error
    }
  }

  /// Heads keep their order, classes within one that of the classes; labels are read as cells are.
  @Test func labelsAreIndices() throws {
    let schema = try fit([["3.0", " 0"], ["1", "2"]], .classes)
    #expect(schema.classes == ["0", "1", "2", "3"])
    #expect(schema.heads == [[0, 3], [1, 2]] && schema.headLabels == [["0", "3"], ["1", "2"]])
    // The data need not have every class that is declared.
    let more = try fit([["9", "0"], ["1", "2", "3"]], .declaredClasses(["9", "3", "2", "1", "0"]))
    #expect(more.heads == [[0, 4], [1, 2, 3]])
    #expect(try fit([["0", "1", "2", "3"]], .classes).heads == [[0, 1, 2, 3]])
  }

  @Test func refusals() throws {
    for (heads, kind, words) in [
      ([["0", "1"], ["2", "7"]], .classes, ["\"7\"", "none of the classes"]),
      ([["0", "1"], ["1", "2", "3"]], .classes, ["\"1\"", "twice"]),
      ([["0", "1", "2"], ["3"]], .classes, ["one class"]), ([["0", "1"]], .classes, ["2, 3", "no head"]),
      ([["0", "1", "2"]], .classes, ["the class 3 is in no head"]), ([["0", "1"]], .number, ["has none"]),
      ([], .classes, ["0, 1, 2, 3"]),
    ] as [([[String]], TargetChoice, [String])] {
      let error = try #require(try refusal(heads, kind), "\(heads)")
      #expect(error.kind == .usage)
      for word in words { #expect(error.description.contains(word), "\(error)") }
    }
  }

  /// A schema with heads comes back from its JSON; one without has no word of them.
  @Test func json() throws {
    let schema = try fit([["0", "3"], ["1", "2"]], .classes)
    let data = try JSONEncoder().encode(schema)
    #expect(try JSONDecoder().decode(Schema.self, from: data) == schema)
    let text = String(decoding: data, as: UTF8.self)
    #expect(text.contains("\"heads\":[[0,3],[1,2]]"))
    let plain = Schema(
      featureColumns: schema.featureColumns, targets: schema.targets, targetKind: schema.targetKind)
    #expect(plain != schema)
    #expect(!String(decoding: try JSONEncoder().encode(plain), as: UTF8.self).contains("heads"))
    for wrong in [
      "[[0,3],[1]]", "[[0,3],[2,1]]", "[[0,1],[2,4]]", "[[0,1]]", "[]", "[[0,1],[1,2,3]]", "[[0,1],[2,-3]]",
    ] {
      let damaged = text.replacingOccurrences(of: "[[0,3],[1,2]]", with: wrong)
      #expect(throws: DecodingError.self, "\(wrong)") {
        try JSONDecoder().decode(Schema.self, from: Data(damaged.utf8))
      }
    }
    let numbers = "{\"features\":[\"a\"],\"targets\":[\"y\"],\"heads\":[[0,1]]}"
    #expect(throws: DecodingError.self) { try JSONDecoder().decode(Schema.self, from: Data(numbers.utf8)) }
  }
}
