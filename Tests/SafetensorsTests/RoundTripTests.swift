import BNNSafetensors
import Testing

struct RoundTripTests {
  private static let shapes: [[Int]] = [
    [], [1], [0], [7], [0, 3], [3, 0], [1, 1], [2, 3], [5, 1, 4], [2, 0, 2], [1, 2, 3, 4], [1000],
  ]

  private func randomValue(_ generator: inout SeededGenerator) -> Double {
    // Any pattern of bits: subnormals, infinities and NaNs with payloads among them.
    Double(bitPattern: generator.next())
  }

  private func readBack(_ file: TensorFile) throws -> TensorFile {
    try SafetensorsReader.read(try SafetensorsWriter.write(file))
  }

  @Test(arguments: shapes)
  func everyShape(shape: [Int]) throws {
    var generator = SeededGenerator(seed: 1)
    let values = (0..<shape.reduce(1, *)).map { _ in randomValue(&generator) }
    let file = TensorFile(metadata: ["k": "v"], tensors: [Tensor(name: "x", shape: shape, values: values)])
    #expect(haveSameBits(try readBack(file), file))
  }

  @Test(arguments: UInt64(1)...20)
  func randomFiles(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let alphabet = Array("aB_.\"\\/\n\t\u{1}\u{7F}éß中🎲")
    func text() -> String {
      String((0..<Int.random(in: 0...6, using: &generator)).map { _ in alphabet.randomElement(using: &generator)! })
    }
    var tensors: [String: Tensor] = [:]
    for _ in 0..<Int.random(in: 0...12, using: &generator) {
      let shape = Self.shapes.randomElement(using: &generator)!
      let values = (0..<shape.reduce(1, *)).map { _ in randomValue(&generator) }
      let name = text()
      tensors[name] = Tensor(name: name, shape: shape, values: values)
    }
    let metadata = (0..<Int.random(in: 0...4, using: &generator)).map { _ in (text(), text()) }
    let file = TensorFile(
      metadata: Dictionary(metadata) { first, _ in first }, tensors: tensors.values.shuffled(using: &generator))
    let sorted = TensorFile(
      metadata: file.metadata, tensors: file.tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) })
    #expect(haveSameBits(try readBack(file), sorted), "seed \(seed)")
    #expect(try SafetensorsWriter.write(file) == SafetensorsWriter.write(sorted), "seed \(seed)")
  }

  @Test func valuesThatLookBigEndian() throws {
    let patterns: [UInt64] = [
      0x0000_0000_0000_F03F, 0x3FF0_0000_0000_0000, 0x0102_0304_0506_0708, 0x0000_0000_0000_0080, 1,
    ]
    let file = TensorFile(
      tensors: [Tensor(name: "x", shape: [5], values: patterns.map(Double.init(bitPattern:)))])
    let bytes = try SafetensorsWriter.write(file)
    #expect(Array(bytes.suffix(40)) == patterns.flatMap(littleEndian))
    #expect(haveSameBits(try SafetensorsReader.read(bytes), file))
  }

  @Test(arguments: [
    "", " ", "größe", "中文", "🎲👨‍👩‍👧", "e\u{301}", "\u{FEFF}", "\u{0}\u{1F}\u{7F}", "a\"b\\c/d", "__metadata",
  ])
  func unicodeNames(name: String) throws {
    let file = TensorFile(
      metadata: [name: name], tensors: [Tensor(name: name, shape: [], values: [1])])
    let read = try readBack(file)
    // Bytes are compared, since `String.==` would let a change of normalization pass.
    #expect(Array(read.tensors[0].name.utf8) == Array(name.utf8))
    #expect(Array(read.metadata[name, default: "missing"].utf8) == Array(name.utf8))
  }

  @Test func emptyFile() throws {
    #expect(try SafetensorsWriter.write(TensorFile()) == fileBytes("{}      "))
    #expect(try readBack(TensorFile()) == TensorFile())
  }

  @Test func singlePrecisionIsWidened() throws {
    let floats: [Float] = [0.1, -0.0, .greatestFiniteMagnitude, .leastNonzeroMagnitude, .infinity]
    let data = floats.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> ($0 * 8)) } }
    let header = headerWithEntry(dtype: "\"F32\"", shape: "[5]", offsets: "[0,20]")
    let values = try SafetensorsReader.read(fileBytes(header: Array(header.utf8), data: data)).tensors[0].values
    #expect(values.map(\.bitPattern) == floats.map { Double($0).bitPattern })
  }
}
