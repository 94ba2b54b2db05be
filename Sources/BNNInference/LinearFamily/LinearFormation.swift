import BNNLinearAlgebra
import BNNPosteriors
import BNNProbability

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// One response of a linear model after the prior has entered: the hyper-parameters that hold, and the posterior when
/// there is one.
public struct LinearResponse: Sendable, Equatable {
  /// κ: the prior precision relative to the noise; 0 is flat.
  public var ratio: Double
  public var noisePrior: NoisePrior
  /// ℓ of all rows at these hyper-parameters, nats, normalised units.
  public var logEvidence: Double?
  /// γ, the number of directions that the data determine.
  public var effectiveWeights: Double
  /// Null while the data do not identify the weights (flat prior only).
  public var posterior: LinearPosterior?

  public init(
    ratio: Double, noisePrior: NoisePrior, logEvidence: Double?, effectiveWeights: Double, posterior: LinearPosterior?
  ) {
    self.ratio = ratio
    self.noisePrior = noisePrior
    self.logEvidence = logEvidence
    self.effectiveWeights = effectiveWeights
    self.posterior = posterior
  }

  /// κ·a/b: the absolute prior precision that this amounts to.
  public var priorPrecision: Double? { posterior.map { ratio / $0.noise.scaleSquared } }
}

/// Prior and data made into a posterior. Kept apart until here: the state is what the data said, and everything below is
/// a function of it.
public enum LinearFormation {
  /// Chooses κ by the settings and forms the posterior; also ℓ of the same rows at an earlier κ, for which the one
  /// decomposition serves too.
  ///
  /// - Parameters:
  ///   - priorMean: w₀ of the penalised columns; nil is 0.
  ///   - unpenalised: leading columns without a prior (an intercept).
  ///   - precision: auto, or α (0: flat on all columns).
  ///   - rawRoot: R before its columns were centred and scaled, on which the rank is decided: centring leaves of a
  ///     constant column only rounding, which must not pass for information.
  public static func form(
    _ system: LinearSystem, priorMean: [Double]?, unpenalised: Int, precision: Setting, noise: NoisePrior,
    rawRoot: Matrix? = nil, evidenceAt earlier: Double? = nil
  ) throws -> (response: LinearResponse, evidenceAtEarlier: Double?) {
    if precision == .given(0) {
      let response = try flat(system, noise: noise, rawRoot: rawRoot)
      return (response, response.logEvidence)
    }
    let curve = try EvidenceCurve(system, priorMean: priorMean, unpenalised: unpenalised, noise: noise)
    let kappa: Double
    switch precision {
    case .auto: kappa = try curve.best()
    case .given(let alpha): kappa = try curve.ratio(forPrecision: alpha)
    }
    let response = LinearResponse(
      ratio: kappa, noisePrior: noise, logEvidence: try curve.logEvidence(kappa),
      effectiveWeights: curve.effectiveWeights(kappa),
      posterior: try posterior(system, priorMean: priorMean, unpenalised: unpenalised, ratio: kappa, noise: noise))
    return (response, try earlier.map { try curve.logEvidence($0) })
  }

  /// The posterior at one κ > 0 by QR of [√κ I  √κ w₀; R z; 0 ρ]: sums of squares only, never a subtraction. Nil while
  /// an unpenalised column has not been seen. O(P³).
  public static func posterior(
    _ system: LinearSystem, priorMean: [Double]?, unpenalised f: Int, ratio kappa: Double, noise: NoisePrior
  ) throws -> LinearPosterior? {
    let p = system.weights
    let k = system.root.rows
    guard k >= f, (0..<f).allSatisfy({ system.root[$0, $0] != 0 }) else { return nil }
    let q = p - f
    let information = penalised(system, priorMean: priorMean, unpenalised: f, ratio: kappa)
    let (r, z) = information.leading(q)
    let squares = information.residualSquares(beyond: q)[0] + system.residualSquares
    let slopes = try TriangularFactor(upper: r).backSolve(z[0])

    // Unpenalised columns by back substitution, last to first.
    var upper = Matrix(rows: p, columns: p)
    for i in 0..<f { for j in i..<p { upper[i, j] = system.root[i, j] } }
    for i in 0..<q { for j in i..<q { upper[f + i, f + j] = r[i, j] } }
    var mean = [Double](repeating: 0, count: f) + slopes
    for i in (0..<f).reversed() {
      var sum = system.rightHandSide[i]
      for j in (i + 1)..<p { sum -= system.root[i, j] * mean[j] }
      mean[i] = sum / system.root[i, i]
    }
    let belief: NoiseBelief
    switch noise {
    case .known(let variance): belief = .known(variance: variance)
    case .inverseGamma(let shape, let rate):
      let a = shape + 0.5 * (system.effectiveObservations - Double(f))
      let b = rate + 0.5 * squares
      guard a > 0, b > 0 else { return nil }
      belief = .inverseGamma(shape: a, rate: b)
    }
    return LinearPosterior(mean: mean, factor: try TriangularFactor(upper: upper), noise: belief)
  }

