import BNNLinearAlgebra

/// A curvature of any structure, for engines and files that learn at run time which.
public enum AnyCurvature: Sendable, Equatable {
  case full(FullCurvature)
  case block(BlockCurvature)
  case kronecker(KroneckerCurvature)
  case kroneckerEigenvalue(KroneckerEigenvalueCurvature)
  case lowRank(LowRankCurvature)
  case diagonal(DiagonalCurvature)

  /// Of no rows. `rank` is the low-rank structure's, `sharing` that of Kronecker products.
  public init(
    _ structure: CurvatureStructure, layers: [LayerShape], rank: Int = LowRankCurvature.defaultRank,
    sharing: WeightSharing = .expand
  ) {
    switch structure {
    case .full: self = .full(FullCurvature(layers: layers))
    case .block: self = .block(BlockCurvature(layers: layers))
    case .kronecker: self = .kronecker(KroneckerCurvature(layers: layers, sharing: sharing))
    case .kroneckerEigenvalue:
      self = .kroneckerEigenvalue(KroneckerEigenvalueCurvature(layers: layers, sharing: sharing))
    case .lowRank: self = .lowRank(LowRankCurvature(layers: layers, rank: rank))
    case .diagonal: self = .diagonal(DiagonalCurvature(layers: layers))
    }
  }

  /// From what `tensors` gave.
  public init(
    _ structure: CurvatureStructure, layers: [LayerShape], rank: Int = LowRankCurvature.defaultRank,
    sharing: WeightSharing = .expand, tensors: [CurvatureTensor]
  ) throws(CurvatureTensorError) {
    switch structure {
    case .full: self = .full(try FullCurvature(layers: layers, tensors: tensors))
    case .block: self = .block(try BlockCurvature(layers: layers, tensors: tensors))
    case .kronecker: self = .kronecker(try KroneckerCurvature(layers: layers, sharing: sharing, tensors: tensors))
    case .kroneckerEigenvalue:
      self = .kroneckerEigenvalue(
        try KroneckerEigenvalueCurvature(layers: layers, sharing: sharing, tensors: tensors))
    case .lowRank: self = .lowRank(try LowRankCurvature(layers: layers, rank: rank, tensors: tensors))
    case .diagonal: self = .diagonal(try DiagonalCurvature(layers: layers, tensors: tensors))
    }
  }

  /// The curvature itself.
  public var value: any Curvature {
    switch self {
    case .full(let own): own
    case .block(let own): own
    case .kronecker(let own): own
    case .kroneckerEigenvalue(let own): own
    case .lowRank(let own): own
    case .diagonal(let own): own
    }
  }

  public var structure: CurvatureStructure { type(of: value).structure }
  public var layers: [LayerShape] { value.layers }
  public var diagonal: [Double] { value.diagonal }
  public var tensors: [CurvatureTensor] { value.tensors }

  /// The list of batches compressed to `count` a layer, and the relative error of that; structures that have none stay as
  /// they are.
  public func compressed(to count: Int) throws(LinearAlgebraError) -> (curvature: AnyCurvature, relativeError: Double) {
    switch self {
    case .kronecker(let own):
      let (curvature, error) = try own.compressed(to: count)
      return (.kronecker(curvature), error)
    case .kroneckerEigenvalue(let own):
      let (curvature, error) = try own.compressed(to: count)
      return (.kroneckerEigenvalue(curvature), error)
    default: return (self, 0)
    }
  }

  public mutating func absorb<Scalar: BLASScalar>(_ factors: [LayerFactors<Scalar>], weight: Double = 1) {
    modify { $0.absorb(factors, weight: weight) }
  }

  /// See `Curvature.secondPass`.
  public func secondPass() -> AnyCurvature? { value.secondPass().map { AnyCurvature($0) } }

  /// Rows of the same batch, in the same structure.
  public mutating func add(_ piece: AnyCurvature) { modify { $0.add(erased: piece.value) } }

  /// Another batch, in the same structure.
  public mutating func append(_ batch: AnyCurvature) { modify { $0.append(erased: batch.value) } }

  public mutating func scale(by factor: Double) { modify { $0.scale(by: factor) } }

  public func times(_ x: [Double]) -> [Double] { value.times(x) }

  public func factored(prior: PriorPrecision) throws(LinearAlgebraError) -> any CurvatureFactor {
    try value.factored(prior: prior)
  }

  public func sweep() throws(LinearAlgebraError) -> any PriorSweep { try value.sweep() }

  /// In place: the case holds nothing while its value is changed, so that no buffer is copied.
  private mutating func modify(_ body: (inout any Curvature) -> Void) {
    var own = value
    self = .diagonal(DiagonalCurvature(layers: []))
    body(&own)
    self = AnyCurvature(own)
  }

  private init(_ own: any Curvature) {
    switch own {
    case let own as FullCurvature: self = .full(own)
    case let own as BlockCurvature: self = .block(own)
    case let own as KroneckerCurvature: self = .kronecker(own)
    case let own as KroneckerEigenvalueCurvature: self = .kroneckerEigenvalue(own)
    case let own as LowRankCurvature: self = .lowRank(own)
    case let own as DiagonalCurvature: self = .diagonal(own)
    default: preconditionFailure("a case holds a curvature of its structure")
    }
  }
}

extension Curvature {
  fileprivate mutating func add(erased other: any Curvature) { add(sameStructure(other)) }

  fileprivate mutating func append(erased other: any Curvature) { append(sameStructure(other)) }

  private func sameStructure(_ other: any Curvature) -> Self {
    guard let other = other as? Self else { preconditionFailure("curvatures of one structure") }
    return other
  }
}
