import BNNInference
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNSafetensors

/// The tensors of what single batches said (`BatchSite`), of every member; a posterior that keeps none has none of them:
///
/// | name | shape | what |
/// |---|---|---|
/// | `sites.N.statistics` | packed rows of k × (P + C) | the array of the batch of lineage entry N; 0: of all that have none |
/// | `sites.N.curvature.…` | the structure's own | what batch N added to the curvature of a Gaussian over the weights |
/// | `sites.N.information` | [P] | what it added to precision × mean |
extension MemberTensors {
  func tensors(of part: BatchSite.Part, number: Int) -> [Tensor] {
    let start = "\(prefix)sites.\(number)."
    switch part {
    case .linear(let own):
      let packed = Self.pack(own.array.array)
      return [Tensor(name: "\(start)statistics", shape: [packed.count], values: packed)]
    case .gaussian(let own):
      return [Tensor(name: "\(start)information", shape: [own.information.count], values: own.information)]
        + own.curvature.tensors.map { Tensor(name: "\(start)curvature.\($0.name)", shape: $0.shape, values: $0.values) }
    }
  }

  func sitePart(
    _ entry: Manifest.SiteEntry, member k: Int, of member: Member, from store: inout TensorStore
  ) throws(PosteriorFileError) -> BatchSite.Part {
    let start = "\(prefix)sites.\(entry.number)."
    guard let state = member.laplace, let settings = model.laplace else {
      guard let observations = entry.observations, observations >= 0 else {
        throw store.corrupt("its manifest has no size for the batch of \(start)statistics")
      }
      return .linear(
        try statistics(
          "\(start)statistics", weights: member.statistics.weights, responses: member.statistics.responses,
          observations: observations, logWeights: entry.logWeights ?? 0, discount: entry.discount ?? 0, from: &store))
    }
    guard let evidence = entry.logEvidence, evidence.indices.contains(k) else {
      throw store.corrupt("its manifest has no evidence for the batch of \(start)curvature")
    }
    let shapes = state.curvature.layers
    let curvature =
      settings.structure == .diagonal
      ? AnyCurvature.diagonal(try excess(of: shapes, prefix: "\(start)curvature.", from: &store))
      : try laplaceCurvature(settings, shapes, prefix: "\(start)curvature.", from: &store)
    let count = shapes.reduce(0) { $0 + $1.parameterCount }
    return .gaussian(
      GaussianSite(
        curvature: curvature, information: try store.take("\(start)information", shape: [count]),
        logEvidence: evidence[k]))
  }
}

extension Manifest {
  /// One batch whose part in the posterior is kept apart.
  public struct SiteEntry: Codable, Sendable, Equatable {
    /// Of its lineage entry; 0: all batches that have none.
    public var number: Int
    /// Rows of the information array's data; null for Gaussians over the weights.
    public var observations: Int?
    /// Σ log w over those rows; null if every row weighs 1.
    public var logWeights: Double?
    /// By how much those rows count less than they are; null if every row counts once.
    public var discount: Double?
    /// log p(batch | before) in normalised units, of every member; null for the linear family.
    public var logEvidence: [Double]?

    enum CodingKeys: String, CodingKey {
      case number, observations, discount
      case logWeights = "log_weights"
      case logEvidence = "log_evidence"
    }

    init(_ site: BatchSite) {
      number = site.number
      for part in site.parts {
        switch part {
        case .linear(let own):
          observations = own.observations
          logWeights = own.logWeights == 0 ? nil : own.logWeights
          discount = own.discount == 0 ? nil : own.discount
        case .gaussian(let own): logEvidence = (logEvidence ?? []) + [own.logEvidence]
        }
      }
    }
  }
}
