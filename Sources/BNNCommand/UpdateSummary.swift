import BNNInference
import BNNPosteriors
import Foundation

/// What `fit` and `update` say when they are done.
struct UpdateSummary {
  let action: String
  let posterior: Posterior
  let report: UpdateReport
  let output: String
  let bytes: Int
  let seconds: Double
  /// Of an update of a posterior that keeps a sample of its rows; nil for every other.
  var repeated: RepeatedRows?
  /// Of an update whose rows could be compared with the earlier ones; nil for every other.
  var drift: DriftTest?

  /// Nats a row from which a guessed gap is worth a line: half of the guesses are off by less than that.
  private static let shownGuess = 0.15

  func print(_ console: Console) {
    console.result([
      ("rows", .integer(report.rows)), ("rows_total", .integer(posterior.rows)),
      ("method", .string(posterior.model.methodName)), ("structure", .string(structure)),
      ("likelihood", .string(posterior.model.likelihood.rawValue)),
      ("parameters", .integer(posterior.movingWeights)), ("members", .integer(posterior.members.count)),
      ("log_evidence", .optional(report.logEvidence)), ("log_evidence_total", .optional(report.logEvidenceTotal)),
      ("certificate", certificateJSON(posterior)), ("noise", .perTarget(posterior.noiseDeviations)),
      ("prior_precision", .perTarget(posterior.priorPrecisions)), ("identified", .boolean(posterior.isProper)),
      ("information_gain", .optional(posterior.lineage.last?.informationGain)),
      ("subspace_share", .optional(report.subspaceShare)),
      ("not_identified", .strings((try? posterior.unidentifiedNames()) ?? [])), ("output", .string(output)),
      ("misfit", .optional(report.misfit)), ("gap_guess", .optional(report.gapGuess)),
      ("distance_to_optimum", .optional(report.distanceToOptimum)),
      ("shift", .optional(report.shift)), ("compression_error", .optional(report.compressionError)),
      ("curvature_drift", .optional(report.curvatureDrift)), ("dispersion", .optional(report.dispersion?.value)),
      ("repeated_rows_estimate", .optional(repeated?.estimate)),
      ("repeated_rows_standard_error", .optional(repeated?.standardError)),
      ("repeated_rows_expected", .optional(repeated?.expected)), ("repeated_rows_p_value", .optional(repeated?.pValue)),
      ("drift", drift?.json ?? .null), ("forgetting", .optional(report.power)),
      ("rows_effective", .number(posterior.lineage.effectiveRows)),
      ("forgetting_bound", .optional(report.forgettingBound)),
      ("predictive_scale", .optional(posterior.predictiveScale)), ("bound", .optional(report.variational?.bound)),
      ("strength", .optional(report.point?.strength)), ("passes", report.point.map { .integer($0.epochs) } ?? .null),
      ("bound_standard_error", .optional(report.variational?.standardError)),
      ("divergence", .optional(report.variational?.divergence)),
      ("bounds", report.variational.map { .array($0.bounds.map { .number($0) }) } ?? .null),
      (
        "timings",
        report.timings.map {
          .object([
            ("training", .number($0.training)), ("curvature", .number($0.curvature)),
            ("evidence", .number($0.evidence)),
          ])
        } ?? .null
      ), ("seconds", .number(seconds)),
    ])
    let number = posterior.lineage.count
    console.say(
      "\(output): \(done(number)) rows" + (isFirst ? "" : " (\(posterior.rows) in all)")
        + ", \(posterior.model.methodName)\(posterior.model.laplace == nil ? "" : ", \(structure)"), "
        + "\(posterior.movingWeights) weights"
        + (posterior.members.count > 1 ? " in each of \(posterior.members.count) members" : "")
        + (report.variational != nil ? "" : report.logEvidence.map { ", log evidence \(readable($0)) nats" } ?? ""))
    if let drift {
      console.say(
        drift.found
          ? "drift: these rows are not like those before them (p = \(brief(drift.pValue)))"
          : "drift: none seen (p = \(brief(drift.pValue)))")
    }
    if let power = report.power {
      let all = posterior.lineage.effectiveRows
      console.say(
        "earlier rows count \(readable(power)) times since this update: as \(readable(all - Double(report.rows))) rows, with these as "
          + readable(all))
    }
    if let bound = report.forgettingBound {
      console.say("by subtraction: the relative error of that is at most \(readable(bound))")
    }
    if let share = report.subspaceShare {
      console.say(
        "subspace: \(posterior.movingWeights) directions of \(posterior.members[0].theta.count) weights keep "
          + "\(readable(100 * share)) % of these rows' squared derivatives")
    }
    if let guess = report.gapGuess, guess >= Self.shownGuess {
      console.say(
        "the noise grew: a network retrained on all rows might gain about \(readable(guess)) nats a row (a guess, half of which are off by 0.1 "
          + "or more); `bnn-update compare` measures it, and --method moving-tangent of fit closes most of it")
    }
    if let misfit = report.misfit {
      console.say(
        "the linearisation point moved; the map that carries the earlier rows there misses \(readable(100 * misfit)) % of the "
          + "squared derivatives")
    }
    if let distance = report.distanceToOptimum, let shift = report.shift {
      console.say(
        "the mean "
          + (isFirst ? "" : "moved by \(readable(shift)) standard deviations of the posterior before, and ")
          + "is \(readable(distance)) of its own from the optimum"
          + (action != "import" && distance > 0.1 * Double(posterior.movingWeights).squareRoot()
            ? "; more --epochs come closer" : ""))
    }
    if let own = report.point {
      console.say(
        "\(own.settings.method.rawValue)\(own.strength.map { ", strength \(readable($0))" } ?? ""): \(own.epochs) passes of Adam"
          + (own.resumedAfter.map { ", after the \($0) that its state had behind it" } ?? "")
          + "; the weights moved by \(readable(report.shift)) standard deviations of what the rows before left open (diagonal)"
      )
    }
    if let own = report.variational {
      console.say(
        "log evidence at least \(readable(own.bound))"
          + (own.standardError > 0 ? " ± \(readable(own.standardError))" : "")
          + " nats (the variational bound), of which the divergence from the "
          + "\(action == "fit" ? "prior" : "posterior before") is \(readable(own.divergence)); "
          + (own.bounds.isEmpty ? "in closed form" : "\(own.bounds.count) passes")
          + (action == "fit" || report.shift == nil
            ? "" : "; the mean moved by \(readable(report.shift)) standard deviations of the posterior before"))
    }
    if let drift = report.curvatureDrift {
      console.say(
        "had the batch's curvature been taken at the mean before, the posterior's log volume would differ by "
          + "\(readable(drift)) nats")
    }
    if let dispersion = report.dispersion, dispersion.isOver {
      console.say(
        "these counts scatter \(readable(dispersion.value)) times as much as Poisson counts would (Pearson's dispersion): the "
          + "posterior and its intervals are too narrow; look for a feature or more --hidden units that explain it, or let "
          + "--likelihood heteroscedastic learn the spread")
    }
    if let error = report.compressionError, error > 0 {
      console.say(
        (posterior.model.laplace?.structure == .kronecker
          ? "the batches' Kronecker products are solved as the single product nearest to their sum, which misses "
          : "the batches' curvatures are solved as one in one Kronecker basis, which misses ")
          + "\(readable(100 * error)) % of it")
    }
    if let missing = try? posterior.unidentifiedNames(), !missing.isEmpty {
      console.say(notIdentified(missing))
    } else {
      console.say(
        (posterior.model.likelihood.hasNoise ? "noise \(readable(posterior.noiseDeviations)), " : "")
          + "prior precision \(readable(posterior.priorPrecisions))\(posterior.priorRemark), certificate "
          + posterior.certificate.update.rawValue + conditions)
    }
    if action == "fit", posterior.model.method == .kalman {
      console.say("the file has \(size(bytes)); an update takes rows one at a time, from a file or as they arrive (-)")
    } else if isFirst, posterior.model.laplace != nil {
      console.say("the file has \(size(bytes)); an update trains on the new rows and needs them all in memory")
    } else if action == "fit" {
      console.say(
        "the file has \(size(bytes)); an update needs about \(memory) of memory and \(cost) for every 1,000 rows"
          + (moveSeconds.map { ", and to move the linearisation point up to \(duration($0))" } ?? ""))
    }
  }

