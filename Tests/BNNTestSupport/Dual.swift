import Foundation

/// A number with its derivatives in p parameters: forward-mode automatic differentiation, exact to rounding.
public struct Dual: Sendable {
  public var value: Double
  public var gradient: [Double]

  public init(_ value: Double, _ gradient: [Double]) {
    self.value = value
    self.gradient = gradient
  }

  /// Parameter j of θ.
  public static func parameters(_ theta: [Double]) -> [Dual] {
    theta.indices.map { j in Dual(theta[j], theta.indices.map { $0 == j ? 1 : 0 }) }
  }

  /// f(u) with the derivative f′(u).
  private func map(_ value: Double, _ slope: Double) -> Dual { Dual(value, gradient.map { slope * $0 }) }

  public static func + (a: Dual, b: Dual) -> Dual {
    Dual(a.value + b.value, zip(a.gradient, b.gradient).map { $0 + $1 })
  }
  public static func - (a: Dual, b: Dual) -> Dual { a + -1 * b }
  public static func * (a: Dual, b: Dual) -> Dual {
    Dual(a.value * b.value, zip(a.gradient, b.gradient).map { $0 * b.value + a.value * $1 })
  }
  public static func / (a: Dual, b: Dual) -> Dual { a * b.map(1 / b.value, -1 / (b.value * b.value)) }
  public static func + (a: Double, b: Dual) -> Dual { b.map(a + b.value, 1) }
  public static func + (a: Dual, b: Double) -> Dual { b + a }
  public static func - (a: Double, b: Dual) -> Dual { b.map(a - b.value, -1) }
  public static func * (a: Double, b: Dual) -> Dual { b.map(a * b.value, a) }
  public static func / (a: Double, b: Dual) -> Dual { b.map(a / b.value, -a / (b.value * b.value)) }
  public static func / (a: Dual, b: Double) -> Dual { a.map(a.value / b, 1 / b) }
  public static func exp(_ u: Dual) -> Dual { u.map(Foundation.exp(u.value), Foundation.exp(u.value)) }
  public static func log(_ u: Dual) -> Dual { u.map(Foundation.log(u.value), 1 / u.value) }
  public static func arctan(_ u: Dual) -> Dual { u.map(atan(u.value), 1 / (1 + u.value * u.value)) }
  public static func square(_ u: Dual) -> Dual { u * u }
  /// u^v for u > 0.
  public static func power(_ u: Dual, _ v: Dual) -> Dual { exp(v * log(u)) }
  public static func power(_ u: Dual, _ v: Double) -> Dual { exp(v * log(u)) }
}
