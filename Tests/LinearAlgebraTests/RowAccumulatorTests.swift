import BNNProbability
import BNNTestSupport
import Testing

@testable import BNNLinearAlgebra

/// Segments that share a Gram matrix, or go through QR where one may not: the same information either way.
@Suite("row accumulator")
struct RowAccumulatorTests {
  /// n rows of w − 1 columns offset + scale·N(0, 1) and a last one that is their standardised sum plus noise.
  private func rows(_ n: Int, _ w: Int, offset: Double, noise: Double, seed: UInt64) -> Matrix {
    var stream = RandomStream(seed: seed)
    var matrix = Matrix(rows: n, columns: w)
    for i in 0..<n {
      let x = stream.normals(w)
      var y = noise * x[w - 1]
      for j in 0..<(w - 1) {
        let scale = j % 2 == 0 ? 1e4 : 1e-2
        matrix[i, j] = scale * (offset + x[j])
        y += x[j]
      }
      matrix[i, w - 1] = y
    }
    return matrix
  }

  private func accumulated(_ matrix: Matrix, ones: Bool, pieces: [Int]) -> Matrix {
    var accumulator = RowAccumulator(
      onto: InformationArray(width: matrix.columns + (ones ? 1 : 0)), ones: ones)
    var start = 0
    for piece in pieces + [matrix.rows] where start < matrix.rows {
      let own = matrix.rows(start..<min(start + piece, matrix.rows))
      own.storage.withUnsafeBufferPointer { accumulator.absorb($0, count: own.rows) }
      start += own.rows
    }
    #expect(accumulator.count == matrix.rows)
    var array = accumulator.settled()
    array.makeDiagonalPositive()
    return array.array
  }

  /// R by Householder's reflections alone.
  private func householder(_ matrix: Matrix, ones: Bool) -> Matrix {
    let full =
      ones ? Matrix(sideBySide: Matrix(rows: matrix.rows, columns: 1, repeating: 1), matrix) : matrix
    var array = InformationArray(width: full.columns)
    for start in stride(from: 0, to: full.rows, by: 512) {
      var own = full.rows(start..<min(start + 512, full.rows))
      array.absorbOrthogonally(&own, whitening: false)
    }
    array.makeDiagonalPositive()
    return array.array
  }

  /// The largest |A − B| in units of the norm of the column.
  private func distance(_ a: Matrix, _ b: Matrix) -> Double {
    var largest = 0.0
    for j in 0..<a.columns {
      let length = norm(b.column(j))
      for i in 0...j { largest = max(largest, abs(a[i, j] - b[i, j]) / length) }
    }
    return largest
  }

  @Test("segments in one Gram matrix: the factor of all rows", arguments: [true, false])
  func segments(ones: Bool) {
    let matrix = rows(9 * RowAccumulator.segment + 700, 8, offset: 0, noise: 1, seed: 1)
    // ε·cond²·√n per column: the condition is below 20 here, 2e-16·400·190 = 1.5e-11, and a margin of 2.
    #expect(distance(accumulated(matrix, ones: ones, pieces: []), householder(matrix, ones: ones)) < 3e-11)
  }

  @Test("columns far from zero: centred, and as close to QR as QR's own rounding of such columns")
  func offsets() {
    let matrix = rows(4 * RowAccumulator.segment, 6, offset: 1e6, noise: 1, seed: 2)
    let (own, exact) = (accumulated(matrix, ones: true, pieces: []), householder(matrix, ones: true))
    // Both round raw columns relative to their norm, 1e6 times what is left of them after row 0; √n·ε·(blocks) of it.
    #expect(distance(own, exact) < 1e-11)
    // What the columns are beyond their mean: the rows from 1 on, in their own units. QR loses 1e6·ε·√n = 3e-8 there.
    let (inner, exactInner) = (lower(own), lower(exact))
    #expect(distance(inner, exactInner) < 1e-7)
    // And against columns centred beforehand, where nothing is lost: the accumulator is the closer one.
    var centred = matrix
    for i in 0..<matrix.rows { for j in 0..<5 { centred[i, j] -= (j % 2 == 0 ? 1e10 : 1e4) } }
    let reference = lower(householder(centred, ones: true))
    #expect(distance(inner, reference) < 1e-8)
  }

  /// Without the first row and column.
  private func lower(_ r: Matrix) -> Matrix {
    var result = Matrix(rows: r.rows - 1, columns: r.columns - 1)
    for i in 1..<r.rows { for j in 1..<r.columns { result[i - 1, j - 1] = r[i, j] } }
    return result
  }

