import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The extended Kalman filter over the weights of one network: every row linearises the network at the mean before it and is
/// then absorbed exactly, at the cost of one product with Λ⁻¹.
///
///     θ_k = θ_{k−1} + drift (`FilterDynamics`),   y_k ~ p(y | f(x_k; θ_k))
protocol RowFilter: Sendable {
  /// Rows in normalised units, one after the other.
  ///
  /// - Throws: `UpdateError.notFinite`, `LinearAlgebraError`.
  mutating func absorb(_ x: Matrix, _ y: Matrix, weights: ArraySlice<Double>?) throws
  /// What is known after the rows so far; the filter goes on from there as if it had not been asked.
  func outcome() throws -> FilterOutcome
}

struct FilterOutcome: Sendable {
  /// All weights.
  var theta: [Double]
  var state: LaplaceState
  /// log p(rows | before) in normalised units.
  var logEvidence: Double
  /// √((θ₂ − θ₁)ᵀΛ₁(θ₂ − θ₁)).
  var shift: Double
}

/// log 2π.
private let logTwoPi = 1.837_877_066_409_345_3

/// IG(a, b) of σ².
struct FilterNoise: Sendable, Equatable {
  var shape: Double
  var rate: Double

  /// The weak prior of the linear family.
  static var weak: FilterNoise {
    guard case .inverseGamma(let shape, let rate) = NoisePrior.weak else {
      preconditionFailure("the weak prior is one")
    }
    return FilterNoise(shape: shape, rate: rate)
  }

  /// After rows with so many numbers, of which σ² is the estimate.
  static func after(terms: Double, variance: Double) -> FilterNoise {
    let shape = weak.shape + 0.5 * terms
    return FilterNoise(shape: shape, rate: shape * variance)
  }
}

struct KalmanFilter<Belief: FilterBelief>: RowFilter {
  typealias Scalar = Belief.Scalar

  /// Rows between two settlings of the working copy, which cost as much as some hundreds of rows.
  private static var settling: Int { 4096 }

  private let before: LaplaceState
  private let start: [Double]
  private let moving: Range<Int>
  private let outputs: Int
  private let kind: LikelihoodKind
  private let likelihood: any Likelihood
  private var pass: RowPass<Scalar>
  private var theta: [Scalar]
  private var belief: Belief
  private var schedule = SettlingSchedule(longest: Self.settling)
  private var logEvidence = 0.0
  /// IG(a, b) of σ², in units of which Λ and the prior are then; nil while σ² is what the state says.
  private var noise: FilterNoise?
  /// Whether rows before these gave Λ its size in units of σ².
  private let hasEarlierRows: Bool
  private var output: [Scalar]
  private var unit: [Scalar]
  private var gradient: [Scalar]
  private var step: [Scalar]

  /// - Parameter noise: IG(a, b) of σ² before the rows, where it is unknown; Λ is then relative to it: normal–inverse-gamma,
  ///   conjugate for a linear model.
  init(
    _ network: Network, _ theta: [Double], _ state: LaplaceState, kind: LikelihoodKind, likelihood: any Likelihood,
    dynamics: FilterDynamics, noise: FilterNoise? = nil
  ) throws {
    before = state
    self.noise = noise
    hasEarlierRows = noise.map { $0 != .weak } ?? true
    start = theta
    moving = network.parameterRange(ofLayers: state.chosen)
    outputs = network.outputs
    self.kind = kind
    self.likelihood = likelihood
    pass = RowPass(network.spec)
    self.theta = theta.map { Scalar($0) }
    var curvature = state.curvature
    let variance = noise == nil ? 1 : state.noiseVariance ?? 1
    if variance != 1 { curvature.scale(by: variance) }
    belief = try Belief(
      curvature, prior: state.prior.scaled(by: variance).expanded(curvature.layers), mean: Array(theta[moving]),
      dynamics: dynamics)
    gradient = [Scalar](repeating: 0, count: moving.count)
    step = gradient
    output = [Scalar](repeating: 0, count: network.outputs)
    unit = output
  }

  // Called through an existential, whose code would be the unspecialised one.
  @_specialize(where Belief == FullBelief<Double>)
  @_specialize(where Belief == FullBelief<Float>)
  @_specialize(where Belief == LowRankBelief<Double>)
  @_specialize(where Belief == LowRankBelief<Float>)
  @_specialize(where Belief == DiagonalBelief<Double>)
  @_specialize(where Belief == DiagonalBelief<Float>)
  mutating func absorb(_ x: Matrix, _ y: Matrix, weights: ArraySlice<Double>?) throws {
    let inputs = x.storage.map { Scalar($0) }
    for i in 0..<x.rows {
      let weight = weights.map { $0[$0.startIndex + i] } ?? 1
      if kind == .gaussian {
        try absorbGaussian(inputs, row: i, x.columns, y, weight)
      } else {
        absorbOther(inputs, row: i, x.columns, y, weight)
      }
      if schedule.isDue() { try settle() }
    }
    guard logEvidence.isFinite else { throw UpdateError.notFinite("a weight or an output of the network") }
  }

  private mutating func settle() throws {
    try Self.withWeights(&theta, from: moving.lowerBound) { try belief.settle(mean: $0) }
  }

  /// The weights that move, while they are the belief's.
  @inline(__always) private static func withWeights<Result>(
    _ theta: inout [Scalar], from place: Int, _ body: (UnsafeMutablePointer<Scalar>) throws -> Result
  ) rethrows -> Result {
    try theta.withUnsafeMutableBufferPointer { theta in
      guard let theta = theta.baseAddress else { preconditionFailure("a network has weights") }
      return try body(theta + place)
    }
  }

