import BNNInference
import BNNLinearAlgebra
import BNNPosteriorFile
import BNNSafetensors
import BNNTestSupport
import Testing

/// Rows that are kept, in the file of their posterior.
@Suite struct MemoryTests {
  /// Rows of a posterior of 20 rows: two of the first batch, one of the third.
  private static func remembering(_ kind: Kind = .tangentOfClasses, weighted: Bool = false) throws -> Posterior {
    var posterior = try kind.posterior()
    posterior.memory = RowMemory(
      features: Matrix([[1.5, -2], [0, 1e-3], [7, 0.25]]), targets: Matrix([[2], [0], [1]]),
      weights: weighted ? [1, 0.5, 3] : nil, batches: [1, 1, 3])
    return posterior
  }

  @Test(arguments: [Kind.tangentOfClasses, .classHeads, .linear, .moving, .laplaceKronecker], [false, true])
  func whatIsWrittenIsRead(_ kind: Kind, _ weighted: Bool) throws {
    let posterior = try Self.remembering(kind, weighted: weighted)
    let bytes = try PosteriorFile.encode(posterior).bytes
    let file = try PosteriorFile(bytes: bytes, name: "p")
    #expect(file.posterior == posterior)
    #expect(try PosteriorFile.encode(file.posterior).bytes == bytes)
    let shapes = Dictionary(uniqueKeysWithValues: try OpenFile(posterior).tensors.map { ($0.name, $0.shape) })
    #expect(shapes["memory.features"] == [3, 2] && shapes["memory.targets"] == [3, 1])
    #expect(shapes["memory.batch"] == [3] && shapes["memory.weights"] == (weighted ? [3] : nil))
  }

  /// A posterior that keeps no rows has no word of them in its file.
  @Test(arguments: Kind.allCases) func withoutRowsNothingIsWritten(_ kind: Kind) throws {
    let posterior = try kind.posterior()
    #expect(posterior.memory == nil)
    let file = try OpenFile(posterior)
    #expect(!file.manifest.contains("memory") && !file.tensors.contains { $0.name.hasPrefix("memory") })
    #expect(try PosteriorFile(bytes: PosteriorFile.encode(posterior).bytes, name: "p").posterior.memory == nil)
  }

  @Test func forgettingForgetsThem() throws {
    #expect(try Self.remembering(.linear).forgettingData().memory == nil)
  }

  private static let damages: [Damage] = [
    ("memory.features", "memory.targets has shape", { $0 = Tensor(name: $0.name, shape: [1, 2], values: [1, 2]) }),
    ("memory.features", "0 rows", { $0 = Tensor(name: $0.name, shape: [0, 2], values: []) }),
    (
      "memory.features", "21 rows of the 20",
      { $0 = Tensor(name: $0.name, shape: [21, 2], values: Array(repeating: 1, count: 42)) }
    ),
    ("memory.features", "shape", { $0 = Tensor(name: $0.name, shape: [3], values: [1, 2, 3]) }),
    ("memory.features", "shape", { $0 = Tensor(name: $0.name, shape: [3, 3], values: Array(repeating: 1, count: 9)) }),
    ("memory.features", "does not explain", { $0 = Tensor(name: $0.name, shape: [], values: [1]) }),
    ("memory.features", "not finite", { $0 = replaced($0, { _ in .nan }) }),
    ("memory.targets", "shape", { $0 = longer($0) }),
    ("memory.targets", "not finite", { $0 = withFirst($0, .infinity) }),
    ("memory.targets", "cannot have", { $0 = withFirst($0, 3) }),
    ("memory.targets", "cannot have", { $0 = withFirst($0, 0.5) }),
    ("memory.targets", "cannot have", { $0 = withFirst($0, -1) }),
    ("memory.weights", "shape", { $0 = longer($0) }), ("memory.weights", "not positive", { $0 = withFirst($0, 0) }),
    ("memory.weights", "not positive", { $0 = withFirst($0, -2) }),
    ("memory.weights", "not finite", { $0 = withFirst($0, .nan) }), ("memory.batch", "shape", { $0 = longer($0) }),
    ("memory.batch", "numbers of batches", { $0 = withFirst($0, 0) }),
    ("memory.batch", "numbers of batches", { $0 = withFirst($0, 1.5) }),
    ("memory.batch", "numbers of batches", { $0 = withFirst($0, 21) }),
    ("memory.batch", "numbers of batches", { $0 = withFirst($0, 1e300) }),
    ("memory.batch", "not finite", { $0 = withFirst($0, .nan) }),
  ]

  @Test func everyCorruptionIsRefused() throws {
    let good = try OpenFile(Self.remembering(weighted: true))
    try good.refuses(Self.damages)
    for name in ["memory.features", "memory.targets", "memory.batch"] {
      var file = good
      file.tensors.removeAll { $0.name == name }
      let words = name == "memory.features" ? "does not explain" : "\(name) is missing"
      #expect(try file.refusal()?.message.contains(words) == true, "without \(name)")
    }
  }

  @Test func rowsAreAddedAndTaken() {
    var own = RowMemory(features: Matrix([[1, 2]]), targets: Matrix([[3]]), batches: [1])
    own.append(RowMemory(features: Matrix([[4, 5], [6, 7]]), targets: Matrix([[8], [9]]), batches: [2, 2]))
    #expect(own.rows == 3 && own.weights == nil)
    own.append(RowMemory(features: Matrix([[0, 1]]), targets: Matrix([[2]]), weights: [0.5], batches: [3]))
    #expect(own.features == Matrix([[1, 2], [4, 5], [6, 7], [0, 1]]) && own.targets.storage == [3, 8, 9, 2])
    #expect(own.weights == [1, 1, 1, 0.5] && own.batches == [1, 2, 2, 3])
    own.append(RowMemory(features: Matrix([[2, 2]]), targets: Matrix([[2]]), batches: [4]))
    #expect(own.weights == [1, 1, 1, 0.5, 1])
    #expect(
      own.gathering([3, 1])
        == RowMemory(
          features: Matrix([[0, 1], [4, 5]]), targets: Matrix([[2], [8]]), weights: [0.5, 1], batches: [3, 2]))
  }
}
