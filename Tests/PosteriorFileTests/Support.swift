import BNNDatasets
import BNNInference
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNSafetensors
import BNNTestSupport
import Foundation
import Testing

@testable import BNNPosteriorFile

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A folder of its own, removed when released.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("posteriors-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  /// What is in it, hidden files too, sorted.
  var content: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? ["?"]).sorted() }
}

func bytes(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))) }

/// Posteriors of every kind, cheap to make.
enum Kind: String, CaseIterable, Sendable {
  case linear, linearTwoTargets, origin, flat, notIdentified, empty, knownNoise, lastLayer, parallelBranch, tangent
  case tangentTwoOutputs
  case members, knownNoiseNetwork, unstandardised, subspace, subspaceTwoOutputs, moving
  case laplaceFull, laplaceBlock, laplaceKronecker, laplaceEigenvalue, laplaceLowRank, laplaceDiagonal,
    laplaceAveraged, lastLayerLaplace, tangentOfClasses
  case weightPrecisions, classHeads
  case meanField, meanFieldLastLayer, meanFieldAfterLaplace, point, pointAfterLaplace

  private var outputs: Int {
    switch self {
    case .linearTwoTargets, .tangentTwoOutputs, .lastLayer, .parallelBranch, .subspaceTwoOutputs: 2
    default: 1
    }
  }

  func data(_ gen: inout Gen, rows n: Int) -> (x: Matrix, y: Matrix) {
    let x = gen.matrix(rows: n, columns: 2)
    let noise = gen.normals(n * outputs)
    var y = Matrix(rows: n, columns: outputs)
    for i in 0..<n { for c in 0..<outputs { y[i, c] = sin(x[i, 0]) + x[i, 1] / 3 + 0.1 * noise[i * outputs + c] } }
    if isClasses { for i in 0..<n { y[i, 0] = y[i, 0] > 0.3 ? 2 : y[i, 0] > 0 ? 1 : 0 } }
    return (x, y)
  }

  private static let classes = Schema(
    featureColumns: [FeatureColumn(name: "length"), FeatureColumn(name: "width")], targets: ["kind"],
    targetKind: .classes(["a", "b", "c, \"d\""]))

  private static let heads = Schema(
    featureColumns: classes.featureColumns, targets: classes.targets, targetKind: .classes(["a", "b", "c", "d", "e"]),
    heads: [[1, 4], [0, 2, 3]])

  private var isClasses: Bool { self == .tangentOfClasses || self == .classHeads }

  private func laplace(
    _ settings: LaplaceSettings, _ schema: Schema, _ x: Matrix, _ y: Matrix, seed: UInt64
  ) throws -> Posterior {
    let schema = self == .classHeads ? Self.heads : isClasses ? Self.classes : schema
    let data = Dataset(features: x.storage, featureCount: 2, targets: y.storage, targetCount: 1, rows: x.rows)
    return try Posterior.laplace(
      NetworkSpec(inputs: 2, hidden: [3], outputs: schema.classes?.count ?? 1, activation: .tanh), settings: settings,
      likelihood: isClasses ? .categorical : .gaussian, schema: schema, features: x, targets: y,
      normalisation: .fit(data, targetKind: schema.targetKind),
      training: TrainingSettings(schedule: [8, 24]), members: 2, seed: seed
    ).posterior
  }

  /// Enough for variances of their own.
  private static let passes = TrainingSettings(epochs: 60, schedule: [8, 24])

  private func meanField(
    _ settings: LaplaceSettings, _ schema: Schema, _ x: Matrix, _ y: Matrix, seed: UInt64
  ) throws -> Posterior {
    let data = Dataset(features: x.storage, featureCount: 2, targets: y.storage, targetCount: 1, rows: x.rows)
    return try Posterior.meanField(
      NetworkSpec(inputs: 2, hidden: [3], outputs: 1, activation: .tanh), settings: settings, schema: schema,
      features: x, targets: y, normalisation: .fit(data), training: Self.passes, members: 2, seed: seed
    ).posterior
  }

  /// With the optimiser's state, in the middle of its schedule.
  private func point(_ schema: Schema, _ x: Matrix, _ y: Matrix, seed: UInt64) throws -> Posterior {
    let data = Dataset(features: x.storage, featureCount: 2, targets: y.storage, targetCount: 1, rows: x.rows)
    return try Posterior.point(
      NetworkSpec(inputs: 2, hidden: [3], outputs: 1, activation: .tanh), schema: schema,
      rows: CompactRows(features: x, targets: y, weights: nil), normalisation: .fit(data),
      training: TrainingSettings(epochs: 6, batchSize: 8, scheduleEpochs: 10), members: 2, keepsOptimiser: true,
      seed: seed
    ).posterior
  }

