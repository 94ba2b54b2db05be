import BNNLinearAlgebra

/// Limited-memory BFGS (Nocedal & Wright 2006, algorithms 7.4, 7.5) with a line search for the strong Wolfe conditions
/// (algorithms 3.5, 3.6). Deterministic.
struct LBFGS: Sendable {
  /// Pairs of steps and gradient changes that are kept.
  var memory = 20
  var maximumIterations = 200
  /// Stops when ‖∇E‖∞ falls below this.
  var gradientTolerance = 1e-6
  /// Stops when an iteration lowers E by less than this share of |E|.
  var valueTolerance = 1e-10

  struct Result: Sendable {
    var theta: [Double]
    var value: Double
    var gradientNorm: Double
    var iterations: Int
  }

  /// Minimises from `start`. `evaluate` gives value and gradient; `keepGoing` is asked once an iteration.
  ///
  /// - Parameter precondition: a positive definite guess of the inverse Hessian, applied; without one it is a multiple of the
  ///   identity that every step chooses anew.
  func minimise(
    from start: [Double], keepGoing: (Int, Double) -> Bool = { _, _ in true },
    precondition: (([Double]) -> [Double])? = nil,
    _ evaluate: ([Double]) -> (value: Double, gradient: [Double])
  ) -> Result {
    var theta = start
    var (value, gradient) = evaluate(theta)
    var steps: [[Double]] = []
    var changes: [[Double]] = []
    var iteration = 0
    while iteration < maximumIterations, largest(gradient) > gradientTolerance, keepGoing(iteration, value) {
      var direction = twoLoop(gradient, steps, changes, precondition)
      var slope = dot(direction, gradient)
      if !(slope < 0) {
        direction = (precondition?(gradient) ?? gradient).map { -$0 }
        slope = dot(direction, gradient)
        (steps, changes) = ([], [])
      }
      let first = steps.isEmpty && precondition == nil ? min(1, 1 / norm(gradient)) : 1
      guard
        let found = lineSearch(theta, value, slope, direction, first: first, evaluate)
      else {
        if steps.isEmpty { break }
        (steps, changes) = ([], [])
        continue
      }
      let step = zip(found.theta, theta).map { $0 - $1 }
      let change = zip(found.gradient, gradient).map { $0 - $1 }
      if dot(step, change) > 1e-12 * norm(step) * norm(change) {
        steps.append(step)
        changes.append(change)
        if steps.count > memory {
          steps.removeFirst()
          changes.removeFirst()
        }
      }
      let decrease = value - found.value
      (theta, value, gradient) = (found.theta, found.value, found.gradient)
      iteration += 1
      if decrease <= valueTolerance * abs(value) { break }
    }
    return Result(theta: theta, value: value, gradientNorm: norm(gradient), iterations: iteration)
  }

  private func largest(_ vector: [Double]) -> Double { vector.reduce(0) { max($0, abs($1)) } }

  /// −H∇E by the two-loop recursion.
  private func twoLoop(
    _ gradient: [Double], _ steps: [[Double]], _ changes: [[Double]], _ precondition: (([Double]) -> [Double])?
  ) -> [Double] {
    var q = gradient.map { -$0 }
    var weights = [Double](repeating: 0, count: steps.count)
    for i in steps.indices.reversed() {
      weights[i] = dot(steps[i], q) / dot(steps[i], changes[i])
      accumulate(-weights[i], changes[i], into: &q)
    }
    if let precondition {
      q = precondition(q)
    } else if let s = steps.last, let y = changes.last {
      let scale = dot(s, y) / dot(y, y)
      for i in q.indices { q[i] *= scale }
    }
    for i in steps.indices {
      let beta = dot(changes[i], q) / dot(steps[i], changes[i])
      accumulate(weights[i] - beta, steps[i], into: &q)
    }
    return q
  }

  private struct Point {
    var length: Double
    var theta: [Double]
    var value: Double
    var gradient: [Double]
    var slope: Double
  }

  /// A step length with sufficient decrease (c₁ = 1e-4) and flattened slope (c₂ = 0.9); nil when none is found.
  private func lineSearch(
    _ origin: [Double], _ value: Double, _ slope: Double, _ direction: [Double], first: Double,
    _ evaluate: ([Double]) -> (value: Double, gradient: [Double])
  ) -> (theta: [Double], value: Double, gradient: [Double])? {
    func point(_ length: Double) -> Point {
      var theta = origin
      accumulate(length, direction, into: &theta)
      let (value, gradient) = evaluate(theta)
      return Point(length: length, theta: theta, value: value, gradient: gradient, slope: dot(gradient, direction))
    }
    var low = Point(length: 0, theta: origin, value: value, gradient: [], slope: slope)
    var high: Point?
    var length = first
    for _ in 0..<40 {
      let trial = point(length)
      if !trial.value.isFinite || trial.value > value + 1e-4 * length * slope
        || trial.value >= low.value && low.length > 0
      {
        high = trial
      } else if abs(trial.slope) <= -0.9 * slope {
        return (trial.theta, trial.value, trial.gradient)
      } else if trial.slope * ((high?.length ?? .infinity) - low.length) >= 0 {
        high = low
        low = trial
      } else {
        low = trial
      }
      guard let end = high else {
        length *= 2.5
        continue
      }
      // Quadratic through the low end's value and slope and the other end's value, kept inside the bracket.
      let width = end.length - low.length
      let curvature = end.value - low.value - low.slope * width
      var guess = end.value.isFinite && curvature > 0 ? -0.5 * low.slope * width / curvature : 0.5
      guess = min(0.9, max(0.1, guess))
      length = low.length + guess * width
      if abs(width) < 1e-14 * max(1, abs(low.length)) { break }
    }
    return low.length > 0 ? (low.theta, low.value, low.gradient) : nil
  }
}
