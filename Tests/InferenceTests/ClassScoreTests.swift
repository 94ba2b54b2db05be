import BNNInference
import BNNLinearAlgebra
import BNNTestSupport
import Foundation
import Testing

@Suite struct ClassScoreTests {
  private struct Reference: Decodable {
    let outputs: [[Double]]
    let classes: [Int]
    let accuracy, nll, brier, ece: Double
  }

  private func predictions(_ outputs: [[Double]]) -> [ClassPredictive] {
    outputs.map { f in
      ClassPredictor(method: .plugIn, outputs: f.count)(
        OutputGaussian(mean: f, covariance: Matrix(rows: f.count, columns: f.count)))
    }
  }

  private func score(_ outputs: [[Double]], _ classes: [Int]) -> [ClassRowScore] {
    zip(predictions(outputs), classes).map { ClassRowScore($0, observed: $1) }
  }

  /// Sums of at most 100 terms of order 1: a hundred roundings.
  @Test func agreeWithScikitLearn() throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Fixtures/class_scores.json")
    let cases = try JSONDecoder().decode([Reference].self, from: Data(contentsOf: file))
    #expect(cases.count == 3)
    for reference in cases {
      let found = ClassScores(score(reference.outputs, reference.classes))
      #expect(found.accuracy == reference.accuracy)
      #expect((found.negativeLogLikelihood - reference.nll).magnitude < 100 * epsilon * max(1, reference.nll))
      #expect((found.brier - reference.brier).magnitude < 100 * epsilon)
      #expect((found.expectedCalibrationError - reference.ece).magnitude < 100 * epsilon)
    }
  }

  /// P = (.8, .2): right .08 = .2² + .2², wrong 1.28 = .8² + .8².
  @Test func byHand() {
    let f = [log(4.0), 0]
    let rows = score([f, f, f, f], [0, 0, 0, 1])
    #expect((rows[0].brier - 0.08).magnitude < 4 * epsilon)
    #expect((rows[3].brier - 1.28).magnitude < 8 * epsilon)
    #expect((rows[3].negativeLogLikelihood - log(5)).magnitude < 4 * epsilon)
    let all = ClassScores(rows)
    #expect(all.accuracy == 0.75)
    #expect((all.brier - 0.38).magnitude < 8 * epsilon)
    // One bin: |.75 − .8|.
    #expect((all.expectedCalibrationError - 0.05).magnitude < 8 * epsilon)
    // Certain and right, certain and wrong, in one bin: |.5 − 1|.
    #expect(ClassScores(score([[800, 0], [800, 0]], [0, 1])).expectedCalibrationError == 0.5)
    // The worst score is finite where the probability is not even a double.
    #expect(score([[800, -800]], [1])[0].negativeLogLikelihood == 1600)
    #expect(score([[800, -800]], [1])[0].brier == 2)
  }

  @Test func pairedDifferences() throws {
    let classes = [0, 1, 1, 0, 1]
    let a = score([[1, 0], [0, 1], [0.5, 0], [2, 0], [0, 0]], classes)
    let b = score([[2, 0], [0, 3], [0, 0.5], [1, 0], [0, 1]], classes)
    let found = PairedComparison(a, b)
    let each = zip(a, b).map { $0.negativeLogLikelihood - $1.negativeLogLikelihood }
    let mean = each.reduce(0, +) / 5
    let variance = each.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 4
    #expect((found.difference - mean).magnitude < 8 * epsilon)
    #expect(try (#require(found.standardError) - (variance / 5).squareRoot()).magnitude < 8 * epsilon)
    #expect(PairedComparison(a, a).difference == 0)
  }
}
