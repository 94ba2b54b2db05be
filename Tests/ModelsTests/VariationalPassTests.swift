import BNNLinearAlgebra
import BNNModels
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

struct VariationalPassTests {
  struct Case {
    let spec: NetworkSpec
    var mean: [Double]
    var variance: [Double]
    let rows: Int
    let x: [Double]
    let noise: [Float]
    let gradient: Matrix

    init(_ activation: Activation, hidden: [Int], rows: Int = 6, seed: UInt64 = 5) {
      spec = NetworkSpec(inputs: 3, hidden: hidden, outputs: 2, activation: activation)
      self.rows = rows
      var stream = RandomStream(seed: seed)
      let pass = VariationalPass<Double>(spec)
      mean = stream.normals(pass.parameterCount)
      variance = stream.normals(pass.parameterCount).map { 0.05 + $0 * $0 }
      x = stream.normals(3 * rows)
      noise = stream.normals(rows * pass.unitCount).map { Float($0) }
      gradient = Matrix(rows: rows, columns: 2, storage: stream.normals(2 * rows))
    }

    /// The outputs by explicit sums. The numbers are those that a pass in `Scalar` sees.
    func outputs(mean: [Double], variance: [Double], sign: Double = 1) -> [Double] {
      var (h, width, offset, first) = (x, spec.inputs, 0, 0)
      for case .dense(let units, let activation) in spec.layers {
        var z = [Double](repeating: 0, count: rows * units)
        for i in 0..<rows {
          for j in 0..<units {
            var (m, s) = (mean[offset + units * width + j], variance[offset + units * width + j])
            for k in 0..<width {
              m += h[i * width + k] * mean[offset + j * width + k]
              s += h[i * width + k] * h[i * width + k] * variance[offset + j * width + k]
            }
            z[i * units + j] = m + s.squareRoot() * sign * Double(noise[first + i * units + j])
          }
        }
        activation.apply(to: &z)
        (h, offset, first, width) = (z, offset + units * (width + 1), first + rows * units, units)
      }
      return h
    }

    func loss(_ mean: [Double], _ variance: [Double]) -> Double {
      zip(outputs(mean: mean, variance: variance), gradient.storage).reduce(0) { $0 + $1.0 * $1.1 }
    }

    func forward<Scalar: BLASScalar>(_ pass: inout VariationalPass<Scalar>, sign: Scalar = 1) {
      pass.forward(
        rows: rows, mean: mean.map { Scalar($0) }, variance: variance.map { Scalar($0) }, noise: noise, sign: sign
      ) { for i in $0.indices { $0[i] = Scalar(x[i]) } }
    }

    func gradients<Scalar: BLASScalar>(_ pass: inout VariationalPass<Scalar>) -> (mean: [Double], variance: [Double]) {
      pass.backward(gradient, mean: mean.map { Scalar($0) }, variance: variance.map { Scalar($0) })
      var (m, v) = ([Scalar](repeating: 9, count: mean.count), [Scalar](repeating: 9, count: mean.count))
      pass.gradient(mean: &m, variance: &v)
      return (m.map { Double($0) }, v.map { Double($0) })
    }
  }

  static let depths = [[], [5], [5, 4]]

  /// Sums of at most a hundred products of numbers near one: some hundred roundings of the type, as in NetworkPassTests.
  @Test(arguments: Activation.allCases, depths) func forwardIsItsFormula(_ activation: Activation, _ hidden: [Int]) {
    let own = Case(activation, hidden: hidden)
    var pass = VariationalPass<Double>(own.spec)
    var single = VariationalPass<Float>(own.spec)
    // A longer block first: what it leaves behind must not show.
    Case(activation, hidden: hidden, rows: 11, seed: 8).forward(&pass)
    for sign in [1.0, -1] {
      own.forward(&pass, sign: sign)
      own.forward(&single, sign: Float(sign))
      let expected = own.outputs(mean: own.mean, variance: own.variance, sign: sign)
      #expect(relativeDifference(pass.output().storage, expected) < 1e-13)
      #expect(relativeDifference(single.output().storage, expected) < 1e-4)
    }
  }

