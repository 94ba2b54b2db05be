import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNTestSupport
import Testing

@testable import BNNInference

/// A training that is taken up is the training without a break.
@Suite struct OptimiserStateTests {
  private let data = PointTests.rows(150, seed: 1)
  private let other = PointTests.rows(40, seed: 2)
  private static let keeping = PointSettings(keepsOptimiser: true)

  @Test(arguments: [LikelihoodKind.gaussian, .poisson])
  func anEpochAndAnEpochAreTwo(_ kind: LikelihoodKind) throws {
    var own = data
    if kind == .poisson {
      for i in own.y.storage.indices { own.y.storage[i] = max(0, (2 * own.y.storage[i]).rounded()) }
    }
    func fit(_ training: TrainingSettings) throws -> Posterior {
      try PointTests.fit(own, likelihood: kind, members: 2, training: training, keeps: true)
    }
    let whole = try fit(TrainingSettings(epochs: 2, batchSize: 32))
    let half = try fit(TrainingSettings(epochs: 1, batchSize: 32, scheduleEpochs: 2))
    #expect(half.members[0].theta != whole.members[0].theta)
    let state = try #require(half.members[1].laplace?.optimiser)
    #expect(state.steps == 5 && state.epochs == 1 && state.scheduleEpochs == 2 && state.rows == 150)
    // Whatever the seed of the update: the order of rows is the first training's.
    var update = try SequentialUpdate(point: Self.keeping, of: half, training: TrainingSettings(batchSize: 32))
    try update.absorb(features: own.x, targets: own.y)
    let (resumed, report) = try update.finish(seed: 99)
    for k in 0..<2 {
      #expect(resumed.members[k].theta == whole.members[k].theta)
      #expect(resumed.members[k].laplace?.optimiser == whole.members[k].laplace?.optimiser)
    }
    #expect(report.point?.resumedAfter == 1 && report.point?.epochs == 1)
    // Without its state it is another.
    let fresh = try PointTests.updated(
      half, own, PointSettings(resumesOptimiser: false), training: TrainingSettings(epochs: 1, batchSize: 32))
    #expect(fresh.members[0].theta != whole.members[0].theta && fresh.members[0].laplace?.optimiser == nil)
  }

  @Test func keepingTheStateChangesNothing() throws {
    let training = TrainingSettings(epochs: 4, batchSize: 32)
    let (kept, dropped) = (
      try PointTests.fit(data, training: training, keeps: true), try PointTests.fit(data, training: training)
    )
    #expect(kept.members[0].theta == dropped.members[0].theta)
    #expect(dropped.members[0].laplace?.optimiser == nil)
    let fresh = PointSettings(resumesOptimiser: false, keepsOptimiser: true)
    #expect(
      try PointTests.updated(kept, other, fresh).members[0].theta
        == PointTests.updated(dropped, other, PointSettings()).members[0].theta)
  }

  /// A schedule that is over begins anew with the running means it had, as they would be of a sum over the new rows; one that is not
  /// over gives no more passes than it has.
  @Test func schedulesEnd() throws {
    let over = try PointTests.fit(data, training: TrainingSettings(epochs: 2, batchSize: 32), keeps: true)
    let next = try PointTests.updated(
      over, other, Self.keeping, training: TrainingSettings(epochs: 3, batchSize: 32))
    let state = try #require(next.members[0].laplace?.optimiser)
    #expect(state.steps == 10 + 6 && state.epochs == 3 && state.scheduleEpochs == 3 && state.rows == 40)
    let before = try #require(over.members[0].laplace?.optimiser)
    let scaled = before.scaled(toRows: 75)
    #expect(scaled.first == before.first.map { $0 / 2 } && scaled.second == before.second.map { $0 / 4 })
    let half = try PointTests.fit(
      data, training: TrainingSettings(epochs: 1, batchSize: 32, scheduleEpochs: 3), keeps: true)
    for training in [TrainingSettings(epochs: 3), TrainingSettings(epochs: 1, scheduleEpochs: 4)] {
      #expect(throws: UpdateError.self) { try PointTests.updated(half, other, Self.keeping, training: training) }
    }
    // Another method takes nothing of it and keeps nothing.
    #expect(
      try PointTests.updated(half, other, PointSettings(method: .ewc)).members[0].laplace?.optimiser == nil)
  }

  /// An open noise is tuned in between while Adam and its cosine go on.
  @Test func anOpenNoiseIsTunedOnTheWay() throws {
    let posterior = try PointTests.fit(
      data, prior: PriorSettings(),
      training: TrainingSettings(epochs: 160, batchSize: 32, learningRate: 0.02, scheduleEpochs: 200), keeps: true)
    let state = try #require(posterior.members[0].laplace?.optimiser)
    #expect(state.steps == 800 && state.epochs == 160 && state.scheduleEpochs == 200)
    // It begins at 1, and the data's is 0.01; the network explains most of the targets' variance of some 0.9.
    #expect(try #require(posterior.members[0].laplace?.noiseVariance) < 0.3)
  }
}
