import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Synchronization
import Testing

@testable import BNNInference

/// Training where the optimum is known, and when it ends.
struct VariationalTrainingTests {
  static let noiseVariance = 0.16
  static let rows = 48

  /// A linear-Gaussian model of four weights with its closed form.
  struct Model {
    let x: Matrix
    let y: Matrix
    let prior: VariationalPrior
    let closed: LinearMeanField.Solution
    let spec = NetworkSpec(inputs: 3, hidden: [], outputs: 1, activation: .tanh)

    /// - Parameter correlation: nil is a diagonal prior; else that of the weights' prior precision, by rows seen before.
    init(correlated: Bool) throws {
      var gen = Gen(seed: 31)
      x = gen.matrix(rows: rows, columns: 3)
      let noise = gen.normals(rows)
      let features = x
      y = Matrix(
        rows: rows, columns: 1,
        storage: (0..<rows).map { i -> Double in 0.3 + features[i, 0] - 0.5 * features[i, 2] + 0.4 * noise[i] })
      if correlated {
        // Features that are nearly one and the same: λ_max(D⁻¹Λ₁) is nearly the number of weights.
        let common = gen.normals(200)
        let own = gen.matrix(rows: 200, columns: 3)
        let before = Matrix(
          rows: 200, columns: 3,
          storage: (0..<600).map { k -> Double in 1 + 0.3 * common[k / 3] + 0.1 * own.storage[k] })
        let posterior = try Posterior.laplace(
          spec, settings: LaplaceSettings(), schema: Schema(features: ["a", "b", "c"], targets: ["y"]),
          features: before, targets: Matrix(rows: 200, columns: 1, storage: gen.normals(200)),
          normalisation: .identity(features: 3, targets: 1), standardised: false,
          prior: PriorSettings(precision: .given(1), noise: .given(0.4))
        ).posterior
        let member = posterior.members[0]
        prior = try VariationalPrior(mean: member.theta, try #require(member.laplace))
      } else {
        prior = VariationalPrior(mean: [0, 0.1, 0, -0.2], diagonal: [1, 2, 0.5, 1])
      }
      closed = try LinearMeanField(features: x, targets: y, weights: nil, prior: prior)
        .solved(noiseVariance: noiseVariance)
    }

    /// The bound at any q, from the definition.
    func bound(_ q: FactorisedGaussian) -> Double {
      var squares = 0.0
      for i in 0..<rows {
        let row = Array(x.row(i)) + [1]
        let f = zip(row, q.mean).reduce(0) { $0 + $1.0 * $1.1 }
        squares += pow(y[i, 0] - f, 2) + zip(row, q.variance).reduce(0) { $0 + $1.0 * $1.0 * $1.1 }
      }
      return -0.5 * (Double(rows) * log(2 * Double.pi * noiseVariance) + squares / noiseVariance)
        - prior.divergence(q)
    }

    func fitted(
      from q: FactorisedGaussian, epochs: Int, _ settings: VariationalSettings,
      progress: @escaping @Sendable (Double, String) -> Void = { _, _ in }
    ) throws -> VariationalTraining<Double>.Outcome {
      try fitted(as: Double.self, from: q, epochs: epochs, settings, progress: progress)
    }

    func fitted<Scalar: BLASScalar>(
      as _: Scalar.Type, from q: FactorisedGaussian, epochs: Int, _ settings: VariationalSettings,
      progress: @escaping @Sendable (Double, String) -> Void = { _, _ in }
    ) throws -> VariationalTraining<Scalar>.Outcome {
      try VariationalTraining<Scalar>(
        spec: spec, x: x.storage.map { Scalar($0) }, y: y, weights: nil, epochs: epochs, batchSize: 16,
        learningRate: settings.learningRate ?? (settings.optimiser == .adam ? 5e-3 : 0.02),
        settings: settings, progress: progress
      ).fitted(
        from: q,
        VariationalTraining.Values(prior: prior, likelihood: GaussianLikelihood(variance: noiseVariance)),
        stream: RandomStream(seed: 2))
    }
  }

  static let far = FactorisedGaussian(mean: [0.5, -0.5, 1, 1], variance: [0.002, 0.002, 0.1, 0.1])

  /// The closed form's own bound and gradient: no q near it has a higher one.
  @Test(arguments: [false, true]) func closedFormIsTheOptimum(_ correlated: Bool) throws {
    let model = try Model(correlated: correlated)
    let best = model.bound(model.closed.q)
    #expect(abs(best - model.closed.bound) < 1e-11 * abs(best))
    var gen = Gen(seed: 3)
    for _ in 0..<50 {
      var q = model.closed.q
      for j in q.mean.indices {
        q.mean[j] += 1e-3 * gen.normal()
        q.variance[j] *= exp(1e-2 * gen.normal())
      }
      #expect(model.bound(q) < best)
    }
  }

