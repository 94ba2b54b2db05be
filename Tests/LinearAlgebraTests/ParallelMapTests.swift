import BNNTestSupport
import Dispatch
import Testing

@testable import BNNLinearAlgebra

@Suite struct ParallelMapTests {
  struct Failure: Error, Equatable { var piece: Int }

  @Test(arguments: [1, 2, 5, 100], [0, 1, 2, 7, 1000])
  func resultsComeInOrder(threads: Int, count: Int) {
    let result = parallelMap(count, threads: threads) { $0 * $0 }
    #expect(result == (0..<count).map { $0 * $0 })
  }

  @Test(arguments: [1, 2, 5])
  func optionalResultsKeepTheirPlaces(threads: Int) {
    let result: [Int?] = parallelMap(9, threads: threads) { $0 % 2 == 0 ? $0 : nil }
    #expect(result == [0, nil, 2, nil, 4, nil, 6, nil, 8])
  }

  /// Later pieces fail at once and the lowest one after a pause, so that order of time is not order of pieces.
  @Test(arguments: [1, 2, 5])
  func theLowestFailureIsThrown(threads: Int) {
    #expect(throws: Failure(piece: 3)) {
      try parallelMap(20, threads: threads) { piece -> Int in
        guard piece >= 3 else { return piece }
        if piece == 3 { _ = DispatchSemaphore(value: 0).wait(timeout: .now() + 0.02) }
        throw Failure(piece: piece)
      }
    }
  }

  /// Bits, since work is cut the same way whatever the number of workers.
  @Test(arguments: [2, 5])
  func threadsDoNotChangeBits(threads: Int) throws {
    let work: @Sendable (Int) throws -> [UInt64] = { piece in
      var gen = Gen(seed: UInt64(piece))
      let a = gen.matrix(rows: 150, columns: 90)
      var array = InformationArray(width: 90)
      var rows = a
      array.absorb(&rows)
      rows = gen.matrix(rows: 60, columns: 90)
      array.absorb(&rows)
      let values = try SpectralReduction(of: array.array, rightHandSides: [gen.normals(90)])
      return (Matrix.product(a, a, transposeB: true).storage + array.array.storage + values.projections[0])
        .map(\.bitPattern)
    }
    #expect(try parallelMap(12, threads: threads, work) == parallelMap(12, threads: 1, work))
  }

  @Test func everyPieceRunsOnce() {
    let order = parallelMap(500, threads: 5) { piece in piece }
    #expect(Set(order).count == 500)
  }
}
