import BNNLinearAlgebra
import BNNModels
import BNNPosteriors

extension Merge {
  /// Posteriors that are one Gaussian over a network's weights.
  func gaussians() throws -> (posterior: Posterior, report: UpdateReport) {
    var result = joined()
    for m in start.members.indices { result.members[m] = try member(m) }
    let exact = start.isLinearInWeights
    Self.note(
      "\(shards.count) posteriors: precisions add, less the prior's that they share, and means weigh by precision"
        + (exact
          ? "; the network is linear in these weights, so that the merge itself loses nothing."
          : ". Every shard's curvature stays where that shard ended, which the others did not know."),
      &result.certificate)
    var report = UpdateReport(rows: result.rows - start.rows)
    report.logEvidenceTotal = result.meanLogEvidence
    if let total = result.meanLogEvidence, let before = start.meanLogEvidence { report.logEvidence = total - before }
    report.distanceToOptimum = nil
    return (result, report)
  }

  private func member(_ m: Int) throws -> Member {
    var result = start.members[m]
    guard let before = result.laplace, let spec = start.model.network else { return result }
    let moving = Network(spec).parameterRange(ofLayers: before.chosen)
    func term(_ member: Member, _ state: LaplaceState) -> MergeTerm {
      MergeTerm(state: state, mean: Array((state.displacement ?? member.theta)[moving]))
    }
    let prior = term(result, before)
    let own = shards.compactMap { shard in shard.members[m].laplace.map { term(shard.members[m], $0) } }
    let merged: MergeTerm
    if own.contains(where: { $0.state.noiseVariance != before.noiseVariance }) {
      merged = try followingNoise(prior, own)
    } else {
      merged = try sum(prior, own)
    }
    result.move(to: merged.mean, moving, merged.state)
    return result
  }

  /// With d_k = m_k − m₀ and Λ = Σ Λ_k − (K−1)Λ₀:
  ///
  ///     Λ(m − m₀) = Σ Λ_k d_k
  ///     log p(D) = log p(D₀) + Σ log p(D_k | D₀) + ½[Σ (log|Λ_k| − d_kᵀΛ_k d_k) − (K−1) log|Λ₀| − log|Λ| + dᵀΛd]
  ///
  /// the integral over θ of ∏ (Z_k p_k/p₀) p₀ for Gaussians p_k.
  func sum(_ prior: MergeTerm, _ shards: [MergeTerm]) throws -> MergeTerm {
    let (before, origin) = (prior.state, prior.mean)
    var state = before
    var right = [Double](repeating: 0, count: origin.count)
    var (volume, quadratic) = (try before.factored().logDeterminant, 0.0)
    let volumeBefore = volume
    for (k, shard) in shards.enumerated() {
      let own = shard.state
      guard let added = own.curvature.increment(since: before.curvature) else {
        throw UpdateError.unsuitable(
          "\(names[k]) cannot be merged: what it has added since the prior cannot be told from a "
            + (before.curvature.structure.keepsBatches
              ? "sum over batches in which some were joined"
              : "\(before.curvature.structure.rawValue) structure"))
      }
      state.curvature.append(added)
      let d = zip(shard.mean, origin).map { $0 - $1 }
      let product = own.precisionTimes(d)
      for j in right.indices { right[j] += product[j] }
      volume += try own.factored().logDeterminant - volumeBefore
      quadratic += dot(d, product)
      state.logEvidence += own.logEvidence - before.logEvidence
      state.surplusWeights += own.surplusWeights - before.surplusWeights
      state.distanceToOptimum = max(state.distanceToOptimum, own.distanceToOptimum)
    }
    if let products = start.model.laplace?.products {
      state.curvature = try state.curvature.compressed(to: products).curvature
    }
    let (d, logDeterminant) = try state.solved(right)
    state.logEvidence += 0.5 * (volume - quadratic - logDeterminant + dot(d, right))
    return MergeTerm(state: state, mean: zip(origin, d).map { $0 + $1 })
  }
}

/// A Gaussian over the uncertain weights: the prior of a merge, a shard or what comes of them.
struct MergeTerm {
  var state: LaplaceState
  /// m; of a linearised network its displacement.
  var mean: [Double]
}

extension LaplaceState {
  /// Λ⁻¹b and log det Λ, refined where the factor is of one matrix near to a sum over batches.
  ///
  /// - Throws: `UpdateError.notAPosterior` when Λ is not positive definite.
  func solved(_ b: [Double]) throws -> (x: [Double], logDeterminant: Double) {
    guard let factor = try? factored() else {
      throw UpdateError.notAPosterior("its precision is not positive definite")
    }
    var x = factor.solve(b)
    var size = Double.infinity
    for _ in 0..<50 {
      let residual = zip(b, precisionTimes(x)).map { $0 - $1 }
      let next = norm(residual)
      guard next > 0, next < 0.9 * size else { break }
      size = next
      let step = factor.solve(residual)
      for j in x.indices { x[j] += step[j] }
    }
    return (x, factor.logDeterminant)
  }
}

extension Member {
  /// Takes a new mean of the uncertain weights.
  mutating func move(to mean: [Double], _ moving: Range<Int>, _ state: LaplaceState) {
    var state = state
    if state.displacement != nil {
      state.displacement?.replaceSubrange(moving, with: mean)
    } else {
      theta.replaceSubrange(moving, with: mean)
    }
    laplace = state
  }
}

extension Posterior {
  /// Whether the network's outputs are linear in its uncertain weights, under a normal noise, and the precision keeps all the
  /// dependence between them.
  var isLinearInWeights: Bool {
    guard let laplace = model.laplace, let spec = model.network, model.likelihood == .gaussian else { return false }
    let chosen = laplace.layers ?? 0..<spec.layers.count
    let isLast = chosen == (spec.layers.count - 1)..<spec.layers.count
    let keepsAll = laplace.structure == .full || laplace.structure == .block && chosen.count == 1
    return (isLast || laplace.isLinearised) && keepsAll && laplace.curvature == .ggn && model.method != .meanField
  }
}
