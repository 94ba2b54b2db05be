import BNNLinearAlgebra
import BNNTestSupport
import Foundation
import Testing

struct ScalarTests {
  /// The series is good to a quarter of an ulp, then there are three roundings of m, one of m + 2 and one of the quotient:
  /// at most 2ε of the value at any size of it, in every place of a vector and of its rest (1.6ε was the worst of 4e7 points). libm's
  /// tanh in double precision is the oracle.
  @Test func hyperbolicTangents() {
    var x = (0..<200_003).map { Double($0 - 100_001) * 1.2e-4 }
    for k in 0..<4000 { x.append((k % 2 == 0 ? 1 : -1) * pow(10, -15 + 0.004 * Double(k))) }
    x += [0, 1e-30, -1e-30, 100, -100, .infinity, -.infinity]
    var (double, single) = (x, x.map { Float($0) })
    let exact = x.map { Float80(tanh($0)) }
    let exactSingle = single.map { tanh(Double($0)) }
    double.withUnsafeMutableBufferPointer { Double.hyperbolicTangents($0) }
    single.withUnsafeMutableBufferPointer { Float.hyperbolicTangents($0) }
    func epsilons<T: BinaryFloatingPoint>(_ error: T, _ value: T, _ epsilon: T) -> T {
      value == 0 ? error : abs(error / value) / epsilon
    }
    // The oracle is itself off by up to ε.
    #expect(zip(exact, double).allSatisfy { epsilons(Float80($1) - $0, $0, Float80(Double.ulpOfOne)) < 3 })
    #expect(zip(exactSingle, single).allSatisfy { epsilons(Double($1) - $0, $0, Double(Float.ulpOfOne)) < 2 })
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
