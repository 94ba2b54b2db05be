import BNNTestSupport
import Testing

@testable import BNNLinearAlgebra

/// Rows divided by the array before their products are taken: as good as reflections at every condition.
@Suite("whitened rows")
struct WhiteningTests {
  private static let (earlier, later, width) = (300, 2000, 12)

  /// Rows with singular values from 1 down to 1/condition, but for the last column: their sum plus noise.
  private func data(_ condition: Double, noise: Double, seed: UInt64) -> Matrix {
    var gen = Gen(seed: seed)
    let rows = Self.earlier + Self.later
    var matrix = gen.matrix(rows: rows, columns: Self.width, condition: condition)
    let noises = gen.normals(rows)
    for i in 0..<rows {
      var sum = 0.0
      for j in 0..<(Self.width - 1) { sum += matrix[i, j] }
      matrix[i, Self.width - 1] = sum + noise * noises[i]
    }
    return matrix
  }

  private func array(_ matrix: Matrix, whitening: Bool = true) -> InformationArray {
    var array = InformationArray(width: matrix.columns)
    for range in [0..<Self.earlier, Self.earlier..<matrix.rows] {
      var rows = matrix.rows(range)
      array.absorbOrthogonally(&rows, whitening: whitening)
    }
    array.makeDiagonalPositive()
    return array
  }

  /// How many of the later rows may be whitened.
  private func taken(_ matrix: Matrix) -> Int {
    var earlier = InformationArray(width: matrix.columns)
    var rows = matrix.rows(0..<Self.earlier)
    earlier.absorbOrthogonally(&rows, whitening: false)
    var whitened = WhitenedRows(columns: matrix.columns)
    let later = matrix.rows(Self.earlier..<matrix.rows)
    return later.storage.withUnsafeBufferPointer {
      whitened.take($0.baseAddress!, count: later.rows, root: earlier.array)
    }
  }

  /// The largest entry of RᵀR − AᵀA in units of the columns' norms: the backward error.
  private func backwardError(_ r: Matrix, _ a: Matrix) -> Double {
    var largest = 0.0
    let lengths = (0..<a.columns).map { norm(a.column($0)) }
    for i in 0..<a.columns where lengths[i] > 0 {
      for j in i..<a.columns where lengths[j] > 0 {
        var sum: Wide = 0
        for k in 0..<a.rows { sum += Wide(a[k, i]) * Wide(a[k, j]) }
        for k in 0...i { sum -= Wide(r[k, i]) * Wide(r[k, j]) }
        largest = max(largest, abs(Double(sum)) / (lengths[i] * lengths[j]))
      }
    }
    return largest
  }

  /// ‖W‖²_F is about w·m/n = 12·2000/300 = 80.
  private var bound: Double { Double(Self.width) * epsilon * (1 + 80) }

  @Test(
    "whatever the condition: the rows' own information, and the factor and the means of a QR in wider numbers",
    arguments: [1, 1e4, 1e8, 1e12])
  func conditions(condition: Double) {
    for seed in Gen.seeds(3) {
      // Noise that the condition does not raise above the weights: least squares errs by condition²·ε·ρ besides.
      let matrix = data(condition, noise: max(1e-3 / condition, 1e-10), seed: seed)
      #expect(taken(matrix) == Self.later, "seed \(seed)")
      let own = array(matrix)
      // w·ε·(1 + ‖W‖²): both errors of `WhitenedRows`.
      #expect(backwardError(own.array, matrix) < bound, "seed \(seed)")
      let exact = wideFactor(matrix)
      for j in 0..<Self.width {
        let length = norm(exact.column(j))
        for i in 0...j {
          #expect(abs(own.array[i, j] - exact[i, j]) <= bound * condition * length, "seed \(seed), \(i), \(j)")
        }
      }
      // Means, promised to 10·√P·ε·condition for two batches; relative to their norm √P.
      guard condition <= 1e8 else { continue }
      let p = Self.width - 1
      let mean = solution(own.array)
      let distance = norm(zip(mean, solution(exact)).map { $0 - $1 })
      #expect(distance <= 10 * Double(p).squareRoot() * epsilon * condition * Double(p).squareRoot(), "seed \(seed)")
    }
  }

  @Test("a residual a millionth of the targets keeps its digits")
  func residual() {
    let matrix = data(100, noise: 1e-8, seed: 4)
    let (own, exact) = (array(matrix), wideFactor(matrix))
    let last = Self.width - 1
    // ρ is known to w·ε·(1 + ‖W‖²) of the target's norm.
    #expect(abs(own.array[last, last] - exact[last, last]) < bound * norm(matrix.column(last)))
    #expect(abs(own.array[last, last] / exact[last, last] - 1) < 1e-4)
  }

  @Test("directions that earlier rows hardly know, or not at all, go through reflections", arguments: [0, 1e-9, 1e-3])
  func newDirections(known: Double) {
    var matrix = data(10, noise: 1, seed: 5)
    for i in 0..<Self.earlier { matrix[i, 3] = known * matrix[i, 3] }
    #expect(taken(matrix) == 0)
    #expect(backwardError(array(matrix).array, matrix) < bound)
    #expect(backwardError(array(matrix, whitening: false).array, matrix) < bound)
  }

  @Test("rows past the bound are left, and what they add makes room for more")
  func partly() {
    var matrix = data(10, noise: 1, seed: 6)
    // The third slice of the later rows is a hundred times as large.
    let slice = GramMatrix.slice
    for i in (Self.earlier + 2 * slice)..<(Self.earlier + 3 * slice) {
      for j in 0..<Self.width { matrix[i, j] *= 100 }
    }
    #expect(taken(matrix) == 2 * slice)
    #expect(backwardError(array(matrix).array, matrix) < bound)
  }

  @Test("numbers that overflow in the division are left to reflections")
  func overflow() {
    var matrix = data(1, noise: 1, seed: 7)
    for i in 0..<Self.earlier { matrix[i, 0] *= 1e-300 }
    #expect(taken(matrix) == 0)
    #expect(array(matrix).array.isFinite)
  }

  /// R⁻¹z of a factor [R z; 0 ρ].
  private func solution(_ r: Matrix) -> [Double] {
    let p = r.columns - 1
    var x = [Double](repeating: 0, count: p)
    for i in (0..<p).reversed() {
      var sum = Wide(r[i, p])
      for j in (i + 1)..<max(p, i + 1) { sum -= Wide(r[i, j]) * Wide(x[j]) }
      x[i] = Double(sum / Wide(r[i, i]))
    }
    return x
  }

  /// R by modified Gram–Schmidt run twice, in the widest numbers there are.
  private func wideFactor(_ a: Matrix) -> Matrix {
    var columns = (0..<a.columns).map { a.column($0).map { Wide($0) } }
    var r = Matrix(rows: a.columns, columns: a.columns)
    for j in 0..<a.columns {
      for pass in 0..<2 {
        for i in 0..<j {
          let part = zip(columns[i], columns[j]).reduce(Wide(0)) { $0 + $1.0 * $1.1 }
          // The second pass's share is below the rounding of a double.
          if pass == 0 { r[i, j] = Double(part) }
          for k in 0..<a.rows { columns[j][k] -= part * columns[i][k] }
        }
      }
      let length = columns[j].reduce(Wide(0)) { $0 + $1 * $1 }.squareRoot()
      r[j, j] = Double(length)
      for k in 0..<a.rows { columns[j][k] /= length }
    }
    return r
  }
}

#if arch(x86_64)
  private typealias Wide = Float80
#else
  private typealias Wide = Double
#endif
