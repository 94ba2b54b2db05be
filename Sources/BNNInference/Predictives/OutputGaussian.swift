import BNNLinearAlgebra

/// What a posterior says of a network's outputs at one row: f ~ N(m, S).
public struct OutputGaussian: Sendable, Equatable {
  /// m, C numbers.
  public var mean: [Double]
  /// S, C × C, symmetric and positive semi-definite.
  public var covariance: Matrix

  public init(mean: [Double], covariance: Matrix) {
    precondition(
      covariance.rows == mean.count && covariance.columns == mean.count, "one row and column for every output")
    self.mean = mean
    self.covariance = covariance
  }

  /// Row i of means n × C and covariances n × C².
  public init(row i: Int, means: Matrix, covariances: Matrix) {
    let count = means.columns
    self.init(
      mean: Array(means.row(i)),
      covariance: Matrix(rows: count, columns: count, storage: Array(covariances.row(i))))
  }

  /// Output c alone.
  func marginal(_ c: Int) -> OutputGaussian {
    mean.count == 1 ? self : OutputGaussian(mean: [mean[c]], covariance: Matrix([[covariance[c, c]]]))
  }

  /// Some of the outputs, in this order.
  func marginal(_ outputs: [Int]) -> OutputGaussian {
    let entries = outputs.flatMap { a in outputs.map { covariance[a, $0] } }
    return OutputGaussian(
      mean: outputs.map { mean[$0] },
      covariance: Matrix(rows: outputs.count, columns: outputs.count, storage: entries))
  }

  /// N(m, τS).
  func scaled(_ scale: Double) -> OutputGaussian {
    var result = self
    for j in result.covariance.storage.indices { result.covariance.storage[j] *= scale }
    return result
  }

  /// Var(f_a − f_b), never negative.
  func varianceOfDifference(_ a: Int, _ b: Int) -> Double {
    max(0, covariance[a, a] + covariance[b, b] - 2 * covariance[a, b])
  }

  /// f − f̄·1 with f̄ the mean over outputs: N(Pm, PSP), P = I − 11ᵀ/C. Softmax does not see the difference.
  var centred: OutputGaussian {
    let count = mean.count
    let size = Double(count)
    let middle = mean.reduce(0, +) / size
    let rows = (0..<count).map { covariance.row($0).reduce(0, +) / size }
    let whole = rows.reduce(0, +) / size
    var result = covariance
    for a in 0..<count { for b in 0..<count { result[a, b] += whole - rows[a] - rows[b] } }
    return OutputGaussian(mean: mean.map { $0 - middle }, covariance: result)
  }

  /// L, lower triangular with LLᵀ = S. Where a pivot is nothing beside the diagonal's largest entry (S is singular, or
  /// its rounding is below zero) the column is zero. O(C³).
  var root: Matrix {
    let count = mean.count
    let floor = (0..<count).reduce(0) { max($0, covariance[$1, $1]) } * Double(count) * .ulpOfOne
    var root = Matrix(rows: count, columns: count)
    for j in 0..<count {
      var pivot = covariance[j, j]
      for k in 0..<j { pivot -= root[j, k] * root[j, k] }
      guard pivot > floor else { continue }
      root[j, j] = pivot.squareRoot()
      for i in (j + 1)..<max(j + 1, count) {
        var entry = covariance[i, j]
        for k in 0..<j { entry -= root[i, k] * root[j, k] }
        root[i, j] = entry / root[j, j]
      }
    }
    return root
  }
}
