/// How a filter takes its rows: settings of one update.
public struct FilterSettings: Sendable, Equatable {
  public var dynamics: FilterDynamics
  /// Whether rows are multiplied in single precision, at about half the cost; nil: only for networks beyond 2,000 weights. What
  /// the posterior keeps is summed in double precision.
  public var usesSinglePrecision: Bool?

  public init(dynamics: FilterDynamics = .still, usesSinglePrecision: Bool? = nil) {
    self.dynamics = dynamics
    self.usesSinglePrecision = usesSinglePrecision
  }
}
