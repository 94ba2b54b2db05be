/// A dense matrix of doubles, row-major: entry (i, j) is `storage[i * columns + j]`.
///
/// A value: copies are independent and cost one `memcpy` when written to. LAPACK reads the same bytes as the
/// column-major transpose, which is how the factorisations here avoid every copy.
public struct Matrix: Sendable, Equatable {
  public let rows: Int
  public let columns: Int
  public var storage: [Double]

  /// `storage` holds `rows * columns` numbers, row after row.
  public init(rows: Int, columns: Int, storage: [Double]) {
    precondition(rows >= 0 && columns >= 0 && storage.count == rows * columns, "storage must hold rows × columns")
    self.rows = rows
    self.columns = columns
    self.storage = storage
  }

  /// All entries equal to `value`.
  public init(rows: Int, columns: Int, repeating value: Double = 0) {
    self.init(rows: rows, columns: columns, storage: [Double](repeating: value, count: rows * columns))
  }

  /// From nested rows of equal length.
  public init(_ nested: [[Double]]) {
    let columns = nested.first?.count ?? 0
    precondition(nested.allSatisfy { $0.count == columns }, "rows must have equal length")
    self.init(rows: nested.count, columns: columns, storage: nested.flatMap { $0 })
  }

  /// The symmetric n × n matrix A whose products Ax are given: n of them.
  public init(symmetric n: Int, times: ([Double]) -> [Double]) {
    self.init(rows: n, columns: n)
    var unit = [Double](repeating: 0, count: n)
    for j in 0..<n {
      unit[j] = 1
      storage.replaceSubrange((j * n)..<((j + 1) * n), with: times(unit))
      unit[j] = 0
    }
  }

  /// diag(values).
  public static func diagonal(_ values: [Double]) -> Matrix {
    var matrix = Matrix(rows: values.count, columns: values.count)
    for i in values.indices { matrix[i, i] = values[i] }
    return matrix
  }

  /// The n × n identity.
  public static func identity(_ n: Int) -> Matrix { diagonal([Double](repeating: 1, count: n)) }

  public subscript(row: Int, column: Int) -> Double {
    get { storage[row * columns + column] }
    set { storage[row * columns + column] = newValue }
  }

  /// Row i as a slice of the storage.
  public func row(_ i: Int) -> ArraySlice<Double> { storage[(i * columns)..<((i + 1) * columns)] }

  /// Column j, copied.
  public func column(_ j: Int) -> [Double] { (0..<rows).map { storage[$0 * columns + j] } }

  /// The rows of `range`, copied.
  public func rows(_ range: Range<Int>) -> Matrix {
    Matrix(
      rows: range.count, columns: columns,
      storage: Array(storage[(range.lowerBound * columns)..<(range.upperBound * columns)]))
  }

  /// [A B]: the columns of both, side by side.
  public init(sideBySide a: Matrix, _ b: Matrix) {
    precondition(a.rows == b.rows, "matrices side by side have equally many rows")
    let width = a.columns + b.columns
    let storage = [Double](unsafeUninitializedCapacity: a.rows * width) { target, count in
      a.storage.withUnsafeBufferPointer { first in
        b.storage.withUnsafeBufferPointer { second in
          for i in 0..<(width > 0 ? a.rows : 0) {
            let place = target.baseAddress! + i * width
            if a.columns > 0 { place.initialize(from: first.baseAddress! + i * a.columns, count: a.columns) }
            if b.columns > 0 {
              (place + a.columns).initialize(from: second.baseAddress! + i * b.columns, count: b.columns)
            }
          }
        }
      }
      count = a.rows * width
    }
    self.init(rows: a.rows, columns: width, storage: storage)
  }

  /// The rows of these indices, in their order.
  public func gathering(_ indices: ArraySlice<Int>) -> Matrix {
    var gathered: [Double] = []
    gathered.reserveCapacity(indices.count * columns)
    for i in indices { gathered.append(contentsOf: row(i)) }
    return Matrix(rows: indices.count, columns: columns, storage: gathered)
  }

  /// The transpose, copied.
  public var transposed: Matrix {
    var result = Matrix(rows: columns, columns: rows)
    for i in 0..<rows { for j in 0..<columns { result.storage[j * rows + i] = storage[i * columns + j] } }
    return result
  }

  /// True if every entry is finite. O(rows·columns) at the speed of memory: 0·x is 0 for finite x and NaN otherwise, so
  /// one sum tells of all.
  public var isFinite: Bool {
    storage.withUnsafeBufferPointer { values in
      var sums = SIMD8<Double>.zero
      var i = 0
      while i + 8 <= values.count {
        let v = UnsafeRawPointer(values.baseAddress! + i).loadUnaligned(as: SIMD8<Double>.self)
        sums += v * 0
        i += 8
      }
      var sum = sums.sum()
      while i < values.count {
        sum += values[i] * 0
        i += 1
      }
      return sum == 0
    }
  }
}
