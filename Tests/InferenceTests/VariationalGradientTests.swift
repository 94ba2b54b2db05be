import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@testable import BNNInference

/// Gradients of the bound: against differences of it at the same noise, and on average against quadrature.
struct VariationalGradientTests {
  /// The gradient in the means and in the log deviations: what Adam's first moments hold after a step of length 0.
  private static func gradient(
    _ spec: NetworkSpec, _ q: FactorisedGaussian, _ prior: VariationalPrior, _ batch: VariationalBatch<Double>,
    _ settings: VariationalSettings, _ stream: RandomStream
  ) -> (mean: [Double], logDeviation: [Double], loss: Double) {
    var own = stream
    var adam = VariationalAdam<Double>(spec, from: q, prior: prior)
    let loss = adam.step(batch, rate: 0, settings: settings, stream: &own).loss
    let p = q.mean.count
    let take = 1 - 0.9
    return (adam.moments[0..<p].map { $0 / take }, adam.moments[(2 * p)..<(3 * p)].map { $0 / take }, loss)
  }

  /// A full precision over the weights as a prior.
  private static func structured(_ network: Network, _ mean: [Double], _ gen: inout Gen) throws -> VariationalPrior {
    let shapes = network.layers.map { LayerShape(inputs: $0.inputs, outputs: $0.outputs) }
    let p = mean.count
    let matrix = gen.positiveDefinite(p, condition: 20)
    let packed = (0..<p).flatMap { i in (i..<p).map { matrix[i, $0] } }
    let curvature = try FullCurvature(
      layers: shapes, tensors: [CurvatureTensor(name: "H", shape: [packed.count], values: packed)])
    return try VariationalPrior(
      mean: mean,
      LaplaceState(
        chosen: 0..<shapes.count, curvature: .full(curvature), prior: .layers(shapes.map { _ in 0.3 }),
        noiseVariance: 1, logEvidence: 0, distanceToOptimum: 0))
  }

  /// Of N/B·loss + KL at fixed noise by central differences of 1e-5: their own error is some 1e-10 of rounding and as much of
  /// third derivatives, relative to numbers of 1 to 100.
  @Test(arguments: [(1, false, false), (3, false, true), (2, true, false), (2, true, true)])
  func areTheDifferences(_ samples: Int, _ isAntithetic: Bool, _ isStructured: Bool) throws {
    let spec = NetworkSpec(inputs: 2, hidden: [3], outputs: 2, activation: .tanh)
    var gen = Gen(seed: 12)
    let p = Network(spec).parameterCount
    let x = gen.normals(2 * 20)
    let targets = gen.matrix(rows: 20, columns: 2)
    let weights = (0..<20).map { _ in 0.2 + gen.stream.uniform() }
    let q = FactorisedGaussian(mean: gen.normals(p), variance: gen.normals(p).map { 0.02 + 0.1 * $0 * $0 })
    let m1 = gen.normals(p)
    let prior =
      isStructured
      ? try Self.structured(Network(spec), m1, &gen)
      : VariationalPrior(mean: m1, diagonal: gen.normals(p).map { 0.5 + $0 * $0 })
    let indices = gen.permutation(20)[0..<7]
    let batch = VariationalBatch<Double>(
      x: x, inputs: 2, indices: indices, targets: targets.gathering(indices), weights: indices.map { weights[$0] },
      likelihood: GaussianLikelihood(variances: [0.3, 0.7]), scale: 20 / 7.0)
    let settings = VariationalSettings(samples: samples, isAntithetic: isAntithetic)
    let stream = RandomStream(seed: 8)
    func objective(_ q: FactorisedGaussian) -> Double {
      batch.scale * Self.gradient(spec, q, prior, batch, settings, stream).loss + prior.divergence(q)
    }
    let found = Self.gradient(spec, q, prior, batch, settings, stream)
    let h = 1e-5
    var (mean, logDeviation): ([Double], [Double]) = ([], [])
    for j in 0..<p {
      func moved(_ change: (inout FactorisedGaussian, Double) -> Void) -> Double {
        var (up, down) = (q, q)
        change(&up, h)
        change(&down, -h)
        return (objective(up) - objective(down)) / (2 * h)
      }
      mean.append(moved { $0.mean[j] += $1 })
      logDeviation.append(moved { $0.variance[j] *= exp(2 * $1) })
    }
    #expect(relativeDifference(found.mean, mean) < 1e-7)
    #expect(relativeDifference(found.logDeviation, logDeviation) < 1e-7)
  }

