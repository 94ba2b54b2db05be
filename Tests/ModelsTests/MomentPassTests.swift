import BNNLinearAlgebra
import BNNModels
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

struct MomentPassTests {
  /// E f(h(z)) of z ~ N(μ, σ²) by GSL's adaptive rule.
  private func expectation(
    _ activation: Activation, _ mu: Double, _ sigma: Double, _ f: (Double) -> Double
  ) throws -> Double {
    // The features: the bell, and the activation's own around z = 0.
    let knots = ([-9, -3, -1, 0, 1, 3, 9] + [-4, -1, 0, 1, 4].map { ($0 - mu) / sigma }.filter { abs($0) < 9 }).sorted()
    return try Integration.overReals(knots: knots, tolerance: 1e-13) { e in
      var h = [mu + sigma * e]
      activation.apply(to: &h)
      return f(h[0]) * exp(-0.5 * e * e) / (2 * Double.pi).squareRoot()
    }
  }

  /// One weight and a bias into one hidden unit, its weight 1 out: the outputs' moments are those of h(z), z ~ N(μ, σ²).
  private func moments(_ activation: Activation, _ mu: Double, _ variance: Double) -> (mean: Double, variance: Double) {
    var pass = MomentPass<Double>(NetworkSpec(inputs: 1, hidden: [1], outputs: 1, activation: activation))
    let result = pass(Matrix([[0]]), mean: [0, mu, 1, 0], variance: [0, variance, 0, 0])
    return (result.mean.storage[0], result.covariance.storage[0])
  }

  /// The trapezoidal rule's own bound, 1e-8 for tanh with its pole at πi/2, of h or h² of the size given; the quadrature
  /// has 1e-12. The closed form of relu has rounding only.
  @Test(arguments: Activation.allCases, [0.01, 0.3, 1, 3, 20])
  func unitsHaveTheirMoments(_ activation: Activation, _ sigma: Double) throws {
    for mu in [-5.0, -1, 0, 0.3, 2, 6] {
      let own = moments(activation, mu, sigma * sigma)
      let mean = try expectation(activation, mu, sigma) { $0 }
      let variance = try expectation(activation, mu, sigma) { ($0 - mean) * ($0 - mean) }
      let bound = activation == .identity || activation == .relu ? 1e-10 : 1e-8
      let size = abs(mu) + sigma
      #expect((own.mean - mean).magnitude < bound * max(1, size), "mean at \(mu): \(own.mean), \(mean)")
      #expect((own.variance - variance).magnitude < bound * max(1, size * size), "variance at \(mu)")
    }
  }

  /// ∫ tⁿ e^{−xt − t²/2} φ(x) dt relative to its own size, far below zero, where Φ and φ cancel in the plain formula.
  @Test(arguments: [1.5, 1.99, 2, 2.5, 5, 10, 30]) func rectifierKeepsItsTail(_ x: Double) throws {
    let density = exp(-0.5 * x * x) / (2 * Double.pi).squareRoot()
    func partial(_ n: Double) throws -> Double {
      try Integration.overReals(knots: [0, 0.5 / x, 2 / x, 5 / x, 20 / x], tolerance: 1e-13) { t in
        t > 0 ? pow(t, n) * exp(-x * t - 0.5 * t * t) : 0
      }
    }
    let own = moments(.relu, -x, 1)
    let (first, second) = (density * (try partial(1)), density * (try partial(2)))
    #expect(relativeDifference(own.mean, first) < 1e-12)
    #expect(relativeDifference(own.variance, second - first * first) < 1e-12)
  }

  /// One hidden layer is exact: means, variances and covariances of n samples within 8 standard errors. Those of a product
  /// are from the samples.
  @Test(arguments: [Activation.relu, .tanh, .gelu]) func oneLayerIsThatOfTheSamples(_ activation: Activation) {
    let spec = NetworkSpec(inputs: 3, hidden: [6], outputs: 2, activation: activation)
    var pass = VariationalPass<Double>(spec)
    var stream = RandomStream(seed: 12)
    let mean = stream.normals(pass.parameterCount)
    let variance = stream.normals(pass.parameterCount).map { 0.1 * $0 * $0 }
    let x = stream.normals(3)
    let n = 200_000
    let noise = [Float](unsafeUninitializedCapacity: n * pass.unitCount) {
      stream.fillNormals(UnsafeMutableBufferPointer(rebasing: $0[0..<(n * pass.unitCount)]))
      $1 = n * pass.unitCount
    }
    pass.forward(rows: n, mean: mean, variance: variance, noise: noise) { for i in $0.indices { $0[i] = x[i % 3] } }
    let y = pass.output().storage
    var exact = MomentPass<Double>(spec)
    let own = exact(Matrix([x]), mean: mean, variance: variance)
    func check(_ sample: [Double], _ value: Double, _ comment: Comment) {
      let average = sample.reduce(0, +) / Double(n)
      let spread = sample.reduce(0) { $0 + ($1 - average) * ($1 - average) } / Double(n)
      #expect((average - value).magnitude < 8 * (spread / Double(n)).squareRoot(), comment)
    }
    for a in 0..<2 {
      check((0..<n).map { y[2 * $0 + a] }, own.mean.storage[a], "mean \(a)")
      for b in 0...a {
        let products = (0..<n).map { (y[2 * $0 + a] - own.mean.storage[a]) * (y[2 * $0 + b] - own.mean.storage[b]) }
        check(products, own.covariance.storage[2 * a + b], "covariance \(a), \(b)")
      }
    }
    #expect(own.covariance.storage[1] == own.covariance.storage[2] && own.covariance.storage[1] != 0)
  }

  @Test(arguments: Activation.allCases) func withoutVarianceItIsNetworkPass(_ activation: Activation) {
    let spec = NetworkSpec(inputs: 3, hidden: [5, 4], outputs: 2, activation: activation)
    var plain = NetworkPass<Double>(spec)
    var (pass, single) = (MomentPass<Double>(spec), MomentPass<Float>(spec))
    var stream = RandomStream(seed: 1)
    let theta = stream.normals(plain.parameterCount)
    let x = Matrix(rows: 7, columns: 3, storage: stream.normals(21))
    x.storage.withUnsafeBufferPointer { plain.forward($0, rows: 7, theta) }
    let own = pass(x, mean: theta, variance: theta.map { _ in 0 })
    #expect(relativeDifference(own.mean, plain.output()) < 1e-14)
    #expect(own.covariance.storage.allSatisfy { $0 == 0 })
    let short = single(x, mean: theta.map { Float($0) }, variance: theta.map { _ in 0 })
    #expect(relativeDifference(short.mean, plain.output()) < 1e-5)
  }

  @Test func noRows() {
    var pass = MomentPass<Float>(NetworkSpec(inputs: 2, hidden: [3], outputs: 2, activation: .relu))
    let result = pass(
      Matrix(rows: 0, columns: 2), mean: .init(repeating: 1, count: 17), variance: .init(repeating: 1, count: 17))
    #expect(result.mean.rows == 0 && result.covariance.columns == 4)
  }
}
