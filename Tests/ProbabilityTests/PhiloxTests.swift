import Testing

@testable import BNNProbability

/// Known answers of philox4x32-10 from Random123's kat_vectors (Salmon et al. 2011).
@Suite struct PhiloxTests {
  struct Vector: Sendable {
    var counter: [UInt32]
    var key: [UInt32]
    var answer: [UInt32]
  }

  static let vectors = [
    Vector(
      counter: [0, 0, 0, 0], key: [0, 0], answer: [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
    Vector(
      counter: [.max, .max, .max, .max], key: [.max, .max],
      answer: [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
    Vector(
      counter: [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], key: [0xa409_3822, 0x299f_31d0],
      answer: [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]),
  ]

  @Test(arguments: vectors)
  func knownAnswers(of vector: Vector) {
    let c = vector.counter
    let block = Philox.block(counter: (c[0], c[1], c[2], c[3]), key: (vector.key[0], vector.key[1]))
    #expect([block.0, block.1, block.2, block.3] == vector.answer)
  }

  /// A root stream's counter is (block, 0) under its seed as the key; each block gives two numbers, low word first.
  @Test(arguments: [0, 1, 0x1234_5678_9abc_def0, .max])
  func streamsFollowTheDocumentedCounter(seed: UInt64) {
    var stream = RandomStream(seed: seed)
    for index in 0..<5 {
      let key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
      let block = Philox.block(counter: (UInt32(index), 0, 0, 0), key: key)
      #expect(stream.next() == UInt64(block.0) | UInt64(block.1) << 32)
      #expect(stream.next() == UInt64(block.2) | UInt64(block.3) << 32)
    }
  }
}
