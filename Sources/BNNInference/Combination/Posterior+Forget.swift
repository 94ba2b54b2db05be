import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors

extension Posterior {
  /// What `forgetting` allows its bound to be.
  public static var forgettingLimit: Double { 1e-6 }

  /// The posterior as if batches had never been absorbed.
  ///
  /// Where `sites` kept what they said, the others' are put together again: to rounding. Else the linear family takes the rows'
  /// array out of the sum (`InformationArray.removing`), and what the data that stay say may drown in the rounding of what went:
  /// refused where ε‖G‖/(λ_min(G₊ + κ)) of the Gram matrices before and after is above `forgettingLimit`. A Gaussian over a
  /// network's weights forgets by sites only: Λ₊ = Λ − ΔΛ, Λ₊m₊ = Λm − Δ(Λm).
  ///
  /// A network's first fit is not forgotten: the linearisation point, the normalisation and the levels of categories came from
  /// its rows.
  ///
  /// - Parameters:
  ///   - batch: the rows, absorbed by an update of `forgettingData()` that is not finished.
  ///   - entries: what the lineage says of them (`batches(rows:digest:)`). The caller appends one entry `forget` for each.
  ///   - linearPartOnly: forgets the rows of a first fit too, in the weights that move; what else came from them stays.
  /// - Returns: the posterior, and a report with the negative log p(these rows | the rest) and the bound.
  /// - Throws: `UpdateError.unsuitable` for rows or models that cannot be forgotten, `UpdateError.notAPosterior` where the result is
  ///   none or its bound too large. O(P³).
  public func forgetting(
    _ batch: SequentialUpdate, absorbedAs entries: [LineageEntry], linearPartOnly: Bool = false, threads: Int = 1
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    try checkForgets(entries, linearPartOnly: linearPartOnly)
    var result = self
    result.rows -= entries.reduce(0) { $0 + $1.rows }
    guard result.rows >= 0 else {
      throw UpdateError.unsuitable("the batch has more rows than the posterior has seen")
    }
    return model.method.keepsCurvature
      ? try result.withoutSites(entries, before: self)
      : try result.withoutRows(of: batch, entries, before: self, threads: threads)
  }

  private func checkForgets(_ entries: [LineageEntry], linearPartOnly: Bool) throws {
    guard model.method != .movingTangent, model.method != .point else {
      throw UpdateError.unsuitable(
        "a posterior of \(model.method.rawValue) cannot forget: its weights moved with every batch")
    }
    guard memory == nil else {
      throw UpdateError.unsuitable("a posterior that keeps rows (--memory) cannot forget a batch")
    }
    let kept = Set(sites.map(\.number))
    let oldest = entries.filter { !kept.contains($0.number) }.map(\.number).min() ?? .max
    if let since = lineage.first(where: { $0.number > oldest && $0.settings[LineageEntry.forgetting] != nil }) {
      throw UpdateError.unsuitable(
        "update \(since.number) made these rows count less, and what they said was not kept apart (--keep-sites): it cannot be told from "
          + "the rows any more")
    }
    guard model.method != .linear, entries.contains(where: \.isFirst) else { return }
    guard !model.method.keepsCurvature else {
      throw UpdateError.unsuitable(
        "these are rows of the first fit, which trained the network, its prior precision and noise: without them there is no posterior; fit anew"
      )
    }
    guard linearPartOnly else {
      throw UpdateError.unsuitable(
        "these are rows of the first fit, from which the network's linearisation point or features, its normalisation and the levels "
          + "of categories come: that cannot be undone; --linear-part-only forgets them in the weights that move, and nothing else"
      )
    }
  }

  // MARK: The linear family

  private func withoutRows(
    of batch: SequentialUpdate, _ entries: [LineageEntry], before: Posterior, threads: Int
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    let numbers = Set(entries.map(\.number))
    let kept = Set(sites.map(\.number)).intersection(numbers)
    let left = sites.filter { $0.number > 0 && !numbers.contains($0.number) }
    var rest = unkept
    if kept != numbers {
      // Of the rows those that were not kept apart.
      var rows = batch.absorbedStatistics
      for own in statistics(ofSites: kept.sorted()) ?? [] {
        for m in rows.indices { guard try rows[m].remove(own[m]) else { throw Self.noPart } }
      }
      for m in rest.indices { guard try rest[m].remove(rows[m]) else { throw Self.noPart } }
    }
    var result = self
    for m in members.indices {
      var sum = rest[m]
      for site in left { if let own = site.statistics { sum.absorb(own[m]) } }
      sum.normalise()
      result.members[m].statistics = sum
    }
    result.keep(left, rest: rest)
    var (posterior, report) = try result.formed(after: before, threads: threads)
    guard posterior.isProper || !before.isProper || posterior.rows == 0 else {
      throw UpdateError.notAPosterior(
        "the rows that stay do not identify the weights, and the prior is flat ("
          + (try posterior.unidentifiedNames()).prefix(8).joined(separator: ", ") + ")")
    }
    if kept != numbers, posterior.rows > 0 {
      let bound =
        try posterior.members.indices.map { try posterior.forgettingBound(member: $0, before: before) }.max() ?? 0
      guard bound <= Self.forgettingLimit else {
        throw UpdateError.notAPosterior(
          "what the rows that stay say would drown in the rounding of what went: the bound on the relative error is \(Float(bound)), "
            + "more than \(Self.forgettingLimit); fit the rows that stay anew, or keep what batches say apart (--keep-sites)"
        )
      }
      report.forgettingBound = bound
    }
    posterior.noteForgotten(
      entries,
      report.forgettingBound.map { "by subtraction, with a relative error of at most \(Float($0))" }
        ?? (posterior.rows == 0 ? "all of them, which leaves the prior" : "by what was kept apart of them, to rounding")
    )
    return (posterior, report)
  }

