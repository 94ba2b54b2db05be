import BNNInference
import BNNModels
import BNNPosteriors
import Foundation

extension Posterior {
  /// The commands whose chain makes this posterior: one `fit`, then the updates, every property and setting spelt out.
  /// Data files are called D1.csv, D2.csv, … since a posterior keeps no paths; a network that --hidden does not describe is written
  /// to network.json first.
  var commandLines: [String] {
    (networkFile.map { ["printf '%s' \(Self.quoted($0)) > network.json"] } ?? []) + chain
  }

  /// The network file that describes what --hidden does not.
  private var networkFile: String? {
    guard let network = model.network, model.joined == nil else { return nil }
    let plain = network.hiddenActivations.first.map {
      NetworkSpec(
        inputs: network.inputs, hidden: network.hiddenUnits, outputs: Network(network).outputs, activation: $0)
    }
    guard network != plain else { return nil }
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let layers = (try? encoder.encode(network.layers)).map { String(decoding: $0, as: UTF8.self) } ?? "[]"
    let shape = network.image.map { "\"input\":{\"shape\":[\($0.channels),\($0.height),\($0.width)]}," } ?? ""
    return "{\(shape)\"layers\":\(layers)}"
  }

  private var chain: [String] {
    var current = lineage.first?.method ?? model.methodName
    let history = History(lineage)
    func file(_ i: Int) -> String { "p\(i + 1).safetensors" }
    return lineage.enumerated().map { i, entry in
      var words = ["bnn-update"]
      switch entry.action {
      case "fit": words += ["fit", "D\(entry.number).csv"] + propertyFlags
      case "update":
        words += ["update", file(history.parents[i]), "D\(entry.number).csv"]
        // A moving tangent that was told to stay where it was, or Laplace's posterior continued by the filter.
        if entry.method != current { words += ["--method", entry.method] }
        // The filter continues a posterior as what it is; mean-field inference makes another of it.
        if entry.method == Method.meanField.rawValue { current = entry.method }
      case "merge":
        words.append("merge")
        if history.parents[i] >= 0 { words += ["--prior", file(history.parents[i])] }
        words += (history.ends[i] ?? []).map(file)
        if let rounds = entry.settings[UpdateSetting.rounds] {
          words += ["--rounds", rounds] + (history.shards[i] ?? []).flatMap { ["--data", Self.dataFile(lineage[$0])] }
        }
      case "forget":
        let batch = lineage[..<i].last { $0.rowDigest == entry.rowDigest && !$0.forgets && !$0.merges }
        words += ["forget", file(history.parents[i]), "D\(batch?.number ?? 0).csv"]
      default: return "# update \(entry.number) was made by `\(entry.action)`"
      }
      for (setting, flag) in [
        ("epochs", "--epochs"), ("batch_size", "--batch-size"), ("learning_rate", "--learning-rate"),
        (UpdateSetting.missing, "--missing"), (UpdateSetting.missingValues, "--missing-values"),
        (UpdateSetting.unseen, "--unseen"), (UpdateSetting.processNoise, "--process-noise"),
        (UpdateSetting.forgetting, "--forgetting"),
      ] {
        if let value = entry.settings[setting] { words += Self.flag(flag, value) }
      }
      words += VariationalOptions.flags(entry.settings) + PointOptions.flags(entry.settings)
      if entry.settings[UpdateSetting.onePass] != nil { words.append("--one-pass") }
      if entry.settings[UpdateSetting.precision] != nil { words.append("--single-precision") }
      if entry.settings[UpdateSetting.keepSites] != nil { words.append("--keep-sites") }
      if entry.settings[UpdateSetting.keepNoise] != nil { words.append("--keep-noise") }
      if entry.settings[UpdateSetting.linearPartOnly] != nil { words.append("--linear-part-only") }
      if entry.settings[UpdateSetting.repeatedData] != nil { words.append("--allow-repeated-data") }
      if let label = entry.label { words += Self.flag("--label", label) }
      if entry.seed != 0 { words += ["--seed", String(entry.seed)] }
      words += ["-o", "p\(entry.number).safetensors"]
      return words.map(Self.quoted).joined(separator: " ")
    }
  }

