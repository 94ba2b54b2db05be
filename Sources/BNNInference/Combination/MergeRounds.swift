import BNNLinearAlgebra
import BNNModels
import BNNPosteriors

/// Further rounds over shards whose rows are still at hand: partitioned variational inference (Bui et al. 2018; Ashman et al. 2022) with
/// Laplace's approximation, or mean-field inference, as its local step.
///
/// A merge multiplies what shards said without knowing of each other, t_k = p_k/p₀. A round takes every shard in turn, divides what it
/// said out of the posterior, which leaves the cavity, and lets it say anew what its rows add to what all others say:
///
///     q_{∖k} = q/t_k,   q ← the engine's posterior of D_k under the prior q_{∖k},   t_k ← q/q_{∖k}
///
/// Where outputs are linear in the weights and the noise normal, t_k does not depend on the cavity, and a round changes nothing. Of
/// Laplace with exact curvature a fixed point has ∇ log p(D_k|m) = −∇ log t_k(m) for all k: its mean is a mode of p(θ | D₀, D₁, …, D_K) and
/// its precision the curvature there, as if one had trained on all rows.
public struct MergeRounds: Sendable {
  public var count: Int
  /// How the local step finds its optimum.
  public var training: TrainingSettings

  public init(_ count: Int, training: TrainingSettings = TrainingSettings()) {
    precondition(count >= 0, "rounds are counted")
    (self.count, self.training) = (count, training)
  }
}

/// What rounds did.
public struct MergeRoundsReport: Sendable, Equatable {
  /// How far each round moved the mean, in standard deviations of the posterior before it (√(dᵀΛd)); the largest of the members.
  public var shifts: [Double] = []
  /// Steps that were left out, since the cavity or what came of it was no Gaussian.
  public var skipped = 0
  /// Why not a single round was made; nil where they were.
  public var unneeded: String?
}

extension Posterior {
  /// `merged`, then rounds over the shards' rows.
  ///
  /// - Parameters:
  ///   - absorbing: gives an update all rows that shard k has absorbed since the prior.
  ///   - progress: shards done of all of all rounds.
  /// - Throws: as `merged` and as updates do; `UpdateError.unsuitable` for a structure in which a shard cannot be told from others
  ///   (low-rank) or a filter, whose rows come one at a time. Every step costs an update and O(P³) of a full structure.
  public static func merged(
    _ shards: [Posterior], prior: Posterior? = nil, priorDigest: String? = nil, names: [String] = [],
    allowsRepeatedData: Bool = false, threads: Int = 1, seed: UInt64 = 0, rounds: MergeRounds,
    absorbing: (_ shard: Int, _ update: inout SequentialUpdate) throws -> Void,
    progress: (_ done: Int, _ all: Int) -> Void = { _, _ in }
  ) throws -> (posterior: Posterior, report: UpdateReport, rounds: MergeRoundsReport) {
    var (result, report) = try merged(
      shards, prior: prior, priorDigest: priorDigest, names: names, allowsRepeatedData: allowsRepeatedData,
      threads: threads)
    var done = MergeRoundsReport()
    guard let start = prior, result.model.method.keepsCurvature else {
      done.unneeded = "the merge is exact"
      return (result, report, done)
    }
    if result.isLinearInWeights {
      done.unneeded = "the network is linear in these weights: what a shard says does not depend on the others"
      return (result, report, done)
    }
    guard result.model.method == .laplace || result.model.method == .meanField else {
      throw UpdateError.unsuitable("rounds are of laplace and mean-field, not of \(result.model.method.rawValue)")
    }
    let merge = Merge(start: start, shards: shards, names: names)
    var sites = try merge.sites(at: result)
    let certificate = result.certificate
    for round in 0..<rounds.count {
      let before = result
      for k in shards.indices {
        if let next = try result.revisited(
          &sites[k], rows: shards[k].rows - start.rows, training: rounds.training, threads: threads, seed: seed,
          absorbing: { try absorbing(k, &$0) })
        {
          result.members = next.members
        } else {
          done.skipped += 1
        }
        progress(round * shards.count + k + 1, rounds.count * shards.count)
      }
      done.shifts.append(result.shift(from: before))
    }
    for m in result.members.indices {
      let evidence = try merge.logEvidence(member: m, result, sites.map { $0[m] })
      result.members[m].laplace?.logEvidence = evidence
    }
    result.certificate = certificate
    Merge.note(
      "\(shards.count) posteriors, then \(rounds.count) \(rounds.count == 1 ? "round" : "rounds") in which every shard's rows were seen again under "
        + "what all others say (partitioned variational inference); the last moved the mean by \(Float(done.shifts.last ?? 0)) standard deviations"
        + (done.skipped > 0 ? ", and \(done.skipped) steps were left out, since they led to no posterior." : "."),
      &result.certificate)
    report.logEvidenceTotal = result.meanLogEvidence
    if let total = result.meanLogEvidence, let earlier = start.meanLogEvidence { report.logEvidence = total - earlier }
    return (result, report, done)
  }

