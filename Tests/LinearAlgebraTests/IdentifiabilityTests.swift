import BNNLinearAlgebra
import BNNTestSupport
import Testing

@Suite struct IdentifiabilityTests {
  private func judged(_ data: Matrix, batch: Int = 7) throws -> Identifiability {
    var array = InformationArray(width: data.columns)
    for start in stride(from: 0, to: data.rows, by: batch) {
      var rows = data.rows(start..<min(data.rows, start + batch))
      array.absorb(&rows)
    }
    return try Identifiability(of: array.array, rows: data.rows)
  }

  @Test(arguments: Gen.seeds(10))
  func independentColumnsAreFullRank(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let p = gen.integer(in: 1...30)
    let result = try judged(gen.matrix(rows: p + 10, columns: p))
    #expect(result.isFull && result.rank == p && result.unidentifiedColumns == [])
  }

  @Test(arguments: Gen.seeds(10), [1, 3, 50])
  func collinearColumnsAreNamed(seed: UInt64, batch: Int) throws {
    var gen = Gen(seed: seed)
    var data = gen.matrix(rows: 60, columns: 8)
    // Column 5 = 2·column 1 − column 3; the others have no part in it.
    for i in 0..<60 { data[i, 5] = 2 * data[i, 1] - data[i, 3] }
    let result = try judged(data, batch: batch)
    try #require(result.rank == 7)
    #expect(result.unidentifiedColumns == [1, 3, 5])
    #expect(!result.isFull)
    // In columns of norm 1 the direction is ∝ (2‖c1‖, −‖c3‖, −‖c5‖); its angle errs by p·n·ε over the gap of the
    // singular values, which is above 1e-2 for normal data.
    var expected = [Double](repeating: 0, count: 8)
    for (j, factor) in [(1, 2.0), (3, -1), (5, -1)] { expected[j] = factor * euclideanNorm(data.column(j)) }
    let direction = Array(result.nullDirections.row(0))
    let cosine = zip(direction, expected).reduce(0) { $0 + $1.0 * $1.1 } / euclideanNorm(expected)
    let residual = zip(direction, expected).map { $0 - cosine * $1 / euclideanNorm(expected) }
    #expect(euclideanNorm(residual) < 8 * 60 * epsilon / 1e-2)
  }

  @Test(arguments: Gen.seeds(10))
  func unitsDoNotDecide(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    var data = gen.matrix(rows: 40, columns: 9)
    for j in 0..<9 { for i in 0..<40 { data[i, j] *= [1e-8, 1e-4, 1e-2, 1, 10, 1e3, 1e5, 1e7, 1e8][j] } }
    #expect(try judged(data).isFull)
    // And a collinear pair is still found among them: column 8 is a multiple of column 0 in other units.
    for i in 0..<40 { data[i, 8] = 3e16 * data[i, 0] }
    let result = try judged(data)
    #expect(result.rank == 8 && result.unidentifiedColumns == [0, 8])
  }

  @Test func zeroColumn() throws {
    var gen = Gen(seed: 2)
    var data = gen.matrix(rows: 30, columns: 5)
    for i in 0..<30 { data[i, 2] = 0 }
    let result = try judged(data)
    #expect(result.rank == 4 && result.unidentifiedColumns == [2])
  }

  @Test(arguments: [1, 2, 6])
  func fewerRowsThanColumns(rows: Int) throws {
    var gen = Gen(seed: UInt64(rows))
    let result = try judged(gen.matrix(rows: rows, columns: 7))
    #expect(result.rank == rows)
    #expect(result.nullDirections.rows == 7 - rows)
    #expect(result.unidentifiedColumns == Array(0..<7), "generic rows identify no column alone")
  }

  @Test func aRowOfOneColumnIdentifiesThatColumn() throws {
    let result = try judged(Matrix([[0, 3, 0]]))
    #expect(result.rank == 1 && result.unidentifiedColumns == [0, 2])
  }

  @Test func noRows() throws {
    let result = try Identifiability(of: Matrix(rows: 0, columns: 3), rows: 0)
    #expect(result.rank == 0 && result.unidentifiedColumns == [0, 1, 2])
    #expect(try Identifiability(of: Matrix(rows: 0, columns: 0), rows: 0).isFull)
  }

  /// Correlation 1 − δ²/2 leaves a singular value of about δ: far above max(n, p)·ε = 2e-14 it counts as informed, and
  /// below it does not.
  @Test(arguments: [(1e-6, true), (1e-10, true), (1e-15, false)])
  func nearCollinearity(delta: Double, isFull: Bool) throws {
    var gen = Gen(seed: 9)
    let q = gen.orthonormal(rows: 100, columns: 2)
    var data = q
    for i in 0..<100 { data[i, 1] = q[i, 0] + delta * q[i, 1] }
    #expect(try judged(data).isFull == isFull)
  }
}
