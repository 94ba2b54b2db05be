import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors

extension Posterior {
  /// The posterior of the union of what shards have seen, from posteriors that went on from one prior apart from each other
  /// (Broderick et al. 2013, "Streaming variational Bayes", equation 3: ∏ p_k / p₀^{K−1}).
  ///
  /// - `linear`, `last-layer`, `parallel-branch`, `tangent`: exact. The arrays of what data said are stacked; the prior's, which all hold, is
  ///   taken out K − 1 times (`InformationArray.removing`), unless the shards kept what each batch said (`sites`), which is
  ///   stacked on the prior's. Then κ is tuned and the posterior formed once, as after an update with all the rows.
  /// - `laplace`, `kalman`, `mean-field`: Λ = Σ Λ_k − (K−1)Λ₀, Λm = Σ Λ_k m_k − (K−1)Λ₀m₀, about m₀: as exact as the shards'
  ///   own posteriors where the network is linear in its uncertain weights and Λ keeps all their dependence. Of `laplace` the noise
  ///   is that of all rows where the shards' followed theirs; the others must have kept the prior's.
  ///
  /// Associative and commutative to rounding: the result is a shard again, of the same prior. Its lineage is the prior's, then
  /// what each shard added, renumbered; the caller adds the entry of the merge.
  ///
  /// - Parameters:
  ///   - prior: what all shards were updated from; nil for linear models that were fitted apart, whose prior has seen nothing.
  ///   - priorDigest: of the prior's file, which must be the parent that the shards name; nil when they name none.
  ///   - names: what messages call the shards.
  ///   - allowsRepeatedData: whether a batch may be in two shards; it then counts twice.
  /// - Throws: `UpdateError.unsuitable` with the reason where the posteriors do not fit together, `UpdateError.repeatedData`
  ///   where two hold the same batch. O(K·P³).
  public static func merged(
    _ shards: [Posterior], prior: Posterior? = nil, priorDigest: String? = nil, names: [String] = [],
    allowsRepeatedData: Bool = false, threads: Int = 1
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    guard let first = shards.first else { throw UpdateError.unsuitable("there is nothing to merge") }
    guard let start = prior ?? first.unseenLinear else {
      throw UpdateError.unsuitable(
        "posteriors of a network are merged with the one that they were all updated from (--prior); without it only linear "
          + "models that were fitted apart can be")
    }
    let merge = Merge(
      start: start, shards: shards,
      names: shards.indices.map { names.indices.contains($0) ? names[$0] : "posterior \($0 + 1)" })
    try merge.check(priorDigest: prior == nil ? nil : priorDigest)
    if !allowsRepeatedData { try merge.refuseRepeatedData() }
    return try start.model.method.keepsCurvature ? merge.gaussians() : merge.linear(threads: threads)
  }

  /// The linear model that has seen nothing, whatever this one has seen; nil for a network.
  private var unseenLinear: Posterior? {
    guard model.method == .linear else { return nil }
    return .linear(
      schema: model.schema, intercept: model.intercept, standardised: model.standardised, prior: model.prior)
  }
}

/// Shards on their way into one posterior.
struct Merge: Sendable {
  let start: Posterior
  let shards: [Posterior]
  let names: [String]

  /// What shard k has been through since the prior.
  func added(_ k: Int) -> [LineageEntry] { Array(shards[k].lineage.dropFirst(start.lineage.count)) }

  // MARK: Whether they fit

