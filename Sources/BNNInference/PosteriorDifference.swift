import BNNLinearAlgebra
import BNNPosteriors

/// How far two posteriors of one model are apart, member by member.
public struct PosteriorDifference: Sendable, Equatable {
  /// How far one member of the first is from the same member of the second.
  public struct OfMember: Sendable, Equatable {
    /// max |a − b| over the means of all weights.
    public var maxAbsMean = 0.0
    /// max |a − b| / max(|a|, |b|, sd).
    public var maxRelMean = 0.0
    /// Likewise over standard deviations of the weights, the noise and the prior precision: max |a − b| / max(|a|, |b|).
    public var maxRelSd = 0.0
    /// max |b − a|/sd(a) over the weights that are uncertain, and the weight's name.
    public var maxShift = 0.0
    public var shifted: String?
    /// max of sd(a)/sd(b) and sd(b)/sd(a) over them, and its name.
    public var maxSpreadRatio = 1.0
    public var respread: String?
    /// KL(a ‖ b) and KL(b ‖ a) in nats; nil for improper posteriors and points, or where one noise is known
    /// only.
    public var klForward: Double? = 0
    public var klBackward: Double? = 0
  }

  /// One entry per member, in the posteriors' order.
  public let members: [OfMember]

  /// The largest over members.
  public var maxAbsMean: Double { members.map(\.maxAbsMean).max() ?? 0 }
  public var maxRelMean: Double { members.map(\.maxRelMean).max() ?? 0 }
  public var maxRelSd: Double { members.map(\.maxRelSd).max() ?? 0 }
  /// The member whose weight moved most, in standard deviations of the first; nil where all are equal.
  public var mostShifted: OfMember? { members.max { $0.maxShift < $1.maxShift } }
  public var mostRespread: OfMember? { members.max { $0.maxSpreadRatio < $1.maxSpreadRatio } }
  /// The one member's; nil for a mixture, whose KL has no closed form.
  public var klForward: Double? { members.count == 1 ? members[0].klForward : nil }
  public var klBackward: Double? { members.count == 1 ? members[0].klBackward : nil }

  /// Compares member by member and response by response: `linear` in the data's units, networks as Gaussians over θ.
  ///
  /// - Throws: `UpdateError.unsuitable` when the two are not about the same weights, with the reason.
  public init(_ a: Posterior, _ b: Posterior) throws {
    try Self.check(a, b)
    members = try zip(a.members, b.members).map { own, other in
      if let p = own.laplace, let q = other.laplace {
        var result = try OfMember(own.theta, p, other.theta, q, a.weightNames())
        if a.model.method == .point { (result.klForward, result.klBackward) = (nil, nil) }
        return result
      }
      guard own.responses.count == other.responses.count else {
        throw UpdateError.unsuitable("one posterior has seen data and the other has not")
      }
      var result = OfMember()
      for c in own.responses.indices {
        guard let p = a.overWeights(response: c, of: own), let q = b.overWeights(response: c, of: other) else {
          guard own.responses[c].posterior == nil, other.responses[c].posterior == nil else {
            throw UpdateError.unsuitable("one posterior is identified and the other is not yet")
          }
          (result.klForward, result.klBackward) = (nil, nil)
          continue
        }
        try result.add(p, q, a.weightNames())
        if let alpha = own.responses[c].priorPrecision, let beta = other.responses[c].priorPrecision {
          result.maxRelSd = max(result.maxRelSd, OfMember.relative(alpha, beta))
        }
      }
      return result
    }
  }

  /// Both relative figures at most `tolerance`.
  public func isWithin(_ tolerance: Double) -> Bool { maxRelMean <= tolerance && maxRelSd <= tolerance }

