import BNNLinearAlgebra
import BNNPosteriors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension Posterior {
  /// The posterior whose rows count `power` times each: proportional to p(rows | θ)^power p(θ). The prior stays whole (Ibrahim & Chen
  /// 2000, "Power prior distributions for regression models", equation 1).
  ///
  /// In the linear family exactly that: the array of what data said times √power, and n times power; then κ is tuned and the
  /// posterior formed as ever. Of a Laplace posterior H becomes power·H about the same mean: in directions that the rows have informed
  /// the optimum moves little, and in the others a parabola would say nothing of the network. What batches said apart goes there.
  ///
  /// - Throws: `UpdateError.unsuitable` for a power that is not above 0 and at most 1, and for a posterior of another method.
  public func tempered(by power: Double, threads: Int = 1) throws -> Posterior {
    try checkTempers()
    guard power > 0, power <= 1 else {
      throw UpdateError.unsuitable("what earlier rows count is more than 0 and at most 1; got \(power)")
    }
    guard power < 1, rows > 0 else { return self }
    var result = self
    result.drift?.inputs?.scale(by: power)
    if model.method.keepsCurvature {
      result.sites = []
      for m in members.indices {
        var scaled = members[m].laplace?.curvature
        scaled?.scale(by: power)
        if let scaled { try result.members[m].laplace?.takePart(scaled) }
        result.members[m].laplace?.logEvidence *= power
      }
      return result
    }
    for m in members.indices { result.members[m].statistics.temper(by: power) }
    for s in sites.indices {
      result.sites[s].parts = sites[s].parts.map { part in
        guard case .linear(var own) = part else { return part }
        own.temper(by: power)
        return .linear(own)
      }
    }
    return try result.formed(after: self, threads: threads).posterior
  }

  /// - Throws: `UpdateError.unsuitable` with the reason where earlier rows cannot be made to count less.
  public func checkTempers() throws {
    func refuse(_ why: String) -> UpdateError { .unsuitable("earlier rows cannot be made to count less: \(why)") }
    switch model.method {
    case .linear, .lastLayer, .parallelBranch, .tangent, .laplace: break
    case .movingTangent: throw refuse("a moving tangent's store is kept whole; fit D1 with --method tangent")
    case .kalman:
      throw refuse("a filter forgets before every row of an update (--forgetting without --on-drift temper)")
    case .meanField, .point:
      throw refuse("a posterior of \(model.method.rawValue) does not keep what data said apart from the prior")
    }
    guard memory == nil else { throw refuse("the posterior keeps rows (--memory), which it looks at again") }
  }

  static var temperingReason: String { "Earlier rows were made to count less, " }

  /// Says in the certificate what an update with tempered rows is: the `number`-th of the lineage.
  mutating func noteTempering(_ power: Double, number: Int) {
    if certificate.update == .exact { certificate.update = .tempered }
    certificate.reasons.append(
      "\(Self.temperingReason)by update \(number) \(Float(power)) times: the posterior is that of p(those rows)^\(Float(power)) and the "
        + "rows since, not that of all rows, and it depends on when they came.")
  }
}

extension SequentialUpdate {
  /// The same batch after the rows before count `power` times. In the linear family the update must count apart.
  ///
  /// - Throws: as `Posterior.tempered`. O(P³).
  public func tempering(by power: Double, threads: Int = 1) throws -> SequentialUpdate {
    try before.checkTempers()
    precondition(countsApart || before.model.method.keepsCurvature, "the batch must not have joined the rows before")
    var result = self
    result.before = try before.tempered(by: power, threads: threads)
    result.power = (power < 1 ? power : nil)
    return result
  }

  /// What the earlier rows should count by this batch's evidence, log p(batch | earlier rows^τ): the best of τ = 2^{−k/2}. From 1 on τ
  /// is halved until the evidence has fallen twice, or the earlier rows count for less than one; then the places beside the best are
  /// tried. Each is an update of its own.
  ///
  /// Empirical Bayes for the power of Ibrahim & Chen's prior, as Gravestock & Held 2017 ("Adaptive power priors with empirical Bayes
  /// for clinical trials").
  ///
  /// - Parameters: as `finish`'s.
  /// - Throws: `UpdateError.unsuitable` where the batch has no proper evidence (a flat prior on weights that are not identified),
  ///   and as `tempering` and `finish`.
  public func powerByEvidence(threads: Int = 1, seed: UInt64 = 0) throws -> Double {
    var found: [Int: Double] = [:]
    func evidence(_ k: Int) throws -> Double {
      if let known = found[k] { return known }
      let power = pow(2, -0.5 * Double(k))
      guard
        let value = try tempering(by: power, threads: threads).finish(threads: threads, seed: seed).report.logEvidence
      else {
        throw UpdateError.unsuitable(
          "the batch has no evidence to choose by, because the prior is flat; say what earlier rows count with --forgetting"
        )
      }
      found[k] = value
      return value
    }
    var best = 0
    var falls = 0
    _ = try evidence(0)
    for k in stride(from: 2, through: 40, by: 2) where falls < 2 {
      guard Double(before.rows) * pow(2, -0.5 * Double(k)) >= 1 else { break }
      if try evidence(k) > (try evidence(best)) { (best, falls) = (k, 0) } else { falls += 1 }
    }
    for k in [best - 1, best + 1] where k > 0 {
      if try evidence(k) > (try evidence(best)) { best = k }
    }
    return pow(2, -0.5 * Double(best))
  }
}
