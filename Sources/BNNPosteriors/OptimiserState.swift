/// Adam's state at the end of a training, from which another goes on as if there had been no end.
public struct OptimiserState: Sendable, Equatable {
  /// Running means of the gradient and of its square over all weights, in θ's order, of a loss that is a sum over rows: what PyTorch
  /// calls `exp_avg` and `exp_avg_sq`, there usually of a mean.
  public var first: [Double]
  public var second: [Double]
  /// Steps behind the running means.
  public var steps: Int
  /// Rows of the sum.
  public var rows: Int
  /// Passes done along the learning rate's cosine, and those that it is spread over.
  public var epochs: Int
  public var scheduleEpochs: Int
  /// Of the order of rows in every pass.
  public var seed: UInt64

  public init(
    first: [Double], second: [Double], steps: Int, rows: Int, epochs: Int, scheduleEpochs: Int, seed: UInt64
  ) {
    self.first = first
    self.second = second
    self.steps = steps
    self.rows = rows
    self.epochs = epochs
    self.scheduleEpochs = scheduleEpochs
    self.seed = seed
  }

  /// Before the first step.
  public init(weights: Int, rows: Int, scheduleEpochs: Int, seed: UInt64) {
    let zeros = [Double](repeating: 0, count: weights)
    self.init(
      first: zeros, second: zeros, steps: 0, rows: rows, epochs: 0, scheduleEpochs: scheduleEpochs, seed: seed)
  }

  /// The same for a sum over another number of rows, as both would be for a mean.
  public func scaled(toRows count: Int) -> OptimiserState {
    guard count != rows, rows > 0 else { return self }
    let ratio = Double(count) / Double(rows)
    var result = self
    result.rows = count
    result.first = first.map { $0 * ratio }
    result.second = second.map { $0 * ratio * ratio }
    return result
  }
}