  /// The array of [√κ I  √κ w₀; R z] without the unpenalised columns.
  private static func penalised(
    _ system: LinearSystem, priorMean: [Double]?, unpenalised f: Int, ratio kappa: Double
  ) -> InformationArray {
    let (p, k) = (system.weights, system.root.rows)
    let q = p - f
    var array = Matrix(rows: q + 1, columns: q + 1)
    let root = kappa.squareRoot()
    for j in 0..<q {
      array[j, j] = root
      array[j, q] = root * (priorMean?[j] ?? 0)
    }
    var information = InformationArray(array: array)
    var rows = Matrix(rows: max(0, k - f), columns: q + 1)
    for i in min(f, k)..<k {
      for j in i..<p { rows[i - f, j - f] = system.root[i, j] }
      rows[i - f, q] = system.rightHandSide[i]
    }
    information.absorb(&rows)
    information.makeDiagonalPositive()
    return information
  }

  /// The flat prior: least squares once the data identify it (rank P; for unknown noise also n > P).
  static func flat(_ system: LinearSystem, noise: NoisePrior, rawRoot: Matrix? = nil) throws -> LinearResponse {
    let p = system.weights
    var response = LinearResponse(
      ratio: 0, noisePrior: noise, logEvidence: nil, effectiveWeights: 0, posterior: nil)
    let identifiability = try Identifiability(of: rawRoot ?? system.root, rows: system.observations)
    response.effectiveWeights = Double(identifiability.rank)
    guard identifiability.isFull else { return response }
    let factor = try TriangularFactor(upper: system.root)
    let signs = (0..<p).map { system.root[$0, $0] < 0 ? -1.0 : 1.0 }
    let mean = factor.backSolve(zip(signs, system.rightHandSide).map { $0 * $1 })
    let spare = system.effectiveObservations - Double(p)
    var evidence =
      0.5 * system.logWeights - 0.5 * system.effectiveObservations * 1.837_877_066_409_345_3
      - 0.5 * factor.logDeterminant
    let belief: NoiseBelief
    switch noise {
    case .known(let variance):
      belief = .known(variance: variance)
      evidence -= 0.5 * spare * log(variance) + 0.5 * system.residualSquares / variance
    case .inverseGamma(let shape, let rate):
      // A residual of exactly zero is known no better than the rounding of the targets themselves.
      let size = system.rightHandSide.reduce(0) { $0 + $1 * $1 }
      let squares = max(system.residualSquares, Double.ulpOfOne * Double.ulpOfOne * size)
      let (a, b) = (shape + 0.5 * spare, rate + 0.5 * squares)
      guard a > 0, b > 0 else { return response }
      belief = .inverseGamma(shape: a, rate: b)
      evidence += try SpecialFunctions.logGamma(a) - a * log(b)
    }
    response.logEvidence = evidence
    response.posterior = LinearPosterior(mean: mean, factor: factor, noise: belief)
    return response
  }

  /// ℓ(all rows) at given hyper-parameters; nil where improper.
  public static func logEvidence(
    _ system: LinearSystem, priorMean: [Double]?, unpenalised: Int, ratio: Double, noise: NoisePrior
  ) throws -> Double? {
    guard system.observations >= unpenalised else { return nil }
    if ratio == 0 { return try flat(system, noise: noise).logEvidence }
    if unpenalised > 0, system.root.rows < unpenalised { return nil }
    // By one QR: Σ ½ log(κ/(s² + κ)) = ½ q log κ − Σ log R_ii, and S is the residual's square.
    let q = system.weights - unpenalised
    let information = penalised(system, priorMean: priorMean, unpenalised: unpenalised, ratio: ratio)
    let volume = (0..<q).reduce(0.5 * Double(q) * log(ratio)) { $0 - log(information.array[$1, $1]) }
    return try EvidenceCurve.logEvidence(
      system, unpenalised: unpenalised, noise: noise, volume: volume,
      squares: information.residualSquares(beyond: q)[0] + system.residualSquares)
  }
}
