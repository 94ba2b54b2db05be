import Foundation
import Testing

@testable import BNNDatasets

/// Rows read into a buffer are the rows read as data sets, whatever the table and the pieces.
@Suite("row buffer")
struct RowBufferTests {
  private let schema = Schema(features: ["0", "1"], targets: ["2"])
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func npy(_ values: [Double], columns: Int) throws -> String {
    var header = "{'descr': '<f8', 'fortran_order': False, 'shape': (\(values.count / columns), \(columns)), }"
    while (11 + header.utf8.count) % 64 != 0 { header += " " }
    header += "\n"
    var bytes = Data([0x93])
    bytes.append(contentsOf: "NUMPY".utf8)
    bytes.append(contentsOf: [1, 0, UInt8(header.utf8.count), 0])
    bytes.append(contentsOf: header.utf8)
    for value in values { withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) } }
    return try folder.write(bytes, as: "rows.npy")
  }

  /// All values and the digest, by buffer.
  private func buffered(
    _ path: String, _ schema: Schema, options: TableOptions = TableOptions(), maxRows: Int
  ) throws -> (values: [Double], digest: RowDigest, dropped: Int) {
    let reader = try DatasetReader(path: path, schema: schema, options: options)
    #expect(reader.isPlain)
    var buffer = RowBuffer()
    var values: [Double] = []
    var digest = RowDigest()
    while try reader.read(maxRows: maxRows, into: &buffer) {
      #expect(buffer.rows <= maxRows)
      digest.add(buffer)
      buffer.withUnsafeValues { values += $0 }
      buffer.removeAll()
    }
    return (values, digest, reader.droppedRows)
  }

  /// The same by data sets.
  private func plain(
    _ path: String, _ schema: Schema, options: TableOptions = TableOptions()
  ) throws -> (values: [Double], digest: RowDigest, dropped: Int) {
    let reader = try DatasetReader(path: path, schema: schema, options: options)
    let data = try Dataset(readingAll: reader)
    var values: [Double] = []
    for i in 0..<data.rows {
      values += data.features[(i * data.featureCount)..<((i + 1) * data.featureCount)]
      values += data.targets[(i * data.targetCount)..<((i + 1) * data.targetCount)]
    }
    return (values, RowDigest(of: data), reader.droppedRows)
  }

  @Test("an array as it lies, with −0 among it", arguments: [1, 7, 400, 100_000])
  func array(maxRows: Int) throws {
    var values: [Double] = []
    for i in 0..<150_000 { values.append(Double(i % 997) * 0.37 - 100) }
    values[4] = -0.0
    let path = try npy(values, columns: 3)
    let own = try buffered(path, schema, maxRows: maxRows)
    let expected = try plain(path, schema)
    #expect(own.values == expected.values && own.digest == expected.digest)
    #expect(own.values[4].sign == .plus)
  }

  @Test("rows with a missing value are left out, or named", arguments: [5, 1000])
  func missing(maxRows: Int) throws {
    var values = (0..<3 * 3000).map { Double($0) }
    for cell in [10, 11, 4000, 8999] { values[cell] = .nan }
    let path = try npy(values, columns: 3)
    let options = TableOptions(missing: .drop)
    let own = try buffered(path, schema, options: options, maxRows: maxRows)
    let expected = try plain(path, schema, options: options)
    #expect(own.values == expected.values && own.digest == expected.digest && own.dropped == 3)
    let error = #expect(throws: DataError.self) { try buffered(path, schema, maxRows: maxRows) }
    #expect(error?.row == 4 && error?.column == "1")
  }

  @Test("numbers too large to compute with are named", arguments: [5, 1000])
  func large(maxRows: Int) throws {
    var values = (0..<3 * 2000).map { Double($0) }
    values[3 * 1500 + 2] = -1e200
    let path = try npy(values, columns: 3)
    let error = #expect(throws: DataError.self) { try buffered(path, schema, maxRows: maxRows) }
    #expect(error?.row == 1501 && error?.column == "2")
  }

  @Test("columns in another order, a cut-off file")
  func others() throws {
    let path = try npy((0..<3 * 900).map { Double($0) }, columns: 3)
    let swapped = Schema(features: ["2"], targets: ["0"])
    let own = try buffered(path, swapped, maxRows: 64)
    let expected = try plain(path, swapped)
    #expect(own.values == expected.values && own.digest == expected.digest)
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    bytes.removeLast(100)
    try bytes.write(to: URL(fileURLWithPath: path))
    #expect(throws: DataError.self) { try buffered(path, schema, maxRows: 64) }
  }
}
