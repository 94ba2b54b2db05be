import ArgumentParser
import BNNInference
import BNNPosteriorFile
import BNNPosteriors
import Foundation

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "What a posterior is, what it has seen, and how exact it is.",
    usage: "bnn-update inspect [<options>] <posterior>")

  @Argument(help: "The posterior file.")
  var posterior: String

  @Flag(name: .long, help: "Print the commands that would make it again (data files by number).")
  var command = false

  @OptionGroup var global: GlobalOptions

  func run() throws {
    let console = global.console
    let file = try loadPosterior(posterior)
    let own = file.posterior
    if command {
      let lines = own.commandLines
      console.result([("commands", .strings(lines))])
      for line in lines { console.say(line) }
      return
    }
    let missing = try own.unidentifiedNames()
    let coefficients = own.coefficients()
    var object: [(String, JSONText)] = [
      ("manifest", .verbatim(file.manifest)), ("digest", .string(file.digest)),
      ("lineage", lineage(own.lineage)), ("identified", .boolean(own.isProper)), ("not_identified", .strings(missing)),
      ("noise", .perTarget(own.noiseDeviations)), ("prior_precision", .perTarget(own.priorPrecisions)),
      ("predictive_scale", .optional(own.predictiveScale)),
      ("memory_rows", .integer(own.memory?.rows ?? 0)), ("certificate", certificateJSON(own)),
      (
        "members",
        .array(
          own.members.indices.map { k in
            .object([
              ("log_evidence", .optional(own.logEvidence(ofMember: k))),
              ("noise", .perTarget(own.noiseDeviations(of: own.members[k]))),
              ("prior_precision", .perTarget(own.priorPrecisions(of: own.members[k]))),
            ])
          })
      ),
    ]
    if own.model.method == .linear {
      object.append(
        (
          "coefficients",
          .array(
            coefficients.map { c in
              .object([
                ("name", .string(c.name)), ("target", .string(c.target)), ("mean", .optional(c.mean)),
                ("sd", .optional(c.scale)), ("dof", .optional(c.degreesOfFreedom)),
              ])
            })
        ))
    }
    console.result(object)
    describe(own, file, coefficients, missing, console)
  }

  private func describe(
    _ own: Posterior, _ file: PosteriorFile, _ coefficients: [Coefficient], _ missing: [String], _ console: Console
  ) {
    let model = own.model
    console.say("\(posterior): \(model.methodName) posterior of \(model.schema.targets.joined(separator: ", "))")
    if let network = model.network {
      console.say(
        "network:     \(network.image.map { "images of \($0)" } ?? "\(network.inputs) inputs"), "
          + network.layers.map(\.words).joined(separator: ", "))
    }
    let columns = model.schema.featureColumns.map { column in
      column.levels.map { levels in
        "\(column.name) (\(levels.count) levels: \(levels.prefix(6).joined(separator: ", "))\(levels.count > 6 ? ", …" : ""))"
      } ?? column.name
    }
    // Images have hundreds.
    let shown = columns.count > 40 ? columns.prefix(3) + ["…"] + columns.suffix(1) : columns[...]
    console.say(
      "features:    " + (columns.count > 40 ? "\(columns.count) columns: " : "") + shown.joined(separator: ", "))
    if let classes = model.schema.classes {
      console.say(
        "classes:     \(classes.prefix(20).joined(separator: ", "))\(classes.count > 20 ? ", …" : "") (\(classes.count))"
      )
    }
    if let heads = model.schema.headLabels {
      let shown = heads.prefix(20).map { $0.prefix(20).joined(separator: ", ") + ($0.count > 20 ? ", …" : "") }
      console.say(
        "heads:       \(shown.joined(separator: "; "))\(heads.count > 20 ? "; …" : "") (\(heads.count): a row is predicted within "
          + "that of its class"
          + (model.schema.task.map { "; the column \($0) says which without one" } ?? "") + ")")
    }
    if let laplace = model.laplace {
      console.say(
        "likelihood:  \(model.likelihood.rawValue); structure \(laplace.structure.rawValue)"
          + (laplace.layers.map { ", layers \($0.lowerBound) to \($0.upperBound - 1) uncertain" } ?? "")
          + (laplace.curvatureDraws > 0 ? ", averaged over \(2 * laplace.curvatureDraws) drawn weights" : ""))
    }
    if let weights = model.schema.weights { console.say("row weights: \(weights)") }
    console.say(
      "weights:     \(own.movingWeights) that move"
        + (own.members.count > 1 ? ", in each of \(own.members.count) members" : ""))
    if let count = model.subspace {
      let shares = own.lineage.map { readable($0.subspaceShare) }.joined(separator: ", ")
      console.say(
        "subspace:    \(count) \(model.isSketch == true ? "random " : "")directions of \(own.members[0].theta.count) weights; share of the squared derivatives that "
          + "they keep, batch by batch: \(shares)")
    }
    if let columns = own.members.first?.store?.statistics.weights {
      console.say("store:       what all rows said at the first linearisation point, on \(columns) columns; exact")
    }
    let batches = own.lineage.held.count
    let counted = own.lineage.effectiveRows
    console.say(
      "rows seen:   \(own.rows) in \(batches) \(batches == 1 ? "batch" : "batches")"
        + (counted < Double(own.rows) - 1e-6 ? ", which count as \(readable(counted))" : ""))
    if missing.isEmpty {
      if model.likelihood.hasNoise {
        console.say("noise:       \(readable(own.noiseDeviations)) (standard deviation, target's units)")
      }
      console.say("prior:       precision \(readable(own.priorPrecisions)) on normalised weights\(own.priorRemark)")
      if own.members.count > 1 {
        for (k, member) in own.members.enumerated() {
          console.say(
            "  network \(k + 1): noise \(readable(own.noiseDeviations(of: member))), prior precision "
              + "\(readable(own.priorPrecisions(of: member))), log evidence \(readable(own.logEvidence(ofMember: k))) nats"
          )
        }
      }
    } else {
      console.say(notIdentified(missing))
    }
    if let share = own.predictiveScale {
      console.say(
        "predictions: believe \(readable(share)) of the outputs' variance"
          + (share == 0 ? ": the most probable network's own probabilities" : ", chosen on D1"))
    }
    console.say("certificate: \(own.certificate.update.rawValue)")
    for condition in own.certificate.conditionalOn {
      console.say(
        condition.fixedBy.map { "  given the \(condition.what), fixed by update \($0)" }
          ?? "  given your \(condition.what)")
    }
    for reason in own.certificate.reasons { console.say("  \(reason)") }
    if !coefficients.isEmpty {
      console.say("coefficients (mean, sd, degrees of freedom):")
      for c in coefficients {
        let name = model.schema.targets.count > 1 ? "\(c.target): \(c.name)" : c.name
        console.say("  \(name)  \(readable(c.mean))  \(readable(c.scale))  \(readable(c.degreesOfFreedom))")
      }
    }
    console.say("lineage:")
    for line in History(own.lineage).lines { console.say(line) }
    let apart = own.sites.filter { $0.number > 0 }.map { String($0.number) }
    if !apart.isEmpty {
      console.say(
        "kept apart:  what \(apart.count == 1 ? "update" : "updates") \(apart.joined(separator: ", ")) said, for `forget` and `merge`"
      )
    }
    let store = own.members.first?.store?.statistics
    let keptColumns = max(own.movingWeights, store?.weights ?? 0)
    let isMeanField = model.method == .meanField
    console.say(
      "kept of the data: \(isMeanField ? "means and deviations of the weights" : "sums over rows"), \(own.memory == nil ? "not" : "and some") rows; but "
        + (model.isSketch == true
          ? "of \(own.rows) rows in \(own.movingWeights) random directions: the rows' span is not in the file; that is no proof of anonymity"
          : own.rows < keptColumns && !isMeanField
            ? "with fewer rows than \(store == nil ? "weights" : "columns of the store") the rows can be reconstructed from them"
            : "they are not anonymised"))
    if let state = own.members.first?.laplace?.optimiser {
      console.say(
        "optimizer:   Adam's state after \(state.epochs) of \(state.scheduleEpochs) passes, which an update by hot-start takes up"
      )
    }
    if let memory = own.memory {
      console.say(
        "memory:      \(memory.rows) \(memory.rows == 1 ? "row" : "rows") of the data are kept in the file, as they are"
      )
    }
    if let sketch = own.rowSketch {
      let kept = sketch.counts.count
      console.say(
        "row sketch:  fingerprints of \(sketch.rate < 1 ? "a sample of " : "")\(kept) \(kept == 1 ? "row" : "rows"): whoever has one of these rows can "
          + "tell that it was seen (fit --no-row-sketch keeps none)")
    }
    if let sketch = own.drift?.inputs {
      let (all, exact) = (sketch.columns.count, sketch.columns.count { $0.isDiscrete })
      let amounts = exact > 0 ? "\(all - exact) of \(all)" : "each of \(all)"
      console.say(
        "column sketch: "
          + [
            exact < all ? "31 values or fewer of \(amounts) columns" : "",
            exact > 0 ? "all different values of \(exact) columns" : "",
          ].filter { !$0.isEmpty }.joined(separator: ", ")
          + ", with the shares of rows between them, each column for itself (fit --no-column-sketch keeps none)")
    }
    if let inputs = own.inputs {
      let (all, exact) = (inputs.levels.count, inputs.isDiscrete.count { $0 })
      let components = inputs.mixture.components
      console.say(
        "kept of the inputs: a mixture of \(components) \(components == 1 ? "Gaussian" : "Gaussians")"
          + (exact > 0 ? "; all different values of \(exact) of \(all) columns" : "")
          + (exact < all
            ? "; the least and largest value of each of the \(exact > 0 ? "other " : "")\(all - exact) columns" : ""))
    }
    console.say("digest:      \(file.digest)")
  }

  private func lineage(_ entries: [LineageEntry]) -> JSONText {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return .array(
      entries.compactMap { entry in
        (try? encoder.encode(entry)).map { .verbatim(String(decoding: $0, as: UTF8.self)) }
      })
  }
}
