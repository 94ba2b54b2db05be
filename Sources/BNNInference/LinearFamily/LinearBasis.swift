import BNNLinearAlgebra

/// A model that is linear in the weights that move, y = f₀(x) + Φ(x)w + ε: how rows of data become rows of an information
/// array, and how predictions are read off its posterior. One file per basis; everything else in the family is shared.
public protocol LinearBasis: Sendable {
  /// P, the columns of Φ.
  var weights: Int { get }
  /// C, the outputs of the model.
  var outputs: Int { get }
  /// Responses that share Φ in the array: C when every output has weights of its own, 1 when outputs share weights.
  var responses: Int { get }
  /// w₀ of the penalised columns; nil is 0.
  var priorMean: [Double]? { get }
  /// Leading columns of Φ without a prior.
  var unpenalised: Int { get }
  /// Data rows that become array rows in one piece; fixed, since it decides bits.
  var piece: Int { get }
  /// [Φ Y] for n data rows in their own units (features n × d, targets n × C): n·C/responses rows, P + responses columns.
  func rows(features: Matrix, targets: Matrix) -> Matrix
  /// The same rows, and what a basis that keeps a subspace only has kept of them; nil for every other.
  func measuredRows(features: Matrix, targets: Matrix) -> (rows: Matrix, kept: KeptSquares?)
  /// What predictions need, in normalised units.
  func design(features: Matrix) -> LinearDesign
}

extension LinearBasis {
  /// Enough to keep BLAS busy, few enough that a Jacobian's rows stay in a few megabytes.
  public var piece: Int { 1024 }

  public func measuredRows(features: Matrix, targets: Matrix) -> (rows: Matrix, kept: KeptSquares?) {
    (rows(features: features, targets: targets), nil)
  }

  /// Array rows per data row.
  public var observationsPerRow: Int { responses == 0 ? 0 : outputs / responses }
}

/// f₀ and Φ at n inputs, in normalised units.
public struct LinearDesign: Sendable {
  /// f₀(x), n × C; nil is 0.
  public var base: Matrix?
  /// Φ: n rows when outputs have weights of their own, n·C rows (i·C + c) when they share weights.
  public var rows: Matrix

  public init(base: Matrix?, rows: Matrix) {
    self.base = base
    self.rows = rows
  }
}