  func check(priorDigest: String?) throws {
    guard start.model.method != .movingTangent, start.model.method != .point else {
      throw UpdateError.unsuitable(
        start.model.method == .point
          ? "weights without a posterior cannot be merged"
          : "moving tangents cannot be merged: each has moved its linearisation point on its own; update a tangent instead"
      )
    }
    for (k, shard) in shards.enumerated() {
      func refuse(_ why: String) -> UpdateError { .unsuitable("\(names[k]) cannot be merged: \(why)") }
      if let why = start.mismatch(with: shard) ?? noiseMismatch(k) { throw refuse(why) }
      guard shard.lineage.starts(with: start.lineage), shard.rows >= start.rows else {
        throw refuse("its history does not begin with that of the prior: it was not updated from it")
      }
      let added = added(k)
      if let priorDigest, let parent = added.first?.parent, parent != priorDigest {
        throw refuse("it was updated from another file than the prior: its parent's digest is \(parent)")
      }
      if let entry = added.unmatched.first {
        throw refuse(
          "its update \(entry.number) forgot \(entry.rows) rows that the prior holds; forget them in the merged posterior instead"
        )
      }
      if let entry = added.first(where: { own in LineageEntry.discounts.contains { own.settings[$0] != nil } }) {
        throw refuse("its update \(entry.number) made earlier rows count less, the prior's among them")
      }
    }
  }

  func refuseRepeatedData() throws {
    for k in shards.indices {
      for j in 0..<k {
        guard let (here, there) = added(j).common(with: added(k)) else { continue }
        func words(_ entries: [LineageEntry]) -> String {
          entries.count == 1
            ? "update \(entries[0].number)" : "updates \(entries[0].number) to \(entries[entries.count - 1].number)"
        }
        throw UpdateError.repeatedData(
          "\(names[j]) and \(names[k]) hold the same rows (\(words(here)) of the one, \(words(there)) of the other)")
      }
    }
  }

  // MARK: What all have in common

  /// The prior with the shards' rows and histories; members are yet to be merged.
  func joined() -> Posterior {
    var result = start
    result.rows = shards.reduce(start.rows) { $0 + $1.rows - start.rows }
    result.sites = []
    for k in shards.indices {
      let offset = result.lineage.count - start.lineage.count
      result.lineage += added(k).map { entry in
        var own = entry
        own.number += offset
        return own
      }
    }
    result.rowSketch = rowSketch
    result.drift?.inputs = inputSketch
    let order: [Certificate.Update] = [.exact, .tempered, .approximate, .reconstructed]
    let worst = shards.map { order.firstIndex(of: $0.certificate.update) ?? 0 }.max() ?? 0
    result.certificate.update = order[max(worst, order.firstIndex(of: start.certificate.update) ?? 0)]
    return result
  }

  /// The sample of all rows; nil where one of them keeps none.
  private var rowSketch: RowSketch? {
    guard let before = start.rows == 0 ? start.rowSketch ?? RowSketch() : start.rowSketch else { return nil }
    var sum = RowSketch()
    for shard in shards {
      guard let own = shard.rowSketch else { return nil }
      sum.add(own)
    }
    sum.remove(before, times: shards.count - 1)
    return sum
  }

  /// How the columns of all rows are spread; nil where one of them keeps nothing of it, or other places.
  private var inputSketch: InputSketch? {
    let own = shards.compactMap { $0.drift?.inputs }
    guard own.count == shards.count, start.rows == 0 || start.drift?.inputs != nil else { return nil }
    return InputSketch.merged(own, prior: start.drift?.inputs)
  }

  /// Says in the certificate how the merge was done.
  static func note(_ reason: String, _ certificate: inout Certificate) {
    let start = "Merged from "
    certificate.reasons.removeAll { $0.hasPrefix(start) }
    certificate.reasons.append(start + reason)
  }

  // MARK: The linear family

  /// What a shard's data have said since the prior, batch by batch, of every member; nil where it did not keep that.
  private func increments(_ k: Int) -> [[LinearStatistics]]? {
    let held = added(k).held
    if let kept = shards[k].statistics(ofSites: held.map(\.number)), !held.isEmpty { return kept }
    if start.rows == 0 { return [shards[k].members.map(\.statistics)] }
    return shards[k].rows == start.rows ? [] : nil
  }

