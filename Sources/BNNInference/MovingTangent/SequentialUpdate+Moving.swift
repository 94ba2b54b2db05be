import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

extension Posterior {
  /// The batch that `formed` (this posterior with its rows absorbed where the linearisation point was) has just seen, seen
  /// from where the point moves to. The first batch moves nothing: it chose the point itself.
  ///
  /// A member stays where it is when the noise variance of all rows would be more than `MovingTangent.noiseLimit` times as large
  /// at the new point. What the map of the earlier rows cannot say counts there as noise: on data almost without noise (the
  /// UCI set naval) it exceeds the noise itself, and the move would lose what D1 said. With the noise given nothing is judged.
  ///
  /// - Parameter staying: keep the point, and only the store and the summary of the inputs up to date.
  /// - Returns: the posterior at the new points, and the largest misfit of the maps of members that moved (nil when none did).
  func moved(
    _ formed: Posterior, by batch: MovingBatch, staying: Bool, threads: Int, seed: UInt64,
    progress: @escaping @Sendable (Double, String) -> Void
  ) throws -> (posterior: Posterior, misfit: Double?) {
    var result = formed
    // Each update of a chain draws numbers of its own.
    let stream = RandomStream(seed: seed).split(0x6d6f_7665).split(UInt64(rows))
    let summary = stream.split(0)
    for k in result.members.indices {
      result.members[k].store = batch.stores[k]
      result.members[k].store?.statistics.normalise()
    }
    guard let features = batch.joined?.features else { return (result, nil) }
    let x = normalisation.features(features)
    guard rows > 0, let inputs else {
      result.inputs = try InputSummary(of: x, from: summary)
      return (result, nil)
    }
    result.inputs = try inputs.merged(rows: rows, with: x, from: summary)
    if staying { return (result, nil) }
    let workers = max(1, min(BLASThreads.workers(threads), members.count))
    let engine = MovingTangent(
      network: Network(model.networkOrEmpty), normalisation: normalisation, precision: model.prior.precision,
      threads: max(1, threads / workers), progress: progress)
    let start = result
    let moved = try parallelMap(members.count, threads: workers) { k in
      guard let store = members[k].store, let stay = formed.members[k].responses.first else {
        throw UpdateError.unsuitable("the posterior has no store to move its linearisation point with")
      }
      let found = try engine.move(
        members[k], store: store, stay: stay, batch: batch, summary: inputs, from: stream.split(UInt64(k) + 1))
      var own = start
      own.members[k].theta = found.theta
      own.members[k].statistics = found.statistics
      own.members[k].statistics.normalise()
      _ = try own.form(member: k, after: self)
      let noise = own.members[k].responses[0].posterior?.noise.scaleSquared ?? .infinity
      let holds = noise <= MovingTangent.noiseLimit * (stay.posterior?.noise.scaleSquared ?? .infinity)
      return holds ? (member: own.members[k], misfit: found.misfit) : (member: start.members[k], misfit: Double?.none)
    }
    result.members = moved.map(\.member)
    guard moved.contains(where: { $0.misfit != nil }) else { return (result, nil) }
    result.certificate = certificate.moved(byUpdate: lineage.count + 1)
    return (result, moved.compactMap(\.misfit).max())
  }
}

extension Certificate {
  /// After the linearisation point was moved with the batch of this update.
  fileprivate func moved(byUpdate number: Int) -> Certificate {
    Certificate(
      update: .approximate,
      conditionalOn: conditionalOn.map {
        $0.what == "linearisation point" ? Condition($0.what, fixedBy: number) : $0
      },
      reasons: [
        "The linearisation point was moved with the batch of update \(number). What the earlier rows said was carried to it by "
          + "a linear map, fitted at inputs drawn from a summary of theirs.",
        "The statistics of all rows at the first linearisation point are kept beside it and are exact.",
      ] + reasons.filter { $0.hasPrefix("The prior") || $0.hasPrefix("The noise") })
  }
}
