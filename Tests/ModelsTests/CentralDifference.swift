import BNNTestSupport
import Foundation

/// f′(x) by central differences, with what it can be trusted to.
///
///     D(h) = (f(x + h) − f(x − h)) / 2h = f′ + h²f‴/6 + O(h⁴),  rounding: error(f)/h
///
/// with h = ε^{1/3}, where both parts are of order ε^{2/3}. D(2h) − D(h) = h²f‴/2 is three times the truncation error, so
/// it bounds it without knowing f‴ (next to a kink it grows and with it the tolerance). `size` is the size of the terms
/// that f adds up; 32 of their roundings are allowed.
func centralDifference(at x: Double, size: Double, _ f: (Double) -> Double) -> (value: Double, tolerance: Double) {
  let h = cbrt(epsilon) * max(1, x.magnitude)
  func slope(_ step: Double) -> Double {
    let (upper, lower) = (x + step, x - step)
    return (f(upper) - f(lower)) / (upper - lower)
  }
  let value = slope(h)
  return (value, (slope(2 * h) - value).magnitude + 32 * epsilon * max(1, size) / h)
}
