import BNNDatasets
import Foundation
import Testing

/// A folder of its own for each test, removed when released.
final class TemporaryFolder {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("datasets-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit {
    try? FileManager.default.removeItem(at: url)
  }

  func path(_ name: String) -> String { url.appendingPathComponent(name).path }

  func write(_ bytes: some Sequence<UInt8>, as name: String = "table.csv") throws -> String {
    try Data(bytes).write(to: url.appendingPathComponent(name))
    return path(name)
  }

  func write(_ text: String, as name: String = "table.csv") throws -> String {
    try write(text.utf8, as: name)
  }

  /// The bytes compressed by the gzip program.
  func gzip(_ bytes: some Sequence<UInt8>) throws -> [UInt8] {
    let plain = try write(bytes, as: "plain-\(UUID().uuidString)")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["gzip", "-n", plain]
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return try [UInt8](Data(contentsOf: URL(fileURLWithPath: plain + ".gz")))
  }
}

func fixture(_ name: String, here: String = #filePath) -> String {
  URL(fileURLWithPath: here).deletingLastPathComponent().appendingPathComponent("Fixtures/\(name)").path
}

struct Table: Equatable {
  var names: [String]
  var rows: [[Double]]
  var rowNumbers: [Int]
  var dropped: Int
}

/// Reads a whole table in blocks.
func read(
  _ path: String, columns: [Int]? = nil, options: TableOptions = TableOptions(), blockRows: Int = 1000
) throws(DataError) -> Table {
  let reader = try TableReader(path: path, options: options)
  if let columns { reader.select(columns: columns) }
  var table = Table(names: reader.columnNames, rows: [], rowNumbers: [], dropped: 0)
  while let block = try reader.nextBlock(maxRows: blockRows) {
    #expect(block.values.count == block.rows * block.columns)
    for row in 0..<block.rows {
      table.rows.append(Array(block.values[row * block.columns..<(row + 1) * block.columns]))
    }
    table.rowNumbers += block.rowNumbers
  }
  table.dropped = reader.droppedRows
  return table
}

/// The error that reading a table throws.
func failure(_ path: String, columns: [Int]? = nil, options: TableOptions = TableOptions()) -> DataError? {
  do throws(DataError) {
    _ = try read(path, columns: columns, options: options)
    return nil
  } catch {
    return error
  }
}

/// Checks the parts of an error: kind, words of its one-line description, row, line and column.
func check(
  _ error: DataError?, _ kind: DataError.Kind, _ parts: [String], row: Int? = nil, line: Int? = nil,
  column: String? = nil, sourceLocation: SourceLocation = #_sourceLocation
) {
  guard let error else {
    Issue.record("nothing was refused", sourceLocation: sourceLocation)
    return
  }
  #expect(error.kind == kind, "\(error)", sourceLocation: sourceLocation)
  #expect(error.row == row, "\(error)", sourceLocation: sourceLocation)
  #expect(error.column == column, "\(error)", sourceLocation: sourceLocation)
  if let line { #expect(error.line == line, "\(error)", sourceLocation: sourceLocation) }
  for part in parts { #expect(error.description.contains(part), "\(error)", sourceLocation: sourceLocation) }
  #expect(!error.description.contains("\n"), sourceLocation: sourceLocation)
}

/// A version 1 .npy file.
func npy(_ type: String, _ shape: [Int], _ data: [UInt8], fortran: Bool = false) -> [UInt8] {
  let sizes = shape.map { "\($0)," }.joined()
  let header = "{'descr': '\(type)', 'fortran_order': \(fortran ? "True" : "False"), 'shape': (\(sizes))}"
  let length = header.utf8.count
  return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 255), UInt8(length >> 8)] + Array(header.utf8) + data
}

/// The bytes of a number, the least significant first.
func littleEndian(_ number: some FixedWidthInteger) -> [UInt8] {
  withUnsafeBytes(of: number.littleEndian, Array.init)
}

/// Reproducible draws (SplitMix64, Steele, Lea and Flood 2014).
struct Draws: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