  @Test("however the rows are cut, segments are the same: bit for bit")
  func cuts() {
    let matrix = rows(3 * RowAccumulator.segment + 100, 5, offset: 3, noise: 0.5, seed: 3)
    let whole = accumulated(matrix, ones: true, pieces: [])
    for pieces in [[1, 2, 3, 5000], [RowAccumulator.segment, 77, 4096], [Int](repeating: 997, count: 12)] {
      #expect(accumulated(matrix, ones: true, pieces: pieces) == whole)
    }
  }

  @Test("rows prepared while they are read: the same, bit for bit", arguments: [1, 192, 500, 4000])
  func prepared(piece: Int) {
    let segment = RowAccumulator.segment
    let matrix = rows(3 * segment + 700, 5, offset: 3, noise: 0.5, seed: 8)
    var accumulator = RowAccumulator(onto: InformationArray(width: 6), ones: true)
    for start in stride(from: 0, to: matrix.rows, by: segment) {
      let own = matrix.rows(start..<min(start + segment, matrix.rows))
      own.storage.withUnsafeBufferPointer { values in
        for some in stride(from: piece, through: own.rows, by: piece) {
          accumulator.prepare(UnsafeBufferPointer(rebasing: values.prefix(some * 5)), count: some)
        }
        accumulator.absorb(values, count: own.rows)
      }
    }
    var array = accumulator.settled()
    array.makeDiagonalPositive()
    #expect(array.array == accumulated(matrix, ones: true, pieces: []))
  }

  @Test("a segment that spoils the condition is refused before it is added, and the rest keeps its digits")
  func spoiled() {
    let segment = RowAccumulator.segment
    var matrix = rows(6 * segment, 4, offset: 0, noise: 1, seed: 4)
    // From the third segment on two columns are equal to 1e-9 and a million times as large as before.
    for i in (2 * segment)..<(4 * segment) {
      matrix[i, 2] = 1e6 * matrix[i, 0]
      matrix[i, 0] = matrix[i, 2] * (1 + 1e-9 * matrix[i, 1])
    }
    let (own, exact) = (accumulated(matrix, ones: true, pieces: []), householder(matrix, ones: true))
    // Backward error: a few ε·√(blocks) of the columns' norms. The entries of R themselves are not so well determined.
    #expect(gramDistance(own, exact) < 1e-12)
    // What the third column adds to the first: 1e-6 of its norm, known by QR to ε·1e6·√(blocks) = 1e-9; from a Gram
    // matrix of all rows to ε·1e12 = 2e-4.
    #expect(abs(own[3, 3] / exact[3, 3] - 1) < 1e-8)
  }

  @Test("targets in the span of the features to 1e-7 keep their residual")
  func residual() {
    let matrix = rows(3 * RowAccumulator.segment, 7, offset: 0, noise: 1e-7, seed: 5)
    let (own, exact) = (accumulated(matrix, ones: true, pieces: []), householder(matrix, ones: true))
    // ρ itself, known to √n·ε·‖y‖/ρ: 2e-16·100·√6/1e-7 = 6e-7.
    #expect(abs(own[7, 7] / exact[7, 7] - 1) < 1e-6)
  }

  @Test("constant and zero columns, no columns, few rows")
  func degenerate() {
    var matrix = rows(2 * RowAccumulator.segment, 4, offset: 0, noise: 1, seed: 6)
    for i in 0..<matrix.rows { (matrix[i, 1], matrix[i, 2]) = (0, 7) }
    #expect(gramDistance(accumulated(matrix, ones: true, pieces: []), householder(matrix, ones: true)) < 1e-11)
    let few = rows(3, 4, offset: 0, noise: 1, seed: 7)
    #expect(accumulated(few, ones: true, pieces: [1, 1]).rows == 3)
    let none = Matrix(rows: 5, columns: 0)
    #expect(accumulated(none, ones: true, pieces: []) == Matrix(rows: 1, columns: 1, repeating: (5.0).squareRoot()))
  }

  /// The largest entry of RᵀR − SᵀS in units of the columns' norms: for factors whose entries the rows do not determine.
  private func gramDistance(_ a: Matrix, _ b: Matrix) -> Double {
    let (g, h) = (a.gram, b.gram)
    var largest = 0.0
    for i in 0..<g.rows {
      for j in 0..<g.columns {
        let size = (h[i, i] * h[j, j]).squareRoot()
        largest = max(largest, abs(g[i, j] - h[i, j]) / max(size, 1))
      }
    }
    return largest
  }
}
