import BNNLinearAlgebra

/// Rows of the data that are kept beside a posterior, as they are: what a later training may look at again.
public struct RowMemory: Sendable, Equatable {
  /// K × d, the model's inputs in their own units.
  public private(set) var features: Matrix
  /// K × T in their own units; for classes the index of each row's class.
  public private(set) var targets: Matrix
  /// w of every row in the units of the data; nil: every row weighs 1.
  public private(set) var weights: [Double]?
  /// The number, from 1, of the batch that each row came with.
  public private(set) var batches: [Int]

  /// - Precondition: as many of each as there are rows; numbers of batches from 1 on.
  public init(features: Matrix, targets: Matrix, weights: [Double]? = nil, batches: [Int]) {
    precondition(
      targets.rows == features.rows && batches.count == features.rows
        && weights.map { $0.count == features.rows } ?? true, "one of each for every row")
    precondition(batches.allSatisfy { $0 >= 1 }, "batches are numbered from 1")
    self.features = features
    self.targets = targets
    self.weights = weights
    self.batches = batches
  }

  /// K.
  public var rows: Int { features.rows }

  /// Adds rows, as of another batch, after those that are there. Where only one of the two has weights, rows of the other weigh 1.
  ///
  /// - Precondition: the same columns.
  public mutating func append(_ other: RowMemory) {
    precondition(
      features.columns == other.features.columns && targets.columns == other.targets.columns, "rows of the same columns"
    )
    if weights != nil || other.weights != nil {
      let ones = [rows, other.rows].map { [Double](repeating: 1, count: $0) }
      weights = (weights ?? ones[0]) + (other.weights ?? ones[1])
    }
    features = features.appending(other.features)
    targets = targets.appending(other.targets)
    batches += other.batches
  }

  /// Some of the rows, in this order.
  public func gathering(_ indices: [Int]) -> RowMemory {
    RowMemory(
      features: features.gathering(indices[...]), targets: targets.gathering(indices[...]),
      weights: weights.map { own in indices.map { own[$0] } }, batches: indices.map { batches[$0] })
  }
}

extension Matrix {
  /// The rows of both, these first.
  fileprivate func appending(_ other: Matrix) -> Matrix {
    Matrix(rows: rows + other.rows, columns: columns, storage: storage + other.storage)
  }
}
