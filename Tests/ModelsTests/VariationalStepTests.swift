import BNNLinearAlgebra
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

/// The trainer's fused step against its formula in double precision.
struct VariationalStepTests {
  /// A few roundings a step; over twenty steps of length 0.01 from numbers near one.
  private func check<Scalar: BLASScalar>(_ type: Scalar.Type) {
    let n = 37
    var stream = RandomStream(seed: 2)
    func draw() -> [Scalar] { stream.normals(n).map { Scalar($0) } }
    var (mean, rho) = (draw(), draw())
    var variance = rho.map { Scalar(exp(2 * Double($0))) }
    let (pull, precision) = (draw(), draw().map { $0 * $0 })
    var moments = [Scalar](repeating: 0, count: 4 * n)
    var (m, r, v) = (mean.map { Double($0) }, rho.map { Double($0) }, variance.map { Double($0) })
    var state = [Double](repeating: 0, count: 4 * n)
    func adam(_ g: Double, _ place: Int, _ length: Double, _ root: Double) -> Double {
      state[place] = 0.9 * state[place] + 0.1 * g
      state[place + n] = 0.999 * state[place + n] + 0.001 * g * g
      return length * state[place] / (state[place + n].squareRoot() * root + 1e-8)
    }
    for t in 1...20 {
      let (byMean, byVariance) = (draw(), draw())
      let (length, root) = (
        Scalar(0.01 / (1 - pow(0.9, Double(t)))), Scalar(1 / (1 - pow(0.999, Double(t))).squareRoot())
      )
      Scalar.variationalAdamStep(
        mean: &mean, logDeviation: &rho, variance: &variance, meanGradient: byMean, varianceGradient: byVariance,
        pull: pull, precision: precision, moments: &moments, count: n, length: length, root: root)
      for i in 0..<n {
        m[i] -= adam(Double(byMean[i]) + Double(pull[i]), i, Double(length), Double(root))
        let g = 2 * v[i] * Double(byVariance[i]) + Double(precision[i]) * v[i] - 1
        r[i] -= adam(g, 2 * n + i, Double(length), Double(root))
        v[i] = exp(2 * r[i])
      }
      #expect(
        zip(variance, rho).allSatisfy { v, r in
          let exact = exp(2 * Double(r))
          return (Double(v) - exact).magnitude <= 2 * Double(Scalar.ulpOfOne) * exact
        })
    }
    let tolerance = 200 * Double(Scalar.ulpOfOne)
    #expect(relativeDifference(mean.map { Double($0) }, m) < tolerance)
    #expect(relativeDifference(rho.map { Double($0) }, r) < tolerance)
    #expect(relativeDifference(moments.map { Double($0) }, state) < tolerance)
  }

  @Test func single() { check(Float.self) }
  @Test func double() { check(Double.self) }

  /// ρ stops where e^{2ρ} would leave the normal numbers.
  @Test func deviationsStayNormal() {
    for rho: Float in [-60, 60] {
      var (m, r, v, moments): ([Float], [Float], [Float], [Float]) = ([0], [rho], [1], [0, 0, 0, 0])
      Float.variationalAdamStep(
        mean: &m, logDeviation: &r, variance: &v, meanGradient: [0], varianceGradient: [0], pull: [0], precision: [1],
        moments: &moments, count: 1, length: 0, root: 1)
      #expect(r[0] == (rho < 0 ? -43 : 43) && v[0].isNormal && v[0] > 0)
    }
  }
}
