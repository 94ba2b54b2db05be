import BNNModels
import BNNPosteriors

/// What a Laplace posterior is: properties that no update may change.
public struct LaplaceSettings: Codable, Sendable, Equatable {
  public var structure: CurvatureStructure
  /// Neighbouring layers whose weights are uncertain, the others being held at D1's values; nil for all.
  public var layers: Range<Int>?
  public var curvature: CurvatureKind
  /// Directions of a low-rank structure.
  public var rank: Int
  /// Terms that a layer's sum over batches is kept as by a Kronecker structure, at most; batches beyond are joined.
  public var products: Int
  /// What has a prior precision of its own.
  public var priorScope: PriorScope
  /// Whether the network is linearised at its weights of D1, where every update is a convex problem.
  public var isLinearised: Bool
  /// Of Kronecker structures; nil is to expand.
  private var weightSharing: WeightSharing?
  private var pairsOfDraws: Int?

  /// How layers that use their weights several times become Kronecker products.
  public var sharing: WeightSharing { weightSharing ?? .expand }

  /// Pairs θ̂ ± Lz of weights drawn from Laplace's posterior over which a batch's curvature is averaged; 0 takes it at θ̂ alone, which is
  /// Laplace's approximation as it is known.
  public var curvatureDraws: Int { pairsOfDraws ?? 0 }

  /// Whether a row can be taken out of the precision again: only of a full one is what it said at the mean held whole.
  var holdsRows: Bool { structure == .full && curvatureDraws == 0 }

  public init(
    structure: CurvatureStructure = .full, layers: Range<Int>? = nil, curvature: CurvatureKind = .ggn, rank: Int = 100,
    products: Int = 8, priorScope: PriorScope = .network, isLinearised: Bool = false,
    sharing: WeightSharing = .expand, curvatureDraws: Int = 0
  ) {
    precondition(curvatureDraws >= 0, "a number of pairs")
    self.structure = structure
    self.layers = layers
    self.curvature = curvature
    self.rank = rank
    self.products = products
    self.priorScope = priorScope
    self.isLinearised = isLinearised
    // Left out of files where it says nothing.
    weightSharing = sharing == .expand ? nil : sharing
    pairsOfDraws = curvatureDraws == 0 ? nil : curvatureDraws
  }
}
