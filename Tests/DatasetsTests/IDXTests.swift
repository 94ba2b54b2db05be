import BNNDatasets
import Foundation
import Testing

/// IDX files and arrays of more than two dimensions, made byte by byte.
@Suite struct IDXTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  @Test(arguments: ["images.idx", "images-idx3-ubyte", "images.idx3-ubyte", "IMAGES.IDX3"])
  func bytesByName(name: String) throws {
    let bytes = idx(0x08, [2, 2, 3], (0..<12).map { UInt8($0 * 20) })
    let expected = Table(
      names: ["0", "1", "2", "3", "4", "5"], rows: [[0, 20, 40, 60, 80, 100], [120, 140, 160, 180, 200, 220]],
      rowNumbers: [1, 2], dropped: 0)
    #expect(try read(folder.write(bytes, as: name)) == expected)
    #expect(try read(folder.write(folder.gzip(bytes), as: name + ".gz"), blockRows: 1) == expected)
    #expect(try read(folder.write(bytes, as: "x.bin"), options: TableOptions(format: .idx)) == expected)
    #expect(try read(folder.path(name), columns: [4, 1]).rows == [[80, 20], [200, 140]])
  }

  @Test func namesThatAreOtherFormats() {
    #expect(TableFormat.infer(fromPath: "idx.csv") == .csv)
    #expect(TableFormat.infer(fromPath: "idx/notes") == nil)
    #expect(TableFormat.infer(fromPath: "train-images-idx3-ubyte.gz") == .idx)
  }

  @Test func everyTypeIsBigEndian() throws {
    let values: [Double] = [-3, 7]
    let cases: [(UInt8, [UInt8])] = [
      (0x09, [0xFD, 7]), (0x0B, [0xFF, 0xFD, 0, 7]), (0x0C, values.flatMap { littleEndian(Int32($0)).reversed() }),
      (0x0D, values.flatMap { littleEndian(Float($0).bitPattern).reversed() }),
      (0x0E, values.flatMap { littleEndian($0.bitPattern).reversed() }),
    ]
    for (type, data) in cases {
      #expect(try read(folder.write(idx(type, [1, 2], data), as: "a.idx")).rows == [values])
      #expect(try read(folder.write(idx(type, [2], data), as: "a.idx")).rows == values.map { [$0] })
    }
    let infinite = idx(0x0D, [1, 1], littleEndian(Float.infinity.bitPattern).reversed())
    check(
      failure(try folder.write(infinite, as: "a.idx")), .badData, ["inf is not a finite number"], row: 1, column: "0")
  }

  @Test func damaged() throws {
    let whole = idx(0x08, [4, 2, 2], Array(0..<16))
    for length in [1, 3, 4, 10, 15] {
      let error = failure(try folder.write(whole.prefix(length), as: "a.idx"))
      check(error, .badData, length < 4 ? ["is not an IDX file"] : ["header is cut off", "16 bytes", "\(length)"])
    }
    check(failure(try folder.write(whole.dropLast(5), as: "a.idx")), .badData, ["cut off: 2 of its 4 rows"])
    let packed = try folder.gzip(whole.dropLast(5))
    check(failure(try folder.write(packed, as: "a.idx.gz")), .badData, ["cut off: 2 of its 4 rows"])
    check(failure(try folder.write(whole + [0], as: "a.idx")), .badData, ["other bytes follow"])
    check(failure(try folder.write([0, 0, 7] + whole.dropFirst(3), as: "a.idx")), .badData, ["is not an IDX file"])
    check(failure(try folder.write(idx(0x08, [0, 2], []), as: "a.idx")), .badData, ["empty array (0 × 2)"])
    let huge = idx(0x08, [1, 1 << 30, 1 << 30], [])
    check(failure(try folder.write(huge, as: "a.idx")), .badData, ["absurd shape"])
    check(failure(try folder.write(whole)), .badData, ["is an IDX file, not csv", "--format idx"])
    check(failure(try folder.write("a,y\n1,2\n", as: "a.idx")), .badData, ["is not an IDX file"])
  }

  @Test func damagedHeadersAreReadOrRefused() throws {
    let good = idx(0x0B, [3, 2, 2], Array(0..<24))
    for place in 0..<16 {
      for value in [0, 1, 2, 8, 0x0D, 0x7F, 0xFF] as [UInt8] {
        var bytes = good
        bytes[place] = value
        if let error = failure(try folder.write(bytes, as: "a.idx")) { #expect(error.kind == .badData) }
      }
    }
  }

  @Test func arraysOfManyDimensionsAreFlattened() throws {
    let sizes = [2, 3, 4]
    let c = Array(0..<24).map { UInt8($0) }
    let rows = [c.prefix(12).map { Double($0) }, c.suffix(12).map { Double($0) }]
    #expect(try read(folder.write(npy("|u1", sizes, c), as: "a.npy")).rows == rows)
    // In Fortran order element (i, j, k) lies at i + 2(j + 3k).
    var fortran: [UInt8] = []
    for k in 0..<4 {
      for j in 0..<3 { for i in 0..<2 { fortran.append(c[i * 12 + j * 4 + k]) } }
    }
    let path = try folder.write(npy("|u1", sizes, fortran, fortran: true), as: "f.npy")
    #expect(try read(path).rows == rows)
    #expect(try read(path, columns: [7, 2]).rows == rows.map { [$0[7], $0[2]] })
    let one = try folder.write(
      npy("|u1", [1, 3, 4], [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11], fortran: true), as: "o.npy")
    #expect(try read(one).rows == [Array(rows[0])])
  }

  /// The digest is of the numbers, whatever they are stored as.
  @Test func digestIsByValue() throws {
    let bytes = (0..<12).map { UInt8($0 * 7) }
    let schema = Schema(features: (0..<4).map(String.init), targets: [])
    let other = npy("<f8", [3, 4], bytes.flatMap { littleEndian(Double($0).bitPattern) })
    let paths = try [folder.write(idx(0x08, [3, 2, 2], bytes), as: "a.idx"), folder.write(other, as: "a.npy")]
    let digests = try paths.map { try RowDigest(of: Dataset(readingAll: DatasetReader(path: $0, schema: schema))) }
    #expect(digests[0] == digests[1])
  }
}

/// The bytes of an IDX file.
func idx(_ type: UInt8, _ sizes: [Int], _ data: [UInt8]) -> [UInt8] {
  [0, 0, type, UInt8(sizes.count)] + sizes.flatMap { littleEndian(UInt32($0)).reversed() } + data
}
