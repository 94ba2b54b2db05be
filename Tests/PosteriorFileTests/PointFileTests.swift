import BNNInference
import BNNLinearAlgebra
import BNNPosteriorFile
import BNNPosteriors
import BNNTestSupport
import Testing

/// What the file of a point keeps beside what a Laplace posterior's does: the optimiser's state.
@Suite struct PointFileTests {
  /// E6 for a training that is taken up from the file, with its state kept on.
  @Test func aTrainingIsTakenUpFromTheFile() throws {
    var gen = Gen(seed: 3)
    let (x, y) = Kind.point.data(&gen, rows: 20)
    let posterior = try Kind.point.posterior()
    let read = try PosteriorFile(bytes: PosteriorFile.encode(posterior).bytes, name: "p").posterior
    #expect(read == posterior)
    func resumed(_ start: Posterior) throws -> Posterior {
      var update = try SequentialUpdate(point: PointSettings(keepsOptimiser: true), of: start)
      try update.absorb(features: x, targets: y)
      return try update.finish().posterior
    }
    let next = try resumed(read)
    #expect(try next == resumed(posterior))
    #expect(next.members[1].laplace?.optimiser?.epochs == 10)
    #expect(try PosteriorFile(bytes: PosteriorFile.encode(next).bytes, name: "p").posterior == next)
  }

  @Test func statesThatAreNoneAreRefused() throws {
    var file = try OpenFile(Kind.point.posterior())
    try file.refuses([
      ("optimizer.exp_avg_sq.layers.0.weight", "not valid", { $0 = withFirst($0, -1) }),
      ("members.1.optimizer.exp_avg.layers.1.bias", "optimizer.exp_avg.layers.1.bias", { $0 = longer($0) }),
    ])
    var refused = false
    try file.editMember { member in
      guard var laplace = member["laplace"] as? [String: Any], var state = laplace["optimizer"] as? [String: Any]
      else { return }
      state["schedule_epochs"] = 5
      laplace["optimizer"] = state
      member["laplace"] = laplace
      refused = true
    }
    #expect(try refused && file.refusal()?.message.contains("not valid") == true)
    // Not of another method.
    var other = try OpenFile(Kind.point.posterior())
    try other.edit { object in
      guard var model = object["model"] as? [String: Any] else { return }
      model["method"] = "laplace"
      object["model"] = model
    }
    #expect(try other.refusal()?.kind == .corrupt)
  }
}
