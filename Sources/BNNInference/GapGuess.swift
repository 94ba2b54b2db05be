#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A guess, without a row of D1 or a test row, of what retraining on all rows would gain over an update of a tangent: nats a row.
///
///     g = 0.27·max(0, ln σ₂ − ln σ₁)
///
/// σ₁ and σ₂ are the noise before and after. A network that is linearised at D1's weights cannot bend where D1 never was, and the evidence
/// calls the misfit noise: of noise that grows a part is what a retrained network would have explained. The slope is the least squares'
/// of 120 updates (four UCI sets, cut along a feature, and two of them halved at random); with a set left out, half of the guesses are off by .08
/// (concrete) to .26 (boston), a little less than with the others' median gap for a guess but for energy. It tells situations apart
/// (Spearman's correlation with the gap that `compare` measured: .55), hardly the splits of one set. Notebooks-md/14 has the table,
/// `Tests/Benchmarks/gap_guess.py` made it.
enum GapGuess {
  static let slope = 0.27

  /// - Returns: nil for everything that is not a tangent of one target, all of whose weights move, with rows before these. Of a moving
  ///   tangent it holds while the point has not moved.
  static func nats(before: Posterior, after: Posterior) -> Double? {
    let model = after.model
    guard model.method.isTangent, model.subspace == nil, model.schema.targets.count == 1, before.rows > 0,
      after.rows > before.rows, model.prior.noise == .auto
    else { return nil }
    func logDeviation(_ member: Member) -> Double? {
      member.responses.first?.posterior.map { 0.5 * log($0.noise.scaleSquared) }
    }
    let growth = zip(before.members, after.members).compactMap { a, b in
      logDeviation(a).flatMap { first in logDeviation(b).map { $0 - first } }
    }
    guard growth.count == after.members.count, !growth.isEmpty else { return nil }
    let mean = growth.reduce(0, +) / Double(growth.count)
    return mean.isFinite ? slope * max(0, mean) : nil
  }
}