  /// After a first batch; a moving tangent's has fewer rows than weights, which its statistics fill up when it moves.
  func posterior(seed: UInt64 = 1, rows: Int = 20) throws -> Posterior {
    let rows = self == .moving ? min(rows, 6) : rows
    var gen = Gen(seed: seed)
    let (x, y) = data(&gen, rows: rows)
    let schema = Schema(features: ["length", "β \"quoted\"/slash"], targets: (0..<outputs).map { "y\($0)" })
    func linear(_ prior: PriorSettings = PriorSettings(), intercept: Bool = true, rows: Int) throws -> Posterior {
      try updated(
        .linear(schema: schema, intercept: intercept, standardised: self != .unstandardised, prior: prior),
        x.rows(0..<rows), y.rows(0..<rows))
    }
    func network(_ method: Method, _ prior: PriorSettings = PriorSettings(), members: Int = 1, subspace: Int? = nil)
      throws -> Posterior
    {
      let data = Dataset(
        features: x.storage, featureCount: 2, targets: y.storage, targetCount: outputs, rows: rows)
      return try Posterior.network(
        NetworkSpec(inputs: 2, hidden: [3], outputs: outputs, activation: .tanh), method: method, schema: schema,
        features: x, targets: y, normalisation: .fit(data), prior: prior,
        training: TrainingSettings(schedule: [8, 24]), members: members, subspace: subspace, seed: seed
      ).posterior
    }
    var result: Posterior
    switch self {
    case .linear, .linearTwoTargets, .unstandardised: result = try linear(rows: rows)
    case .origin: result = try linear(intercept: false, rows: rows)
    case .flat: result = try linear(PriorSettings(precision: .given(0)), rows: rows)
    case .notIdentified: result = try linear(PriorSettings(precision: .given(0)), rows: 2)
    case .empty: result = .linear(schema: schema)
    case .knownNoise: result = try linear(PriorSettings(precision: .given(2), noise: .given(0.1)), rows: rows)
    case .lastLayer: result = try network(.lastLayer)
    case .parallelBranch: result = try network(.parallelBranch)
    case .tangent, .tangentTwoOutputs: result = try network(.tangent)
    case .moving: result = try network(.movingTangent, members: 2)
    case .laplaceFull: result = try laplace(LaplaceSettings(), schema, x, y, seed: seed)
    case .laplaceBlock: result = try laplace(LaplaceSettings(structure: .block), schema, x, y, seed: seed)
    case .laplaceKronecker: result = try laplace(LaplaceSettings(structure: .kronecker), schema, x, y, seed: seed)
    case .laplaceEigenvalue:
      result = try laplace(LaplaceSettings(structure: .kroneckerEigenvalue), schema, x, y, seed: seed)
    case .laplaceLowRank: result = try laplace(LaplaceSettings(structure: .lowRank, rank: 3), schema, x, y, seed: seed)
    case .laplaceAveraged:
      result = try laplace(LaplaceSettings(structure: .kronecker, curvatureDraws: 2), schema, x, y, seed: seed)
    case .laplaceDiagonal: result = try laplace(LaplaceSettings(structure: .diagonal), schema, x, y, seed: seed)
    case .weightPrecisions:
      let settings = LaplaceSettings(structure: .diagonal, layers: 1..<2, priorScope: .weight)
      result = try laplace(settings, schema, x, y, seed: seed)
    case .lastLayerLaplace: result = try laplace(LaplaceSettings(layers: 1..<2), schema, x, y, seed: seed)
    case .meanField: result = try meanField(LaplaceSettings(structure: .diagonal), schema, x, y, seed: seed)
    case .meanFieldLastLayer:
      let settings = LaplaceSettings(structure: .diagonal, layers: 1..<2, priorScope: .layer)
      result = try meanField(settings, schema, x, y, seed: seed)
    case .meanFieldAfterLaplace:
      let first = try laplace(LaplaceSettings(), schema, x.rows(0..<12), y.rows(0..<12), seed: seed)
      var update = try SequentialUpdate(meanField: first, training: Self.passes)
      try update.absorb(features: x.rows(12..<rows), targets: y.rows(12..<rows))
      result = try update.finish().posterior
    case .point: result = try point(schema, x, y, seed: seed)
    case .pointAfterLaplace:
      let first = try laplace(LaplaceSettings(), schema, x.rows(0..<12), y.rows(0..<12), seed: seed)
      var update = try SequentialUpdate(
        point: PointSettings(method: .ewc), of: first, training: TrainingSettings(epochs: 20))
      try update.absorb(features: x.rows(12..<rows), targets: y.rows(12..<rows))
      result = try update.finish().posterior
    case .tangentOfClasses: result = try laplace(LaplaceSettings(isLinearised: true), schema, x, y, seed: seed)
    case .classHeads: result = try laplace(LaplaceSettings(), schema, x, y, seed: seed)
    case .members: result = try network(.tangent, members: 3)
    case .subspace, .subspaceTwoOutputs: result = try network(.tangent, members: 2, subspace: 5)
    case .knownNoiseNetwork: result = try network(.tangent, PriorSettings(noise: .given(0.1)))
    }
    result.lineage.append(
      LineageEntry(
        number: 1, action: "fit", rows: rows, rowDigest: String(repeating: "0a", count: 16),
        method: result.model.method.rawValue, settings: ["seed": "1"], logEvidence: -12.25, seed: seed, version: "0",
        parent: nil, label: "first / \u{1F600} \"batch\"", subspaceShare: result.model.subspace == nil ? nil : 0.75))
    return result
  }
}

