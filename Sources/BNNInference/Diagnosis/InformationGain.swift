import BNNLinearAlgebra
import BNNPosteriors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension Posterior {
  /// By how many nats the entropy of the Gaussian over the weights has fallen since an earlier posterior, the mean over members:
  ///
  ///     ½ (log|Λ₂| − log|Λ₁|) − ½P log(σ₂²/σ₁²),
  ///
  /// Λ relative to the noise in the linear family (else σ is in it): what the rows in between have taught (Lindley 1956, "On a measure of
  /// the information provided by an experiment", definition 1, of the rows that came). Negative where the noise has grown by more.
  ///
  /// - Returns: nil for weights without a spread (`point`), where the earlier one has seen nothing, where one of the two is not proper, and where the weights are not the same ones
  ///   (other methods, a tangent that moved).
  /// - Throws: `LinearAlgebraError` for a precision that is not positive definite. Of a linear posterior O(P); of a network's a factor
  ///   of each.
  public func informationGain(since earlier: Posterior) throws(LinearAlgebraError) -> Double? {
    guard model.method == earlier.model.method, model.method != .point, members.count == earlier.members.count,
      !members.isEmpty, earlier.rows > 0
    else { return nil }
    var total = 0.0
    for (before, after) in zip(earlier.members, members) {
      guard let first = try before.logPrecision, let second = try after.logPrecision, first.weights == second.weights,
        after.laplace != nil || before.theta == after.theta
      else { return nil }
      total += 0.5 * (second.logDeterminant - first.logDeterminant)
    }
    return total / Double(members.count)
  }

  /// The contraction that the newest update left in the lineage: e of N^−e for the γ weights that all rows determine, of which
  /// information = γ·e·log(N₂/N₁). Nil where it is not kept, where earlier rows count less, and where something else came after it.
  ///
  /// - Parameter effective: γ less the weights that the prior leaves free, of the first member.
  func contractionOfLineage(effective: Double) throws -> Finding? {
    guard let entry = lineage.held.last, entry.action == "update", let gain = entry.informationGain,
      lineage.effectiveRows == Double(rows), rows > entry.rows, entry.rows > 0
    else { return nil }
    let (before, now) = (Double(rows - entry.rows), Double(rows))
    // What the prior leaves free is determined by the rows alone.
    let free = try variances(member: 0)?.prior.count { $0.isInfinite } ?? 0
    let gamma = Double(free) + effective
    guard gamma > 0 else { return nil }
    let rate = gain / (gamma * log(now / before))
    let draws = model.laplace?.curvatureDraws ?? 0
    // An averaged curvature has held from D1 on what later rows would have taught.
    let remedy: String? =
      if rate < 0.25, draws == 0 {
        Self.repeatedRemedy
      } else if rate > 1, certificate.update != .exact {
        "faster than rows can teach: the batch's curvature where the weights are now is taken for what it said on the way; `compare` measures "
          + "what that costs" + (model.method == .laplace && draws == 0 ? ", --curvature-draws of fit averages it" : "")
      } else { nil }
    return Finding(
      .contraction, "update \(entry.number)", value: rate,
      meaning:
        "its \(entry.rows) rows took \(Self.brief(gain)) nats off the entropy of the weights: the spread falls like N^−\(Self.brief(rate)) from "
        + "\(Self.brief(before)) to \(Self.brief(now)) rows (½ for rows that all bring something new)",
      remedy: remedy)
  }

  static var repeatedRemedy: String {
    "the new rows say little that is new where the earlier ones said something: look for repeated or one-sided rows"
  }
}

extension Member {
  /// log|Λ| with the noise in it, summed over responses, and how many weights that is; nil where it is not proper.
  fileprivate var logPrecision: (logDeterminant: Double, weights: Int)? {
    get throws(LinearAlgebraError) {
      if let laplace {
        let factor = try laplace.factored()
        return (factor.logDeterminant, laplace.curvature.layers.parameterCount)
      }
      guard !responses.isEmpty else { return nil }
      var sum = (logDeterminant: 0.0, weights: 0)
      for response in responses {
        guard let own = response.posterior else { return nil }
        let p = own.mean.count
        sum.logDeterminant += own.factor.logDeterminant - Double(p) * log(own.noise.scaleSquared)
        sum.weights += p
      }
      return sum
    }
  }
}
