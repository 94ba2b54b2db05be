import BNNInference
import BNNPosteriorFile
import BNNPosteriors
import BNNTestSupport
import Testing

/// What the file of a mean-field posterior keeps beside what a Laplace posterior's does: 1/s² − δ, of either sign.
@Suite struct MeanFieldFileTests {
  /// A weight that is less certain than the prior, which training can come to, is kept as it is.
  @Test func precisionsBelowThePriorsAreKept() throws {
    var posterior = try Kind.meanField.posterior()
    let state = try #require(posterior.members[0].laplace)
    let prior = state.prior.expanded(state.curvature.layers)
    var diagonal = state.curvature.diagonal
    diagonal[2] = -0.75 * prior[2]
    posterior.members[0].laplace?.curvature = .diagonal(
      DiagonalCurvature(layers: state.curvature.layers, diagonal: diagonal))
    let bytes = try PosteriorFile.encode(posterior).bytes
    let read = try PosteriorFile(bytes: bytes, name: "p").posterior
    #expect(read == posterior)
    #expect(try PosteriorFile.encode(read).bytes == bytes)
    // E6: an update of what was read is one of what was written.
    var gen = Gen(seed: 3)
    let (x, y) = Kind.meanField.data(&gen, rows: 9)
    #expect(try updated(read, x, y) == updated(posterior, x, y))
    // A Laplace posterior's is a sum of squares, and refused.
    var laplace = try Kind.laplaceDiagonal.posterior()
    let own = try #require(laplace.members[0].laplace)
    laplace.members[0].laplace?.curvature = .diagonal(
      DiagonalCurvature(layers: own.curvature.layers, diagonal: diagonal))
    let error = try refused(PosteriorFile.encode(laplace).bytes)
    #expect(error?.kind == .corrupt)
  }

  /// With rows in memory the posterior without them is in the file too, and the next update starts from it.
  @Test func thePosteriorWithoutTheMemoryIsKept() throws {
    var gen = Gen(seed: 4)
    let (x, y) = Kind.meanField.data(&gen, rows: 9)
    var update = SequentialUpdate(
      try Kind.meanField.posterior(),
      training: TrainingSettings(epochs: 30, variational: VariationalSettings(memory: 3)))
    try update.absorb(features: x, targets: y)
    let posterior = try update.finish().posterior
    let site = try #require(posterior.members[0].laplace?.withoutMemory)
    let bytes = try PosteriorFile.encode(posterior).bytes
    let read = try PosteriorFile(bytes: bytes, name: "p").posterior
    #expect(read == posterior && read.memory?.rows == 3)
    #expect(try PosteriorFile.encode(read).bytes == bytes)
    #expect(try updated(read, x, y) == updated(posterior, x, y))
    let state = try #require(posterior.members[0].laplace)
    let prior = state.prior.expanded(state.curvature.layers)[0]
    #expect(site.excess[0] > -prior)
    try OpenFile(posterior).refuses([
      ("without_memory.curvature.layers.0.weight", "not positive", { $0 = withFirst($0, -prior) }),
      ("without_memory.mean.layers.0.weight", "without_memory.mean", { $0 = longer($0) }),
    ])
  }

  @Test(arguments: [Kind.meanField, .meanFieldLastLayer, .meanFieldAfterLaplace])
  func variancesThatAreNoneAreRefused(kind: Kind) throws {
    let posterior = try kind.posterior()
    let state = try #require(posterior.members[0].laplace)
    let prior = state.prior.expanded(state.curvature.layers)[0]
    try OpenFile(posterior).refuses([
      ("curvature.0", "not positive definite", { $0 = withFirst($0, -prior) }),
      ("curvature.0", "not positive definite", { $0 = withFirst($0, -2 * prior) }),
      ("curvature.0", "curvature.0", { $0 = longer($0) }),
    ])
  }

  /// Another structure, a linearised network, layers that are not the last.
  @Test func manifestsOfWhatItCannotBeAreRefused() throws {
    let changes: [(String, Any)] = [("structure", "full"), ("isLinearised", true), ("layers", [0, 1])]
    for (key, value) in changes {
      var file = try OpenFile(Kind.meanField.posterior())
      var found = false
      try file.edit { object in
        guard var model = object["model"] as? [String: Any], var laplace = model["laplace"] as? [String: Any]
        else { return }
        found = key == "layers" || laplace[key] != nil
        laplace[key] = value
        model["laplace"] = laplace
        object["model"] = model
      }
      #expect(found && file.manifest != "", "\(key)")
      #expect(try file.refusal()?.kind == .corrupt, "\(key)")
    }
  }
}
