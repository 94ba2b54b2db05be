import BNNLinearAlgebra
import Foundation

/// The unit of relative rounding in tolerances, 2⁻⁵².
public let epsilon = Double.ulpOfOne

/// √Σx², plainly.
public func euclideanNorm(_ x: [Double]) -> Double { x.reduce(0) { $0 + $1 * $1 }.squareRoot() }

/// ‖a − b‖ / ‖b‖ (Euclidean); the absolute norm of a when b is zero, and infinite for other lengths or NaN.
public func relativeDifference(_ a: [Double], _ b: [Double]) -> Double {
  guard a.count == b.count else { return .infinity }
  let difference = euclideanNorm(zip(a, b).map { $0 - $1 })
  let scale = euclideanNorm(b)
  guard difference.isFinite, scale.isFinite else { return .infinity }
  return scale == 0 ? difference : difference / scale
}

/// ‖A − B‖ / ‖B‖ in the Frobenius norm; infinite when the shapes differ.
public func relativeDifference(_ a: Matrix, _ b: Matrix) -> Double {
  guard a.rows == b.rows, a.columns == b.columns else { return .infinity }
  return relativeDifference(a.storage, b.storage)
}

/// |a − b| / |b|.
public func relativeDifference(_ a: Double, _ b: Double) -> Double { relativeDifference([a], [b]) }

/// The number of correct digits as NIST's StRD counts them: −log₁₀ of the relative error (of the absolute error where
/// the certified value is 0), between 0 and 15.
public func digits(of value: Double, against certified: Double) -> Double {
  let error = certified == 0 ? value.magnitude : ((value - certified) / certified).magnitude
  guard error.isFinite else { return 0 }
  return error == 0 ? 15 : min(15, max(0, -log10(error)))
}

/// The fewest correct digits of several values.
public func digits(of values: [Double], against certified: [Double]) -> Double {
  guard values.count == certified.count else { return 0 }
  return zip(values, certified).map { digits(of: $0, against: $1) }.min() ?? 15
}
