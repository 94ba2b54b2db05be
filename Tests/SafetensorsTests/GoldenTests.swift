import BNNSafetensors
import Testing

/// Comparison with the reference library. `Fixtures/make_golden.py` made its files and reads ours.
struct GoldenTests {
  /// `save({"a": float64 [1, -2], "b": float32 scalar 0.5}, {"k": "v"})`, safetensors 0.8.0.
  @Test func bytesOfTheReferenceWriter() throws {
    let bytes: [UInt8] = [
      0x88, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x7B, 0x22, 0x5F, 0x5F, 0x6D, 0x65, 0x74, 0x61, 0x64, 0x61,
      0x74, 0x61, 0x5F, 0x5F, 0x22, 0x3A, 0x7B, 0x22, 0x6B, 0x22, 0x3A, 0x22, 0x76, 0x22, 0x7D, 0x2C, 0x22, 0x61,
      0x22, 0x3A, 0x7B, 0x22, 0x64, 0x74, 0x79, 0x70, 0x65, 0x22, 0x3A, 0x22, 0x46, 0x36, 0x34, 0x22, 0x2C, 0x22,
      0x73, 0x68, 0x61, 0x70, 0x65, 0x22, 0x3A, 0x5B, 0x32, 0x5D, 0x2C, 0x22, 0x64, 0x61, 0x74, 0x61, 0x5F, 0x6F,
      0x66, 0x66, 0x73, 0x65, 0x74, 0x73, 0x22, 0x3A, 0x5B, 0x30, 0x2C, 0x31, 0x36, 0x5D, 0x7D, 0x2C, 0x22, 0x62,
      0x22, 0x3A, 0x7B, 0x22, 0x64, 0x74, 0x79, 0x70, 0x65, 0x22, 0x3A, 0x22, 0x46, 0x33, 0x32, 0x22, 0x2C, 0x22,
      0x73, 0x68, 0x61, 0x70, 0x65, 0x22, 0x3A, 0x5B, 0x5D, 0x2C, 0x22, 0x64, 0x61, 0x74, 0x61, 0x5F, 0x6F, 0x66,
      0x66, 0x73, 0x65, 0x74, 0x73, 0x22, 0x3A, 0x5B, 0x31, 0x36, 0x2C, 0x32, 0x30, 0x5D, 0x7D, 0x7D, 0x20, 0x20,
      0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xF0, 0x3F, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xC0, 0x00, 0x00,
      0x00, 0x3F,
    ]
    #expect(
      try SafetensorsReader.read(bytes)
        == TensorFile(
          metadata: ["k": "v"],
          tensors: [Tensor(name: "a", shape: [2], values: [1, -2]), Tensor(name: "b", shape: [], values: [0.5])]))
  }

  @Test func referenceDoubles() throws {
    let bytes = try fixture("reference_f64.safetensors")
    let file = try SafetensorsReader.read(bytes)
    let expected = TensorFile(
      metadata: ["note": "a \"quoted\" line\nand another, ü"],
      tensors: [
        Tensor(name: "größe", shape: [2], values: [.infinity, -.infinity]),
        Tensor(name: "log evidence", shape: [], values: [-143.25]),
        Tensor(
          name: "mean", shape: [2, 3],
          values: [1, -2.5, 0.1, .leastNonzeroMagnitude, .greatestFiniteMagnitude, -0.0]),
        Tensor(name: "none", shape: [2, 0], values: []),
      ])
    #expect(haveSameBits(file, expected))
    // With one string of metadata, whose order the reference leaves to chance, the two writers agree on every byte.
    #expect(try SafetensorsWriter.write(file) == bytes)
  }

  @Test func referenceFloats() throws {
    let file = try SafetensorsReader.read(try fixture("reference_f32.safetensors"))
    let expected = TensorFile(
      metadata: ["framework": "numpy", "format": "test"],
      tensors: [
        Tensor(name: "mixed", shape: [1], values: [0.1]),
        Tensor(name: "bias", shape: [1, 1], values: [0x1p-149]),
        Tensor(
          name: "weights", shape: [4], values: [1, -2.5, 0.100000001490116119384765625, 0x1.fffffep127]),
      ])
    #expect(haveSameBits(file, expected))
  }

  /// The fixture is what `make_golden.py --check` reads with the reference library.
  @Test func writerBytesAreThoseTheReferenceReads() throws {
    let file = TensorFile(
      metadata: ["format": "test", "note": "quote \" backslash \\ tab \t bell \u{7}", "ключ": "значение 🎲"],
      tensors: [
        Tensor(name: "μ/β", shape: [1, 1, 1], values: [0.1]),
        Tensor(
          name: "special", shape: [6],
          values: [
            -0.0, .leastNonzeroMagnitude, .greatestFiniteMagnitude, .infinity, -.infinity,
            Double(bitPattern: 0x7FF8_0000_0000_0000),
          ]),
        Tensor(name: "scalar", shape: [], values: [-2.5]),
        Tensor(name: "empty", shape: [0, 3], values: []),
        Tensor(name: "Mean", shape: [2, 3], values: [1, 2, 3, 4, 5, 6]),
        Tensor(name: "", shape: [1], values: [0.5]),
      ])
    #expect(try SafetensorsWriter.write(file) == fixture("written_by_bnn.safetensors"))
  }
}
