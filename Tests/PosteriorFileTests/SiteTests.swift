import BNNInference
import BNNLinearAlgebra
import BNNPosteriorFile
import BNNPosteriors
import BNNDatasets
import Testing

/// What batches said apart from each other, through the file, and files that contradict themselves about it.
@Suite struct SiteTests {
  private func posterior() throws -> Posterior {
    var own = Posterior.linear(schema: Schema(features: ["a", "b"], targets: ["y"]))
    for k in 0..<3 {
      var update = SequentialUpdate(own, keepingSite: k > 0)
      let x = Matrix((0..<6).map { i in [Double(i * i % 5), Double(i * (k + 2) % 7)] })
      try update.absorb(features: x, targets: Matrix((0..<6).map { [Double($0 % 3) + Double(k)] }))
      own = try update.finish().posterior
      own.lineage.append(
        LineageEntry(
          number: k + 1, action: k == 0 ? "fit" : "update", rows: 6, rowDigest: "\(k)", method: "linear", settings: [:],
          logEvidence: nil, seed: 0, version: "0", parent: nil, label: nil))
    }
    return own
  }

  @Test func survivesTheFile() throws {
    let own = try posterior()
    #expect(own.sites.map(\.number) == [0, 2, 3])
    let bytes = try PosteriorFile.encode(own).bytes
    let read = try PosteriorFile(bytes: bytes, name: "p").posterior
    #expect(read == own)
    #expect(try PosteriorFile.encode(read).bytes == bytes)
  }

  @Test func contradictionsAreRefused() throws {
    func refused(_ change: (inout Posterior) -> Void, _ words: String) throws {
      var own = try posterior()
      change(&own)
      let bytes = try PosteriorFile.encode(own).bytes
      let error = #expect(throws: PosteriorFileError.self) { try PosteriorFile(bytes: bytes, name: "p") }
      #expect(error?.message.contains(words) == true, "\(String(describing: error))")
    }
    try refused({ $0.sites.removeLast() }, "not all that it has seen")
    try refused({ $0.sites.swapAt(1, 2) }, "not in their order")
    try refused({ $0.sites[2].number = 9 }, "its history does not have")
  }
}
