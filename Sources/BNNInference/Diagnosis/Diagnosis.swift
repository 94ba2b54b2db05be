import BNNLinearAlgebra
import BNNModels
import BNNPosteriors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// One thing that a posterior's numbers say about what its data could teach it.
public struct Finding: Sendable, Equatable {
  public enum Kind: String, Sendable, CaseIterable {
    /// How many directions of the weights the rows have informed.
    case rank
    /// Ratio of the best informed direction to the worst, columns scaled alike.
    case condition
    /// Columns of which only a combination is known.
    case collinear
    /// A column that has one value in all rows.
    case constantColumn = "constant-column"
    /// A hidden unit whose value is 0 in all rows.
    case deadUnit = "dead-unit"
    /// A hidden unit whose value is the same in all rows, or that nothing depends on.
    case idleUnit = "idle-unit"
    /// Hidden units that say the same in all rows.
    case identicalUnits = "identical-units"
    /// Layers that are held at their values of D1.
    case frozenLayers = "frozen-layers"
    /// γ, the number of weights that the rows, not the prior, determine.
    case effectiveParameters = "effective-parameters"
    /// The posterior's spread over the prior's, in a layer.
    case spread
    /// How many networks with other weights give the same predictions, log₁₀.
    case symmetries
    /// e where the spread falls like N^−e between an earlier posterior and this one.
    case contraction
    /// A batch that was absorbed although it was not like the rows before.
    case drift
  }

  public let kind: Kind
  /// What it is about: columns, units or layers by name; nil for all weights.
  public let subject: String?
  public let value: Double
  public let meaning: String
  /// What to do; nil where nothing needs to be done.
  public let remedy: String?
  public var needsAttention: Bool { remedy != nil }

  public init(_ kind: Kind, _ subject: String? = nil, value: Double, meaning: String, remedy: String? = nil) {
    self.kind = kind
    self.subject = subject
    self.value = value
    self.meaning = meaning
    self.remedy = remedy
  }
}

extension Posterior {
  /// Weights beyond which directions are not looked at, whose matrix would be too large.
  static var mostDiagnosedWeights: Int { 2500 }

  /// What the data could teach the weights and what they could not.
  ///
  /// - Parameter earlier: a posterior from which this one came by updates, to see whether its spread falls as rows come; nil goes by
  ///   what the newest update left in the lineage.
  /// - Throws: `UpdateError.unsuitable` where `earlier` is about other weights, `LinearAlgebraError`. O(P³) a member up to some 2,500
  ///   weights.
  public func diagnosis(earlier: Posterior? = nil) throws -> [Finding] {
    guard rows > 0 else { throw UpdateError.unsuitable("the posterior has seen no rows yet") }
    var findings: [Finding] = []
    for m in members.indices {
      let word = members.count > 1 ? "network \(m + 1)" : nil
      findings += try directions(member: m, word) + spreads(member: m, word)
    }
    findings += frozenLayers + symmetries
    if let earlier {
      findings += try contraction(since: earlier)
    } else if let effective = findings.first(where: { $0.kind == .effectiveParameters })?.value,
      let own = try contractionOfLineage(effective: effective)
    {
      findings.append(own)
    }
    for entry in lineage.held {
      guard let drift = entry.drift, !drift.reasons.isEmpty else { continue }
      findings.append(
        Finding(
          .drift, "update \(entry.number)", value: drift.pValue,
          meaning:
            "its \(entry.rows) rows differed in \(drift.reasons.prefix(8).joined(separator: ", ")) from those before it",
          remedy:
            "check that they are of one source; `forget` takes them out, --forgetting makes what came before count less"
        ))
    }
    return findings
  }

  // MARK: Number and spread

  /// Of every number that moves, its variance and its prior's, in units of the noise where that is unknown.
  func variances(member m: Int) throws -> (posterior: [Double], prior: [Double])? {
    let member = members[m]
    if let own = member.laplace {
      guard model.method != .point else { return nil }
      return (try own.factored().marginalVariances, own.prior.expanded(own.curvature.layers).map { 1 / $0 })
    }
    guard let response = member.responses.first, let own = response.posterior else { return nil }
    let first = basis(of: member).unpenalised
    return (
      own.factor.marginalVariances(),
      (0..<own.mean.count).map { $0 < first || response.ratio == 0 ? .infinity : 1 / response.ratio }
    )
  }

