import BNNModels
import BNNPosteriors

/// What is said of weights without a posterior.
extension Posterior {
  static func pointReasons(_ prior: PriorSettings, _ likelihood: LikelihoodKind) -> [String] {
    [
      "Trained weights without a posterior: predictions take them for certain, whatever the rows left open.",
      "What a batch said is kept as the diagonal of its curvature at the weights where it ended, for updates by ewc, l2-start and "
        + "oversample.", hyperParameterReason(prior, likelihood),
    ]
  }

  /// That of the point before, with what the batch kept of it and what it forgot.
  func pointCertificate(_ before: Posterior, _ report: PointReport?) -> Certificate {
    var certificate = before.certificate
    certificate.update = .approximate
    guard let report else { return certificate }
    certificate.reasons.append(
      "Update \(before.lineage.count + 1) by \(report.settings.method.rawValue): \(report.words)")
    return certificate
  }
}

extension PointReport {
  /// What the method keeps of earlier batches and what it forgets.
  fileprivate var words: String {
    let number = strength.map { "\(Float($0))" } ?? ""
    let renewed =
      settings.newLayers == 0
      ? ""
      : " The last \(settings.newLayers == 1 ? "layer" : "\(settings.newLayers) layers") began with random weights."
    let forgets = "nothing else holds the weights near what earlier batches said."
    switch settings.method {
    case .hotStart:
      return "earlier batches are where training began"
        + (resumedAfter.map { ", with the optimiser's state after \($0) passes" } ?? "") + "; \(forgets)" + renewed
    case .freeze:
      let held = settings.frozenLayers.map { "the first \($0) layers" } ?? "all layers but the last"
      return "\(held) stayed as they were; in the others \(forgets)" + renewed
    case .layerRates:
      return "earlier batches are where training began, and the lower a layer the more slowly it moved; \(forgets)"
        + renewed
    case .ewc:
      return
        "earlier batches are a quadratic penalty with the diagonal of their curvature, times \(number); what they said of "
        + "combinations of weights is forgotten."
    case .l2Start:
      return
        "a quadratic penalty of \(number) holds all weights alike near where they began; what earlier batches said of them is "
        + "forgotten." + renewed
    case .distil:
      return
        "what the network said of the new inputs before is asked of it again, times \(number); what it said elsewhere is "
        + "forgotten."
    case .oversample:
      return
        "every new row counted \(number) times against the diagonal of what earlier batches said; the rows are no more than "
        + "they were."
    }
  }
}
