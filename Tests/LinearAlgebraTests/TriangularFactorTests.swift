import BNNLinearAlgebra
import BNNTestSupport
import Foundation
import Testing

/// Forward errors of a solve with condition number c are at most a modest multiple of p·ε·c (Higham 2002, theorems 9.4
/// and 10.4) for the factor and for the eliminating oracle alike; 20 covers the constants of both and the growth of
/// elimination, which is small for definite matrices.
@Suite struct TriangularFactorTests {
  struct Case: Sendable, CustomStringConvertible {
    var seed: UInt64
    var p: Int
    var condition: Double

    var description: String { "seed \(seed), p = \(p), condition \(condition)" }
    var precision: Matrix {
      var gen = Gen(seed: seed)
      return gen.positiveDefinite(p, condition: condition)
    }
    var tolerance: Double { 20 * Double(p) * epsilon * condition }
  }

  static let cases: [Case] = [(1, 1), (2, 10), (3, 1e3), (7, 1e6), (31, 1e4), (66, 1e8), (130, 1e2)].flatMap { shape in
    Gen.seeds(3).map { Case(seed: $0, p: shape.0, condition: shape.1) }
  }

  /// |RᵀR − Λ| ≤ (p + 1)ε|Rᵀ||R| entry by entry (Higham 2002, theorem 10.3); as much again for forming RᵀR here.
  @Test(arguments: cases)
  func choleskyReproducesThePrecision(of c: Case) throws {
    let precision = c.precision
    let upper = try TriangularFactor(choleskyOf: precision).upper
    #expect(Naive.isUpperTrapezoidal(upper))
    #expect((0..<c.p).allSatisfy { upper[$0, $0] > 0 })
    let transposed = Naive.transposed(upper)
    let product = Naive.product(transposed, upper)
    let size = Naive.product(Naive.absolute(transposed), Naive.absolute(upper))
    for i in product.storage.indices {
      let difference = (product.storage[i] - precision.storage[i]).magnitude
      #expect(difference <= 2 * Double(c.p + 1) * epsilon * size.storage[i])
    }
  }

  @Test(arguments: cases)
  func solvesMatchGaussElimination(of c: Case) throws {
    let precision = c.precision
    let factor = try TriangularFactor(choleskyOf: precision)
    var gen = Gen(seed: c.seed &+ 100)
    let b = gen.normals(c.p)
    #expect(relativeDifference(factor.solve(b), Naive.solve(precision, b)) < c.tolerance)
    #expect(relativeDifference(factor.backSolve(b), Naive.solve(factor.upper, b)) < c.tolerance)
    #expect(relativeDifference(factor.forwardSolve(b), Naive.solve(Naive.transposed(factor.upper), b)) < c.tolerance)
  }

  @Test(arguments: cases)
  func productsMatchTripleLoops(of c: Case) throws {
    let factor = try TriangularFactor(choleskyOf: c.precision)
    var gen = Gen(seed: c.seed &+ 200)
    let x = gen.normals(c.p)
    let column = Matrix(rows: c.p, columns: 1, storage: x)
    // Products err by pε|R||x| and the results may be smaller than |R||x| by the condition number.
    #expect(relativeDifference(factor.multiplied(by: x), Naive.product(factor.upper, column).storage) < c.tolerance)
    let twice = Naive.product(Naive.transposed(factor.upper), Naive.product(factor.upper, column))
    #expect(relativeDifference(factor.precisionTimes(x), twice.storage) < c.tolerance)
    let rounding = 4 * Double(c.p + 1) * epsilon * Double(c.p).squareRoot()
    #expect(relativeDifference(factor.precision, c.precision) < rounding)
  }

  @Test(arguments: cases)
  func whitenedRowsGiveQuadraticForms(of c: Case) throws {
    let precision = c.precision
    let factor = try TriangularFactor(choleskyOf: precision)
    var gen = Gen(seed: c.seed &+ 300)
    let rows = gen.matrix(rows: 4, columns: c.p)
    var whitened = rows
    factor.whiten(&whitened)
    let covariance = Naive.solve(precision, Matrix.identity(c.p)).solution
    let expected = (0..<4).map { i in
      let row = rows.rows(i..<(i + 1))
      return Naive.product(Naive.product(row, covariance), Naive.transposed(row)).storage[0]
    }
    #expect(relativeDifference(whitened.squaredRowNorms, expected) < c.tolerance)
    #expect(relativeDifference(factor.marginalVariances(), (0..<c.p).map { covariance[$0, $0] }) < c.tolerance)
    let product = Naive.product(factor.upper, factor.inverse())
    #expect(relativeDifference(product, Matrix.identity(c.p)) < c.tolerance)
    #expect(Naive.isUpperTrapezoidal(factor.inverse()))
  }

