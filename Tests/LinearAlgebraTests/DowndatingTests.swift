import BNNTestSupport
import Testing

@testable import BNNLinearAlgebra

/// Rows taken out of an array again, against the array of the rows that stay, through AᵀA: it is unique whatever the rank.
@Suite struct DowndatingTests {
  private func array(_ data: Matrix, _ range: Range<Int>) -> InformationArray {
    InformationArrayTests.absorbed(data, range.isEmpty ? [] : [range])
  }

  /// Rounding of an orthogonal update of all rows, n·w·ε·‖D‖² as in `InformationArrayTests`, with columns of one size.
  @Test(arguments: Gen.seeds(4), [(40, 6), (90, 20), (14, 20), (24, 20), (200, 33)])
  func gramIsThatOfTheRowsThatStay(seed: UInt64, shape: (n: Int, w: Int)) throws {
    var gen = Gen(seed: seed)
    let data = gen.matrix(rows: shape.n, columns: shape.w)
    let size = euclideanNorm(data.storage)
    let bound = Double(shape.n * shape.w) * epsilon * size * size
    for first in [0, 1, shape.n / 3, shape.n / 2, shape.n - 1, shape.n] {
      let rest = data.rows(first..<shape.n)
      let found = try #require(
        try array(data, 0..<shape.n).removing(array(data, 0..<first), leaving: rest.rows))
      #expect(found.array.rows == min(rest.rows, shape.w))
      #expect(Naive.isUpperTrapezoidal(found.array))
      let expected = rest.rows == 0 ? Matrix(rows: shape.w, columns: shape.w) : rest.gram
      let error = euclideanNorm(zip(found.array.gram.storage, expected.storage).map { $0 - $1 })
      #expect(error <= bound, "\(first) of \(shape.n) rows removed: \(error / bound)")
    }
  }

  /// Collinear and constant columns, and columns of very different size: what is not known stays not known, relative to its
  /// own column.
  @Test(arguments: Gen.seeds(4)) func rankStays(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    var data = gen.matrix(rows: 50, columns: 6)
    for i in 0..<50 {
      data[i, 1] = 1
      data[i, 2] = data[i, 0] - 3
      data[i, 4] *= 1e12
      data[i, 5] *= 1e-12
    }
    let found = try #require(try array(data, 0..<50).removing(array(data, 0..<20), leaving: 30))
    let expected = data.rows(20..<50).gram
    for i in 0..<6 {
      for j in 0..<6 {
        let unit = (expected[i, i] * expected[j, j]).squareRoot()
        #expect(abs(found.array.gram[i, j] - expected[i, j]) < 300 * epsilon * unit, "seed \(seed), entry \(i), \(j)")
      }
    }
    #expect(try Identifiability(of: found.array, rows: 30).rank == 5)
  }

  /// What is left after all but a few rows went has their rank, not that of the rounding.
  @Test(arguments: Gen.seeds(4)) func fewRowsLeaveFewDirections(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    var data = gen.matrix(rows: 60, columns: 8)
    // The rows that stay know three directions only.
    for i in 50..<60 { for j in 3..<8 { data[i, j] = data[i, j % 3] } }
    let found = try #require(try array(data, 0..<60).removing(array(data, 0..<50), leaving: 10))
    #expect(try Identifiability(of: found.array, rows: 10).rank == 3)
    let nothing = try #require(try array(data, 0..<60).removing(array(data, 0..<60), leaving: 0))
    #expect(nothing.array.rows == 0)
  }

  /// A batch taken out of an array that is a difference itself, of fewer rows than columns whose singular values fall to rounding:
  /// what the first difference dropped of a direction is no sign that the batch was never in it. In columns of norm 1 each difference
  /// is good to w²ε.
  @Test(arguments: Gen.seeds(8)) func aDifferenceIsAWhole(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let w = 60
    let data = gen.matrix(rows: 50, columns: w, condition: 1e14)
    var sum = InformationArray(width: w)
    for shard in [20..<30, 30..<50] {
      var own = array(data, 0..<20)
      var rows = data.rows(shard)
      own.absorb(&rows)
      sum = sum.merged(with: own)
    }
    let merged = try #require(try sum.removing(array(data, 0..<20), leaving: 50))
    let found = try #require(try merged.removing(array(data, 20..<30), leaving: 40))
    var (rest, gram) = (data.rows(0..<20).gram, found.array.gram)
    rest.accumulate(data.rows(30..<50), data.rows(30..<50), transposeA: true)
    let all = data.gram
    for i in 0..<w {
      for j in 0..<w {
        let unit = (all[i, i] * all[j, j]).squareRoot()
        gram[i, j] -= rest[i, j]
        #expect(abs(gram[i, j]) < 3 * Double(w * w) * epsilon * unit, "seed \(seed), entry \(i), \(j)")
      }
    }
  }

  /// K arrays that share their first rows, those taken out K − 1 times: nothing is lost whatever the conditioning of the
  /// columns, since at least a K-th stays of every direction.
  @Test(arguments: Gen.seeds(3), [1e2, 1e6, 1e10]) func sharedRowsCountOnce(seed: UInt64, condition: Double) throws {
    var gen = Gen(seed: seed)
    let (k, w) = (16, 7)
    let data = gen.matrix(rows: 200 + 10 * k, columns: w, condition: condition)
    let common = array(data, 0..<200)
    var sum = InformationArray(width: w)
    for shard in 0..<k {
      var own = common
      var rows = data.rows((200 + 10 * shard)..<(210 + 10 * shard))
      own.absorb(&rows)
      sum = sum.merged(with: own)
    }
    let found = try #require(try sum.removing(common.repeated(k - 1), leaving: data.rows))
    // Relative to the rows themselves: ‖R₊ x‖ = ‖D x‖ for every x, to ε·cond·K.
    let oracle = array(data, 0..<data.rows)
    var (a, b) = (found, oracle)
    a.makeDiagonalPositive()
    b.makeDiagonalPositive()
    let size = euclideanNorm(b.array.storage)
    let error = euclideanNorm(zip(a.array.storage, b.array.storage).map { $0 - $1 }) / size
    #expect(error < 10 * Double(k) * Double(w).squareRoot() * epsilon * condition)
    let ratio = try SingularValueDecomposition(
      of: {
        var rows = found.array
        try TriangularFactor(upper: b.array).whiten(&rows)
        return rows
      }()
    ).singularValues
    let limit = 10 * Double(k) * Double(w).squareRoot() * epsilon * condition
    #expect(ratio.allSatisfy { abs($0 - 1) < limit }, "seed \(seed): \(ratio)")
  }

  @Test func whatIsNoPartIsRefused() throws {
    var gen = Gen(seed: 1)
    let data = gen.matrix(rows: 30, columns: 5)
    let whole = array(data, 0..<30)
    #expect(try whole.removing(whole.repeated(2), leaving: 5) == nil)
    var other = InformationArray(width: 5)
    var large = Matrix([[0, 0, 100, 0, 0]])
    other.absorb(&large)
    #expect(try whole.removing(other, leaving: 29) == nil)
    #expect(try array(data, 0..<2).removing(array(data, 5..<6), leaving: 1) == nil)
  }
}