  /// Means of estimates with their standard errors.
  private struct Mean {
    var (sum, squares, count) = (0.0, 0.0, 0.0)

    mutating func add(_ value: Double) {
      sum += value
      squares += value * value
      count += 1
    }

    /// How many standard errors the mean is away.
    func distance(to expected: Double) -> Double {
      let mean = sum / count
      return abs(mean - expected) / max((squares / count - mean * mean) / count, 1e-300).squareRoot()
    }
  }

  private static let prior = VariationalPrior(mean: [0.2, -0.1], diagonal: [2, 0.5])

  /// ∂/∂m = Σ w E[ℓ′]x + Λ₁(m − m₁) and ∂/∂ρ = s²(Σ w E[ℓ″]x² + Λ₁) − 1, over minibatches and draws: six standard errors of 4,000
  /// estimates, for 48 comparisons a chance of 1e-7.
  @Test(arguments: VariationalCase.all, [false, true])
  func localReparameterisationIsUnbiased(_ own: VariationalCase, _ isAntithetic: Bool) throws {
    var expected: [Double] = []
    for j in 0..<2 {
      let first = try own.expected { x, y, z in own.loss(y, z).first * (j == 0 ? x : 1) }
      expected.append(first + Self.prior.diagonal[j] * (own.q.mean[j] - Self.prior.mean[j]))
    }
    for j in 0..<2 {
      let second = try own.expected { x, y, z in own.loss(y, z).second * (j == 0 ? x * x : 1) }
      expected.append(own.q.variance[j] * (second + Self.prior.diagonal[j]) - 1)
    }
    var means = [Mean](repeating: Mean(), count: 4)
    var stream = RandomStream(seed: 77)
    let settings = VariationalSettings(isAntithetic: isAntithetic)
    for k in 0..<4000 {
      // Half of the rows, each standing for two.
      let indices = stream.permutation(24)[0..<12]
      let found = Self.gradient(
        own.spec, own.q, Self.prior, own.batch(indices, scale: 2), settings, stream.split(UInt64(k)))
      for (j, value) in (found.mean + found.logDeviation).enumerated() { means[j].add(value) }
    }
    for j in 0..<4 { #expect(means[j].distance(to: expected[j]) < 6, "gradient \(j)") }
  }

  /// Of online Newton's first step, g = (m − m′)p′/r − Λ₁(m − m₁) and f = p(√(1 + 2(p′ − p)/p) − 1)/b with b = 1/101 give back the
  /// estimates of E[∂L] and E[∂²L] that it was made of.
  @Test(arguments: VariationalCase.all, [false, true])
  func onlineNewtonIsUnbiased(_ own: VariationalCase, _ isAntithetic: Bool) throws {
    var expected: [Double] = []
    for j in 0..<2 { expected.append(try own.expected { x, y, z in own.loss(y, z).first * (j == 0 ? x : 1) }) }
    for j in 0..<2 { expected.append(try own.expected { x, y, z in own.loss(y, z).second * (j == 0 ? x * x : 1) }) }
    var means = [Mean](repeating: Mean(), count: 4)
    let settings = VariationalSettings(optimiser: .naturalGradient, isAntithetic: isAntithetic)
    let rate = 1e-3
    var stream = RandomStream(seed: 78)
    for k in 0..<4000 {
      let indices = stream.permutation(24)[0..<12]
      var newton = VariationalNewton<Double>(own.spec, from: own.q, prior: Self.prior)
      var draws = stream.split(UInt64(k))
      _ = newton.step(own.batch(indices, scale: 2), rate: rate, settings: settings, stream: &draws)
      let after = newton.q
      for j in 0..<2 {
        let (p, next) = (1 / own.q.variance[j], 1 / after.variance[j])
        let pull = Self.prior.diagonal[j] * (own.q.mean[j] - Self.prior.mean[j])
        means[j].add((own.q.mean[j] - after.mean[j]) * next / rate - pull)
        // The root's other sign is that of a step below −p, which halves of rows and one draw can ask for.
        let step = p * ((1 + 2 * (next - p) / p).squareRoot() - 1)
        means[2 + j].add(101 * step - Self.prior.diagonal[j] + p)
      }
    }
    for j in 0..<4 { #expect(means[j].distance(to: expected[j]) < 6, "estimate \(j)") }
  }
}
