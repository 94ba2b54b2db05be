import CZlib

/// Columns as an .npz file that `numpy.load` reads: one array of one dimension a column, stored, without times, so that
/// equal columns give equal bytes.
public enum NPZWriter {
  /// The cells of a column.
  public enum Cells: Sendable {
    case numbers([Double])
    case texts([String])
    /// An array of any dimensions, the last running fastest.
    case array([Double], shape: [Int])
  }

  /// The file's bytes. Numbers become little-endian doubles, texts NumPy's "U" of the longest one.
  ///
  /// - Throws: `DataError` for columns of 4 GiB or more together.
  public static func bytes(_ columns: [(name: String, cells: Cells)]) throws(DataError) -> [UInt8] {
    var result: [UInt8] = []
    var directory: [UInt8] = []
    for (name, cells) in columns {
      let content = array(cells)
      let path = Array((name + ".npy").utf8)
      let crc = content.withUnsafeBufferPointer { bytes in
        var value = crc32(0, nil, 0)
        for start in stride(from: 0, to: bytes.count, by: 1 << 30) {
          value = crc32(value, bytes.baseAddress! + start, UInt32(min(bytes.count - start, 1 << 30)))
        }
        return UInt32(truncatingIfNeeded: value)
      }
      guard result.count + content.count + path.count + directory.count < 0xFFFF_0000, path.count <= 0xFFFF else {
        throw DataError(.usage, "an .npz file of 4 GiB or more cannot be written", remedy: "write .csv instead")
      }
      // Version 2.0; the names are UTF-8; stored; midnight of 1980-01-01, the first time that can be written.
      let common: [UInt8] =
        [20, 0, 0, 8, 0, 0, 0, 0, 0x21, 0] + little(crc, 4) + little(UInt32(content.count), 4)
        + little(UInt32(content.count), 4) + little(UInt32(path.count), 2) + [0, 0]
      directory +=
        [0x50, 0x4B, 1, 2, 20, 0] + common + [UInt8](repeating: 0, count: 10) + little(UInt32(result.count), 4) + path
      result += [0x50, 0x4B, 3, 4] + common + path + content
    }
    let count = little(UInt32(columns.count), 2)
    let end: [UInt8] =
      [0x50, 0x4B, 5, 6, 0, 0, 0, 0] + count + count + little(UInt32(directory.count), 4)
      + little(UInt32(result.count), 4) + [0, 0]
    return result + directory + end
  }

  private static func array(_ cells: Cells) -> [UInt8] {
    switch cells {
    case .numbers(let values): return doubles(values, shape: "\(values.count),")
    case .array(let values, let shape):
      return doubles(values, shape: shape.map { "\($0)," }.joined(separator: " "))
    case .texts(let texts):
      let length = max(1, texts.map(\.unicodeScalars.count).max() ?? 1)
      var bytes = header("<U\(length)", shape: "\(texts.count),")
      for text in texts {
        for scalar in text.unicodeScalars { bytes += little(scalar.value, 4) }
        bytes += [UInt8](repeating: 0, count: 4 * (length - text.unicodeScalars.count))
      }
      return bytes
    }
  }

  private static func doubles(_ values: [Double], shape: String) -> [UInt8] {
    var bytes = header("<f8", shape: shape)
    bytes.reserveCapacity(bytes.count + 8 * values.count)
    for value in values { bytes += little(value.bitPattern, 8) }
    return bytes
  }

  /// Version 1.0, padded to a multiple of 64 bytes.
  private static func header(_ type: String, shape: String) -> [UInt8] {
    let text = "{'descr': '\(type)', 'fortran_order': False, 'shape': (\(shape)), }"
    let length = (10 + text.utf8.count + 1 + 63) / 64 * 64 - 10
    let padding = String(repeating: " ", count: length - text.utf8.count - 1)
    return NPYHeader.magic + [1, 0] + little(UInt32(length), 2) + Array((text + padding + "\n").utf8)
  }

  private static func little(_ value: some FixedWidthInteger, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }
}
