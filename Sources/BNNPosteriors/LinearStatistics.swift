import BNNLinearAlgebra

/// What the *data* said about a model that is linear in its weights, with no prior in it: the information array
/// [R Z; 0 T] of the rows [Φ Y], and how many rows that were.
///
/// It is a sufficient statistic for (w, σ²), not an anonymised one: with fewer rows than weights D1's rows can be
/// reconstructed from it.
public struct LinearStatistics: Sendable, Equatable {
  /// P, the columns of Φ.
  public let weights: Int
  /// C, the columns of Y that share Φ.
  public let responses: Int
  /// Rows of [Φ Y] seen (for a network with C outputs sharing weights, C per data row).
  public private(set) var observations: Int
  /// Σ log w over the rows, each of which came multiplied by √w because its noise has the variance σ²/w; the densities
  /// of what was observed gain half of it.
  public private(set) var logWeights: Double
  /// By how much rows count less than they are, through `temper`; 0 where all count once.
  public private(set) var discount: Double
  public private(set) var array: InformationArray

  /// No rows seen.
  public init(weights: Int, responses: Int) {
    self.weights = weights
    self.responses = responses
    observations = 0
    logWeights = 0
    discount = 0
    array = InformationArray(width: weights + responses)
  }

  /// From what a file holds.
  public init(
    weights: Int, responses: Int, observations: Int, array: InformationArray, logWeights: Double = 0,
    discount: Double = 0
  ) {
    precondition(array.width == weights + responses, "the array must have P + C columns")
    self.weights = weights
    self.responses = responses
    self.observations = observations
    self.logWeights = logWeights
    self.discount = discount
    self.array = array
  }

  /// What the rows count as: n of the likelihood.
  public var effectiveObservations: Double { Double(observations) - discount }

  /// Makes every row seen so far count `power` times: p(rows)^power, 0 < power ≤ 1.
  public mutating func temper(by power: Double) {
    precondition(power > 0 && power <= 1, "rows count more than 0 times and at most once")
    discount = Double(observations) - power * effectiveObservations
    logWeights *= power
    var rows = array.array
    for i in rows.storage.indices { rows.storage[i] *= power.squareRoot() }
    array = InformationArray(array: rows)
  }

  /// Absorbs rows √w [φ y] (m × (P + C)), whose storage is used as scratch; `logWeights` is Σ log w.
  public mutating func absorb(_ rows: inout Matrix, logWeights: Double = 0) {
    observations += rows.rows
    self.logWeights += logWeights
    array.absorb(&rows)
  }

  /// Absorbs what another batch said.
  public mutating func absorb(_ other: LinearStatistics) {
    precondition(other.weights == weights && other.responses == responses, "statistics of another model")
    observations += other.observations
    logWeights += other.logWeights
    discount += other.discount
    array = array.merged(with: other.array)
  }

  /// Takes out again what some of the rows said, as if each of them had been absorbed `times` times.
  ///
  /// - Returns: false, and nothing is changed, where `part` says more than the whole of some direction, so is no part of it.
  /// - Throws: `LinearAlgebraError.notConverged`. O((P + C)³).
  public mutating func remove(_ part: LinearStatistics, times: Int = 1) throws(LinearAlgebraError) -> Bool {
    precondition(part.weights == weights && part.responses == responses, "statistics of another model")
    let left = observations - times * part.observations
    guard left >= 0, let rest = try array.removing(part.array.repeated(times), leaving: left) else { return false }
    observations = left
    logWeights = left == 0 ? 0 : logWeights - Double(times) * part.logWeights
    discount = left == 0 ? 0 : max(0, discount - Double(times) * part.discount)
    array = rest
    return true
  }

  /// The stored form: the diagonal not negative.
  public mutating func normalise() { array.makeDiagonalPositive() }

  /// R (min(n, P) × P), the right-hand side z and ρ² of response c.
  public func system(response c: Int) -> LinearSystem {
    let (r, z) = array.leading(weights)
    return LinearSystem(
      root: r, rightHandSide: z[c], residualSquares: array.residualSquares(beyond: weights)[c],
      observations: observations, logWeights: logWeights, discount: discount)
  }
}

/// One response's part of the statistics: ‖Φw − y‖² = ‖Rw − z‖² + ρ² for every w.
public struct LinearSystem: Sendable, Equatable {
  /// R, k × P upper trapezoidal, k = min(n, P).
  public var root: Matrix
  /// z, k numbers.
  public var rightHandSide: [Double]
  /// ρ².
  public var residualSquares: Double
  /// n.
  public var observations: Int
  /// Σ log w over the rows.
  public var logWeights: Double
  /// By how much rows count less than they are.
  public var discount: Double

  public init(
    root: Matrix, rightHandSide: [Double], residualSquares: Double, observations: Int, logWeights: Double = 0,
    discount: Double = 0
  ) {
    precondition(root.rows == rightHandSide.count && root.rows <= root.columns, "R must be k × P with k ≤ P")
    self.root = root
    self.rightHandSide = rightHandSide
    self.residualSquares = residualSquares
    self.observations = observations
    self.logWeights = logWeights
    self.discount = discount
  }

  /// What the rows count as.
  public var effectiveObservations: Double { Double(observations) - discount }

  /// P.
  public var weights: Int { root.columns }
}
