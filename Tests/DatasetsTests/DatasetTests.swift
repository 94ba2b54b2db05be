import BNNDatasets
import Foundation
import Testing

@Suite struct DatasetTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  // MARK: Reading

  @Test func readsInTheOrderOfTheSchema() throws {
    let path = try folder.write("y,b,id,a\n1,2,x,3\n4,5,y,6\n")
    let schema = Schema(features: ["a", "b"], targets: ["y"])
    let reader = try DatasetReader(path: path, schema: schema)
    #expect(reader.columns.ignored == ["id"])
    let data = try Dataset(readingAll: reader)
    #expect(data == Dataset(features: [3, 2, 6, 5], featureCount: 2, targets: [1, 4], targetCount: 1, rows: 2))
  }

  @Test func blocksAddUpToTheWhole() throws {
    let path = try folder.write("a,y\n" + (0..<10_000).map { "\($0),\($0 % 3)\n" }.joined())
    let schema = Schema(features: ["a"], targets: ["y"])
    let whole = try Dataset(readingAll: DatasetReader(path: path, schema: schema))
    let reader = try DatasetReader(path: path, schema: schema)
    var digest = RowDigest()
    var rows = 0
    while let block = try reader.nextBlock(maxRows: 333) {
      digest.add(block)
      #expect(block.rowNumbers.first == rows + 1)
      rows += block.rows
    }
    #expect(rows == 10_000)
    #expect(digest == RowDigest(of: whole))
  }

  @Test func predictionsNeedNoTargets() throws {
    let path = try folder.write("a\n1\n2\n")
    let schema = Schema(features: ["a"], targets: ["y"])
    let data = try Dataset(readingAll: DatasetReader(path: path, schema: schema, targets: .optional))
    #expect(data == Dataset(features: [1, 2], featureCount: 1, rows: 2))
    #expect(throws: DataError.self) { try DatasetReader(path: path, schema: schema) }
  }

  // MARK: Normalisation

  private struct Moments: Decodable {
    let rows: Int
    let values, center, scale: [Double]
  }

  @Test func normalisationIsNumPys() throws {
    let expected = try JSONDecoder().decode(
      Moments.self, from: Data(contentsOf: URL(fileURLWithPath: fixture("normalisation.json"))))
    let columns = expected.center.count
    let data = Dataset(
      features: expected.values, featureCount: columns, targets: expected.values, targetCount: columns,
      rows: expected.rows)
    let fitted = Normalisation.fit(data)
    #expect(fitted.featureCenter == fitted.targetCenter)
    #expect(fitted.featureScale == fitted.targetScale)
    for column in 0..<columns {
      let scale = expected.scale[column]
      #expect(abs(fitted.featureScale[column] - scale) <= 4e-15 * scale)
      #expect(abs(fitted.featureCenter[column] - expected.center[column]) <= 1e-15 * abs(expected.center[column]))
    }
    #expect(fitted.featureCenter[2] == 0.1)
    #expect(fitted.featureScale[2] == 1)

    let again = Normalisation.fit(fitted.applied(to: data))
    for column in [0, 3, 4] {
      #expect(abs(again.featureCenter[column]) < 1e-15)
      #expect(abs(again.featureScale[column] - 1) < 1e-15)
    }
    #expect(try JSONDecoder().decode(Normalisation.self, from: JSONEncoder().encode(fitted)) == fitted)
  }

  @Test func normalisationOfExtremes() {
    let least = Double.leastNonzeroMagnitude
    let data = Dataset(features: [1.7e308, least, 0, -1.7e308, 0, 0], featureCount: 3, rows: 2)
    let fitted = Normalisation.fit(data)
    #expect(fitted.featureCenter == [0, 0, 0])
    #expect(fitted.featureScale[0] == 1.7e308)
    #expect(fitted.featureScale.allSatisfy { $0 > 0 && $0.isFinite })
  }

  @Test func identityChangesNothing() {
    let data = Dataset(features: [1, 2, 3, 4], featureCount: 2, targets: [5, 6], targetCount: 1, rows: 2)
    #expect(Normalisation.identity(features: 2, targets: 1).applied(to: data) == data)
    let one = Normalisation.fit(Dataset(features: [7, 8], featureCount: 2, rows: 1))
    #expect(one == Normalisation(featureCenter: [7, 8], featureScale: [1, 1], targetCenter: [], targetScale: []))
  }

  // MARK: Digests

  private struct Digests: Decodable {
    let rows: [[Double]]
    let total, first: String
  }

  private func data(_ rows: [[Double]]) -> Dataset {
    Dataset(
      features: rows.flatMap { $0.dropLast() }, featureCount: rows[0].count - 1, targets: rows.compactMap(\.last),
      targetCount: 1, rows: rows.count)
  }

  @Test func digestIsPythons() throws {
    let expected = try JSONDecoder().decode(
      Digests.self, from: Data(contentsOf: URL(fileURLWithPath: fixture("digest.json"))))
    #expect(RowDigest(of: data(expected.rows)).description == expected.total)
    #expect(RowDigest(of: data([expected.rows[0]])).description == expected.first)
    // −0 is +0.
    #expect(RowDigest(of: data([expected.rows[0].dropLast() + [-0.0]])).description == expected.first)
  }

  @Test func digestIgnoresOrderAndCountsRepetitions() {
    var draws = Draws(state: 5)
    let rows = (0..<100).map { _ in (0..<4).map { _ in Double(draws.next() >> 40) } }
    let digest = RowDigest(of: data(rows))
    #expect(RowDigest(of: data(rows.reversed())) == digest)
    #expect(RowDigest(of: data(rows + rows)) != digest)
    #expect(RowDigest(of: data(rows + rows)) != RowDigest())
    #expect(RowDigest(of: data(rows + [rows[0], rows[0]])) != digest)

    var sum = RowDigest(of: data(Array(rows[..<30])))
    sum.add(RowDigest(of: data(Array(rows[30...]))))
    #expect(sum == digest)
  }

  @Test func digestAsText() throws {
    let digest = RowDigest(of: data([[1, 2], [3, 4]]))
    #expect(digest.description.count == 32)
    #expect(RowDigest(hex: digest.description) == digest)
    #expect(RowDigest(hex: digest.description.uppercased()) == digest)
    #expect(RowDigest().description == String(repeating: "0", count: 32))
    for bad in ["", "12", String(repeating: "g", count: 32), "+" + String(repeating: "0", count: 31)] {
      #expect(RowDigest(hex: bad) == nil)
    }
    let coded = try JSONEncoder().encode([digest])
    #expect(String(decoding: coded, as: UTF8.self) == "[\"\(digest)\"]")
    #expect(try JSONDecoder().decode([RowDigest].self, from: coded) == [digest])
  }
}
