import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNTestSupport
import Testing

@testable import BNNInference

@Suite struct MeanFieldMemoryTests {
  /// A linear model with noise and prior given: precisions add row by row, whatever the means. So with rows in memory they are those
  /// of all rows, each once, in sums whose order differs: 100ε for sums of some hundred terms of one sign.
  @Test(arguments: MemorySelection.allCases) func everyRowCountsOnce(_ selection: MemorySelection) throws {
    var gen = Gen(seed: 8)
    let x = gen.matrix(rows: 120, columns: 3)
    let noise = gen.normals(120)
    let y = Matrix(rows: 120, columns: 1, storage: (0..<120).map { x[$0, 0] - 2 * x[$0, 2] + 0.3 * noise[$0] })
    func precisions(memory: Int) throws -> (all: [Double], without: [Double], kept: Int) {
      let training = TrainingSettings(
        variational: VariationalSettings(memory: memory, memorySelection: selection))
      let first = try Posterior.meanField(
        NetworkSpec(inputs: 3, hidden: [], outputs: 1, activation: .tanh),
        schema: Schema(features: ["a", "b", "c"], targets: ["y"]), features: x.rows(0..<70), targets: y.rows(0..<70),
        normalisation: .identity(features: 3, targets: 1), standardised: false,
        prior: PriorSettings(precision: .given(0.5), noise: .given(0.3)), training: training
      ).posterior
      var update = try SequentialUpdate(meanField: first, training: training)
      try update.absorb(features: x.rows(70..<120), targets: y.rows(70..<120))
      let second = try update.finish().posterior
      let state = try #require(second.members[0].laplace)
      return (state.curvature.diagonal, state.withoutMemory?.excess ?? [], second.memory?.rows ?? 0)
    }
    let plain = try precisions(memory: 0)
    let kept = try precisions(memory: 10)
    #expect(plain.kept == 0 && plain.without.isEmpty && kept.kept == 20)
    for j in plain.all.indices {
      #expect(abs(kept.all[j] - plain.all[j]) < 100 * Double.ulpOfOne * plain.all[j])
      #expect(kept.without[j] < kept.all[j], "the prior for the next batch lacks the rows in memory")
    }
  }

  /// With inputs of zero only the bias matters, so that a factorised Gaussian is the posterior itself and its bound is log p(y): of
  /// all rows the same whichever of them are in memory, and of a batch what it adds. Sums of 120 terms in other orders: 1e-12.
  @Test func evidenceCountsEveryRowOnce() throws {
    var gen = Gen(seed: 9)
    let x = Matrix(rows: 120, columns: 1)
    let y = Matrix(rows: 120, columns: 1, storage: gen.normals(120).map { 0.5 + 0.3 * $0 })
    func evidences(memory: Int) throws -> (batches: [Double], total: Double) {
      let training = TrainingSettings(variational: VariationalSettings(memory: memory))
      var (posterior, report) = try Posterior.meanField(
        NetworkSpec(inputs: 1, hidden: [], outputs: 1, activation: .tanh),
        schema: Schema(features: ["a"], targets: ["y"]), features: x.rows(0..<50), targets: y.rows(0..<50),
        normalisation: .identity(features: 1, targets: 1), standardised: false,
        prior: PriorSettings(precision: .given(0.5), noise: .given(0.3)), training: training)
      var batches = [try #require(report.logEvidence)]
      for rows in [50..<80, 80..<120] {
        var update = try SequentialUpdate(meanField: posterior, training: training)
        try update.absorb(features: x.rows(rows), targets: y.rows(rows))
        (posterior, report) = try update.finish()
        batches.append(try #require(report.logEvidence))
      }
      return (batches, try #require(posterior.logEvidence(ofMember: 0)))
    }
    let plain = try evidences(memory: 0)
    let kept = try evidences(memory: 10)
    #expect(abs(kept.total - plain.total) < 1e-12 * abs(plain.total))
    for (own, expected) in zip(kept.batches, plain.batches) { #expect(abs(own - expected) < 1e-12 * abs(plain.total)) }
  }
}
