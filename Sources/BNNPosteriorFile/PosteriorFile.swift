import BNNDatasets
import BNNInference
import BNNModels
import BNNSafetensors
import Foundation

/// A posterior as one self-describing safetensors file.
///
/// Metadata: `format` = `bnn-posterior`, `format_version`, `manifest` (JSON with sorted keys) and `digest` (XXH3-128 of
/// manifest and tensors). Equal posteriors give equal bytes.
public struct PosteriorFile: Sendable {
  public static let format = "bnn-posterior"

  public let posterior: Posterior
  /// The content's digest: the name of this state in its children's lineage.
  public let digest: String
  /// The manifest as it stands in the file.
  public let manifest: String

  // MARK: Out

  /// The file's bytes.
  public static func encode(_ posterior: Posterior) throws -> (bytes: [UInt8], digest: String) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let manifest: String
    do {
      manifest = String(decoding: try encoder.encode(Manifest(of: posterior)), as: UTF8.self)
    } catch is EncodingError {
      throw UpdateError.notFinite("the noise or the evidence of the new posterior")
    }
    let tensors =
      posterior.members.enumerated().flatMap { k, member in
        let own = MemberTensors(member: k, model: posterior.model)
        return own.tensors(of: member, posterior: posterior)
          + posterior.sites.flatMap { own.tensors(of: $0.parts[k], number: $0.number) }
      } + (posterior.inputs?.tensors ?? []) + (posterior.memory?.tensors ?? [])
      + (posterior.rowSketch?.tensors ?? []) + (posterior.drift?.tensors ?? [])
    if let bad = tensors.first(where: { !$0.values.allSatisfy(\.isFinite) }) {
      throw UpdateError.notFinite("the tensor \(bad.name) of the new posterior")
    }
    let digest = ContentDigest.of(manifest: manifest, tensors: tensors)
    let bytes = try SafetensorsWriter.write(
      TensorFile(
        metadata: [
          "format": format, "format_version": String(Manifest.currentVersion), "manifest": manifest, "digest": digest,
        ], tensors: tensors))
    return (bytes, digest)
  }

  /// Writes atomically; refuses an existing file unless `replacing`.
  ///
  /// - Returns: the content's digest.
  @discardableResult
  public static func write(_ posterior: Posterior, to path: String, replacing: Bool = false) throws -> String {
    let (bytes, digest) = try encode(posterior)
    try AtomicFile.write(bytes, to: path, replacing: replacing)
    return digest
  }

  // MARK: In

  /// Reads and checks a file; nothing of it is trusted before its digest agrees.
  public init(path: String) throws(PosteriorFileError) {
    try self.init(bytes: Self.load(path), name: path)
  }

  /// From the bytes of a file; `name` is what errors call it.
  public init(bytes: [UInt8], name: String) throws(PosteriorFileError) {
    let content: TensorFile
    do {
      content = try SafetensorsReader.read(bytes)
    } catch {
      throw .corrupt(file: name, "not a posterior file: \(error)")
    }
    guard content.metadata["format"] == Self.format, let manifestText = content.metadata["manifest"] else {
      throw PosteriorFileError(
        .corrupt, file: name, "a safetensors file, but not a posterior that bnn-update wrote",
        remedy: "make one with `bnn-update fit`")
    }
    guard let version = content.metadata["format_version"].flatMap({ Int($0) }), version >= 1 else {
      throw .corrupt(file: name, "its format version is not a number from 1 on")
    }
    guard version <= Manifest.currentVersion else {
      throw PosteriorFileError(
        .corrupt, file: name,
        "written by a newer bnn-update (format version \(version); this one reads up to \(Manifest.currentVersion))",
        remedy: "update bnn-update")
    }
    let digest = ContentDigest.of(manifest: manifestText, tensors: content.tensors)
    guard content.metadata["digest"] == digest else {
      throw .corrupt(file: name, "its content does not match its digest: it was damaged or edited")
    }
    let manifest: Manifest
    do {
      _ = try StrictJSON.parse(Array(manifestText.utf8))
      manifest = try JSONDecoder().decode(Manifest.self, from: Data(manifestText.utf8))
    } catch {
      throw .corrupt(file: name, "its manifest cannot be read (\(Self.plain(error)))")
    }
    guard manifest.formatVersion == version else {
      throw .corrupt(file: name, "its manifest and its header disagree about the format version")
    }
    try Self.check(manifest, name)
    var store = TensorStore(content.tensors, file: name)
    var members: [Member] = []
    for (k, entry) in manifest.members.enumerated() {
      members.append(try MemberTensors(member: k, model: manifest.model).member(from: &store, entry: entry))
    }
    let sites = try Self.sites(manifest, members, from: &store)
    let summary =
      manifest.model.method == .movingTangent && manifest.rows > 0
      ? try InputSummary(from: &store, columns: manifest.model.schema.features.count) : nil
    let memory = try RowMemory(from: &store, model: manifest.model, seen: manifest.rows)
    let sketch = try RowSketch(from: &store)
    let drift = try DriftReference(from: &store, model: manifest.model)
    guard store.remaining.isEmpty else {
      throw .corrupt(file: name, "it holds tensors that its manifest does not explain: \(store.remaining[0])")
    }
    var posterior = Posterior(
      model: manifest.model, normalisation: manifest.normalisation, members: members, rows: manifest.rows,
      certificate: manifest.certificate, lineage: manifest.lineage, inputs: summary, memory: memory)
    posterior.sites = sites
    posterior.rowSketch = sketch
    posterior.drift = drift
    self.posterior = posterior
    self.digest = digest
    self.manifest = manifestText
  }

  private static func sites(
    _ manifest: Manifest, _ members: [Member], from store: inout TensorStore
  ) throws(PosteriorFileError) -> [BatchSite] {
    var sites: [BatchSite] = []
    for entry in manifest.sites ?? [] {
      guard entry.number > sites.last?.number ?? -1, entry.number <= manifest.lineage.count else {
        throw store.corrupt("its manifest keeps batches apart that its history does not have, or not in their order")
      }
      var parts: [BatchSite.Part] = []
      for (k, member) in members.enumerated() {
        let tensors = MemberTensors(member: k, model: manifest.model)
        parts.append(try tensors.sitePart(entry, member: k, of: member, from: &store))
      }
      sites.append(BatchSite(number: entry.number, parts: parts))
    }
    let apart = (manifest.sites ?? []).compactMap(\.observations)
    guard apart.isEmpty || members.allSatisfy({ $0.statistics.observations == apart.reduce(0, +) }) else {
      throw store.corrupt("the batches that it keeps apart are not all that it has seen")
    }
    return sites
  }

  private static func check(_ manifest: Manifest, _ name: String) throws(PosteriorFileError) {
    let (d, c) = (manifest.model.schema.features.count, manifest.model.schema.targets.count)
    let n = manifest.normalisation
    let numbers = n.featureCenter + n.featureScale + n.targetCenter + n.targetScale
    guard
      n.featureCenter.count == d, n.featureScale.count == d, n.targetCenter.count == c, n.targetScale.count == c,
      numbers.allSatisfy(\.isFinite), (n.featureScale + n.targetScale + [n.weightScale ?? 1]).allSatisfy({ $0 > 0 })
    else { throw .corrupt(file: name, "its normalisation does not fit its columns") }
    guard c > 0, !manifest.members.isEmpty, manifest.rows >= 0 else {
      throw .corrupt(file: name, "its manifest names no target or no member")
    }
    let perRow = manifest.model.method.isTangent ? c : 1
    guard manifest.members.allSatisfy({ $0.observations % perRow == 0 && $0.observations / perRow == manifest.rows })
    else { throw .corrupt(file: name, "its manifest contradicts itself about the size of the data it has seen") }
    let spec = manifest.model.network
    guard (spec == nil) == (manifest.model.method == .linear) else {
      throw .corrupt(file: name, "its manifest has no network for its method")
    }
    guard (manifest.model.laplace == nil) == !manifest.model.method.keepsCurvature,
      manifest.model.likelihood == .gaussian || manifest.model.method.keepsCurvature,
      manifest.model.schema.heads == nil || manifest.model.likelihood == .categorical,
      manifest.model.method != .kalman
        || manifest.model.laplace.map({ KalmanStructure.all.contains($0.structure) && !$0.isLinearised }) == true,
      manifest.model.method != .point
        || manifest.model.laplace.map({ $0.structure == .diagonal && !$0.isLinearised && $0.layers == nil }) == true,
      manifest.model.method != .meanField
        || manifest.model.laplace.map({ own in
          own.structure == .diagonal && !own.isLinearised
            && own.layers.map { $0.upperBound == spec?.layers.count } ?? true
        }) == true
    else { throw .corrupt(file: name, "its manifest has a likelihood or a structure that its method cannot have") }
    guard manifest.model.method != .movingTangent || (c == 1 && !manifest.model.prior.isFlat) else {
      throw .corrupt(file: name, "its manifest has several targets or a flat prior for a moving tangent")
    }
    guard manifest.model.isSketch == nil || manifest.model.subspace != nil else {
      throw .corrupt(file: name, "its manifest has a sketch without a subspace")
    }
    if let count = manifest.model.subspace {
      guard manifest.model.method == .tangent, let spec, count >= 1, count < Network(spec).parameterCount else {
        throw .corrupt(file: name, "its manifest has a subspace that does not fit its network")
      }
    }
    if let spec {
      let expected = manifest.model.outputs
      guard spec.inputs == d, case .dense(let outputs, _)? = spec.layers.last, outputs == expected else {
        throw .corrupt(file: name, "its network does not fit its columns")
      }
      let chosen = manifest.model.laplace?.layers ?? 0..<spec.layers.count
      guard chosen.upperBound <= spec.layers.count,
        (try? Posterior.checkLayers(of: spec, chosen: chosen, for: manifest.model.method)) != nil
      else {
        throw .corrupt(file: name, "its network does not fit its method")
      }
    }
  }

  private static func plain(_ error: any Error) -> String {
    switch error {
    case let error as StrictJSONError: return error.description
    case DecodingError.keyNotFound(let key, _): return "\(key.stringValue) is missing"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
      DecodingError.dataCorrupted(let context):
      let place = context.codingPath.map(\.stringValue).joined(separator: ".")
      return place.isEmpty ? context.debugDescription : "\(place): \(context.debugDescription)"
    default: return "unknown content"
    }
  }
}
