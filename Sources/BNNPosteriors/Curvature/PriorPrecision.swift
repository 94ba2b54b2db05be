import BNNLinearAlgebra

/// The precision of the prior that D1 started from, diagonal in θ: one number, one a layer, or one a weight.
public enum PriorPrecision: Codable, Equatable, Sendable {
  /// One for every layer, in order (all equal for a prior with a single precision).
  case layers([Double])
  /// One for every weight of θ.
  case weights([Double])

  /// As one number a weight.
  public func expanded(_ layers: [LayerShape]) -> [Double] {
    switch self {
    case .weights(let values): return values
    case .layers(let values):
      precondition(values.count == layers.count, "one precision a layer")
      return zip(values, layers).flatMap { [Double](repeating: $0, count: $1.parameterCount) }
    }
  }

  /// The numbers, if there is one a layer.
  public var perLayer: [Double]? { if case .layers(let values) = self { values } else { nil } }

  /// Every number times a factor.
  public func scaled(by factor: Double) -> PriorPrecision {
    switch self {
    case .layers(let values): .layers(values.map { factor * $0 })
    case .weights(let values): .weights(values.map { factor * $0 })
    }
  }

  /// That of neighbouring layers of `layers`.
  public func of(_ chosen: Range<Int>, _ layers: [LayerShape]) -> PriorPrecision {
    switch self {
    case .layers(let values): return .layers(Array(values[chosen]))
    case .weights(let values):
      let start = layers[..<chosen.lowerBound].reduce(0) { $0 + $1.parameterCount }
      return .weights(Array(values[start..<(start + layers[chosen].reduce(0) { $0 + $1.parameterCount })]))
    }
  }
}

/// How many prior precisions the evidence chooses.
public enum PriorScope: String, Codable, CaseIterable, Sendable {
  /// One for all weights.
  case network
  /// One for those of every layer.
  case layer
  /// One for every weight: those that the data do not need are held at zero (automatic relevance determination).
  case weight
}
