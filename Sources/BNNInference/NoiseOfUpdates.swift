import BNNModels
import BNNPosteriors

/// Whether the noise of a Gaussian over a network's weights follows the batches.
extension Posterior {
  /// Whether D1 estimated the noise of a normal likelihood, which new rows then say something of. A fixed Gaussian of earlier rows is
  /// relative to the noise, so that what was kept apart of single batches would not add up any more.
  func followsNoise(keepingSite: Bool = false) -> Bool {
    // A square of gradients does not scale with the noise as a likelihood does.
    model.method.keepsCurvature && model.likelihood.hasNoise && model.prior.noise == .auto && !keepingSite
      && sites.isEmpty && model.laplace?.curvature != .empiricalFisher
  }

  /// Numbers that were observed of all rows so far; nil where the noise stays as it is.
  func earlierTerms(followsNoise: Bool) -> Double? {
    followsNoise ? countedRows * Double(model.schema.targets.count) : nil
  }

  /// What the rows so far count as: less than they are after updates with `--forgetting`, of which the history knows.
  var countedRows: Double {
    lineage.held.reduce(0) { $0 + $1.rows } == rows ? lineage.effectiveRows : Double(rows)
  }

  /// What the certificate says of hyper-parameters.
  static func hyperParameterReason(_ prior: PriorSettings, _ likelihood: LikelihoodKind) -> String {
    likelihood.hasNoise && prior.noise == .auto
      ? "The prior precision is that of the first batch; the noise follows the batches."
      : likelihood.hasNoise
        ? "Prior precision and noise are those of the first batch." : "The prior precision is that of the first batch."
  }

  /// Says in the certificate whether the last update left a noise that rows had estimated as it was.
  mutating func noteNoise(kept: Bool) {
    let reason = "The last update kept the noise that was estimated before it."
    certificate.reasons.removeAll { $0 == reason }
    if kept, model.likelihood.hasNoise, model.prior.noise == .auto { certificate.reasons.append(reason) }
  }
}
