import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@testable import BNNInference

/// Training a network on D1.
@Suite struct TrainingTests {
  private func fit(
    _ rows: Rows, method: Method = .tangent, training: TrainingSettings = TrainingSettings(schedule: [30, 30, 90]),
    members: Int = 1, seed: UInt64 = 0, threads: Int = 1
  ) throws -> Posterior {
    let spec = NetworkSpec(inputs: rows.x.columns, hidden: [6], outputs: rows.y.columns, activation: .tanh)
    let data = Dataset(
      features: rows.x.storage, featureCount: rows.x.columns, targets: rows.y.storage, targetCount: rows.y.columns,
      rows: rows.count)
    return try Posterior.network(
      spec, method: method, schema: rows.schema, features: rows.x, targets: rows.y, normalisation: .fit(data),
      training: training, members: members, seed: seed, threads: threads
    ).posterior
  }

  /// E12: one seed, one result, whatever the threads; more rows than one piece of any loop.
  @Test(arguments: [Method.tangent, .lastLayer, .parallelBranch], [nil, 4]) func threadsDoNotDecideBits(
    method: Method, epochs: Int?
  )
    throws
  {
    var gen = Gen(seed: 1)
    let rows = NetworkData.rows(&gen, count: 1200, inputs: 3, outputs: 2)
    let training = TrainingSettings(epochs: epochs, schedule: [10, 30])
    let all = try [1, 2, 3, 1].map { threads in
      try fit(rows, method: method, training: training, members: 3, seed: 5, threads: threads)
    }
    #expect(all.allSatisfy { $0 == all[0] })
    #expect(Set(all[0].members.map(\.theta)).count == 3, "members start differently")
    let updated = try [1, 2, 3].map { threads in
      var update = SequentialUpdate(all[0])
      try update.absorb(features: rows.x, targets: rows.y, threads: threads)
      return try update.finish().posterior
    }
    #expect(updated.allSatisfy { $0 == updated[0] })
    let predictions = try [1, 2, 3].map { try updated[0].predict(features: rows.x, threads: $0) }
    #expect(predictions.allSatisfy { $0 == predictions[0] })
  }

  @Test func seedsMatter() throws {
    var gen = Gen(seed: 1)
    let rows = NetworkData.rows(&gen, count: 50, inputs: 3, outputs: 1)
    let (a, b) = (try fit(rows, seed: 1), try fit(rows, seed: 2))
    #expect(a.members[0].theta != b.members[0].theta)
    #expect(a.normalisation == b.normalisation)
  }

  /// y = sin(x₁) + x₂/2 + noise of known size: with n = 2000 the sampling error of σ is 1/√(2n) = 1.6 %.
  @Test(arguments: [0.05, 0.2, 0.5]) func noiseIsFound(sigma: Double) throws {
    var gen = Gen(seed: 11)
    let n = 2000
    let x = gen.matrix(rows: n, columns: 2)
    let noise = gen.normals(n)
    let y = Matrix(
      rows: n, columns: 1, storage: (0..<n).map { sin(x[$0, 0]) + 0.5 * x[$0, 1] + sigma * noise[$0] })
    let posterior = try fit(Rows(x: x, y: y), training: TrainingSettings(schedule: [60, 60, 60, 180]))
    let own = try #require(posterior.members[0].responses[0].posterior)
    let found = own.noise.scaleSquared.squareRoot() * posterior.normalisation.targetScale[0]
    #expect(abs(found - sigma) < 0.06 * sigma, "\(found)")
  }

  /// Minibatch Adam ends far below where it started, by the objective of all rows.
  @Test func adamLowersTheObjective() throws {
    var gen = Gen(seed: 12)
    let rows = NetworkData.rows(&gen, count: 300, inputs: 3, outputs: 1)
    let network = Network(NetworkSpec(inputs: 3, hidden: [6], outputs: 1, activation: .tanh))
    let data = Dataset(
      features: rows.x.storage, featureCount: 3, targets: rows.y.storage, targetCount: 1, rows: rows.count)
    let scaled = Normalisation.fit(data).applied(to: data)
    let x = Matrix(rows: 300, columns: 3, storage: scaled.features)
    let y = Matrix(rows: 300, columns: 1, storage: scaled.targets)
    let trainer = NetworkTraining(
      network: network, settings: TrainingSettings(epochs: 40, schedule: [150, 450]), prior: PriorSettings(),
      knownVariance: 0.1,
      threads: 1, progress: { _, _ in })
    let objective = NetworkObjective(
      network: network, x: x, y: y, noiseVariance: 0.1, priorPrecision: 1, threads: 1)
    var stream = RandomStream(seed: 3).split(1)
    let start = objective.evaluate(network.initialParameters(using: &stream)).value
    let theta = try trainer.train(x, y, seed: RandomStream(seed: 3))
    #expect(objective.evaluate(theta).value < 0.3 * start)
    #expect(try trainer.train(x, y, seed: RandomStream(seed: 3)) == theta)
  }

  @Test func progressReachesTheEnd() throws {
    var gen = Gen(seed: 12)
    let rows = NetworkData.rows(&gen, count: 40, inputs: 3, outputs: 1)
    let network = Network(NetworkSpec(inputs: 3, hidden: [6], outputs: 1, activation: .tanh))
    let seen = Shares()
    let trainer = NetworkTraining(
      network: network, settings: TrainingSettings(schedule: [5, 5, 5, 15]), prior: PriorSettings(),
      knownVariance: nil, threads: 1, progress: { share, _ in seen.add(share) })
    _ = try trainer.train(rows.x, rows.y, seed: RandomStream(seed: 1))
    // Four rounds and the refinement.
    #expect(seen.values == [0.2, 0.4, 0.6, 0.8, 1])
  }

  private final class Shares: @unchecked Sendable {
    private let lock = NSLock()
    private var list: [Double] = []
    func add(_ value: Double) { lock.withLock { list.append(value) } }
    var values: [Double] { lock.withLock { list } }
  }
}