  @Test(arguments: Activation.allCases, depths) func gradientsAreDifferences(_ activation: Activation, _ hidden: [Int])
  {
    let own = Case(activation, hidden: hidden)
    var pass = VariationalPass<Double>(own.spec)
    own.forward(&pass)
    let (byMean, byVariance) = own.gradients(&pass)
    var single = VariationalPass<Float>(own.spec)
    own.forward(&single)
    let (singleMean, singleVariance) = own.gradients(&single)
    #expect(relativeDifference(singleMean, byMean) < 1e-4)
    #expect(relativeDifference(singleVariance, byVariance) < 1e-4)
    // The loss adds a dozen outputs of size 10 or so.
    let size = 12 * own.outputs(mean: own.mean, variance: own.variance).reduce(1) { max($0, $1.magnitude) }
    for j in own.mean.indices {
      let mean = centralDifference(at: own.mean[j], size: size) {
        var moved = own.mean
        moved[j] = $0
        return own.loss(moved, own.variance)
      }
      #expect((byMean[j] - mean.value).magnitude < mean.tolerance, "mean \(j)")
      let variance = centralDifference(at: own.variance[j], size: size) {
        var moved = own.variance
        moved[j] = $0
        return own.loss(own.mean, moved)
      }
      #expect((byVariance[j] - variance.value).magnitude < variance.tolerance, "variance \(j)")
    }
  }

  /// y = xᵀw + b with w ~ N(m, diag v): mean xᵀm + m_b, variance Σx²v + v_b; n draws, within 6 standard errors.
  @Test func linearModelHasItsMoments() {
    let n = 40_000
    let spec = NetworkSpec(inputs: 2, hidden: [], outputs: 1, activation: .identity)
    var pass = VariationalPass<Float>(spec)
    let noise = [Float](unsafeUninitializedCapacity: n) {
      var stream = RandomStream(seed: 3)
      stream.fillNormals(UnsafeMutableBufferPointer(rebasing: $0[0..<n]))
      $1 = n
    }
    pass.forward(rows: n, mean: [2, -1, 0.5], variance: [0.25, 0.5, 0.125], noise: noise) {
      for i in 0..<n { ($0[2 * i], $0[2 * i + 1]) = (1, 2) }
    }
    let y = pass.output().storage
    let (mean, variance) = (0.5, 0.25 + 4 * 0.5 + 0.125)
    #expect((y.reduce(0, +) / Double(n) - mean).magnitude < 6 * (variance / Double(n)).squareRoot())
    let second = y.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(n)
    #expect((second - variance).magnitude < 6 * variance * (2 / Double(n)).squareRoot())
  }

  @Test(arguments: Activation.allCases) func withoutVarianceItIsNetworkPass(_ activation: Activation) {
    var own = Case(activation, hidden: [5, 4])
    own.variance = own.variance.map { _ in 0 }
    var pass = VariationalPass<Double>(own.spec)
    own.forward(&pass)
    var plain = NetworkPass<Double>(own.spec)
    own.x.withUnsafeBufferPointer { plain.forward($0, rows: own.rows, own.mean) }
    #expect(pass.output() == plain.output())
    plain.backward([own.gradient], own.mean)
    var expected = own.mean
    plain.gradient(into: &expected)
    let (byMean, byVariance) = own.gradients(&pass)
    // The same products, summed from another start.
    #expect(relativeDifference(byMean, expected) < 1e-14)
    #expect(byVariance.allSatisfy { $0 == 0 }, "a certain unit passes nothing back to the variances")
  }

  /// Single weights without variance, down to units that are certain for some rows: everything finite.
  @Test func singleVariancesMayBeZero() {
    var own = Case(.relu, hidden: [5, 4])
    for j in own.variance.indices where j % 3 > 0 || j < 20 { own.variance[j] = 0 }
    var pass = VariationalPass<Float>(own.spec)
    own.forward(&pass)
    let (byMean, byVariance) = own.gradients(&pass)
    #expect((pass.output().storage + byMean + byVariance).allSatisfy { $0.isFinite })
    #expect(relativeDifference(pass.output().storage, own.outputs(mean: own.mean, variance: own.variance)) < 1e-4)
    #expect(byVariance.contains { $0 != 0 })
  }

  @Test func noRows() {
    let own = Case(.tanh, hidden: [5], rows: 0)
    var pass = VariationalPass<Double>(own.spec)
    own.forward(&pass)
    let (byMean, byVariance) = own.gradients(&pass)
    #expect(pass.output().rows == 0 && (byMean + byVariance).allSatisfy { $0 == 0 })
  }
}
