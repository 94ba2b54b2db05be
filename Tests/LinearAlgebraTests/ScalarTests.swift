import BNNLinearAlgebra
import BNNTestSupport
import Foundation
import Testing

struct ScalarTests {
  /// Float: the identity subtracts from 1, whose rounding is 6e-8, after an exponential that is good to 2e-7 of itself where it
  /// matters most: at most 1.2e-7 absolutely, over the whole range and in every place of a vector and of its rest.
  @Test func hyperbolicTangentsOfFloats() {
    let x = (0..<200_003).map { Float($0 - 100_001) * 1.2e-4 } + [0, 1e-30, -1e-30, 100, -100, .infinity, -.infinity]
    var y = x
    y.withUnsafeMutableBufferPointer { Float.hyperbolicTangents($0) }
    let worst = zip(x, y).map { abs(tanh(Double($0)) - Double($1)) }.max() ?? 1
    #expect(worst < 1.2e-7)
    var nan: [Float] = [1, .nan, -1]
    nan.withUnsafeMutableBufferPointer { Float.hyperbolicTangents($0) }
    #expect(nan[1].isNaN && nan[0] == -nan[2] && nan[0] > 0.76)
  }

  /// A general system against its own product; a condition below 100 leaves 1e-12.
  @Test func generalSystems() throws {
    var gen = Gen(seed: 4)
    for n in 1...6 {
      var a = gen.matrix(rows: n, columns: n)
      for i in 0..<n { a[i, i] += 4 }
      let x = gen.matrix(rows: n, columns: 3)
      #expect(relativeDifference(try a.solved(.product(a, x)), x) < 1e-12)
    }
    #expect(throws: LinearAlgebraError.singular(index: 1)) { try Matrix([[1, 2], [2, 4]]).solved(.identity(2)) }
  }
}
