import Foundation
import Testing

@Suite("posterior files that are none")
struct BadPosteriorTests {
  let folder = Scratch()
  let good: [UInt8]

  init() {
    folder.write("D.csv", Table.smooth(rows: 30).csv())
    folder.run("fit", "D.csv", "--target", "y", "--hidden", "2", "-o", "p")
    good = folder.bytes("p")
  }

  private func refuse(_ bytes: [UInt8], _ words: String..., location: SourceLocation = #_sourceLocation) {
    folder.write("bad", bytes)
    let outcome = folder.run("inspect", "bad", "--json")
    #expect(outcome.exit == 65, sourceLocation: location)
    outcome.isReadable(location)
    for word in ["bad: "] + words {
      #expect(outcome.stderr.contains(word), "\"\(word)\" in \(outcome.stderr)", sourceLocation: location)
    }
    #expect(outcome.object(location)["manifest"] == nil, sourceLocation: location)
  }

  @Test("cut off anywhere")
  func truncated() {
    for length in [0, 1, 7, 8, 9, 100, good.count / 2, good.count - 8, good.count - 1] {
      refuse(Array(good.prefix(length)))
    }
    refuse(good + [0])
    refuse(good + good)
  }

  @Test("a flipped bit anywhere is found", arguments: 0..<4)
  func flipped(part: Int) {
    var chance = Chance(UInt64(part))
    for k in 0..<50 {
      // The first bytes one by one, then anywhere: a third of the sample in the header.
      let header = min(good.count, 3000)
      let position = part == 0 && k < 16 ? k : Int(chance.uniform() * Double(k % 3 == 0 ? header : good.count))
      var bytes = good
      bytes[position] ^= 1 << UInt8(chance.bits() % 8)
      refuse(bytes)
    }
  }

  @Test("headers that lie about their length", arguments: [0, 1, 7, 100_000_001, UInt64(Int64.max), .max])
  func headerLength(length: UInt64) {
    refuse(withUnsafeBytes(of: length.littleEndian) { Array($0) } + good.dropFirst(8))
  }

  @Test("a newer version is named")
  func newer() {
    let text = String(decoding: good, as: Unicode.ASCII.self)
    #expect(text.contains("\"format_version\":\"1\""))
    let old = Array("\"format_version\":\"1\"".utf8)
    var bytes = good
    let place = bytes.indices.first { bytes[$0...].starts(with: old) } ?? 0
    bytes[place + old.count - 2] = UInt8(ascii: "7")
    refuse(bytes, "newer bnn-update", "version 7", "update bnn-update")
    bytes[place + old.count - 2] = UInt8(ascii: "x")
    refuse(bytes, "version")
  }

  @Test("other files", arguments: ["D.csv", "image.png", "empty", "text", "other.safetensors"])
  func others(name: String) {
    folder.write("image.png", [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13])
    folder.write("empty", "")
    folder.write("text", "hello\n")
    folder.write("other.safetensors", [2, 0, 0, 0, 0, 0, 0, 0] + Array("{}".utf8))
    let before = folder.files
    folder.run("inspect", name).failed(65, name, "not a posterior")
    folder.run("update", name, "D.csv", "-o", "q").failed(65, name, "not a posterior")
    folder.run(name, "D.csv", "-o", "q").failed(65, name, "not a posterior")
    folder.run("predict", name, "D.csv", "-o", "q.csv").failed(65, name, "not a posterior")
    folder.run("evaluate", name, "D.csv").failed(65, name, "not a posterior")
    folder.run("diff", "p", name).failed(65, name, "not a posterior")
    #expect(folder.files == before)
  }

  @Test("the arguments the wrong way round")
  func swapped() {
    folder.run("update", "D.csv", "p", "-o", "q").failed(65, "D.csv", "posterior first")
    folder.run("predict", "D.csv", "p").failed(65, "D.csv", "posterior first")
    folder.run("update", "p", "p", "-o", "q").failed(64, "p", "--format")
  }

  @Test("one that is not there, or a folder", arguments: ["update", "predict", "evaluate", "inspect", "diff"])
  func missing(subcommand: String) {
    let rest = ["update": ["D.csv", "-o", "q"], "inspect": [], "diff": ["p"]][subcommand] ?? ["D.csv"]
    folder.run([subcommand, "gone"] + rest).failed(66, "gone", "no such file")
    folder.run([subcommand, "."] + rest).failed(66, "is a folder")
    #expect(folder.files == ["D.csv", "p"])
  }
}
