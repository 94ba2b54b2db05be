import BNNLinearAlgebra
import BNNProbability

/// Which curvature of the likelihood in the network's outputs a posterior is made of, as roots b_is of every row with
/// H_i = Σ_s b_is b_isᵀ: rows that know nothing of networks or of the structures that keep them.
public enum CurvatureKind: Hashable, Codable, Sendable {
  /// The expected curvature, exactly: E_y[g gᵀ] = −E_y[∂²log p/∂f²], g = −∂log p/∂f. With it the posterior's precision
  /// is the generalised Gauss–Newton matrix (Schraudolph 2002; Martens 2020, "New insights and perspectives on the
  /// natural gradient method", section 9).
  case ggn
  /// The mean of g gᵀ over draws of y from p(y | f): unbiased for `ggn`, with `samples` roots a row.
  case monteCarloFisher(samples: Int)
  /// g gᵀ at the targets that were observed, one root a row. It is not an estimate of the curvature: it is too large
  /// where the model fits badly and vanishes where it fits exactly (Kunstner, Balles & Hennig 2019). For comparisons;
  /// never a default.
  case empiricalFisher

  /// The roots of every row, each n × C.
  ///
  /// - Parameters:
  ///   - f: outputs, n × C.
  ///   - y: targets, n × T; but for `empiricalFisher` they say no more than which outputs a row is about.
  ///   - stream: moves on by what `monteCarloFisher` draws, not otherwise.
  public func roots(
    of likelihood: any Likelihood, outputs f: Matrix, targets y: Matrix, using stream: inout RandomStream
  ) -> [Matrix] {
    switch self {
    case .ggn: return likelihood.curvatureRoots(outputs: f, targets: y)
    case .empiricalFisher: return [likelihood.gradients(outputs: f, targets: y)]
    case .monteCarloFisher(let samples):
      precondition(samples > 0, "there is a draw")
      let scale = 1 / Double(samples).squareRoot()
      return (0..<samples).map { _ in
        let drawn = likelihood.sample(outputs: f, like: y, using: &stream)
        var root = likelihood.gradients(outputs: f, targets: drawn)
        for i in root.storage.indices { root.storage[i] *= scale }
        return root
      }
    }
  }
}
