import BNNInference
import BNNSafetensors
import BNNTestSupport
import Testing

@testable import BNNPosteriorFile

/// Files whose digest agrees and whose content does not.
@Suite struct ContentTests {
  private func refusal(
    _ kind: Kind = .tangentTwoOutputs, signed: Bool = true, _ change: (inout OpenFile) throws -> Void
  ) throws -> String {
    var file = try OpenFile(kind.posterior())
    try change(&file)
    let error = try #require(try file.refusal(signed: signed), "accepted")
    #expect(error.kind == .corrupt)
    return error.message
  }

  @Test func untouchedFilesAreAccepted() throws {
    for kind in Kind.allCases { #expect(try OpenFile(kind.posterior()).refusal() == nil, "\(kind)") }
  }

  @Test func newerVersions() throws {
    let message = try refusal { file in
      file.metadata["format_version"] = "2"
      try file.edit { $0["format_version"] = 2 }
    }
    #expect(message.contains("newer"))
    #expect(try refusal { $0.metadata["format_version"] = "2" }.contains("newer"))
    #expect(try refusal { $0.metadata["format_version"] = "one" }.contains("version"))
    #expect(try refusal { $0.metadata["format_version"] = nil }.contains("version"))
    #expect(try refusal { file in try file.edit { $0["format_version"] = 0 } }.contains("version"))
  }

  @Test func digests() throws {
    #expect(try refusal(signed: false) { $0.metadata["digest"] = nil }.contains("digest"))
    #expect(try refusal(signed: false) { $0.metadata["digest"]?.removeLast() }.contains("digest"))
    #expect(
      try refusal(signed: false) { file in try file.change("statistics") { $0.values[0] += 1 } }.contains("digest"))
    #expect(
      try refusal(signed: false) { file in try file.edit { $0["rows"] = 21 } }.contains("digest"))
  }

  @Test func tensorsMissingOrTooMany() throws {
    for name in try OpenFile(Kind.subspace.posterior()).tensors.map(\.name) {
      #expect(try refusal(.subspace) { $0.tensors.removeAll { $0.name == name } }.contains(name))
    }
    let names = try OpenFile(Kind.tangentTwoOutputs.posterior()).tensors.map(\.name)
    for name in names {
      #expect(try refusal { $0.tensors.removeAll { $0.name == name } }.contains(name))
      let renamed = try refusal { file in try file.change(name) { $0.name += "x" } }
      #expect(renamed.contains(name))
    }
    #expect(
      try refusal { $0.tensors.append(Tensor(name: "more", shape: [1], values: [1])) }.contains("more"))
    #expect(
      try refusal(.notIdentified) { file in
        file.tensors.append(Tensor(name: "posterior.0.mean", shape: [3], values: [1, 2, 3]))
      }.contains("posterior.0.mean"))
    #expect(try refusal(.linear) { $0.tensors.removeAll { $0.name == "layers.0.bias" } }.contains("layers.0.bias"))
  }

  @Test func wrongShapes() throws {
    let names = try OpenFile(Kind.tangentTwoOutputs.posterior()).tensors.map(\.name)
    for name in names {
      let message = try refusal { file in
        try file.change(name) { $0 = Tensor(name: name, shape: [1] + $0.shape, values: $0.values) }
      }
      #expect(message.contains(name) && message.contains("shape"))
    }
  }

  @Test(arguments: [Double.nan, .infinity, -.infinity]) func numbersThatAreNotFinite(value: Double) throws {
    let names = try OpenFile(Kind.tangentTwoOutputs.posterior()).tensors.map(\.name)
    for name in names {
      let message = try refusal { file in
        try file.change(name) { $0.values[$0.values.count - 1] = value }
      }
      #expect(message.contains("not finite"), "\(name): \(message)")
    }
  }

  @Test func precisionsThatAreNotPositiveDefinite() throws {
    for kind in [Kind.linear, .tangent, .lastLayer] {
      let message = try refusal(kind) { file in try file.change("posterior.0.factor") { $0.values[0] = 0 } }
      #expect(message.contains("positive definite"), "\(kind): \(message)")
    }
    for value in [0.0, -1] {
      let message = try refusal { file in try file.change("output_root") { $0.values[0] = value } }
      #expect(message.contains("positive definite"))
    }
  }

  @Test func directionsOfAnotherLength() throws {
    let message = try refusal(.subspace) { file in
      try file.change("members.1.subspace") { $0.values[3] += 0.1 }
    }
    #expect(message.contains("members.1.subspace"))
  }

  /// The reader keeps R's diagonal positive; a negative one is flipped, not trusted to mean something else.
  @Test func aNegativeDiagonalIsTheSamePrecision() throws {
    let posterior = try Kind.origin.posterior()
    var file = try OpenFile(posterior)
    try file.change("posterior.0.factor") { $0.values[2] = -$0.values[2] }
    let read = try? PosteriorFile(bytes: file.bytes(), name: "p").posterior
    #expect(read == nil || read == posterior)
  }

  @Test func manifestsThatContradictThemselves() throws {
    let size = "size"
    #expect(try refusal { file in try file.editMember { $0["weights"] = 3 } }.contains(size))
    #expect(try refusal { file in try file.editMember { $0["responses"] = [Any]() } }.contains(size))
    #expect(try refusal { file in try file.editMember { $0["observations"] = -1 } }.contains(size))
    #expect(try refusal(.notIdentified) { file in try file.editMember { $0["observations"] = 40 } }.contains(size))
    #expect(try refusal { file in try file.edit { $0["members"] = [Any]() } }.contains("member"))
    #expect(try refusal { file in try file.edit { $0["rows"] = -1 } } != "")
    #expect(try refusal { file in try file.edit { $0["rows"] = nil } }.contains("rows"))
    #expect(try refusal { file in try file.edit { $0["rows"] = "20" } } != "")
    for (key, value) in [("prior_ratio", -1), ("prior_shape", -1), ("rate", 0), ("shape", -2)] {
      #expect(
        try refusal { file in try file.editResponse { $0[key] = value } }.contains("response 0"), "\(key)")
    }
    for key in ["prior_rate", "rate", "shape"] {
      #expect(try refusal { file in try file.editResponse { $0[key] = nil } }.contains("response 0"), "\(key)")
    }
    #expect(try refusal { file in try file.editResponse { $0["identified"] = false } } != "")
    #expect(try refusal(.notIdentified) { file in try file.editResponse { $0["identified"] = true } } != "")
    #expect(
      try refusal(.knownNoise) { file in try file.editResponse { $0["known_variance"] = 0 } }.contains("response 0"))
  }

  /// Rows of data and rows of the array are one number said twice.
  @Test func rowCountsThatDisagree() throws {
    for kind in [Kind.linear, .lastLayer, .tangentTwoOutputs] {
      #expect(try refusal(kind) { file in try file.edit { $0["rows"] = 19 } } != "", "\(kind)")
    }
  }

  @Test func modelsThatContradictThemselves() throws {
    func model(_ kind: Kind = .tangentTwoOutputs, _ change: @escaping (inout [String: Any]) -> Void) throws -> String {
      try refusal(kind) { file in
        try file.edit { object in
          guard var model = object["model"] as? [String: Any] else { return }
          change(&model)
          object["model"] = model
        }
      }
    }
    #expect(try model { $0["network"] = nil }.contains("network"))
    #expect(try model { $0["method"] = "linear" } != "")
    #expect(try model { $0["method"] = "magic" } != "")
    #expect(try model(.linear) { $0["method"] = "tangent" }.contains("network"))
    #expect(try model(.linear) { $0["intercept"] = false } != "")
    for count in [0, -1, 13, 1 << 40] { #expect(try model(.subspace) { $0["subspace"] = count }.contains("subspace")) }
    #expect(try model(.subspace) { $0["subspace"] = 4 }.contains("size"))
    #expect(try model(.lastLayer) { $0["subspace"] = 2 }.contains("subspace"))
    #expect(try model { $0["schema"] = ["features": ["a"], "targets": ["y0", "y1"]] } != "")
    for heads in [
      [[1, 4], [0, 2, 3], [5, 6]], [[1, 4]], [[1, 4], [0, 2, 2]], [[0, 1, 2, 4], [3]], [[1, 0], [2, 3, 4]],
    ] {
      let own = try model(.classHeads) { model in
        var schema = model["schema"] as? [String: Any] ?? [:]
        schema["heads"] = heads
        model["schema"] = schema
      }
      #expect(own.contains("heads"), "\(own)")
    }
    #expect(try model(.classHeads) { $0["likelihood"] = "poisson" } != "")
    #expect(try model(.classHeads) { $0["likelihood"] = "bernoulli" } != "")
    #expect(try model { $0["schema"] = ["features": ["a", "b"], "targets": ["y0"]] } != "")
    #expect(try model { $0["schema"] = ["features": ["a", "b"], "targets": [String]()] } != "")
  }

  @Test func normalisationsThatDoNotFit() throws {
    for (key, value) in [
      ("featureScale", [0.0, 1]), ("featureScale", [1, -1]), ("targetScale", [1]), ("featureCenter", [1, 2, 3]),
    ] {
      let message = try refusal { file in
        try file.edit { object in
          guard var own = object["normalisation"] as? [String: Any] else { return }
          own[key] = value
          object["normalisation"] = own
        }
      }
      #expect(message.contains("normalisation"), "\(key)")
    }
  }

  @Test func manifestsThatAreNotJSON() throws {
    for text in ["", "{", "[]", "null", "{} {}", "{\"rows\":1,\"rows\":1}", "{\"rows\":NaN}"] {
      #expect(try refusal { $0.manifest = text }.contains("manifest"), "\(text)")
    }
    #expect(try refusal { file in file.manifest += " x" }.contains("manifest"))
    #expect(
      try refusal {
        $0.metadata["manifest"] = nil; $0.metadata["x"] = ""
      }.contains("not a posterior"))
  }
}