  /// The bound that is lost, in nats, is KL-like: ½Σ(Δm/s)² where weights do not depend on each other. Over the last half of a
  /// cosine Adam's steps of 5e-3 and less average some thousand noisy gradients of relative size 1: deviations of a few
  /// hundredths of a posterior standard deviation, 1e-3 nats a weight; natural gradients follow curvatures with a memory of 1e4
  /// steps, whose draws scatter by √P: 1.4 % of a precision, 1e-4 nats. Ten times the larger, for four weights.
  @Test(arguments: VariationalSettings.Optimiser.allCases, [false, true])
  func trainingComesToTheClosedForm(_ optimiser: VariationalSettings.Optimiser, _ correlated: Bool) throws {
    let model = try Model(correlated: correlated)
    let found = try model.fitted(
      from: Self.far, epochs: 6000, VariationalSettings(optimiser: optimiser, stopsEarly: false))
    let lost = model.closed.bound - model.bound(found.q)
    #expect(lost > 0 && lost < 0.04, "\(lost) nats")
    for j in found.q.mean.indices {
      let deviation = model.closed.q.variance[j].squareRoot()
      #expect(abs(found.q.mean[j] - model.closed.q.mean[j]) < 0.3 * deviation, "mean \(j)")
      #expect(abs(log(found.q.variance[j] / model.closed.q.variance[j])) < 0.1, "variance \(j)")
    }
  }

  /// Single precision, which large networks are trained in: rounding of 6e-8 is far below what draws leave.
  @Test(arguments: VariationalSettings.Optimiser.allCases, [false, true])
  func singlePrecisionComesThereToo(_ optimiser: VariationalSettings.Optimiser, _ correlated: Bool) throws {
    let model = try Model(correlated: correlated)
    let found = try model.fitted(
      as: Float.self, from: Self.far, epochs: 6000, VariationalSettings(optimiser: optimiser, stopsEarly: false))
    let lost = model.closed.bound - model.bound(found.q)
    #expect(lost > 0 && lost < 0.04, "\(lost) nats")
  }

  /// A rate of 1 is Jacobi's iteration where the prior has structure; it is held below what diverges.
  @Test func structuredPriorsDoNotDivergeAtRateOne() throws {
    let model = try Model(correlated: true)
    // As it is, λ_max(D⁻¹Λ₁) is beyond 2.
    var v = [1.0, 1, 1, 1]
    for _ in 0..<200 {
      let next = zip(model.prior.times?(v) ?? v, model.prior.diagonal).map { $0 / $1 }
      let size = euclideanNorm(next)
      v = next.map { $0 / size }
    }
    let image = zip(model.prior.times?(v) ?? v, model.prior.diagonal).map { $0 / $1 }
    #expect(euclideanNorm(image) > 2)
    let found = try model.fitted(
      from: Self.far, epochs: 4000,
      VariationalSettings(optimiser: .naturalGradient, learningRate: 1, stopsEarly: false))
    // Steps of full length end on a cosine too: a tenth of a nat a weight.
    #expect(model.closed.bound - model.bound(found.q) < 0.4)
  }

  // MARK: When it ends

  /// At an optimum where nothing moves the bound is level from the first pass on: two windows must be over before that is seen.
  @Test(arguments: VariationalSettings.Optimiser.allCases)
  func levelBoundsEndTraining(_ optimiser: VariationalSettings.Optimiser) throws {
    let model = try Model(correlated: false)
    func passes(_ schedule: VariationalSettings.Schedule, epochs: Int, stopsEarly: Bool = true) throws -> Int {
      try model.fitted(
        from: model.closed.q, epochs: epochs,
        VariationalSettings(
          optimiser: optimiser, schedule: schedule, learningRate: 1e-9, stopsEarly: stopsEarly)
      ).bounds.count
    }
    for epochs in [200, 400] {
      let window = max(10, epochs / 20)
      let constant = try passes(.constant, epochs: epochs)
      // It is looked at once a window, and level bounds are as often above as below those before: ten more looks leave one in a
      // thousand.
      #expect((2 * window)...(12 * window) ~= constant && constant.isMultiple(of: window), "\(constant) passes")
      // The same bounds, and then the rate falls for a window at least.
      #expect(try passes(.cosine, epochs: epochs) == constant + max(window, constant / 4))
      #expect(try passes(.constant, epochs: epochs, stopsEarly: false) == epochs)
      #expect(try passes(.cosine, epochs: epochs, stopsEarly: false) == epochs)
    }
    #expect(try passes(.constant, epochs: 15) == 15, "two windows of ten are more")
  }

  /// Means that are far and move slowly: the bound rises from window to window.
  @Test func risingBoundsDoNot() throws {
    let model = try Model(correlated: false)
    var start = model.closed.q
    start.mean[0] += 5
    let found = try model.fitted(
      from: start, epochs: 100, VariationalSettings(schedule: .constant, learningRate: 5e-3))
    #expect(found.bounds.count == 100)
    #expect(try #require(found.bounds.last) > found.bounds[0])
  }

  /// Progress counts to the last pass, which early stopping brings nearer.
  @Test func progressEndsAtOne() throws {
    let model = try Model(correlated: false)
    let seen = Mutex<[Double]>([])
    _ = try model.fitted(
      from: model.closed.q, epochs: 200, VariationalSettings(schedule: .cosine, learningRate: 1e-9)
    ) { share, words in
      #expect(words.hasPrefix("pass "))
      seen.withLock { $0.append(share) }
    }
    let shares = seen.withLock { $0 }
    #expect(shares.last == 1 && shares.allSatisfy { $0 > 0 && $0 <= 1 })
  }

  /// A rate that throws the means away ends in words, not in numbers that are none.
  @Test func divergenceIsAnError() throws {
    let model = try Model(correlated: false)
    #expect(throws: UpdateError.self) {
      try model.fitted(
        from: Self.far, epochs: 200,
        VariationalSettings(schedule: .constant, learningRate: 1e200, stopsEarly: false))
    }
  }
}
