import BNNDatasets
import BNNLinearAlgebra
import BNNTestSupport
import Testing

@testable import BNNInference

/// The warning of repeated rows on simulated tables: with none, honest and many duplicates of their own.
@Suite struct RepeatedRowsTests {
  /// Rows are whole numbers: of a large range there are hardly two alike, of a small one many.
  private func judged(
    _ gen: inout Gen, earlier n1: Int, batch n2: Int, range: Int, repeated: Int
  ) throws -> RepeatedRows {
    let first = (0..<n1).map { _ in Double(gen.integer(in: 0...range)) }
    let order = gen.permutation(n1)
    let second = (0..<n2).map { k in k < repeated ? first[order[k]] : Double(gen.integer(in: 0...range)) }
    func sketch(_ values: [Double], _ start: RowSketch) -> RowSketch {
      var result = start
      Dataset(features: values, featureCount: 1, rows: values.count).forEachRowHash { result.add($0) }
      result.settle()
      return result
    }
    let own = sketch(first, RowSketch())
    return try RepeatedRows(sketch(second, RowSketch(comparableTo: own)), rows: n2, in: own)
  }

  /// 300 honest batches: at the threshold of one in a thousand three or more false alarms have probability 0.004.
  @Test(arguments: [1_000_000_000, 20_000, 2_000]) func honestBatchesAreLeftAlone(range: Int) throws {
    var alarms = 0
    var gen = Gen(seed: 9)
    for _ in 0..<300 {
      if try judged(&gen, earlier: 3000, batch: 1500, range: range, repeated: 0).isSurprising { alarms += 1 }
    }
    #expect(alarms < 3, "range \(range)")
  }

  @Test(arguments: [1_000_000_000, 20_000]) func aTwentiethIsSeen(range: Int) throws {
    var gen = Gen(seed: 10)
    var seen = 0
    for _ in 0..<50 {
      if try judged(&gen, earlier: 3000, batch: 1500, range: range, repeated: range > 1_000_000 ? 75 : 300).isSurprising
      {
        seen += 1
      }
    }
    #expect(seen >= 45, "range \(range): \(seen) of 50")
  }

  /// Unbiased, with the standard error it states: mean over 200 trials within five of its own errors, and the variance that of the
  /// stated errors (a χ² with 199 degrees of freedom spreads by 10 %).
  @Test func theEstimateIsWhatItSays() throws {
    var gen = Gen(seed: 11)
    let own = try (0..<200).map { _ in
      try judged(&gen, earlier: 5000, batch: 2000, range: 1_000_000_000, repeated: 400)
    }
    let mean = own.reduce(0) { $0 + $1.estimate } / 200
    let variance = own.reduce(0) { $0 + ($1.estimate - mean) * ($1.estimate - mean) } / 199
    let stated = own.reduce(0) { $0 + $1.standardError * $1.standardError } / 200
    #expect(abs(mean - 400) < 5 * (variance / 200).squareRoot())
    #expect(abs(variance / stated - 1) < 0.4)
    #expect(own.allSatisfy { $0.expected < 10 })
  }

  @Test func nothingToCompare() throws {
    let none = try RepeatedRows(RowSketch(), rows: 0, in: RowSketch())
    #expect(none.estimate == 0 && !none.isSurprising)
  }
}
