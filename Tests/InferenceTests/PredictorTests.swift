import BNNLinearAlgebra
import BNNModels
import BNNProbability
import BNNTestSupport
import Dispatch
import Foundation
import Testing

@testable import BNNDatasets
@testable import BNNInference

/// A predictor is a value: rows one by one, all at once and from many threads give the same predictions.
@Suite struct PredictorTests {
  /// A small tangent with two members and two outputs, which takes every branch.
  func posterior() throws -> (Posterior, Matrix) {
    var gen = Gen(seed: 5)
    let x = gen.matrix(rows: 60, columns: 3)
    var y = Matrix(rows: 60, columns: 2)
    for i in 0..<60 {
      y[i, 0] = x[i, 0] - x[i, 1] + 0.1 * gen.normal()
      y[i, 1] = 5 * x[i, 2] + gen.normal()
    }
    let data = Dataset(features: x.storage, featureCount: 3, targets: y.storage, targetCount: 2, rows: 60)
    let fitted = try Posterior.network(
      NetworkSpec(inputs: 3, hidden: [3], outputs: 2, activation: .tanh), method: .tangent,
      schema: Schema(features: ["a", "b", "c"], targets: ["y", "z"]), features: x, targets: y,
      normalisation: .fit(data), training: TrainingSettings(schedule: [20, 60]), members: 2)
    return (fitted.posterior, x)
  }

  @Test func rowsOneByOneAndTogether() throws {
    let (posterior, x) = try posterior()
    let predictor = try Predictor(posterior)
    let together = try predictor.predict(features: x, threads: 2)
    for i in 0..<x.rows {
      let alone = try predictor.predict(Array(x.row(i)))
      for c in 0..<2 {
        let other = together[2 * i + c]
        // The same sums in another order of 20 or so terms: a few ε of quantities of size 1 to 10.
        #expect(abs(alone[c].mean - other.mean) < 1e-12)
        #expect(abs(alone[c].epistemicVariance - other.epistemicVariance) < 1e-12)
      }
    }
  }

  @Test func manyThreadsAtOnce() throws {
    let (posterior, x) = try posterior()
    let predictor = try Predictor(posterior)
    let expected = try predictor.predict(Array(x.row(7)))
    let results = parallelMap(64, threads: 4) { _ in try? predictor.predict(Array(x.row(7))) }
    #expect(results.count == 64)
    #expect(results.allSatisfy { $0 == expected })
  }

  @Test func anotherNumberOfFeaturesIsRefused() throws {
    let predictor = try Predictor(posterior().0)
    #expect(throws: UpdateError.self) { _ = try predictor.predict([1, 2]) }
  }

  @Test func nothingIsPredictedBeforeItIsIdentified() throws {
    let empty = Posterior.linear(schema: Schema(features: ["x"], targets: ["y"]))
    #expect(throws: UpdateError.self) { _ = try Predictor(empty) }
  }
}
