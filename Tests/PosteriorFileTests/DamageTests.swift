import BNNPosteriorFile
import BNNSafetensors
import BNNTestSupport
import Foundation
import Testing

/// Damaged and foreign files are refused with a message, never accepted and never a crash.
@Suite struct DamageTests {
  private static let kinds = [Kind.linear, .notIdentified, .tangent]

  @Test(arguments: kinds) func everyTruncationIsRefused(kind: Kind) throws {
    let bytes = try PosteriorFile.encode(kind.posterior()).bytes
    for length in bytes.indices {
      let error = refused(Array(bytes[..<length]))
      #expect(error?.kind == .corrupt, "the first \(length) of \(bytes.count) bytes")
    }
    #expect(refused(bytes) == nil)
    #expect(refused(bytes + [0]) != nil, "a byte too many")
  }

  @Test(arguments: kinds) func everyFlippedBitIsRefused(kind: Kind) throws {
    let bytes = try PosteriorFile.encode(kind.posterior()).bytes
    var accepted: [String] = []
    for index in bytes.indices {
      for bit in 0..<8 {
        var damaged = bytes
        damaged[index] ^= 1 << bit
        if refused(damaged)?.kind != .corrupt { accepted.append("byte \(index), bit \(bit)") }
      }
    }
    #expect(accepted.isEmpty)
  }

  @Test(arguments: Gen.seeds(10)) func foreignBytesAreRefused(seed: UInt64) {
    var gen = Gen(seed: seed)
    let noise = (0..<gen.integer(in: 0...300)).map { _ in UInt8(gen.integer(in: 0...255)) }
    #expect(refused(noise)?.kind == .corrupt, "seed \(seed)")
  }

  @Test func anotherProgramsTensorsAreRefused() throws {
    let other = TensorFile(
      metadata: ["format": "pt"], tensors: [Tensor(name: "layers.0.weight", shape: [1], values: [2])])
    let error = try #require(refused(SafetensorsWriter.write(other)))
    #expect(error.kind == .corrupt)
    #expect(error.message.contains("not a posterior"))
    #expect(try refused(SafetensorsWriter.write(TensorFile())) != nil)
  }

  @Test func missingFilesFoldersAndEmptyFiles() throws {
    let folder = try TemporaryFolder()
    func kind(_ path: String) -> PosteriorFileError.Kind? {
      do {
        _ = try PosteriorFile(path: path)
        return nil
      } catch {
        #expect(error.file == path)
        return error.kind
      }
    }
    #expect(kind(folder.file("nothing")) == .missing)
    #expect(kind(folder.path) == .missing)
    #expect(kind("") == .missing)
    try Data().write(to: URL(fileURLWithPath: folder.file("empty")))
    #expect(kind(folder.file("empty")) == .corrupt)
    #expect(kind(folder.file("empty/below")) == .missing)
    try Data("y,x\n1,2\n".utf8).write(to: URL(fileURLWithPath: folder.file("table.csv")))
    #expect(kind(folder.file("table.csv")) == .corrupt)
    try PosteriorFile.write(Kind.linear.posterior(), to: folder.file("good"))
    #expect(kind(folder.file("good")) == nil)
  }
}
