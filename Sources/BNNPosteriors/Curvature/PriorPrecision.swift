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
}