  /// C outputs with noise of one variance: C observations, all linearised before the first.
  private mutating func absorbGaussian(
    _ x: [Scalar], row i: Int, _ d: Int, _ y: Matrix, _ weight: Double
  ) throws {
    let variance = noise == nil ? before.noiseVariance ?? 1 : 1
    let precision = weight / variance
    let root = precision.squareRoot()
    forward(x, i * d)
    belief.predict()
    let moved = outputs > 1 ? theta : []
    for c in 0..<outputs {
      unit[c] = Scalar(root)
      var innovation = root * (y[i, c] - output[c].doubleValue)
      let s = observe(&innovation, from: moved, isFirst: c == 0)
      unit[c] = 0
      if let own = noise {
        logEvidence += try Self.studentLogDensity(innovation, own, s) + 0.5 * log(weight)
        noise = FilterNoise(shape: own.shape + 0.5, rate: own.rate + 0.5 * innovation * innovation / s)
      } else {
        logEvidence += 0.5 * (log(precision / s) - logTwoPi - innovation * innovation / s)
      }
    }
  }

  /// Any other likelihood: the evidence of its quadratic, log p(y | f) + Σ ½[ν² − log s − ν̃²/s].
  private mutating func absorbOther(_ x: [Scalar], row i: Int, _ d: Int, _ y: Matrix, _ weight: Double) {
    forward(x, i * d)
    belief.predict()
    let (roots, innovations, logDensity) = FilterObservation(likelihood: likelihood).linearised(
      output.map(\.doubleValue), Array(y.row(i)), weight: weight)
    logEvidence += logDensity
    let moved = roots.count > 1 ? theta : []
    for (s, root) in roots.enumerated() {
      var innovation = innovations[s]
      let square = innovation * innovation
      for c in unit.indices { unit[c] = Scalar(root[c]) }
      let variance = observe(&innovation, from: moved, isFirst: s == 0)
      logEvidence += 0.5 * (square - log(variance) - innovation * innovation / variance)
    }
    for c in unit.indices { unit[c] = 0 }
  }

  private mutating func forward(_ x: [Scalar], _ place: Int) {
    x.withUnsafeBufferPointer { if let x = $0.baseAddress { pass.forward(x + place, theta, into: &output) } }
  }

  /// One observation along bᵀf, b in `unit`. Observations after the first of a row find the mean moved, while the outputs are
  /// linearised where it was (`moved`): their innovations are less by hᵀ(what it moved).
  ///
  /// - Returns: s = 1 + hᵀΛ⁻¹h.
  private mutating func observe(
    _ innovation: inout Double, from moved: [Scalar], isFirst: Bool
  ) -> Double {
    let (place, n, lowest) = (moving.lowerBound, moving.count, before.chosen.lowerBound)
    pass.gradient(unit, isFirst ? theta : moved, downTo: lowest, into: &gradient)
    if !isFirst {
      for j in 0..<n { step[j] = theta[place + j] - moved[place + j] }
      innovation -= Scalar.dot(n, gradient, step).doubleValue
    }
    let own = Scalar(innovation)
    return 1
      + Self.withWeights(&theta, from: place) {
        belief.absorb(gradient, innovation: own, mean: $0).doubleValue
      }
  }

  /// log t_{2a}(e; 0, (b/a)·s).
  private static func studentLogDensity(
    _ e: Double, _ noise: FilterNoise, _ s: Double
  ) throws -> Double {
    let (a, spread) = (noise.shape, 2 * noise.rate * s)
    return try SpecialFunctions.logGamma(a + 0.5) - SpecialFunctions.logGamma(a) - 0.5 * log(Double.pi * spread)
      - (a + 0.5) * log1p(e * e / spread)
  }

  @_specialize(where Belief == FullBelief<Double>)
  @_specialize(where Belief == FullBelief<Float>)
  @_specialize(where Belief == LowRankBelief<Double>)
  @_specialize(where Belief == LowRankBelief<Float>)
  @_specialize(where Belief == DiagonalBelief<Double>)
  @_specialize(where Belief == DiagonalBelief<Float>)
  func outcome() throws -> FilterOutcome {
    var own = self
    try own.settle()
    var mean = own.theta.map(\.doubleValue)
    // Layers that are held keep their double precision.
    for j in mean.indices where !moving.contains(j) { mean[j] = start[j] }
    if let settled = own.belief.settledMean { mean.replaceSubrange(moving, with: settled) }
    guard mean.allSatisfy(\.isFinite) else { throw UpdateError.notFinite("a weight of the network") }
    var state = before
    let layers = state.curvature.layers
    let prior = own.belief.prior
    var curvature = try own.belief.curvature()
    var factor = 1.0
    if let noise {
      factor = noise.shape / noise.rate
      state.noiseVariance = 1 / factor
      curvature.scale(by: factor)
    }
    state.curvature = curvature
    if case .weights = state.prior {
      state.prior = .weights(prior.map { factor * $0 })
    } else {
      state.prior = .layers(layers.ranges.map { factor * prior[$0.lowerBound] })
    }
    state.distanceToOptimum = 0
    state.logEvidence += logEvidence
    let moved = moving.map { mean[$0] - start[$0] }
    let shift = max(0, dot(moved, before.precisionTimes(moved)) * (hasEarlierRows ? 1 : factor)).squareRoot()
    return FilterOutcome(theta: mean, state: state, logEvidence: logEvidence, shift: shift)
  }
}