  func linear(threads: Int) throws -> (posterior: Posterior, report: UpdateReport) {
    var result = joined()
    let increments = shards.indices.map { self.increments($0) }
    let whole = shards.indices.filter { increments[$0] == nil }
    let (start, shards) = (start, shards)
    let statistics = try parallelMap(start.members.count, threads: threads) { m in
      var sum = (whole.first.map { shards[$0] } ?? start).members[m].statistics
      for k in whole.dropFirst() { sum.absorb(shards[k].members[m].statistics) }
      if whole.count > 1, try !sum.remove(start.members[m].statistics, times: whole.count - 1) {
        return nil as LinearStatistics?
      }
      for own in increments.flatMap({ $0 ?? [] }) { sum.absorb(own[m]) }
      sum.normalise()
      return sum
    }
    guard statistics.allSatisfy({ $0 != nil }) else {
      throw UpdateError.unsuitable("the posteriors do not hold what the prior holds: they were not updated from it")
    }
    for (m, own) in statistics.enumerated() { if let own { result.members[m].statistics = own } }
    keepSites(&result)
    let ofWhole = whole.count
    Self.note(
      "\(shards.count) posteriors"
        + (ofWhole < 2
          ? " by what their data said since the prior that they share: nothing was subtracted."
          : "; the prior that they share was taken out of \(ofWhole) of them \(ofWhole - 1) \(ofWhole == 2 ? "time" : "times"), by "
            + "orthogonal transformations: rounding may have grown by a factor of \(ofWhole), not more."),
      &result.certificate)
    return try result.formed(after: start, threads: threads)
  }

  /// What batches said stays apart where all shards have kept it.
  private func keepSites(_ result: inout Posterior) {
    let added = shards.indices.map { self.added($0).held }
    guard zip(shards, added).allSatisfy({ $0.statistics(ofSites: $1.map(\.number)) != nil }),
      shards.contains(where: { !$0.sites.isEmpty })
    else { return }
    var sites = start.sites
    var offset = 0
    for (k, shard) in shards.enumerated() {
      let numbers = Set(added[k].map(\.number))
      sites += shard.sites.filter { numbers.contains($0.number) }.map {
        BatchSite(number: $0.number + offset, parts: $0.parts)
      }
      offset += self.added(k).count
    }
    result.keep(sites, rest: start.unkept)
  }
}

extension Posterior {
  /// Why another posterior is not about the same weights in the same units; nil when it is.
  fileprivate func mismatch(with other: Posterior) -> String? {
    let (a, b) = (model, other.model)
    if a.method != b.method { return "its method is \(b.method.rawValue), the prior's \(a.method.rawValue)" }
    if a.schema != b.schema { return "its columns, levels or classes are not the prior's" }
    if a.network != b.network || a.intercept != b.intercept || a.likelihood != b.likelihood {
      return "its network or likelihood is not the prior's"
    }
    if a.prior != b.prior { return "its prior precision or noise was set otherwise than the prior's" }
    if a != b { return "its structure, layers or subspace are not the prior's" }
    if a.method != .linear
      ? normalisation != other.normalisation : normalisation.weightScale != other.normalisation.weightScale
    {
      return "its normalisation is not the prior's: it comes from another fit"
    }
    if memory != nil || other.memory != nil { return "it keeps rows of the data (--memory), which cannot be merged" }
    if members.count != other.members.count {
      return "it has \(other.members.count) members, the prior \(members.count)"
    }
    for (p, q) in zip(members, other.members) {
      if p.outputRoot != q.outputRoot || p.subspace != q.subspace {
        return "its output covariance or subspace is not the prior's: it comes from another fit"
      }
      if let own = p.laplace, let state = q.laplace, let spec = a.network {
        let moving = Network(spec).parameterRange(ofLayers: own.chosen)
        let held = p.theta.indices.allSatisfy {
          moving.contains($0) && own.displacement == nil || p.theta[$0] == q.theta[$0]
        }
        guard held, own.chosen == state.chosen else {
          return "its linearisation point or features are not the prior's: it comes from another fit"
        }
        if own.noiseVariance != state.noiseVariance, !followsNoiseInMerges {
          return "its noise is not the prior's, and earlier rows count by it: update shards with --keep-noise"
        }
        if own.prior != state.prior
          || own.predictiveScale != state.predictiveScale
        {
          return "its hyper-parameters are not the prior's"
        }
      } else if p.theta != q.theta {
        return "its linearisation point or features are not the prior's: it comes from another fit"
      }
    }
    return nil
  }
}
