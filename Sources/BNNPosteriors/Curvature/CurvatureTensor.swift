import BNNLinearAlgebra

/// Numbers of a curvature under their name in a file. A symmetric matrix is its upper triangle, row after row.
public struct CurvatureTensor: Sendable, Equatable {
  public var name: String
  public var shape: [Int]
  public var values: [Double]

  public init(name: String, shape: [Int], values: [Double]) {
    self.name = name
    self.shape = shape
    self.values = values
  }
}

/// Why stored tensors are not a curvature of these layers.
public enum CurvatureTensorError: Error, Equatable, Sendable, CustomStringConvertible {
  case missing(name: String)
  case shape(name: String, expected: [Int], found: [Int])
  case unexpected(name: String)
  /// A value that is not finite, or a negative one on a diagonal, which no sum of squares has.
  case value(name: String, index: Int)
  /// Rows that should be orthonormal.
  case notOrthonormal(name: String)

  public var description: String {
    switch self {
    case .missing(let name): "the curvature has no tensor \"\(name)\""
    case .shape(let name, let expected, let found):
      "tensor \"\(name)\" of the curvature has shape \(found) where the layers need \(expected)"
    case .unexpected(let name): "the curvature of these layers has no tensor \"\(name)\", but the file does"
    case .value(let name, let index):
      "entry \(index) of tensor \"\(name)\" is not finite, or negative on a diagonal: no data give such a curvature"
    case .notOrthonormal(let name): "the rows of tensor \"\(name)\" are no eigenvectors: they are not orthonormal"
    }
  }
}

/// Stored tensors on their way into a curvature: each taken once, with its shape checked, and none left over.
struct CurvatureTensors {
  private var remaining: [String: CurvatureTensor]

  init(_ tensors: [CurvatureTensor]) {
    remaining = Dictionary(tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  func contains(_ name: String) -> Bool { remaining[name] != nil }

  /// The values of a tensor whose shape has this length, or any when it is nil.
  mutating func take(_ name: String, shape: [Int?]) throws(CurvatureTensorError) -> CurvatureTensor {
    guard let tensor = remaining.removeValue(forKey: name) else { throw .missing(name: name) }
    let expected = zip(shape, tensor.shape).map { $0 ?? $1 }
    guard tensor.shape.count == shape.count, expected == tensor.shape, tensor.values.count == expected.reduce(1, *)
    else { throw .shape(name: name, expected: shape.map { $0 ?? -1 }, found: tensor.shape) }
    if let index = tensor.values.firstIndex(where: { !$0.isFinite }) { throw .value(name: name, index: index) }
    return tensor
  }

  /// Values that may not be negative.
  mutating func takeDiagonal(_ name: String, count: Int) throws(CurvatureTensorError) -> [Double] {
    let values = try take(name, shape: [count]).values
    if let index = values.firstIndex(where: { $0 < 0 }) { throw .value(name: name, index: index) }
    return values
  }

  /// A symmetric matrix with a diagonal that may not be negative.
  mutating func takeSymmetric(_ name: String, dimension n: Int) throws(CurvatureTensorError) -> SymmetricSum {
    let packed = try take(name, shape: [n * (n + 1) / 2]).values
    let sum = SymmetricSum(packed: packed, dimension: n)
    for i in 0..<n where sum[i, i] < 0 { throw .value(name: name, index: i * n - i * (i - 1) / 2) }
    return sum
  }

  /// Orthonormal rows, as the eigenvectors of a symmetric matrix are to some n units of rounding. O(n³).
  mutating func takeOrthonormal(_ name: String, dimension n: Int) throws(CurvatureTensorError) -> Matrix {
    let rows = Matrix(rows: n, columns: n, storage: try take(name, shape: [n, n]).values)
    let gram = Matrix.product(rows, rows, transposeB: true)
    let tolerance = 1e-10 * Double(max(1, n))
    for i in 0..<n {
      for j in 0..<n where !(abs(gram[i, j] - (i == j ? 1 : 0)) <= tolerance) { throw .notOrthonormal(name: name) }
    }
    return rows
  }

  func end() throws(CurvatureTensorError) {
    if let name = remaining.keys.min() { throw .unexpected(name: name) }
  }
}
