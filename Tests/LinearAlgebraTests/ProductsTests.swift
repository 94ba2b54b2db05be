import BNNTestSupport
import Testing

@testable import BNNLinearAlgebra

/// Each of two summations of k products errs by at most kε/2·|A||B| per entry in any order (Higham 2002, section 3.5),
/// so they differ by at most kε|A||B|; the test allows two more roundings for scaling and adding.
@Suite struct ProductsTests {
  static let shapes = [[1, 1, 1], [1, 7, 1], [3, 1, 5], [5, 4, 3], [17, 33, 9], [64, 31, 65], [130, 257, 3]]

  @Test(arguments: shapes)
  func productsMatchTripleLoops(shape: [Int]) {
    let (m, k, n) = (shape[0], shape[1], shape[2])
    var gen = Gen(seed: UInt64(m * 1000 + k))
    let a = gen.matrix(rows: m, columns: k)
    let b = gen.matrix(rows: k, columns: n)
    let expected = Naive.product(a, b)
    let bound = Naive.product(Naive.absolute(a), Naive.absolute(b)).storage.map { Double(k + 2) * epsilon * $0 }
    for transposeA in [false, true] {
      for transposeB in [false, true] {
        let result = Matrix.product(
          transposeA ? Naive.transposed(a) : a, transposeB ? Naive.transposed(b) : b, transposeA: transposeA,
          transposeB: transposeB)
        #expect(result.rows == m && result.columns == n)
        #expect(within(result.storage, expected.storage, bound), "transposed: \(transposeA), \(transposeB)")
      }
    }
  }

  /// On either side, and what stands below the diagonal is not read.
  @Test(arguments: [1, 3, 17, 64])
  func symmetricProductsMatchTripleLoops(n: Int) {
    var gen = Gen(seed: UInt64(n))
    var upper = gen.matrix(rows: n, columns: n)
    var both = upper
    for i in 0..<n {
      for j in 0..<i {
        both[i, j] = upper[j, i]
        upper[i, j] = .nan
      }
    }
    let (tall, wide) = (gen.matrix(rows: n, columns: 5), gen.matrix(rows: 5, columns: n))
    for (result, a, b) in [
      (Matrix.product(symmetric: upper, tall), both, tall),
      (Matrix.product(symmetric: upper, wide, onRight: true), wide, both),
    ] {
      let bound = Naive.product(Naive.absolute(a), Naive.absolute(b)).storage.map { Double(n + 2) * epsilon * $0 }
      #expect(within(result.storage, Naive.product(a, b).storage, bound))
    }
    #expect(Matrix.product(symmetric: both, Matrix(rows: n, columns: 0)) == Matrix(rows: n, columns: 0))
  }

  @Test func accumulateScalesAndKeeps() {
    var gen = Gen(seed: 1)
    let (a, b) = (gen.matrix(rows: 5, columns: 6), gen.matrix(rows: 6, columns: 4))
    let start = gen.matrix(rows: 5, columns: 4)
    var result = start
    result.accumulate(a, b, scale: -2, keep: 0.5)
    let expected = zip(start.storage, Naive.product(a, b).storage).map { 0.5 * $0 - 2 * $1 }
    let sizes = Naive.product(Naive.absolute(a), Naive.absolute(b)).storage
    let bound = zip(start.storage, sizes).map { 8 * epsilon * ($0.magnitude + 2 * $1) }
    #expect(within(result.storage, expected, bound))
  }

  @Test(arguments: [[0, 3, 2], [2, 3, 0], [2, 0, 3], [0, 0, 0]])
  func emptyProducts(shape: [Int]) {
    let a = Matrix(rows: shape[0], columns: shape[1], repeating: 1)
    let b = Matrix(rows: shape[1], columns: shape[2], repeating: 1)
    let empty = Matrix(rows: shape[0], columns: shape[2], repeating: shape[1] == 0 ? 0 : 3)
    #expect(Matrix.product(a, b) == empty)
    var kept = Matrix(rows: shape[0], columns: shape[2], repeating: 4)
    kept.accumulate(a, b, scale: 1, keep: 0.5)
    #expect(kept == Matrix(rows: shape[0], columns: shape[2], repeating: shape[1] == 0 ? 2 : 5))
  }

