import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors

/// How far a posterior over a network's weights lets its outputs move at a row, whatever the outputs say: large where the rows it was
/// fitted on have left the network free, as far away from them.
///
///     v = 1/C Σ_c [mean_k S_k,cc + var_k m_k,c],     f | member k ~ N(m_k, S_k)
///
/// over the outputs of the row's head and the members (the trace of the functional covariance of Immer et al. 2021, "Improving predictions
/// of Bayesian neural nets via local linearization", by output). Unlike the entropy of the predicted classes it does not fall where a
/// network is sure of itself far away. τ of `LaplaceState.predictiveScale`, which weighs the spread in predictions, is left out: it is one
/// number for all rows.
public struct FunctionalVariance: Sendable {
  private enum Moments: Sendable {
    case linearised(LaplaceMoments)
    case propagated(MeanFieldMoments)

    func callAsFunction(_ x: Matrix) -> OutputMoments {
      switch self {
      case .linearised(let own): own.linearised(x)
      case .propagated(let own): own.propagated(x)
      }
    }
  }

  private let schema: Schema
  private let normalisation: Normalisation
  private let members: [Moments]
  private let heads: ClassHeads?

  /// - Throws: `UpdateError.unsuitable` for a model that is linear in its weights, whose predictions have their spread already, and for
  ///   weights without one (`point`); `LinearAlgebraError` for a precision that is not positive definite.
  public init(_ posterior: Posterior) throws {
    let method = posterior.model.method
    guard method.keepsCurvature, method != .point else {
      throw UpdateError.unsuitable(
        "the spread of a network's outputs is that of a posterior of laplace, kalman or mean-field; this one is of \(posterior.model.methodName)"
      )
    }
    let network = Network(posterior.model.networkOrEmpty)
    schema = posterior.schema
    normalisation = posterior.normalisation
    heads = try posterior.schema.heads.map { groups in try ClassHeads(groups) }
    members = try posterior.members.compactMap { member in
      guard let state = member.laplace else { return nil }
      return method == .meanField
        ? .propagated(try MeanFieldMoments(network, member.theta, state))
        : .linearised(try LaplaceMoments(network, member.theta, state, scale: 1))
    }
  }

  /// v of n rows of features (n × d), in squared units of the outputs: logits of classes. Costs what a prediction does.
  ///
  /// - Parameter rowHeads: the number of each row's head, where classes are in heads.
  /// - Throws: `UpdateError.unsuitable` for another number of features, and for heads that are missing or do not exist.
  public func callAsFunction(features: Matrix, heads rowHeads: [Int]? = nil, threads: Int = 1) throws -> [Double] {
    try schema.check(features)
    try schema.check(rowHeads, rows: features.rows)
    let size = Predictor.piece
    return parallelMap((features.rows + size - 1) / size, threads: threads) { piece in
      let range = piece * size..<min((piece + 1) * size, features.rows)
      let x = normalisation.features(features.rows(range))
      let moments = members.map { $0(x) }
      return range.map { i in
        let outputs = rowHeads.flatMap { own in heads?.groups[own[i]] } ?? Array(0..<(moments.first?.mean.columns ?? 0))
        return Self.variance(moments, row: i - range.lowerBound, outputs)
      }
    }.flatMap { $0 }
  }

  private static func variance(_ moments: [OutputMoments], row i: Int, _ outputs: [Int]) -> Double {
    let count = Double(max(1, moments.count))
    let sum = outputs.reduce(0.0) { sum, c in
      let means = moments.map { $0.mean[i, c] }
      let middle = means.reduce(0, +) / count
      return sum
        + moments.reduce(0) { $0 + $1.covariance[i, c * $1.mean.columns + c] } / count
        + means.reduce(0) { $0 + ($1 - middle) * ($1 - middle) } / count
    }
    return sum / Double(max(1, outputs.count))
  }
}
