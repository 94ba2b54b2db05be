import BNNDatasets
import Foundation
import Testing

@Suite struct NPYTests {
  private let folder: TemporaryFolder
  private let values: [[Double]] = [[1, 2, 3], [4, -3, 6], [7, 8, 100], [0, 11, 12]]

  init() throws {
    folder = try TemporaryFolder()
  }

  private func bytes(_ name: String) throws -> [UInt8] {
    try [UInt8](Data(contentsOf: URL(fileURLWithPath: fixture(name))))
  }

  /// A version 1 file with a header of our own making.
  private func array(header: String, data: [UInt8] = []) throws -> String {
    let length = header.utf8.count
    return try folder.write(
      [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 255), UInt8(length >> 8)] + Array(header.utf8) + data,
      as: "array.npy")
  }

  @Test(arguments: [
    "type_f8", "type_f4", "type_i1", "type_i2", "type_i4", "type_i8", "type_big_endian", "fortran", "version_1",
    "version_2", "version_3",
  ])
  func signedTypesOrdersAndVersions(name: String) throws {
    for blockRows in [1, 3, 100] {
      let table = try read(fixture("\(name).npy"), blockRows: blockRows)
      #expect(table == Table(names: ["0", "1", "2"], rows: values, rowNumbers: [1, 2, 3, 4], dropped: 0))
    }
    #expect(try read(fixture("\(name).npy"), columns: [2, 0]).rows == values.map { [$0[2], $0[0]] })
  }

  @Test(arguments: ["type_u1", "type_u2", "type_u4", "type_u8"])
  func unsignedTypes(name: String) throws {
    #expect(try read(fixture("\(name).npy")).rows == values.map { $0.map(abs) })
  }

  @Test func truths() throws {
    #expect(try read(fixture("type_bool.npy")).rows == values.map { $0.map { $0 > 3 ? 1 : 0 } })
  }

  @Test func oneDimensionIsOneColumn() throws {
    #expect(try read(fixture("one_dimension.npy")).rows == [[0.5], [-1.25], [3]])
  }

  @Test func gzipEqualsPlain() throws {
    let path = try folder.write(folder.gzip(bytes("type_f8.npy")), as: "a.npy.gz")
    #expect(try read(path).rows == values)
  }

  @Test func manyRowsInAnyBlocks() throws {
    let rows = 50_000
    let data = (0..<rows * 2).flatMap { index in withUnsafeBytes(of: Double(index).bitPattern.littleEndian, Array.init)
    }
    let path = try array(header: "{'descr': '<f8', 'fortran_order': False, 'shape': (\(rows), 2)}", data: data)
    let whole = try read(path, blockRows: .max)
    let expected: [[Double]] = (0..<rows).map { row in [Double(2 * row), Double(2 * row + 1)] }
    #expect(whole.rows == expected)
    #expect(try read(path, blockRows: 4096) == whole)
    let fortran = try array(header: "{'descr': '<f8', 'fortran_order': True, 'shape': (\(rows), 2)}", data: data)
    let transposed: [[Double]] = (0..<rows).map { row in [Double(row), Double(rows + row)] }
    #expect(try read(fortran, blockRows: 777).rows == transposed)
    #expect(try read(fortran, columns: [1]).rows.last == [Double(2 * rows - 1)])
  }

  @Test func missingAndInfinite() throws {
    check(failure(fixture("missing.npy")), .badData, ["missing (nan)", "--missing drop"], row: 2, column: "0")
    let table = try read(fixture("missing.npy"), options: TableOptions(missing: .drop))
    #expect(table == Table(names: ["0", "1"], rows: [[1, 2], [5, 6]], rowNumbers: [1, 3], dropped: 1))
    check(failure(fixture("infinite.npy")), .badData, ["inf is not a finite number"], row: 2, column: "1")
  }

  @Test func integersThatNoDoubleEquals() throws {
    check(
      failure(fixture("large_integer.npy")), .badData, ["9007199254740993 is too large", "astype"], row: 2, column: "1")
    #expect(try read(fixture("large_integer.npy"), columns: [0]).rows == [[1], [3]])
  }

  @Test func typesAndShapesThatAreNoTable() throws {
    check(failure(fixture("object.npy")), .badData, ["type \"|O\"", "astype('float64')"])
    check(failure(fixture("text.npy")), .badData, ["\"a\" is not a number"], row: 1, column: "0")
    check(failure(fixture("records.npy")), .badData, ["records of several fields"])
    #expect(try read(fixture("three_dimensions.npy")).rows == [[0, 0, 0, 0], [0, 0, 0, 0]])
    check(failure(fixture("empty.npy")), .badData, ["empty array (0 × 3)"])
  }

  @Test func truncatedAnywhere() throws {
    for name in ["type_f8.npy", "fortran.npy"] {
      let whole = try bytes(name)
      for length in [0, 3, 6, 9, 11, 60, 127, 128, 129, whole.count - 1] {
        let cut = try folder.write(whole.prefix(length), as: "cut.npy")
        check(failure(cut), .badData, length == 0 ? ["is empty"] : [])
        // Without a size to check at the start.
        check(failure(try folder.write(folder.gzip(whole.prefix(length)), as: "cut.npy.gz")), .badData, [])
      }
    }
    let cut = try folder.write(bytes("type_f8.npy").dropLast(30), as: "cut.npy")
    check(failure(cut), .badData, ["cut off: 2 of its 4 rows are complete"])
  }

  @Test func bytesAfterTheArray() throws {
    check(failure(try folder.write(bytes("type_f8.npy") + [0], as: "long.npy")), .badData, ["other bytes follow"])
    check(failure(try folder.write(bytes("fortran.npy") + [0], as: "long.npy")), .badData, ["other bytes follow"])
  }

  @Test(arguments: [
    ("", "expected"), ("{}", "lacks descr"), ("{'descr': '<f8'", "expected"),
    ("{'descr': '<f8', 'descr': '<f8'}", "repeated"), ("{'a': 1}", "unexpected"),
    ("{'descr': '<f8', 'fortran_order': 0, 'shape': (1,)}", "expected"),
    ("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}", "tuple of sizes"),
    ("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,)}", "tuple of sizes"),
    ("{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", "absurd shape"),
    ("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 99999999)}", "absurd shape"),
    ("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 2)}", "cut off"),
    ("{'descr': '<f8', 'fortran_order': True, 'shape': (1000000000000, 2)}", "cut off"),
    ("{'descr': '<f8', 'fortran_order': False, 'shape': ()}", "0 dimensions"),
    ("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)} x", "something after its end"),
  ])
  func headersThatLie(header: String, part: String) throws {
    check(failure(try array(header: header)), .badData, [part])
    let packed = try folder.gzip(Data(contentsOf: URL(fileURLWithPath: array(header: header))))
    check(failure(try folder.write(packed, as: "lie.npy.gz")), .badData, [part])
  }

  @Test(arguments: ["type_f4.npy", "fortran.npy"])
  func damagedFilesAreReadOrRefused(name: String) throws {
    let good = try bytes(name)
    var draws = Draws(state: 7)
    for _ in 0..<500 {
      var bytes = good
      bytes[Int(draws.next() % UInt64(good.count))] = UInt8(truncatingIfNeeded: draws.next())
      bytes[Int(draws.next() % 70)] = UInt8(draws.next() % 100 + 28)
      let path = try folder.write(bytes, as: "damaged.npy")
      if let error = failure(path, options: TableOptions(missing: .drop)) { #expect(error.kind == .badData) }
    }
  }

  @Test func versionsAndLengthsThatLie() throws {
    let start = [0x93] + Array("NUMPY".utf8)
    check(failure(try folder.write(start + [9, 0, 2, 0, 0, 0, 0, 0], as: "v.npy")), .badData, ["unknown version 9.0"])
    check(failure(try folder.write(start + [2, 0, 255, 255, 255, 255], as: "v.npy")), .badData, ["4294967295 bytes"])
  }
}