  @Test(arguments: [[1, 1], [4, 7], [33, 5], [70, 66]])
  func matrixTimesVector(shape: [Int]) {
    var gen = Gen(seed: UInt64(shape[0]))
    let a = gen.matrix(rows: shape[0], columns: shape[1])
    for (matrix, isTransposed) in [(a, false), (Naive.transposed(a), true)] {
      let x = gen.normals(shape[1])
      let column = Matrix(rows: x.count, columns: 1, storage: x)
      let bound = Naive.product(Naive.absolute(a), Naive.absolute(column)).storage
      #expect(
        within(
          matrix.multiplied(by: x, transposed: isTransposed), Naive.product(a, column).storage,
          bound.map { Double(shape[1] + 2) * epsilon * $0 }))
    }
  }

  @Test func emptyVectorProductsAreZero() {
    #expect(Matrix(rows: 3, columns: 0).multiplied(by: []) == [0, 0, 0])
    #expect(Matrix(rows: 0, columns: 2).multiplied(by: [], transposed: true) == [0, 0])
  }

  @Test(arguments: [[1, 1], [9, 4], [3, 11], [130, 65]])
  func gramIsSymmetricAndRight(shape: [Int]) {
    var gen = Gen(seed: UInt64(shape[1]))
    let a = gen.matrix(rows: shape[0], columns: shape[1])
    let at = Naive.transposed(a)
    let bound = Naive.product(Naive.absolute(at), Naive.absolute(a)).storage.map { Double(shape[0] + 2) * epsilon * $0 }
    #expect(within(a.gram.storage, Naive.product(at, a).storage, bound))
    #expect(a.gram == Naive.transposed(a.gram))
  }

  @Test func gramOfNoRowsIsZero() {
    #expect(Matrix(rows: 0, columns: 3).gram == Matrix(rows: 3, columns: 3))
  }

  @Test(arguments: 0...11)
  func squaredRowNorms(columns: Int) {
    var gen = Gen(seed: 5)
    let a = gen.matrix(rows: 6, columns: columns)
    let expected = (0..<6).map { i in a.row(i).reduce(0) { $0 + $1 * $1 } }
    #expect(within(a.squaredRowNorms, expected, expected.map { Double(columns + 1) * epsilon * $0 }))
  }

  /// The squares overflow or underflow; the scaled algorithm rounds a handful of times.
  @Test(arguments: [0x1p-1070, 1e-300, 1e-160, 1, 1e160, 1e200, 1e307])
  func normsOfAnySize(scale: Double) {
    // A subnormal number is itself rounded, to a step of 2⁻¹⁰⁷⁴.
    let rounding = 8 * epsilon + 4 * Double.leastNonzeroMagnitude / scale
    #expect((norm([3 * scale, -4 * scale]) / scale - 5).magnitude <= 5 * rounding)
  }

  @Test func normsOfSpecialVectors() {
    #expect(norm([]) == 0)
    #expect(norm([0, 0]) == 0)
    #expect(norm([1, -.infinity]) == .infinity)
    #expect(norm([1, .nan]).isNaN)
    #expect(norm([1e300, .nan]).isNaN)
  }

  @Test func vectorOperations() {
    #expect(dot([1, 2, 3], [4, -5, 6]) == 12)
    #expect(dot([], []) == 0)
    var y = [1.0, 2.0]
    BNNLinearAlgebra.accumulate(2, [3, -1], into: &y)
    #expect(y == [7, 0])
  }

  @Test func shapesThatDoNotFitAreRefused() async {
    await #expect(processExitsWith: .failure) {
      _ = Matrix.product(Matrix(rows: 2, columns: 3), Matrix(rows: 2, columns: 3))
    }
  }

  private func within(_ a: [Double], _ b: [Double], _ bound: [Double]) -> Bool {
    a.count == b.count && a.indices.allSatisfy { (a[$0] - b[$0]).magnitude <= bound[$0] }
  }
}
