import BNNModels
import BNNPosteriors

extension Posterior {
  /// - Throws: `UpdateError.unsuitable` for a posterior in which what a batch said cannot be told from the rest.
  public func checkKeepsSites() throws {
    func refuse(_ why: String) -> UpdateError { .unsuitable("what a batch says cannot be kept apart: \(why)") }
    guard model.method != .movingTangent else { throw refuse("the linearisation point moves with every batch") }
    guard model.method != .point else {
      throw refuse("weights without a posterior do not say what came from which rows")
    }
    guard memory == nil else { throw refuse("the posterior keeps rows (--memory), which it looks at again") }
    guard model.laplace?.structure != .lowRank else {
      throw refuse("a low-rank structure is chosen anew with every batch")
    }
  }

  /// After a batch of a Gaussian over a network's weights, with what it said kept apart as that of the entry that is written next.
  func keepingSite(after before: Posterior) throws -> Posterior {
    try checkKeepsSites()
    var result = self
    let parts = try members.indices.map { m -> BatchSite.Part in
      guard let own = members[m].laplace, let earlier = before.members[m].laplace, let spec = model.network,
        let curvature = own.curvature.increment(since: earlier.curvature)
      else {
        throw UpdateError.unsuitable(
          "what this batch said cannot be kept apart: its curvature was joined to another's, or the structure changed with it"
        )
      }
      let moving = Network(spec).parameterRange(ofLayers: own.chosen)
      let after = Array((own.displacement ?? members[m].theta)[moving])
      let mean = Array((earlier.displacement ?? before.members[m].theta)[moving])
      // Λ_k m_k − Λ_{k−1} m_{k−1} without the difference of large numbers.
      let moved = own.precisionTimes(zip(after, mean).map { $0 - $1 })
      let grown = curvature.times(mean)
      return .gaussian(
        GaussianSite(
          curvature: curvature, information: zip(moved, grown).map { $0 + $1 },
          logEvidence: own.logEvidence - earlier.logEvidence))
    }
    result.sites.append(BatchSite(number: before.lineage.count + 1, parts: parts))
    return result
  }

  /// After a fit of the linear family, with what its rows said kept apart too.
  public func keepingFirstSite() throws -> Posterior {
    try checkKeepsSites()
    guard !model.method.keepsCurvature else {
      throw UpdateError.unsuitable(
        "what the first fit said of a \(model.method.rawValue) posterior is that posterior; keep that of its updates")
    }
    var result = self
    result.sites = [BatchSite(number: 1, parts: members.map { .linear($0.statistics) })]
    return result
  }

  /// Joins a batch of the linear family to what was before, where some batches are kept apart; the sum of all.
  mutating func joinSites(_ batch: [LinearStatistics], keeping: Bool) -> [LinearStatistics] {
    var rest = unkept
    var sum = members.map(\.statistics)
    for k in batch.indices {
      sum[k].absorb(batch[k])
      if !keeping { rest[k].absorb(batch[k]) }
      rest[k].normalise()
    }
    keep(
      sites + (keeping ? [BatchSite(number: lineage.count + 1, parts: batch.map { .linear($0) })] : []), rest: rest)
    return sum
  }
}
