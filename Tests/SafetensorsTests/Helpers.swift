import BNNSafetensors
import Foundation
import Testing

/// The bytes of a file with any header and data, legal or not.
func fileBytes(header: [UInt8], data: [UInt8] = []) -> [UInt8] {
  littleEndian(UInt64(header.count)) + header + data
}

func fileBytes(_ header: String, dataSize: Int = 0) -> [UInt8] {
  fileBytes(header: Array(header.utf8), data: [UInt8](repeating: 0, count: dataSize))
}

/// The header of a file with the one tensor "a".
func headerWithEntry(dtype: String = "\"F64\"", shape: String = "[1]", offsets: String = "[0,8]") -> String {
  "{\"a\":{\"dtype\":\(dtype),\"shape\":\(shape),\"data_offsets\":\(offsets)}}"
}

func littleEndian(_ value: UInt64) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { Array($0) }
}

func expectRefusal(
  _ bytes: [UInt8], _ expected: SafetensorsError, sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(throws: expected, sourceLocation: sourceLocation) { try SafetensorsReader.read(bytes) }
}

/// Equality bit by bit, for which NaN equals itself and −0 differs from 0.
func haveSameBits(_ left: TensorFile, _ right: TensorFile) -> Bool {
  left.metadata == right.metadata
    && left.tensors.elementsEqual(right.tensors) {
      $0.name == $1.name && $0.shape == $1.shape
        && $0.values.map(\.bitPattern) == $1.values.map(\.bitPattern)
    }
}

let testsDirectory = URL(filePath: #filePath).deletingLastPathComponent()

func fixture(_ name: String) throws -> [UInt8] {
  Array(try Data(contentsOf: testsDirectory.appending(components: "Fixtures", name)))
}

/// SplitMix64: the same numbers on every run.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
