import BNNSafetensors
import Testing

/// A damaged file must be refused or be a valid file by itself, never end the process.
struct MutationTests {
  private static let file = TensorFile(
    metadata: ["format": "é"],
    tensors: [
      Tensor(name: "mean", shape: [2], values: [1, -2]), Tensor(name: "none", shape: [0], values: []),
      Tensor(name: "precision", shape: [1, 1], values: [0.5]),
    ])

  private func checkReadOrRefused(_ bytes: [UInt8]) throws {
    do throws(SafetensorsError) {
      let read = try SafetensorsReader.read(bytes)
      let again = try SafetensorsReader.read(try SafetensorsWriter.write(read))
      #expect(again.metadata == read.metadata)
      #expect(again.tensors.count == read.tensors.count)
    } catch {
      #expect(!error.description.isEmpty)
    }
  }

  @Test func truncationAtEveryByte() throws {
    let bytes = try SafetensorsWriter.write(Self.file)
    for count in 0..<bytes.count {
      #expect(throws: SafetensorsError.self) { try SafetensorsReader.read(Array(bytes[..<count])) }
    }
  }

  @Test func everySingleBitFlipped() throws {
    let bytes = try SafetensorsWriter.write(Self.file)
    for position in bytes.indices {
      for bit in 0..<8 {
        var damaged = bytes
        damaged[position] ^= 1 << bit
        try checkReadOrRefused(damaged)
      }
    }
  }

  @Test func everyByteRemoved() throws {
    let bytes = try SafetensorsWriter.write(Self.file)
    for position in bytes.indices {
      var damaged = bytes
      damaged.remove(at: position)
      #expect(throws: SafetensorsError.self) { try SafetensorsReader.read(damaged) }
    }
  }

  @Test(arguments: UInt64(1)...4)
  func randomBytesReplaced(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let bytes = try SafetensorsWriter.write(Self.file)
    let alphabet = Array("{}[]\",:\\u0019-.e ".utf8)
    for _ in 0..<500 {
      var damaged = bytes
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let position = Int.random(in: 8..<bytes.count, using: &generator)
        damaged[position] = alphabet.randomElement(using: &generator) ?? 0
      }
      try checkReadOrRefused(damaged)
    }
  }
}