  /// After one shard has been seen again; nil where its cavity, or what came of it, is no Gaussian.
  private func revisited(
    _ sites: inout [RoundSite], rows: Int, training: TrainingSettings, threads: Int, seed: UInt64,
    absorbing: (inout SequentialUpdate) throws -> Void
  ) throws -> Posterior? {
    var cavity = self
    cavity.sites = []
    cavity.rows -= rows
    for m in members.indices {
      do { cavity.members[m] = try removing(sites[m].site, fromMember: m) } catch UpdateError.notAPosterior {
        return nil
      }
    }
    var update = SequentialUpdate(cavity, keepingNoise: true, training: training)
    try absorbing(&update)
    var next: Posterior
    do { next = try update.finish(threads: threads, seed: seed).posterior } catch UpdateError.notAPosterior {
      return nil
    }
    next.sites = []
    let found = try next.keepingSite(after: cavity).sites.last?.parts ?? []
    for (m, part) in found.enumerated() {
      guard case .gaussian(let own) = part else { continue }
      sites[m] = RoundSite(site: own, logScale: own.logEvidence)
      sites[m].logScale -= try next.logNormaliser(ofMember: m) - cavity.logNormaliser(ofMember: m)
    }
    return next
  }

  /// √(dᵀΛd), d the way of the mean from `other`'s and Λ its precision; the largest of the members.
  private func shift(from other: Posterior) -> Double {
    members.indices.map { m in
      guard let own = other.members[m].laplace else { return 0 }
      let d = zip(uncertainMean(ofMember: m), other.uncertainMean(ofMember: m)).map { $0 - $1 }
      return dot(d, own.precisionTimes(d)).squareRoot()
    }.max() ?? 0
  }

  /// ½mᵀΛm − ½ log det Λ.
  func logNormaliser(ofMember m: Int) throws -> Double {
    guard let own = members[m].laplace else { return 0 }
    let mean = uncertainMean(ofMember: m)
    return try 0.5 * dot(mean, own.precisionTimes(mean)) - 0.5 * own.factored().logDeterminant
  }

  func uncertainMean(ofMember m: Int) -> [Double] {
    guard let own = members[m].laplace, let spec = model.network else { return [] }
    return Array((own.displacement ?? members[m].theta)[Network(spec).parameterRange(ofLayers: own.chosen)])
  }
}

/// What a shard says, exp(s + bᵀθ − ½θᵀHθ).
struct RoundSite: Sendable {
  var site: GaussianSite
  /// s.
  var logScale: Double
}

extension Merge {
  /// What every shard has added to the prior, at the noise of the merged posterior; of every shard and member.
  func sites(at merged: Posterior) throws -> [[RoundSite]] {
    let before = try atNoise(of: merged, start)
    return try shards.map { shard in
      let own = try atNoise(of: merged, shard)
      let parts = try own.keepingSite(after: before).sites.last?.parts ?? []
      return try parts.enumerated().map { m, part in
        guard case .gaussian(let site) = part else {
          throw UpdateError.unsuitable("what a shard says cannot be told from the prior")
        }
        return RoundSite(
          site: site,
          logScale: site.logEvidence - (try own.logNormaliser(ofMember: m) - before.logNormaliser(ofMember: m)))
      }
    }
  }

  /// As if the noise had been that of the merged posterior all along.
  private func atNoise(of merged: Posterior, _ posterior: Posterior) throws -> Posterior {
    var result = posterior
    for m in posterior.members.indices {
      guard let own = posterior.members[m].laplace, let variance = merged.members[m].laplace?.noiseVariance,
        own.noiseVariance != variance, let spec = posterior.model.network
      else { continue }
      let squares = try EarlierSquares(
        own, mean: posterior.uncertainMean(ofMember: m),
        terms: posterior.countedRows * Double(posterior.model.schema.targets.count), variance: own.noiseVariance ?? 1)
      let found = try squares.posterior(at: variance)
      result.members[m].move(to: found.mean, Network(spec).parameterRange(ofLayers: own.chosen), found.state)
    }
    return result
  }

  /// log p(D₀) + Σ s_k + Φ(q) − Φ(p₀), Φ = ½mᵀΛm − ½ log det Λ: the integral of the prior times what shards say.
  func logEvidence(member m: Int, _ merged: Posterior, _ sites: [RoundSite]) throws -> Double {
    let before = try atNoise(of: merged, start)
    return (before.members[m].laplace?.logEvidence ?? 0) + sites.reduce(0) { $0 + $1.logScale }
      + (try merged.logNormaliser(ofMember: m) - before.logNormaliser(ofMember: m))
  }
}