  private func spreads(member m: Int, _ word: String?) throws -> [Finding] {
    guard let (posterior, prior) = try variances(member: m) else { return [] }
    let effective: Double
    if members[m].laplace != nil {
      effective = zip(posterior, prior).reduce(0) { $0 + 1 - $1.0 / $1.1 }
    } else {
      effective = members[m].responses.map(\.effectiveWeights).max() ?? 0
    }
    let n = countedRows
    let count = posterior.count
    var findings = [
      Finding(
        .effectiveParameters, word, value: effective,
        meaning:
          "of \(count) weights the rows determine as much as \(Self.brief(effective)) would take; the prior does the rest ("
          + "\(Self.brief(n / max(effective, 1e-9))) rows for each)",
        remedy: effective > 0.8 * n
          ? "hardly more rows than parameters: use a smaller network (--hidden) or fewer columns, or bring more rows"
          : nil)
    ]
    let places = WeightPlaces(self)?.layers.map { ($0.name, $0.range) } ?? [("all weights", 0..<count)]
    for (name, range) in places {
      let ratios = range.filter { prior[$0].isFinite }.map { (posterior[$0] / prior[$0]).squareRoot() }
      guard !ratios.isEmpty else { continue }
      let mean = ratios.reduce(0, +) / Double(ratios.count)
      findings.append(
        Finding(
          .spread, [word, name].compactMap { $0 }.joined(separator: ", "), value: mean,
          meaning: "the posterior is on average \(Self.brief(mean)) as wide as the prior (1: nothing was learnt)",
          remedy: mean > 0.99
            ? "the rows say next to nothing of these weights: a smaller layer, or --layers last, would lose nothing"
            : nil))
    }
    return findings
  }

  static func brief(_ value: Double) -> String {
    guard value.isFinite else { return "∞" }
    let digits = value == 0 ? 0 : max(0, 2 - Int(floor(log10(abs(value)))))
    let scale = pow(10, Double(min(digits, 12)))
    let rounded = (value * scale).rounded() / scale
    return rounded == rounded.rounded() && abs(rounded) < 1e15 ? "\(Int(rounded))" : "\(rounded)"
  }

  // MARK: What the network itself brings

  private var frozenLayers: [Finding] {
    guard let spec = model.network, model.method != .linear else { return [] }
    let all = Network(spec).layers.count
    let moving: Range<Int>
    switch model.method {
    case .lastLayer, .parallelBranch: moving = (all - 1)..<all
    default: moving = model.laplace?.layers ?? 0..<all
    }
    let held = (0..<all).filter { !moving.contains($0) }.map { "layers.\($0)" }
    guard !held.isEmpty else { return [] }
    return [
      Finding(
        .frozenLayers, held.joined(separator: ", "), value: Double(held.count),
        meaning:
          "held at the values of D1, without uncertainty: later rows change nothing there, and the spread of predictions says "
          + "nothing of what these layers may have got wrong")
    ]
  }

  /// ∏ h! permutations of hidden units, and 2^h signs where h(−z) = −h(z).
  private var symmetries: [Finding] {
    var (logarithm, units) = (0.0, 0)
    for case .dense(let count, let activation) in model.network?.layers.dropLast() ?? [] {
      units += count
      logarithm += lgamma(Double(count + 1)) / log(10)
      if activation == .tanh { logarithm += Double(count) * log10(2) }
    }
    guard units > 0 else { return [] }
    return [
      Finding(
        .symmetries, value: logarithm,
        meaning: "10^\(Self.brief(logarithm)) settings of the weights give the same network (units exchanged"
          + (logarithm > lgamma(Double(units + 1)) / log(10) ? ", signs turned" : "")
          + "): the posterior is about one of them, so weights of two fits are not to be averaged or compared")
    ]
  }

  // MARK: Rows and spread

  /// −log(sd₂/sd₁)/log(N₂/N₁), the mean over weights whose spread was below half of the prior's.
  private func contraction(since earlier: Posterior) throws -> [Finding] {
    _ = try PosteriorDifference(earlier, self)
    let (before, now) = (earlier.countedRows, countedRows)
    guard now > before, before > 0, let first = try earlier.variances(member: 0), let second = try variances(member: 0)
    else {
      throw UpdateError.unsuitable("the earlier posterior has not seen fewer rows, or one of them has no spread yet")
    }
    let informed = first.posterior.indices.filter {
      first.posterior[$0] < 0.25 * first.prior[$0] && second.posterior[$0] > 0
    }
    guard !informed.isEmpty else {
      return [
        Finding(
          .contraction, value: 0,
          meaning: "no weight was informed by the earlier rows, so that there is nothing to fall",
          remedy: "bring more rows, or use a smaller network")
      ]
    }
    // The prior's part does not fall; what the rows added to the precision does.
    let mean =
      informed.reduce(0.0) { $0 + 0.5 * log(first.posterior[$1] / second.posterior[$1]) } / Double(informed.count)
    let rate = mean / log(now / before)
    return [
      Finding(
        .contraction, "\(informed.count) weights that the earlier rows had informed", value: rate,
        meaning:
          "the spread falls like N^−\(Self.brief(rate)) from \(Self.brief(before)) to \(Self.brief(now)) rows (½ for rows that all "
          + "bring something new)",
        remedy: rate < 0.25 ? Self.repeatedRemedy : nil)
    ]
  }
}
