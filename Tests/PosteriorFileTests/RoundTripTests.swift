import BNNInference
import BNNLinearAlgebra
import BNNPosteriorFile
import BNNPosteriors
import BNNSafetensors
import BNNTestSupport
import Testing

/// What is written is what is read, and equal posteriors are equal bytes.
@Suite struct RoundTripTests {
  @Test(arguments: Kind.allCases) func everyKind(kind: Kind) throws {
    for seed in Gen.seeds(4) {
      let posterior = try kind.posterior(seed: seed)
      let (bytes, digest) = try PosteriorFile.encode(posterior)
      let file = try PosteriorFile(bytes: bytes, name: "p")
      #expect(file.posterior == posterior, "seed \(seed)")
      #expect(file.digest == digest)
      #expect(digest.utf8.count == 32)
      // −0 and 0 are equal and are not the same: the bytes decide.
      #expect(try PosteriorFile.encode(file.posterior).bytes == bytes, "seed \(seed)")
      #expect(try PosteriorFile.encode(kind.posterior(seed: seed)).bytes == bytes, "seed \(seed)")
    }
  }

  /// E6: through files between the batches is the same as in memory, bit for bit.
  @Test(arguments: Kind.allCases) func savingBetweenBatchesChangesNothing(kind: Kind) throws {
    let folder = try TemporaryFolder()
    // A move is a training: one chain says as much.
    for seed in Gen.seeds(kind == .moving ? 1 : 3) {
      var gen = Gen(seed: 100 + seed)
      var inMemory = try kind.posterior(seed: seed)
      var onDisk = inMemory
      for (number, size) in [1, 7, 3, 12, 1].enumerated() {
        let (x, y) = kind.data(&gen, rows: size)
        inMemory = try updated(inMemory, x, y)
        let path = folder.file("\(seed)-\(number).safetensors")
        try PosteriorFile.write(onDisk, to: path)
        onDisk = try updated(PosteriorFile(path: path).posterior, x, y)
        #expect(onDisk == inMemory, "seed \(seed), batch \(number)")
        #expect(try PosteriorFile.encode(onDisk).bytes == PosteriorFile.encode(inMemory).bytes, "seed \(seed)")
      }
    }
  }

  @Test func anotherPosteriorHasAnotherDigest() throws {
    var digests: Set<String> = []
    for kind in Kind.allCases { digests.insert(try PosteriorFile.encode(kind.posterior()).digest) }
    var relabelled = try Kind.linear.posterior()
    relabelled.lineage[0].label = "other"
    digests.insert(try PosteriorFile.encode(relabelled).digest)
    #expect(digests.count == Kind.allCases.count + 1)
  }

  /// Other tools find the weights under PyTorch's names.
  @Test func tensorsHavePyTorchNamesAndShapes() throws {
    let tangent = try SafetensorsReader.read(PosteriorFile.encode(Kind.tangentTwoOutputs.posterior()).bytes)
    let shapes = Dictionary(uniqueKeysWithValues: tangent.tensors.map { ($0.name, $0.shape) })
    #expect(shapes["layers.0.weight"] == [3, 2])
    #expect(shapes["layers.0.bias"] == [3])
    #expect(shapes["layers.1.weight"] == [2, 3])
    #expect(shapes["tangent.layers.1.bias"] == [2])
    #expect(shapes["output_root"] == [2, 2])
    let members = try SafetensorsReader.read(PosteriorFile.encode(Kind.members.posterior()).bytes)
    #expect(members.tensors.contains { $0.name == "members.2.tangent.layers.0.weight" })

    let reduced = try Kind.subspace.posterior()
    let kept = try SafetensorsReader.read(PosteriorFile.encode(reduced).bytes).tensors
    let values = Dictionary(uniqueKeysWithValues: kept.map { ($0.name, $0) })
    #expect(values["subspace"]?.shape == [5, 13] && values["members.1.subspace"]?.shape == [5, 13])
    #expect(values["posterior.0.mean"]?.shape == [5])
    // The displacement S v as a reader sees it, weight by weight.
    let v = try #require(values["posterior.0.mean"]).values
    let s = try #require(values["subspace"]).values
    let names = ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]
    let displacement = names.flatMap { values["tangent." + $0]?.values ?? [] }
    #expect(displacement.count == 13)
    for (j, own) in displacement.enumerated() {
      let sum = (0..<5).map { s[$0 * 13 + j] * v[$0] }.reduce(0, +)
      let difference = abs(own - sum)
      #expect(difference < 1e-13)
    }

    let linear = try Kind.linearTwoTargets.posterior()
    let own = try SafetensorsReader.read(PosteriorFile.encode(linear).bytes).tensors
    let weight = try #require(own.first { $0.name == "layers.0.weight" })
    let bias = try #require(own.first { $0.name == "layers.0.bias" })
    let coefficients = linear.coefficients()
    #expect(weight.shape == [2, 2])
    #expect(weight.values == [1, 2, 4, 5].map { coefficients[$0].mean })
    #expect(bias.values == [0, 3].map { coefficients[$0].mean })
  }

  @Test func metadataNamesTheFormat() throws {
    let file = try OpenFile(Kind.linear.posterior())
    #expect(file.metadata.keys.sorted() == ["digest", "format", "format_version", "manifest"])
    #expect(file.metadata["format"] == "bnn-posterior")
    #expect(file.metadata["format_version"] == "1")
    #expect(file.manifest.hasPrefix("{\"certificate\":"), "keys are sorted")
    #expect(try file.bytes() == PosteriorFile.encode(Kind.linear.posterior()).bytes)
  }

  @Test func numbersThatAreNotFiniteAreNotWritten() throws {
    var posterior = try Kind.tangent.posterior()
    posterior.members[0].theta[0] = .nan
    #expect(throws: UpdateError.self) { try PosteriorFile.encode(posterior) }
    posterior = try Kind.linear.posterior()
    posterior.members[0].responses[0].ratio = .infinity
    #expect(throws: (any Error).self) { try PosteriorFile.encode(posterior) }
  }
}
