/// The likelihoods by the names that a file keeps and a command takes.
public enum LikelihoodKind: String, Codable, CaseIterable, Sendable {
  case gaussian, heteroscedastic, bernoulli, categorical, poisson

  /// Whether targets are classes rather than amounts: 0 and 1, or 0 ..< C.
  public var isClassification: Bool { self == .bernoulli || self == .categorical }

  /// Whether the noise is a number beside the network.
  public var hasNoise: Bool { self == .gaussian }

  /// The likelihood of `targets` target columns.
  ///
  /// - Parameters:
  ///   - classes: C of `categorical`, which has one target; the others ignore it.
  ///   - heads: of `categorical`, its classes in groups; the others take none.
  ///   - variances: σ² of `gaussian`, one or one per target; the others ignore it.
  /// - Throws: `LikelihoodError` for counts that do not fit the kind.
  public func likelihood(
    targets: Int = 1, classes: Int = 2, heads: [[Int]]? = nil, variances: [Double] = [1]
  ) throws(LikelihoodError) -> any Likelihood {
    guard targets >= 1 else { throw LikelihoodError("there is no target") }
    guard heads == nil || self == .categorical else { throw LikelihoodError("\(rawValue) takes no heads") }
    switch self {
    case .gaussian:
      guard variances.count == targets || variances.count == 1 else {
        throw LikelihoodError("\(variances.count) noise variances for \(targets) targets")
      }
      if let wrong = variances.first(where: { !($0 > 0 && $0.isFinite) }) {
        throw LikelihoodError("a noise variance is positive and finite, not \(wrong)")
      }
      return GaussianLikelihood(variances: (0..<targets).map { variances[min($0, variances.count - 1)] })
    case .heteroscedastic: return HeteroscedasticLikelihood(targets: targets)
    case .bernoulli: return BernoulliLikelihood(targets: targets)
    case .categorical:
      guard targets == 1 else { throw LikelihoodError("categorical takes one target, not \(targets)") }
      guard classes >= 2 else { throw LikelihoodError("categorical needs at least two classes, not \(classes)") }
      guard let heads else { return CategoricalLikelihood(classes: classes) }
      let own = try ClassHeads(heads)
      guard own.classes == classes else { throw LikelihoodError("heads of \(own.classes) classes, of \(classes)") }
      return CategoricalLikelihood(heads: own)
    case .poisson: return PoissonLikelihood(targets: targets)
    }
  }

  /// The numbers that a network must give a row for `targets` targets, or for one of `classes` classes.
  public func outputs(targets: Int = 1, classes: Int = 2) -> Int {
    switch self {
    case .gaussian, .bernoulli, .poisson: targets
    case .heteroscedastic: 2 * targets
    case .categorical: classes
    }
  }
}

/// Targets, classes or noise that do not fit a likelihood.
public struct LikelihoodError: Error, Equatable, Sendable, CustomStringConvertible {
  public let description: String

  init(_ description: String) { self.description = description }
}