  private static var noPart: UpdateError {
    .notAPosterior("the rows say more than the posterior holds: they are not what it has absorbed")
  }

  /// ε‖G‖/(λ_min(G₊ + κ)), G = RᵀR of the rows before and G₊ of those that stay, in the units of the weights; the largest over
  /// responses.
  func forgettingBound(member m: Int, before: Posterior) throws -> Double {
    func root(_ posterior: Posterior) -> Matrix {
      let system = posterior.members[m].statistics.system(response: 0)
      return model.method == .linear
        ? system.normalised(normalisation, response: 0, intercept: model.intercept).root : system.root
    }
    let largest = try SingularValueDecomposition(of: root(before)).singularValues.first ?? 0
    let own = root(self)
    let unpenalised = basis(of: members[m]).unpenalised
    let ratio = members[m].responses.map(\.ratio).min() ?? 0
    var stacked = Matrix(rows: own.rows + own.columns, columns: own.columns)
    stacked.storage.replaceSubrange(0..<own.storage.count, with: own.storage)
    for j in unpenalised..<own.columns { stacked[own.rows + j, j] = ratio.squareRoot() }
    let smallest = try SingularValueDecomposition(of: stacked).singularValues.last ?? 0
    let quotient = largest / smallest
    return smallest > 0 ? Double.ulpOfOne * quotient * quotient : .infinity
  }

  // MARK: Gaussians over a network's weights

  private func withoutSites(
    _ entries: [LineageEntry], before: Posterior
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    let numbers = Set(entries.map(\.number))
    guard numbers.isSubset(of: sites.map(\.number)) else {
      throw UpdateError.unsuitable(
        "what these rows said was not kept apart (update --keep-sites), and a \(model.method.rawValue) posterior cannot tell it from the "
          + "rows: their curvature was taken at weights that are gone")
    }
    var result = self
    for site in sites where numbers.contains(site.number) {
      for m in members.indices {
        guard case .gaussian(let part) = site.parts[m] else { throw Self.joinedCurvature }
        result.members[m] = try result.removing(part, fromMember: m)
      }
    }
    result.sites.removeAll { numbers.contains($0.number) }
    var report = UpdateReport(rows: result.rows - before.rows)
    report.logEvidenceTotal = result.meanLogEvidence
    if let total = result.meanLogEvidence, let earlier = before.meanLogEvidence { report.logEvidence = total - earlier }
    if entries.last?.number != lineage.held.last?.number { result.certificate.update = .approximate }
    result.noteForgotten(
      entries, "by what was kept apart of them; the curvature of batches after them stays where they ended with them")
    return (result, report)
  }

  private static var joinedCurvature: UpdateError {
    .unsuitable("the batch's curvature was joined to others': it cannot be told from them any more")
  }

  /// A member without what a site says, Λ₊ = Λ − ΔΛ and Λ₊(m₊ − m) = ΔΛ m − Δ(Λm).
  ///
  /// - Throws: `UpdateError.notAPosterior` where nothing proper is left.
  func removing(_ site: GaussianSite, fromMember m: Int) throws -> Member {
    var result = members[m]
    guard var state = result.laplace, let spec = model.network else { return result }
    guard let curvature = state.curvature.removing(site.curvature) else { throw Self.joinedCurvature }
    let mean = uncertainMean(ofMember: m)
    try state.takePart(curvature)
    state.logEvidence -= site.logEvidence
    let right = zip(site.curvature.times(mean), site.information).map { $0 - $1 }
    let (step, _) = try state.solved(right)
    result.move(to: zip(mean, step).map { $0 + $1 }, Network(spec).parameterRange(ofLayers: state.chosen), state)
    return result
  }

  private mutating func noteForgotten(_ entries: [LineageEntry], _ how: String) {
    let rows = entries.reduce(0) { $0 + $1.rows }
    let start = "The last rows that were forgotten ("
    certificate.reasons.removeAll { $0.hasPrefix(start) }
    certificate.reasons.append("\(start)\(rows)) went \(how).")
    guard model.method != .linear, entries.contains(where: \.isFirst) else { return }
    certificate.reasons.append(
      "The first fit's rows were forgotten in the weights that move; the network, its normalisation and levels still come from them."
    )
  }
}
