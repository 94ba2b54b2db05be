import BNNInference
import BNNPosteriorFile
import BNNSafetensors
import BNNTestSupport
import Testing

/// What a moving tangent carries from point to point, in its file.
@Suite struct StoreTests {
  /// After a fit, and after one move.
  private static func posteriors() throws -> [Posterior] {
    let first = try Kind.moving.posterior()
    var gen = Gen(seed: 50)
    let (x, y) = Kind.moving.data(&gen, rows: 9)
    return [first, try updated(first, x, y)]
  }

  @Test func tensorsHaveTheirShapes() throws {
    let posteriors = try Self.posteriors()
    for (posterior, rows) in zip(posteriors, [6, 15]) {
      let inputs = try #require(posterior.inputs)
      let k = inputs.mixture.components
      let tensors = try OpenFile(posterior).tensors
      let shapes = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.shape) })
      for prefix in ["", "members.1."] {
        #expect(shapes[prefix + "store.layers.0.weight"] == [3, 2] && shapes[prefix + "store.layers.1.bias"] == [1])
        let m = try #require(shapes[prefix + "store.hidden.bias"])[0]
        #expect(shapes[prefix + "store.hidden.weight"] == [m, 2])
        // n rows of the trapezoid of P + d + m + 1 columns.
        let width = 13 + 2 + m + 1
        #expect(shapes[prefix + "store.statistics"] == [rows * width - rows * (rows - 1) / 2])
      }
      #expect(
        shapes["inputs.weights"] == [k] && shapes["inputs.means"] == [k, 2] && shapes["inputs.factors"] == [k, 3])
      #expect(shapes["inputs.counts"] == [2] && shapes["inputs.discrete"] == [2])
      #expect(shapes["inputs.levels"] == [2 * rows], "few rows: all their values")
      #expect(shapes["members.1.inputs.weights"] == nil)
      let bytes = try PosteriorFile.encode(posterior).bytes
      #expect(try PosteriorFile(bytes: bytes, name: "p").posterior == posterior)
    }
    // Six rows of 14 columns before the move, the whole triangle after it.
    for (posterior, count) in zip(posteriors, [6 * 14 - 15, 14 * 15 / 2]) {
      #expect(try OpenFile(posterior).tensors.first { $0.name == "statistics" }?.shape == [count])
    }
  }

  private static let damages: [Damage] = [
    ("inputs.weights", "weights of a mixture", { $0 = replaced($0, { _ in -1 }) }),
    ("inputs.weights", "weights of a mixture", { $0 = replaced($0, { 2 * $0 }) }),
    ("inputs.weights", "weights of a mixture", { $0 = replaced($0, { _ in 0 }) }),
    ("inputs.weights", "not finite", { $0 = replaced($0, { _ in .nan }) }),
    ("inputs.weights", "weights of a mixture", { $0 = Tensor(name: $0.name, shape: [0], values: []) }),
    ("inputs.weights", "shape", { $0 = Tensor(name: $0.name, shape: [], values: [1]) }),
    ("inputs.means", "shape", { $0 = longer($0) }),
    ("inputs.means", "not finite", { $0 = replaced($0, { _ in .infinity }) }),
    ("inputs.factors", "not positive definite", { $0 = withFirst($0, 0) }),
    ("inputs.factors", "not positive definite", { $0 = withFirst($0, -1) }),
    ("inputs.factors", "shape", { $0 = longer($0) }),
    ("inputs.levels", "ascending", { $0 = withFirst($0, 1e9) }),
    ("inputs.levels", "do not fit", { $0 = longer($0) }),
    ("inputs.counts", "do not fit", { $0 = withFirst($0, 0) }),
    ("inputs.counts", "do not fit", { $0 = withFirst($0, -3) }),
    ("inputs.counts", "do not fit", { $0 = withFirst($0, 1.5) }),
    ("inputs.counts", "do not fit", { $0 = withFirst($0, 1e300) }),
    ("inputs.counts", "shape", { $0 = longer($0) }),
    ("inputs.discrete", "do not fit", { $0 = withFirst($0, 0.5) }),
    ("inputs.discrete", "not the range", { $0 = withFirst($0, 0) }),
    ("inputs.discrete", "shape", { $0 = longer($0) }),
    ("store.layers.0.weight", "shape", { $0 = longer($0) }),
    ("store.layers.1.bias", "not finite", { $0 = replaced($0, { _ in .nan }) }),
    ("store.hidden.weight", "shape", { $0 = longer($0) }),
    ("store.hidden.bias", "store.hidden.weight has shape", { $0 = longer($0) }),
    ("store.hidden.bias", "empty", { $0 = Tensor(name: $0.name, shape: [0], values: []) }),
    ("store.statistics", "shape", { $0 = longer($0) }),
    ("members.1.store.statistics", "shape", { $0 = longer($0) }),
    ("statistics", "shape", { $0 = longer($0) }),
  ]

  /// Every change is refused with words that name what is wrong; so is every tensor that is missing or does not belong.
  @Test func everyCorruptionIsRefused() throws {
    for posterior in try Self.posteriors() {
      let good = try OpenFile(posterior)
      try good.refuses(Self.damages)
      for tensor in good.tensors where tensor.name.contains("store.") || tensor.name.hasPrefix("inputs.") {
        var file = good
        file.tensors.removeAll { $0.name == tensor.name }
        #expect(try file.refusal()?.message.contains("\(tensor.name) is missing") == true, "without \(tensor.name)")
      }
    }
  }

  /// Stores and summaries belong to moving tangents, and those have one target and a prior.
  @Test func manifestsThatDoNotFit() throws {
    let good = try OpenFile(Kind.moving.posterior())
    func refused(_ change: (inout [String: Any]) -> Void) throws -> String {
      var file = good
      try file.edit { object in
        var model = object["model"] as? [String: Any] ?? [:]
        change(&model)
        object["model"] = model
      }
      return try #require(try file.refusal()).message
    }
    #expect(try refused { $0["method"] = "tangent" }.contains("does not explain"))
    #expect(try refused { $0["prior"] = ["precision": 0, "noise": "auto"] }.contains("moving tangent"))
    var tangent = try OpenFile(Kind.tangent.posterior())
    tangent.tensors += good.tensors.filter { $0.name.hasPrefix("inputs.") }
    #expect(try tangent.refusal()?.message.contains("does not explain") == true)
  }
}
