import BNNLinearAlgebra

/// Damped Gauss–Newton steps (Levenberg 1944, Marquardt 1963) with Nielsen's rule for the damping (Nielsen 1999; Madsen,
/// Nielsen & Tingleff 2004, algorithm 3.16): solve (H + μI)s = −g and take the step if E falls, μ shrinking as E falls as
/// much as the quadratic model said and growing when it does not. Deterministic.
///
/// One iteration costs a curvature matrix and a Cholesky factorisation, O(P³) beside them; for a few thousand weights a
/// few dozen iterations come as close as thousands of L-BFGS's (Foresee & Hagan 1997; measured on the UCI set energy).
struct LevenbergMarquardt: Sendable {
  var maximumIterations = 30
  /// Stops when an iteration lowers E by less than this share of what is left of |E|.
  var valueTolerance = 1e-6
  /// Or by less than this, in nats: without it weights that only the prior holds, for a target that is constant, would shrink
  /// for ever.
  var absoluteTolerance = 1e-9
  /// μ at first, over the largest diagonal entry of H.
  var firstDamping = 1e-4

  struct Result: Sendable {
    var theta: [Double]
    var value: Double
    var gradientNorm: Double
    /// Steps taken.
    var iterations: Int
  }

  /// - Parameters:
  ///   - evaluate: E(θ) and ∇E(θ).
  ///   - curvature: H(θ), P × P, positive semidefinite.
  func minimise(
    from start: [Double], _ evaluate: ([Double]) -> (value: Double, gradient: [Double]),
    curvature: ([Double]) -> Matrix
  ) -> Result {
    var theta = start
    var (value, gradient) = evaluate(theta)
    var damping: Double?
    var growth = 2.0
    var iteration = 0
    while iteration < maximumIterations {
      let hessian = curvature(theta)
      var mu = damping ?? firstDamping * theta.indices.reduce(0) { max($0, hessian[$1, $1]) }
      var accepted: (step: [Double], value: Double, gradient: [Double], ratio: Double)?
      for _ in 0..<30 {
        if let step = Self.step(hessian, gradient, damping: mu) {
          let predicted = 0.5 * (mu * dot(step, step) - dot(step, gradient))
          var trial = theta
          accumulate(1, step, into: &trial)
          let (next, slope) = evaluate(trial)
          if next.isFinite, predicted > 0, next < value {
            accepted = (trial, next, slope, (value - next) / predicted)
            break
          }
          // Where even the model promises nothing that rounding would show, this is the minimum.
          if predicted <= 1e-12 * abs(value) { break }
        }
        mu *= growth
        growth *= 2
      }
      guard let accepted else { break }
      let cube = 2 * accepted.ratio - 1
      damping = mu * max(1.0 / 3, 1 - cube * cube * cube)
      growth = 2
      let decrease = value - accepted.value
      (theta, value, gradient) = (accepted.step, accepted.value, accepted.gradient)
      iteration += 1
      if decrease <= max(valueTolerance * abs(value), absoluteTolerance) { break }
    }
    return Result(theta: theta, value: value, gradientNorm: norm(gradient), iterations: iteration)
  }

  /// s with (H + μI)s = −g; nil where rounding leaves the matrix indefinite.
  private static func step(_ hessian: Matrix, _ gradient: [Double], damping: Double) -> [Double]? {
    var damped = hessian
    for j in gradient.indices { damped[j, j] += damping }
    guard let factor = try? TriangularFactor(choleskyOf: damped) else { return nil }
    return factor.solve(gradient.map { -$0 })
  }
}
