import BNNInference
import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport
import Foundation
import Testing

/// When an update guesses what retraining would gain, and from what.
@Suite struct GapGuessTests {
  /// Targets of the second batch that the first batch's network does not say: their noise is guessed at, by the formula.
  @Test func growthOfTheNoise() throws {
    var gen = Gen(seed: 41)
    var rows = NetworkData.rows(&gen, count: 120, inputs: 2, outputs: 1)
    for i in 60..<120 { rows.y[i, 0] += 3 * sin(9 * rows.x[i, 1]) }
    let before = try NetworkData.fit(.tangent, rows.picking(0..<60), hidden: 5, members: 2, seed: 3).posterior
    let (after, reports) = try before.updated(rows, [Array(60..<120)])
    func deviation(_ posterior: Posterior, _ k: Int) throws -> Double {
      // b/a of the noise's inverse gamma posterior.
      try #require(posterior.members[k].responses[0].posterior).noise.scaleSquared.squareRoot()
    }
    let growth = try (0..<2).map { try log(deviation(after, $0) / deviation(before, $0)) }
    let guess = try #require(reports[0].gapGuess)
    #expect(growth[0] > 0.5 && abs(guess - 0.27 * (growth[0] + growth[1]) / 2) < 1e-12)
    // Rows like the first: the noise shrinks or stays, and nothing is guessed.
    let same = try before.updated(rows, [Array(0..<60)])
    #expect(try #require(same.reports[0].gapGuess) < 0.05)
  }

  @Test func whatHasNoGuess() throws {
    var gen = Gen(seed: 42)
    let rows = NetworkData.rows(&gen, count: 60, inputs: 2, outputs: 2)
    let one = Rows(x: rows.x, y: Matrix(rows: 60, columns: 1, storage: (0..<60).map { rows.y[$0, 0] }))
    let batch = [Array(30..<60)]
    for method in [Method.lastLayer, .parallelBranch] {
      #expect(
        try NetworkData.fit(method, one.picking(0..<30), hidden: 3, seed: 1).posterior.updated(one, batch).reports[0]
          .gapGuess == nil)
    }
    let given = PriorSettings(noise: .given(0.2))
    #expect(
      try NetworkData.fit(.tangent, one.picking(0..<30), hidden: 3, prior: given, seed: 1).posterior.updated(one, batch)
        .reports[0].gapGuess
        == nil)
    #expect(
      try NetworkData.fit(.tangent, rows.picking(0..<30), hidden: 3, seed: 1).posterior.updated(rows, batch).reports[0]
        .gapGuess == nil)
    #expect(
      try NetworkData.fit(.tangent, one.picking(0..<30), hidden: 3, subspace: 5, seed: 1).posterior.updated(one, batch)
        .reports[0].gapGuess
        == nil)
  }
}
