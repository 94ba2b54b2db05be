import BNNTestSupport
import Testing

@testable import BNNLinearAlgebra

@Suite struct InformationArrayTests {
  struct Case: Sendable, CustomStringConvertible {
    var n: Int
    var w: Int
    var largest: Int
    var seed: UInt64

    var description: String { "\(n) × \(w), at most \(largest) rows a batch, seed \(seed)" }
  }

  /// One row a batch, batches around the limit between rotations and blocks, blocks wider than a panel.
  static let cases: [Case] = [
    (1, 1, 1), (3, 8, 1), (9, 8, 5), (40, 8, 1), (60, 13, 4), (60, 13, 9), (90, 40, 30), (200, 37, 70), (20, 33, 7),
    (150, 70, 150),
  ].flatMap { shape in Gen.seeds(3).map { Case(n: shape.0, w: shape.1, largest: shape.2, seed: $0) } }

  static func absorbed(_ data: Matrix, _ parts: [Range<Int>]) -> InformationArray {
    var array = InformationArray(width: data.columns)
    for part in parts {
      var rows = data.rows(part)
      array.absorb(&rows)
    }
    return array
  }

  static func reordered(_ data: Matrix, _ order: [Int]) -> Matrix {
    Matrix(rows: data.rows, columns: data.columns, storage: order.flatMap { data.row($0) })
  }

  /// n·w·ε·‖D‖²: each of at most n reflections or rotations errs by w·ε of the rows it touches.
  @Test(arguments: cases)
  func gramIsTheDatasForEveryPartitionAndOrder(of c: Case) {
    var gen = Gen(seed: c.seed)
    let data = gen.matrix(rows: c.n, columns: c.w)
    let gram = Naive.product(Naive.transposed(data), data)
    let size = euclideanNorm(data.storage)
    let bound = Double(c.n * c.w) * epsilon * size * size
    for _ in 0..<3 {
      let rows = Self.reordered(data, gen.permutation(c.n))
      let array = Self.absorbed(rows, gen.partition(c.n, largest: c.largest)).array
      let result = Naive.product(Naive.transposed(array), array)
      #expect(euclideanNorm(zip(result.storage, gram.storage).map { $0 - $1 }) <= bound)
      #expect(array.rows == min(c.n, c.w))
      #expect(Naive.isUpperTrapezoidal(array), "zeros below the diagonal are exact")
    }
  }

  @Test func growsARowAtATimeUntilSquare() {
    var gen = Gen(seed: 3)
    for batch in [1, 2, 5, 6] {
      var array = InformationArray(width: 12)
      for seen in stride(from: batch, through: 36, by: batch) {
        var rows = gen.matrix(rows: batch, columns: 12)
        array.absorb(&rows)
        #expect(array.array.rows == min(seen, 12))
        #expect(Naive.isUpperTrapezoidal(array.array))
      }
    }
  }

  /// 10·K·√w·ε·condition for K batches: the bound promised for means, here for R itself.
  @Test(arguments: [1, 3, 5, 40, 200], [10.0, 1e4])
  func agreesWithOneShotFactorisation(largest: Int, condition: Double) {
    var gen = Gen(seed: UInt64(largest))
    let (n, w) = (200, 20)
    let data = gen.matrix(rows: n, columns: w, condition: condition)
    let parts = gen.partition(n, largest: largest)
    var array = Self.absorbed(data, parts)
    array.makeDiagonalPositive()
    let expected = orthogonalised(data).r
    let bound = 10 * Double(parts.count) * Double(w).squareRoot() * epsilon * condition
    #expect(relativeDifference(array.array, expected) < bound)
  }

  @Test(arguments: [[0, 5], [5, 0], [2, 5], [5, 2], [30, 4], [4, 30], [7, 30], [30, 30]])
  func mergedIsTheArrayOfBoth(sizes: [Int]) {
    var gen = Gen(seed: UInt64(sizes[0]))
    let data = gen.matrix(rows: sizes[0] + sizes[1], columns: 9)
    let first = Self.absorbed(data, [0..<sizes[0]])
    let merged = first.merged(with: Self.absorbed(data, [sizes[0]..<data.rows]))
    let gram = Naive.product(Naive.transposed(data), data)
    let result = Naive.product(Naive.transposed(merged.array), merged.array)
    // As above, n·w·ε·‖D‖² ≤ n·w·ε·√w·‖DᵀD‖; twice, once for each array's own rounding and once for the merge.
    #expect(relativeDifference(result, gram) < 2 * Double(data.rows * 9) * epsilon * 3)
    #expect(merged.array.rows == min(data.rows, 9))
    #expect(Naive.isUpperTrapezoidal(merged.array))
    #expect(first == Self.absorbed(data, [0..<sizes[0]]), "merging leaves its parts alone")
  }

  @Test(arguments: cases)
  func theSameRowsGiveTheSameBits(of c: Case) {
    var gen = Gen(seed: c.seed)
    let data = gen.matrix(rows: c.n, columns: c.w)
    let parts = gen.partition(c.n, largest: c.largest)
    let (first, second) = (Self.absorbed(data, parts), Self.absorbed(data, parts))
    #expect(first.array.storage.map(\.bitPattern) == second.array.storage.map(\.bitPattern))
  }

  @Test func makingTheDiagonalPositiveFlipsWholeRows() {
    var array = InformationArray(array: Matrix([[-1, 2, -3], [0, 4, 5]]))
    array.makeDiagonalPositive()
    #expect(array.array == Matrix([[1, -2, 3], [0, 4, 5]]))
  }

  @Test func nothingToAbsorb() {
    var array = InformationArray(width: 4)
    var none = Matrix(rows: 0, columns: 4)
    array.absorb(&none)
    #expect(array == InformationArray(width: 4))
    var narrow = InformationArray(width: 0)
    var empty = Matrix(rows: 3, columns: 0)
    narrow.absorb(&empty)
    #expect(narrow.array.rows == 0)
  }

  /// Columns whose units differ by 16 orders: each is judged on its own scale (columnwise backward error).
  @Test(arguments: [1, 3, 40])
  func errorsFollowTheScaleOfTheirColumns(batch: Int) {
    var gen = Gen(seed: 11)
    let (n, w) = (120, 6)
    var data = gen.matrix(rows: n, columns: w)
    let units = [1e-8, 1, 1e8, 1e-4, 1e4, 1]
    for i in 0..<n { for j in 0..<w { data[i, j] *= units[j] } }
    let array = Self.absorbed(data, stride(from: 0, to: n, by: batch).map { $0..<min(n, $0 + batch) }).array
    for i in 0..<w {
      for j in 0..<w {
        let expected = zip(data.column(i), data.column(j)).reduce(0) { $0 + $1.0 * $1.1 }
        let result = zip(array.column(i), array.column(j)).reduce(0) { $0 + $1.0 * $1.1 }
        let size = euclideanNorm(data.column(i)) * euclideanNorm(data.column(j))
        #expect((result - expected).magnitude <= Double(n * w) * epsilon * size)
      }
    }
  }

  @Test func tooTallAnArrayIsRefused() async {
    await #expect(processExitsWith: .failure) { _ = InformationArray(array: Matrix(rows: 3, columns: 2)) }
  }
}
