import BNNDatasets
import BNNLinearAlgebra
import BNNPosteriors
import BNNProbability

/// A batch parted into the rows that are absorbed for good and those that stay in memory, as in coreset VCL (Nguyen et al.
/// 2018): the prior for the next batch never holds a row in memory, the posterior that predicts holds each once.
struct MeanFieldMemory {
  /// The rows of the batch that are absorbed for good.
  let rest: LaplaceRows
  /// All rows in memory, of this batch and of those before; nil for none.
  let kept: RowMemory?
  /// The same, normalised.
  let rows: LaplaceRows?

  /// - Parameters:
  ///   - batch: normalised rows; of a large network in single precision, so that what is kept has seven digits.
  ///   - posterior: before the batch, with its memory.
  ///   - stream: of the choice.
  /// - Throws: `UpdateError.unsuitable` where no row would be left to absorb.
  init(
    _ batch: LaplaceRows, after posterior: Posterior, _ settings: VariationalSettings, stream: RandomStream,
    threads: Int
  ) throws {
    let normalisation = posterior.normalisation
    let (d, t) = (posterior.schema.features.count, posterior.schema.targets.count)
    guard settings.memory < batch.rows else {
      throw UpdateError.unsuitable(
        "a memory of \(settings.memory) rows would leave none of the batch's \(batch.rows) to learn from; use a smaller --memory"
      )
    }
    var own: RowMemory?
    if settings.memory > 0 {
      let chosen =
        batch.isSingle
        ? settings.memorySelection.chosen(
          settings.memory, of: batch.single, columns: d, stream: stream, threads: threads)
        : settings.memorySelection.chosen(
          settings.memory, of: batch.double, columns: d, stream: stream, threads: threads)
      let isChosen = Set(chosen)
      rest = batch.gathering((0..<batch.rows).filter { !isChosen.contains($0) }, targets: t)
      own = batch.gathering(chosen, targets: t).memory(normalisation, batch: posterior.lineage.count + 1)
    } else {
      rest = batch
    }
    var all = posterior.memory
    if let own, all == nil { all = own } else if let own { all?.append(own) }
    kept = all
    rows = try all.map { memory in
      var rows = LaplaceRows(parameters: batch.isSingle ? LaplaceRows.doubleLimit + 1 : 0)
      let relative = try normalisation.relative(memory.weights)
      rows.append(
        features: memory.features, targets: memory.targets, relativeWeights: relative?[...],
        normalisation: normalisation)
      return rows
    }
  }
}

extension LaplaceRows {
  /// The rows in their own units.
  fileprivate func memory(_ normalisation: Normalisation, batch: Int) -> RowMemory {
    let (centers, scales) = (normalisation.featureCenter, normalisation.featureScale)
    let (d, t) = (centers.count, normalisation.targetCenter.count)
    let x = isSingle ? single.map { Double($0) } : double
    return RowMemory(
      features: Matrix(
        rows: rows, columns: d, storage: x.indices.map { centers[$0 % d] + scales[$0 % d] * x[$0] }),
      targets: Matrix(
        rows: rows, columns: t,
        storage: targets.indices.map {
          normalisation.targetCenter[$0 % t] + normalisation.targetScale[$0 % t] * targets[$0]
        }),
      weights: weights.map { own in own.map { $0 * (normalisation.weightScale ?? 1) } },
      batches: [Int](repeating: batch, count: rows))
  }
}

extension LaplaceState {
  /// The posterior without the rows in memory, as a state and its mean; the state itself where there are none.
  func beforeMemory(mean: [Double]) -> (state: LaplaceState, mean: [Double]) {
    guard let base = withoutMemory else { return (self, mean) }
    var state = self
    state.withoutMemory = nil
    state.logEvidence = base.logEvidence
    state.curvature = .diagonal(DiagonalCurvature(layers: curvature.layers, diagonal: base.excess))
    return (state, base.mean)
  }
}