  /// The rows of some entries, one file.
  private static func dataFile(_ entries: ArraySlice<LineageEntry>) -> String {
    let numbers = Array(entries).held.map { String($0.number) }
    return "D\(numbers.joined(separator: "+")).csv"
  }

  /// A flag with a text that may begin with a dash.
  private static func flag(_ name: String, _ value: String) -> [String] {
    value.hasPrefix("-") ? ["\(name)=\(value)"] : [name, value]
  }

  private static func fitsList(_ name: String) -> Bool {
    !name.contains(",") && name.first?.isWhitespace != true && name.last?.isWhitespace != true
  }

  private var propertyFlags: [String] {
    let schema = model.schema
    var words = schema.targets.flatMap { Self.flag("--target", $0) }
    let columns = schema.featureColumns.map(\.name)
    // A name that a comma-separated list cannot hold: the features are then all other columns, as they were.
    if columns.allSatisfy(Self.fitsList) { words += Self.flag("--features", columns.joined(separator: ",")) }
    let categories = schema.featureColumns.filter { $0.levels != nil }.map(\.name).filter(Self.fitsList)
    if !categories.isEmpty { words += Self.flag("--categorical", categories.joined(separator: ",")) }
    if let time = schema.time { words += Self.flag("--time", time) }
    if let weights = schema.weights { words += Self.flag("--weights", weights) }
    if let classes = schema.classes, classes.allSatisfy(Self.fitsList) {
      words += Self.flag("--classes", classes.joined(separator: ","))
    }
    if let heads = schema.headLabels, heads.joined().allSatisfy({ Self.fitsList($0) && !$0.contains(";") }) {
      words += Self.flag("--heads", heads.map { $0.joined(separator: ",") }.joined(separator: ";"))
    }
    if let task = schema.task { words += Self.flag("--task-column", task) }
    words += ["--method", lineage.first?.method ?? model.methodName]
    if model.likelihood != .gaussian { words += ["--likelihood", model.likelihood.rawValue] }
    if var laplace = model.laplace, lineage.first?.method != Method.point.rawValue {
      // Before mean-field inference or weights without a posterior took it over.
      let earlier = lineage.lazy.compactMap { $0.settings[UpdateSetting.earlierStructure] }.first
      if let structure = earlier.flatMap(CurvatureStructure.init) { laplace.structure = structure }
      words += LaplaceOptions.flags(laplace)
    }
    let joined = model.joined ?? 1
    if networkFile != nil {
      words += ["--network", "network.json"]
    } else if let network = model.network, let activation = network.hiddenActivations.last {
      words += ["--hidden", network.hiddenUnits.map { String($0 / joined) }.joined(separator: ",")]
      words += ["--activation", activation.rawValue]
    }
    if let subspace = model.subspace {
      words += [model.isSketch == true ? "--sketch-only" : "--subspace", String(subspace)]
    }
    if members.count * joined > 1 { words += ["--members", String(members.count * joined)] }
    if joined > 1 { words.append("--join") }
    if rowSketch == nil, rows > 0 { words.append("--no-row-sketch") }
    if drift?.inputs == nil, rows > 0 { words.append("--no-column-sketch") }
    if !model.intercept { words.append("--no-intercept") }
    let rule = normalisationRule
    if rule != .standard { words += ["--normalize", rule.rawValue] }
    if case .given(let value) = model.prior.precision { words += ["--prior-precision", "\(value)"] }
    if case .given(let value) = model.prior.noise { words += ["--noise", "\(value)"] }
    return words
  }

  /// A word as a POSIX shell takes it.
  private static func quoted(_ word: String) -> String {
    let plain = word.unicodeScalars.allSatisfy { scalar in
      scalar.isASCII && (scalar.properties.isAlphabetic || "0123456789_-.,/:=@%+".unicodeScalars.contains(scalar))
    }
    return plain && !word.isEmpty
      ? word : "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }
}
