import BNNLinearAlgebra
import BNNTestSupport
import Testing

/// LAPACK's error bounds are a modest multiple of max(m, n)·ε·‖A‖ (LAPACK Users' Guide, sections 4.7 and 4.9); the
/// multiple here is 10, and √n turns columns' errors into the Frobenius norm.
@Suite struct DecompositionTests {
  static let shapes = [[1, 1], [4, 4], [9, 3], [3, 9], [1, 6], [50, 20], [20, 50], [70, 70]]

  @Test(arguments: shapes, [1.0, 1e5])
  func singularValues(shape: [Int], condition: Double) throws {
    var gen = Gen(seed: UInt64(shape[0]))
    let (m, n) = (shape[0], shape[1])
    let a = gen.matrix(rows: m, columns: n, condition: condition)
    let decomposition = try SingularValueDecomposition(of: a)
    let rounding = 10 * Double(max(m, n)) * epsilon
    #expect(decomposition.singularValues.count == min(m, n))
    for (value, truth) in zip(decomposition.singularValues, Gen.logSpaced(min(m, n), condition: condition)) {
      #expect((value - truth).magnitude <= rounding)
    }
  }

  @Test(arguments: shapes, [1.0, 1e3])
  func rightVectors(shape: [Int], condition: Double) throws {
    var gen = Gen(seed: UInt64(shape[1]))
    let (m, n) = (shape[0], shape[1])
    let rank = min(m, n)
    let a = gen.matrix(rows: m, columns: n, condition: condition)
    let decomposition = try SingularValueDecomposition(of: a)
    let rounding = 10 * Double(max(m, n)) * epsilon * Double(n).squareRoot()
    #expect(decomposition.rightVectors.rows == n && decomposition.rightVectors.columns == n)
    #expect(Naive.orthonormalityError(ofRows: decomposition.rightVectors) <= rounding)

    // Rows of (A V)ᵀ: the first are s·u with orthonormal u, the rest belong to the null space.
    var images = Naive.transposed(Naive.product(a, Naive.transposed(decomposition.rightVectors)))
    for i in rank..<n { #expect(euclideanNorm(Array(images.row(i))) <= rounding) }
    for i in 0..<rank { for j in 0..<m { images[i, j] /= decomposition.singularValues[i] } }
    // An error of `rounding` in A V is divided by the smallest singular value, 1 / condition.
    #expect(Naive.orthonormalityError(ofRows: images.rows(0..<rank)) <= 3 * rounding * condition)
  }

  @Test func emptyDecompositions() throws {
    #expect(try SingularValueDecomposition(of: Matrix(rows: 3, columns: 0)).singularValues == [])
    let nothing = try SingularValueDecomposition(of: Matrix(rows: 0, columns: 2))
    #expect(nothing.singularValues == [])
    #expect(Naive.orthonormalityError(ofRows: nothing.rightVectors) <= 20 * epsilon)
    #expect(try SymmetricEigen(of: Matrix(rows: 0, columns: 0)).values == [])
    #expect(try SymmetricEigen.values(of: Matrix(rows: 0, columns: 0)) == [])
  }

  @Test(arguments: [1, 2, 5, 26, 80], [1.0, 1e6])
  func eigenvectorsDiagonalise(n: Int, condition: Double) throws {
    var gen = Gen(seed: UInt64(n))
    // Signs alternate, so that negative eigenvalues occur.
    let sizes = Gen.logSpaced(n, condition: condition)
    let values = sizes.indices.map { $0 % 2 == 0 ? sizes[$0] : -sizes[$0] }
    let q = gen.orthonormal(rows: n, columns: n)
    var scaled = q
    for i in 0..<n { for j in 0..<n { scaled[i, j] *= values[j] } }
    let product = Naive.product(scaled, Naive.transposed(q))
    var a = product
    for i in 0..<n { for j in 0..<i { a[i, j] = a[j, i] } }
    let eigen = try SymmetricEigen(of: a)
    let rounding = 10 * Double(n) * epsilon
    for (value, truth) in zip(eigen.values, values.sorted()) { #expect((value - truth).magnitude <= rounding) }
    // Alone they come by another iteration, with the same bound.
    for (value, truth) in zip(try SymmetricEigen.values(of: a), values.sorted()) {
      #expect((value - truth).magnitude <= rounding)
    }
    #expect(Naive.orthonormalityError(ofRows: eigen.vectors) <= rounding * Double(n).squareRoot())
    var rebuilt = eigen.vectors
    for i in 0..<n { for j in 0..<n { rebuilt[i, j] *= eigen.values[i] } }
    rebuilt = Naive.product(Naive.transposed(eigen.vectors), rebuilt)
    #expect(relativeDifference(rebuilt, a) <= rounding * Double(n).squareRoot())
  }

  @Test func eigenReadsTheUpperTriangleOnly() throws {
    let eigen = try SymmetricEigen(of: Matrix([[2, 1], [99, 2]]))
    // Eigenvalues 1 and 3 by hand; 10·n·ε·‖A‖.
    #expect((eigen.values[0] - 1).magnitude <= 60 * epsilon && (eigen.values[1] - 3).magnitude <= 60 * epsilon)
  }

  @Test(arguments: [Double.nan, .infinity])
  func inputThatIsNotFiniteIsRefused(value: Double) {
    let a = Matrix([[1, value], [value, 1]])
    #expect(throws: LinearAlgebraError.self) { try SingularValueDecomposition(of: a) }
    #expect(throws: LinearAlgebraError.self) { try SymmetricEigen(of: a) }
    #expect(throws: LinearAlgebraError.self) { try SymmetricEigen.values(of: a) }
  }

  /// Householder's Q: orthonormal to a modest multiple of ε·n, and of the same span: rows less their projections vanish.
  @Test(arguments: [[1, 1], [1, 7], [4, 4], [5, 60], [40, 70]], [1.0, 1e8])
  func orthonormalRows(shape: [Int], condition: Double) {
    var gen = Gen(seed: UInt64(shape[0]))
    let a = gen.matrix(rows: shape[0], columns: shape[1], condition: condition)
    let q = a.orthonormalRows()
    let rounding = 10 * Double(shape[1]) * epsilon
    let gram = Matrix.product(q, q, transposeB: true)
    #expect(departure(gram) <= rounding)
    var rest = a
    rest.accumulate(Matrix.product(a, q, transposeB: true), q, scale: -1)
    #expect(norm(rest.storage) <= rounding * norm(a.storage))
  }

  /// max |A − I|.
  private func departure(_ gram: Matrix) -> Double {
    var worst = 0.0
    for i in 0..<gram.rows {
      for k in 0..<gram.columns { worst = max(worst, abs(gram[i, k] - (i == k ? 1 : 0))) }
    }
    return worst
  }

  @Test func dependentRowsAreCompleted() {
    for a in [Matrix(rows: 3, columns: 5), Matrix([[1, 2, 3, 4], [2, 4, 6, 8], [0, 0, 0, 0]])] {
      let q = a.orthonormalRows()
      let gram = Matrix.product(q, q, transposeB: true)
      #expect(departure(gram) <= 100 * epsilon)
    }
    #expect(Matrix(rows: 0, columns: 5).orthonormalRows() == Matrix(rows: 0, columns: 5))
  }
}
