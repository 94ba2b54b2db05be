import BNNLinearAlgebra
import Testing

@Suite struct MatrixTests {
  let sample = Matrix([[1, 2, 3], [4, 5, 6]])

  @Test func storageIsRowMajor() {
    #expect(sample.storage == [1, 2, 3, 4, 5, 6])
    #expect(sample[1, 0] == 4)
    #expect(Array(sample.row(1)) == [4, 5, 6])
    #expect(sample.column(2) == [3, 6])
    #expect(sample.rows(1..<2) == Matrix([[4, 5, 6]]))
    #expect(sample.rows(1..<1) == Matrix(rows: 0, columns: 3))
  }

  @Test func transposeSwapsIndices() {
    #expect(sample.transposed == Matrix([[1, 4], [2, 5], [3, 6]]))
    #expect(Matrix(rows: 0, columns: 3).transposed == Matrix(rows: 3, columns: 0))
  }

  @Test func specialMatrices() {
    #expect(Matrix.identity(2) == Matrix([[1, 0], [0, 1]]))
    #expect(Matrix.diagonal([2, 3]) == Matrix([[2, 0], [0, 3]]))
    #expect(Matrix(rows: 1, columns: 2, repeating: 7).storage == [7, 7])
    #expect(Matrix([]) == Matrix(rows: 0, columns: 0))
  }

  @Test func copiesAreIndependent() {
    var copy = sample
    copy[0, 0] = 9
    #expect(sample[0, 0] == 1 && copy[0, 0] == 9)
  }

  @Test(arguments: [Double.nan, .infinity, -.infinity])
  func oneBadEntryIsSeen(value: Double) {
    var matrix = sample
    #expect(matrix.isFinite)
    matrix[1, 2] = value
    #expect(!matrix.isFinite)
  }

  @Test func storageOfWrongLengthIsRefused() async {
    await #expect(processExitsWith: .failure) { _ = Matrix(rows: 2, columns: 2, storage: [1, 2, 3]) }
  }
}