  private static func check(_ a: Posterior, _ b: Posterior) throws {
    func refuse(_ what: String) -> UpdateError { .unsuitable("the two posteriors cannot be compared: \(what)") }
    guard a.model.method == b.model.method else {
      throw refuse("their methods are \(a.model.method.rawValue) and \(b.model.method.rawValue)")
    }
    guard a.model.schema == b.model.schema else { throw refuse("their columns differ") }
    guard a.model.network == b.model.network, a.model.intercept == b.model.intercept else {
      throw refuse("their networks differ")
    }
    guard a.members.count == b.members.count else {
      throw refuse("they have \(a.members.count) and \(b.members.count) members")
    }
    guard a.model.method == .linear || a.normalisation == b.normalisation else {
      throw refuse("their weights live in different normalisations (they come from different fits)")
    }
    guard a.model.laplace == b.model.laplace, a.model.likelihood == b.model.likelihood else {
      throw refuse("their structures, layers or likelihoods differ")
    }
    guard a.model.subspace == b.model.subspace,
      a.model.subspace == nil
        || zip(a.members, b.members).allSatisfy({ $0.theta == $1.theta && $0.subspace == $1.subspace })
    else { throw refuse("their weights move in different subspaces (they come from different fits)") }
    guard
      ![.lastLayer, .parallelBranch].contains(a.model.method)
        || zip(a.members, b.members).allSatisfy({ $0.theta == $1.theta })
    else {
      throw refuse("their frozen features differ (they come from different fits)")
    }
  }
}

extension PosteriorDifference.OfMember {
  /// Takes one response into the figures.
  fileprivate mutating func add(_ p: LinearPosterior, _ q: LinearPosterior, _ names: [String]) throws {
    let (sdP, sdQ) = (p.marginalScales(), q.marginalScales())
    for j in p.mean.indices {
      let difference = abs(p.mean[j] - q.mean[j])
      maxAbsMean = max(maxAbsMean, difference)
      let scale = max(abs(p.mean[j]), abs(q.mean[j]), sdP[j], sdQ[j])
      if scale > 0 { maxRelMean = max(maxRelMean, difference / scale) }
      maxRelSd = max(maxRelSd, Self.relative(sdP[j], sdQ[j]))
      explain(difference, sdP[j], sdQ[j], names[j])
    }
    maxRelSd = max(maxRelSd, Self.relative(p.noise.scaleSquared.squareRoot(), q.noise.scaleSquared.squareRoot()))
    // KL is at least 0; what rounding leaves below it is 0.
    klForward = try klForward.flatMap { sum in try kullbackLeibler(p, q).map { sum + max(0, $0) } }
    klBackward = try klBackward.flatMap { sum in try kullbackLeibler(q, p).map { sum + max(0, $0) } }
  }

  /// Takes the movement of one weight's mean and its spreads before and after.
  mutating func explain(_ difference: Double, _ before: Double, _ after: Double, _ name: @autoclosure () -> String) {
    guard before > 0, after > 0 else { return }
    if difference / before > maxShift { (maxShift, shifted) = (difference / before, name()) }
    let ratio = max(before / after, after / before)
    if ratio > maxSpreadRatio { (maxSpreadRatio, respread) = (ratio, name()) }
  }

  static func relative(_ a: Double, _ b: Double) -> Double {
    let scale = max(abs(a), abs(b))
    return scale > 0 ? abs(a - b) / scale : 0
  }
}

extension Posterior {
  /// The posterior over the weights themselves: for a tangent θ = θ₁ + w, in a subspace v.
  fileprivate func overWeights(response c: Int, of member: Member) -> LinearPosterior? {
    switch model.method {
    case .linear: return inDataUnits(response: c, of: member)
    case .laplace, .kalman, .meanField, .point: return nil
    case .lastLayer, .parallelBranch: return member.responses[c].posterior
    case .tangent where model.subspace != nil: return member.responses[c].posterior
    case .tangent, .movingTangent:
      return member.responses[c].posterior.map { own in
        LinearPosterior(
          mean: zip(own.mean, member.theta).map { $0 + $1 }, factor: own.factor, noise: own.noise)
      }
    }
  }
}
