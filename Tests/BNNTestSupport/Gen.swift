import BNNLinearAlgebra
import BNNProbability
import Foundation

/// Random inputs of property tests, a pure function of the seed.
public struct Gen: Sendable {
  public let seed: UInt64
  public var stream: RandomStream

  public init(seed: UInt64) {
    self.seed = seed
    stream = RandomStream(seed: seed)
  }

  /// 0 ..< count, or only the seed that the environment variable BNN_TEST_SEED names: arguments of a parameterised
  /// test, whose failures then carry the seed.
  public static func seeds(_ count: Int) -> [UInt64] {
    if let replayed = ProcessInfo.processInfo.environment["BNN_TEST_SEED"].flatMap({ UInt64($0) }) { return [replayed] }
    return (0..<UInt64(count)).map { $0 }
  }

  public mutating func normal() -> Double { stream.normals(1)[0] }

  public mutating func normals(_ count: Int) -> [Double] { stream.normals(count) }

  /// Uniform on the whole numbers of `range`.
  public mutating func integer(in range: ClosedRange<Int>) -> Int {
    range.lowerBound + stream.integer(below: range.count)
  }

  public mutating func permutation(_ count: Int) -> [Int] { stream.permutation(count) }

  /// Independent standard normal entries.
  public mutating func matrix(rows: Int, columns: Int) -> Matrix {
    Matrix(rows: rows, columns: columns, storage: normals(rows * columns))
  }

  /// rows × columns (rows ≥ columns) with orthonormal columns: Q of the QR of normals (uniform over such matrices).
  public mutating func orthonormal(rows: Int, columns: Int) -> Matrix {
    precondition(rows >= columns, "there are at most as many orthonormal columns as rows")
    return orthogonalised(matrix(rows: rows, columns: columns)).q
  }

  /// A rows × columns matrix with singular values spaced evenly in the log from 1 down to 1 / condition.
  public mutating func matrix(rows: Int, columns: Int, condition: Double) -> Matrix {
    let rank = min(rows, columns)
    var left = orthonormal(rows: rows, columns: rank)
    let right = orthonormal(rows: columns, columns: rank)
    let values = Gen.logSpaced(rank, condition: condition)
    for i in 0..<rows { for j in 0..<rank { left[i, j] *= values[j] } }
    return Matrix.product(left, right, transposeB: true)
  }

  /// A symmetric positive definite p × p matrix with eigenvalues spaced evenly in the log from 1 to 1 / condition.
  public mutating func positiveDefinite(_ p: Int, condition: Double) -> Matrix {
    matrix(rows: p, columns: p, condition: condition.squareRoot()).gram
  }

  /// 1 down to 1 / condition, evenly in the log.
  public static func logSpaced(_ count: Int, condition: Double) -> [Double] {
    (0..<count).map { count == 1 ? 1 : pow(condition, -Double($0) / Double(count - 1)) }
  }

  /// Successive ranges that cover 0 ..< n, each of 1 to `largest` rows.
  public mutating func partition(_ n: Int, largest: Int) -> [Range<Int>] {
    var result: [Range<Int>] = []
    var start = 0
    while start < n {
      let end = min(n, start + integer(in: 1...max(1, largest)))
      result.append(start..<end)
      start = end
    }
    return result
  }
}

/// Runs `body` with the seeds of `Gen.seeds(count)`. Errors that it throws come out wrapped with their seed; for
/// `#expect` in the body put the seed into its comment, or take the seeds as arguments of the test.
public func forSeeds(_ count: Int, _ body: (UInt64) throws -> Void) throws {
  for seed in Gen.seeds(count) {
    do { try body(seed) } catch { throw SeedFailure(seed: seed, underlying: error) }
  }
}

/// What `forSeeds` throws.
public struct SeedFailure: Error, CustomStringConvertible {
  public let seed: UInt64
  public let underlying: any Error

  public var description: String { "seed \(seed) (replay with BNN_TEST_SEED=\(seed)): \(underlying)" }
}