  /// d log det = tr(Λ⁻¹ dΛ): an error of pε|Λ| changes it by at most p²·ε·condition; the sum of logs adds pε|log|.
  @Test(arguments: cases)
  func logDeterminantMatchesElimination(of c: Case) throws {
    let precision = c.precision
    let expected = Naive.solve(precision, Matrix.identity(c.p)).logDeterminant.natural(log)
    let value = try TriangularFactor(choleskyOf: precision).logDeterminant
    let bound = Double(c.p) * epsilon * (Double(c.p) * c.condition + expected.magnitude)
    #expect((value - expected).magnitude <= bound)
  }

  @Test(arguments: cases)
  func packedRoundTripIsExact(of c: Case) throws {
    let factor = try TriangularFactor(choleskyOf: c.precision)
    #expect(factor.packed.count == c.p * (c.p + 1) / 2)
    #expect(try TriangularFactor(packed: factor.packed, dimension: c.p) == factor)
  }

  @Test func packedOrderIsRowAfterRow() throws {
    let factor = try TriangularFactor(packed: [1, 2, 3, 4, 5, 6], dimension: 3)
    #expect(factor.upper == Matrix([[1, 2, 3], [0, 4, 5], [0, 0, 6]]))
  }

  @Test func onlyTheUpperTriangleIsRead() throws {
    let full = try TriangularFactor(choleskyOf: Matrix([[4, 2], [2, 5]]))
    #expect(try TriangularFactor(choleskyOf: Matrix([[4, 2], [.nan, 5]])) == full)
    #expect(full.upper == Matrix([[2, 1], [0, 2]]))
    #expect(try TriangularFactor(upper: Matrix([[2, 1], [99, 2]])) == full)
    #expect(try TriangularFactor(upper: Matrix([[-2, -1], [0, 2]])) == full)
  }

  @Test func noWeights() throws {
    let factor = try TriangularFactor(choleskyOf: Matrix(rows: 0, columns: 0))
    #expect(factor.logDeterminant == 0)
    #expect(factor.solve([]) == [] && factor.packed == [] && factor.marginalVariances() == [])
  }
}

@Suite struct TriangularFactorRefusals {
  @Test(arguments: [
    (Matrix([[0, 0], [0, 1]]), 1), (Matrix([[1, 2], [2, 1]]), 2), (Matrix([[1, 0, 0], [0, 1, 1], [0, 1, 1]]), 3),
  ])
  func notPositiveDefinite(matrix: Matrix, order: Int) {
    #expect(throws: LinearAlgebraError.notPositiveDefinite(order: order)) { try TriangularFactor(choleskyOf: matrix) }
  }

  /// LAPACK's comparisons overlook NaN; it must not come out as a factor. 300 exceeds the blocks of OpenBLAS's kernels.
  @Test(arguments: [1, 2, 300])
  func notANumberIsRefused(p: Int) {
    for i in Set([0, p / 2, p - 1]) {
      var matrix = Matrix.identity(p)
      matrix[i, p - 1] = .nan
      #expect(throws: LinearAlgebraError.self) { try TriangularFactor(choleskyOf: matrix) }
    }
  }

  @Test(arguments: [0.0, -0.0, .nan, .infinity, -.infinity], 0...2)
  func singular(pivot: Double, index: Int) {
    var matrix = Matrix.identity(3)
    matrix[index, index] = pivot
    #expect(throws: LinearAlgebraError.singular(index: index)) { try TriangularFactor(upper: matrix) }
    let packed = (0..<3).flatMap { i in (i..<3).map { matrix[i, $0] } }
    #expect(throws: LinearAlgebraError.singular(index: index)) { try TriangularFactor(packed: packed, dimension: 3) }
  }

  @Test func errorsSayWhere() {
    #expect("\(LinearAlgebraError.notPositiveDefinite(order: 3))".contains("order 3"))
    #expect("\(LinearAlgebraError.singular(index: 2))".contains("entry 2"))
    #expect("\(LinearAlgebraError.notConverged(routine: "dgesdd"))".contains("dgesdd"))
  }
}
