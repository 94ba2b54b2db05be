import BNNLinearAlgebra
import BNNModels
import BNNPosteriors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Merging shards whose noise followed their rows.
extension Merge {
  /// Every shard is taken to the noise σ² of all rows, as an update takes what came before it (`EarlierSquares`), and so is the
  /// prior; there they are added, and σ² is the fixed point of
  ///
  ///     σ² = [Σ S_k(m) − (K−1)S₀(m)] / [Σ n_k − (K−1)n₀ − γ]
  ///
  /// with m and γ of the sum: the evidence's choice for all rows together, exact where outputs are linear in the weights.
  ///
  /// - Throws: `UpdateError.notAPosterior`, `LinearAlgebraError`, as `sum` does.
  func followingNoise(_ prior: MergeTerm, _ shards: [MergeTerm]) throws -> MergeTerm {
    func squares(_ posterior: Posterior, _ term: MergeTerm) throws -> EarlierSquares {
      try EarlierSquares(
        term.state, mean: term.mean, terms: posterior.countedRows * Double(posterior.model.schema.targets.count),
        variance: term.state.noiseVariance ?? 1)
    }
    let before = try squares(start, prior)
    let own = try zip(self.shards, shards).map { try squares($0, $1) }
    func at(_ variance: Double) throws -> MergeTerm {
      func moved(_ one: EarlierSquares) throws -> MergeTerm {
        let found = try one.posterior(at: variance)
        return MergeTerm(state: found.state, mean: found.mean)
      }
      return try sum(moved(before), own.map(moved))
    }
    guard let first = own.first else { return prior }
    let others = Double(own.count - 1)
    let count = own.dropFirst().reduce(0) { $0 + $1.terms } - others * before.terms
    var variance = before.variance
    var result = try at(variance)
    for _ in 0..<Self.noiseRounds {
      let squares = own.dropFirst().reduce(0) { $0 + $1.squares(result.mean) } - others * before.squares(result.mean)
      let next = try first.noiseVariance(
        at: result.mean, result.state, ofNoise: variance, squares: squares, count: count)
      let change = abs(log(next / variance))
      guard change.isFinite else {
        throw UpdateError.unsuitable(
          "the posteriors do not say which noise all their rows have: update them with --keep-noise")
      }
      if change < Self.noiseTolerance { break }
      variance = next
      result = try at(variance)
    }
    return result
  }

  /// Near rounding: a round costs a factorisation, and its contraction is about γ/n.
  private static var noiseTolerance: Double { 1e-12 }
  private static var noiseRounds: Int { 50 }

  /// Why a shard's noise does not go with the others'; nil where it does.
  func noiseMismatch(_ k: Int) -> String? {
    func noise(_ posterior: Posterior) -> [Double?] { posterior.members.map { $0.laplace?.noiseVariance } }
    guard shards[k].rows > start.rows, noise(shards[k]) == noise(start),
      shards.contains(where: { noise($0) != noise(start) })
    else { return nil }
    return "its noise was kept, and that of others followed their rows: update all shards with --keep-noise "
      + "(--keep-sites keeps it too), or none"
  }
}

extension Posterior {
  /// Whether shards may have a noise of their own. What a filter or variational inference says at one noise does not tell what it
  /// would have said at another, and batches in a list are compared to the bit.
  var followsNoiseInMerges: Bool { model.method == .laplace && model.laplace?.structure.keepsBatches == false }
}
