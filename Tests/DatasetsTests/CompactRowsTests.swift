import BNNDatasets
import Foundation
import Testing

/// Rows for training in single precision, and the normalisation of pixels.
@Suite struct CompactRowsTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func data(_ features: [Double], columns: Int) -> Dataset {
    let rows = features.count / columns
    return Dataset(
      features: features, featureCount: columns, targets: (0..<rows).map { Double($0) }, targetCount: 1, rows: rows)
  }

  /// Sums of bytes are exact in integers, so the moments are known to the last rounding.
  @Test func pixelMomentsAreExact() throws {
    var draws = Draws(state: 3)
    let bytes = (0..<9000).map { _ in UInt8(truncatingIfNeeded: draws.next()) & 0xF7 }
    let sum = bytes.reduce(0) { $0 + Int($1) }
    let squares = bytes.reduce(0) { $0 + Int($1) * Int($1) }
    let n = bytes.count
    let mean = Double(sum) / Double(n)
    let deviation = (Double(n * squares - sum * sum) / Double(n * n)).squareRoot()
    let path = try folder.write(idx(0x08, [500, 3, 6], bytes), as: "a.idx")
    let schema = Schema(features: (0..<18).map(String.init), targets: [])
    var rows = try CompactRows(readingAll: DatasetReader(path: path, schema: schema))
    let whole = try Dataset(readingAll: DatasetReader(path: path, schema: schema))
    let fitted = Normalisation.fit(rows, rule: .pixel)
    #expect(fitted == Normalisation.fit(whole, rule: .pixel) && fitted.isPooled == true)
    #expect(fitted.featureCenter == Array(repeating: mean, count: 18))
    // A square root, a division and the sum over pieces: a few roundings.
    #expect(Set(fitted.featureScale).count == 1 && abs(fitted.featureScale[0] - deviation) < 4e-15 * deviation)
    let x = rows.takeNormalised(by: fitted)
    #expect(x == fitted.applied(to: whole).features.map { Float($0) } && x == fitted.singlePrecision(whole.features))
    #expect(try JSONDecoder().decode(Normalisation.self, from: JSONEncoder().encode(fitted)) == fitted)
  }

  @Test func constantImagesAndExtremes() {
    let same = Normalisation.fit(data(Array(repeating: 7, count: 12), columns: 3), rule: .pixel)
    #expect(same.featureCenter == [7, 7, 7] && same.featureScale == [1, 1, 1])
    let large = Normalisation.fit(data([1e140, -1e140, 1e140, -1e140], columns: 2), rule: .pixel)
    #expect(large.featureCenter == [0, 0] && large.featureScale.allSatisfy { abs($0 / 1e140 - 1) < 4e-16 })
    // An offset costs no more digits than the rounding of the data itself.
    let offset = Normalisation.fit(data([1e9, 1e9 + 1, 1e9, 1e9 + 1], columns: 2), rule: .pixel)
    #expect(offset.featureCenter == [1e9 + 0.5, 1e9 + 0.5] && offset.featureScale == [0.5, 0.5])
    #expect(Normalisation.fit(data([1, 2], columns: 1), rule: .none) == .identity(features: 1, targets: 1))
  }

  /// Numbers that single precision does not have keep all their digits, wherever among the rows they come.
  @Test func doublesStayDoubles() {
    let parts = [
      data([1, 2, 3, 4], columns: 2), data([1_000_000.001, 0.1, -5, 6], columns: 2), data([7, 8], columns: 2),
    ]
    var rows = CompactRows(featureCount: 2, targetCount: 1)
    for part in parts { rows.append(part) }
    let whole = data(parts.flatMap(\.features), columns: 2)
    #expect(rows.rows == 5 && rows.targets == [0, 1, 0, 1, 0])
    for rule in NormalisationRule.allCases {
      var own = rows
      let fitted = Normalisation.fit(whole, rule: rule)
      let same = Normalisation.fit(rows, rule: rule)
      #expect(same.featureCenter == fitted.featureCenter && same.featureScale == fitted.featureScale)
      #expect(own.takeNormalised(by: fitted) == fitted.applied(to: whole).features.map { Float($0) })
    }
  }

  @Test func weightsAndDigestPassThrough() throws {
    let path = try folder.write("a,w,y\n1,2,u\n2,1,v\n3,0,v\n")
    let schema = Schema(
      featureColumns: [FeatureColumn(name: "a")], targets: ["y"], targetKind: .classes(["u", "v"]), weights: "w")
    var digest = RowDigest()
    let rows = try CompactRows(readingAll: DatasetReader(path: path, schema: schema)) { digest.add($0) }
    #expect(rows.weights == [2, 1] && rows.targets == [0, 1] && rows.rows == 2)
    #expect(try digest == RowDigest(of: Dataset(readingAll: DatasetReader(path: path, schema: schema))))
    #expect(Normalisation.fit(rows, targetKind: schema.targetKind).weightScale == 1.5)
  }
}