  /// Whether nothing was there before it.
  private var isFirst: Bool { action == "fit" || action == "import" }

  private func done(_ number: Int) -> String {
    switch action {
    case "fit": "fitted, \(report.rows)"
    case "import": "imported, \(report.rows)"
    case "merge": "merged, \(report.rows) new"
    case "forget": "forgot \(-report.rows)"
    default: "update \(number), \(report.rows)"
    }
  }

  private var structure: String { posterior.model.laplace?.structure.rawValue ?? FullPrecision.structure }

  private var conditions: String {
    let fixed = posterior.certificate.conditionalOn.map { condition in
      condition.fixedBy.map { "the \(condition.what) of update \($0)" } ?? "your \(condition.what)"
    }
    return fixed.isEmpty ? "" : ", given " + fixed.joined(separator: " and ")
  }

  private func size(_ bytes: Int) -> String {
    bytes < 1_000_000 ? "\(max(1, bytes / 1000)) kB" : String(format: "%.1f MB", Double(bytes) / 1e6)
  }

  /// The numbers of the directions of a subspace, M·P.
  private var directions: Double {
    posterior.members.reduce(0) { $0 + Double($1.subspace?.storage.count ?? 0) }
  }

  private var memory: String {
    let p = Double(posterior.members.first?.statistics.weights ?? 0)
    // Beside the directions a block of derivatives is held, as wide as the network.
    let width = Double(posterior.members.first?.theta.count ?? 0)
    let reduced = directions > 0 ? 2 * directions + min(8_388_608, 1024 * width) : 0
    let moves = posterior.members.reduce(0) { $0 + ($1.costOfMove?.numbers ?? 0) }
    return size(Int(8 * ((4 * p * p + 2048 * p) * Double(posterior.members.count) + reduced + moves)) + 20_000_000)
  }

  /// 2·1000·P² flops for the rows (and 2·1000·M·P to project them) and some 6·P³ for the posterior, at the 10 GFlop/s of
  /// one ordinary core.
  private var cost: String {
    let p = Double(posterior.members.first?.statistics.weights ?? 0)
    let store = posterior.members.reduce(0) { sum, member in
      let w = Double(member.store?.statistics.weights ?? 0)
      return sum + 2000 * w * w
    }
    let seconds =
      ((2000 * p * p + 6 * p * p * p) * Double(posterior.members.count) + 2000 * directions + store) / 1e10
    return duration(seconds)
  }

  private var moveSeconds: Double? {
    let flops = posterior.members.compactMap { $0.costOfMove?.flops }
    return flops.isEmpty ? nil : flops.reduce(0, +) / 1e10
  }

  private func duration(_ seconds: Double) -> String {
    seconds < 0.1 ? "less than 0.1 s" : String(format: "%.1f s", seconds)
  }
}
