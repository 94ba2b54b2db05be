import Foundation

/// Seeded numbers that do not change with the standard library (SplitMix64).
struct Chance {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func bits() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Uniform on [0, 1).
  mutating func uniform() -> Double { Double(bits() >> 11) * 0x1p-53 }

  /// Nearly normal: twelve uniforms.
  mutating func normal() -> Double { (0..<12).reduce(-6) { sum, _ in sum + uniform() } }
}

/// A table of numbers to write as a file.
struct Table {
  var names: [String]
  var rows: [[Double]]

  /// Rows `a, b, c, y` (and `z`) with y a smooth function of the others and noise.
  static func smooth(rows: Int, seed: UInt64 = 1, targets: Int = 1, features: Int = 3) -> Table {
    var chance = Chance(seed)
    let inputs = ["a", "b", "c", "d", "e", "f"].prefix(features)
    let outputs = ["y", "z"].prefix(targets)
    let rows = (0..<rows).map { _ in
      let x = inputs.indices.map { j in chance.normal() * Double(j + 1) + Double(j) }
      let y = [
        2 + 3 * x[0] - x[1] + sin(x[features - 1]) + 0.3 * chance.normal(), 5 - x[0] * x[1] + 0.1 * chance.normal(),
      ]
      return x + y.prefix(targets)
    }
    return Table(names: Array(inputs + outputs), rows: rows)
  }

  subscript(range: Range<Int>) -> Table { Table(names: names, rows: Array(rows[range])) }

  /// The columns of these names only, in their order.
  func columns(_ chosen: String...) -> Table {
    let places = chosen.compactMap { names.firstIndex(of: $0) }
    return Table(names: chosen, rows: rows.map { row in places.map { row[$0] } })
  }

  func csv(delimiter: String = ",", lineEnd: String = "\n") -> String {
    ([names.joined(separator: delimiter)] + rows.map { $0.map { "\($0)" }.joined(separator: delimiter) })
      .map { $0 + lineEnd }.joined()
  }

  /// A NumPy array of doubles, version 1.0, row-major.
  var npy: [UInt8] {
    let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (\(rows.count), \(names.count)), }"
    let padding = String(repeating: " ", count: 127 - 10 - header.utf8.count)
    let text = Array((header + padding + "\n").utf8)
    var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(text.count & 0xFF), UInt8(text.count >> 8)] + text
    for value in rows.joined() { withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 } }
    return bytes
  }
}

/// A gzip file of stored blocks.
func gzip(_ text: String) -> [UInt8] {
  let bytes = Array(text.utf8)
  func little(_ value: UInt32, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }
  var result: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255]
  var start = 0
  while start < bytes.count {
    let end = min(start + 60_000, bytes.count)
    let length = UInt32(end - start)
    result += [end == bytes.count ? 1 : 0] + little(length, 2) + little(~length, 2) + bytes[start..<end]
    start = end
  }
  var crc: UInt32 = .max
  for byte in bytes {
    crc ^= UInt32(byte)
    for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ 0xEDB8_8320 : crc >> 1 }
  }
  return result + little(~crc, 4) + little(UInt32(bytes.count), 4)
}