func updated(_ posterior: Posterior, _ x: Matrix, _ y: Matrix) throws -> Posterior {
  var update = SequentialUpdate(posterior)
  try update.absorb(features: x, targets: y)
  return try update.finish().posterior
}

/// A file taken apart and put together again with a digest that agrees: what is refused then is refused for its content.
struct OpenFile {
  var tensors: [Tensor]
  var metadata: [String: String]

  init(_ posterior: Posterior) throws {
    let file = try SafetensorsReader.read(PosteriorFile.encode(posterior).bytes)
    tensors = file.tensors
    metadata = file.metadata
  }

  var manifest: String {
    get { metadata["manifest"] ?? "" }
    set { metadata["manifest"] = newValue }
  }

  /// The manifest as a JSON object.
  mutating func edit(_ change: (inout [String: Any]) -> Void) throws {
    var object = try #require(try JSONSerialization.jsonObject(with: Data(manifest.utf8)) as? [String: Any])
    change(&object)
    let data = try JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
    manifest = String(decoding: data, as: UTF8.self)
  }

  /// First response's entry of the first member.
  mutating func editResponse(_ change: (inout [String: Any]) -> Void) throws {
    try edit { object in
      guard var members = object["members"] as? [[String: Any]],
        var responses = members[0]["responses"] as? [[String: Any]]
      else { return }
      change(&responses[0])
      members[0]["responses"] = responses
      object["members"] = members
    }
  }

  mutating func editMember(_ change: (inout [String: Any]) -> Void) throws {
    try edit { object in
      guard var members = object["members"] as? [[String: Any]] else { return }
      change(&members[0])
      object["members"] = members
    }
  }

  mutating func change(_ name: String, _ body: (inout Tensor) -> Void) throws {
    let index = try #require(tensors.firstIndex { $0.name == name }, "no tensor \(name)")
    body(&tensors[index])
  }

  func bytes(signed: Bool = true) throws -> [UInt8] {
    var metadata = metadata
    if signed { metadata["digest"] = ContentDigest.of(manifest: manifest, tensors: tensors) }
    return try SafetensorsWriter.write(TensorFile(metadata: metadata, tensors: tensors))
  }

  /// What the reader says of it; nil when it accepts.
  func refusal(signed: Bool = true) throws -> PosteriorFileError? { try refused(bytes(signed: signed)) }
}

func refused(_ bytes: [UInt8]) -> PosteriorFileError? {
  do {
    _ = try PosteriorFile(bytes: bytes, name: "p")
    return nil
  } catch {
    return error
  }
}

// MARK: Damage

/// A change of a tensor, and words of the message that refuses it.
typealias Damage = (name: String, words: String, change: @Sendable (inout Tensor) -> Void)

extension OpenFile {
  /// Expects that the file is read as it is and that every change of it is refused with its words.
  func refuses(_ damages: [Damage]) throws {
    #expect(try refusal() == nil)
    for (name, words, change) in damages {
      var file = self
      try file.change(name, change)
      let error = try file.refusal()
      #expect(error?.kind == .corrupt, "\(name): \(words)")
      #expect(error?.message.contains(words) == true, "\(name): \(error?.message ?? "accepted")")
    }
  }
}

/// Every number changed.
func replaced(_ tensor: Tensor, _ body: (Double) -> Double) -> Tensor {
  Tensor(name: tensor.name, shape: tensor.shape, values: tensor.values.map(body))
}

/// Another first number.
func withFirst(_ tensor: Tensor, _ value: Double) -> Tensor {
  Tensor(name: tensor.name, shape: tensor.shape, values: [value] + tensor.values.dropFirst())
}

/// One number too many.
func longer(_ tensor: Tensor) -> Tensor {
  Tensor(name: tensor.name, shape: [tensor.values.count + 1], values: tensor.values + [1])
}
