import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport
import Testing

@Suite struct PrecisionTests {
  @Test(arguments: [1, 2, 5, 17], Gen.seeds(4))
  func fullConforms(_ p: Int, _ seed: UInt64) throws {
    try checkPrecision(FullPrecision.self, dimension: p, seed: seed)
  }

  @Test(arguments: [1, 2, 5, 17], Gen.seeds(4))
  func diagonalConforms(_ p: Int, _ seed: UInt64) throws {
    try checkPrecision(DiagonalPrecision.self, dimension: p, seed: seed)
  }

  @Test func namesAreThoseOfTheFile() {
    #expect(FullPrecision.structure == "full" && DiagonalPrecision.structure == "diagonal")
  }

  /// The full structure need not start proper: it becomes so with the P-th independent row.
  @Test func fullBecomesProperWithItsRows() throws {
    var precision = FullPrecision.isotropic(0, dimension: 3)
    precision.absorb(Matrix([[1, 1, 0], [0, 2, 1]]))
    #expect(throws: LinearAlgebraError.singular(index: 2)) { try precision.factored() }
    precision.absorb(Matrix([[0, 0, 3]]))
    // R's rows are the rows themselves: det Λ = (1 · 2 · 3)².
    let logDeterminant = try precision.factored().logDeterminant
    #expect(relativeDifference(logDeterminant, 3.583_518_938_456_11) <= 16 * epsilon)
  }

  @Test(arguments: [0.0, .nan, .infinity])
  func diagonalRefusesWhatIsNotPositive(_ value: Double) {
    var precision = DiagonalPrecision([1, 0])
    if !value.isZero { precision.absorb(Matrix([[0, value]])) }
    #expect(throws: LinearAlgebraError.notPositiveDefinite(order: 2)) { try precision.factored() }
  }

  @Test func negativePrecisionsAndWeightsTrap() async {
    await #expect(processExitsWith: .failure) { _ = DiagonalPrecision([1, -1]) }
    await #expect(processExitsWith: .failure) { _ = FullPrecision.isotropic(-1, dimension: 2) }
    await #expect(processExitsWith: .failure) {
      var precision = FullPrecision.isotropic(1, dimension: 2)
      precision.absorb(Matrix([[1, 1]]), weight: -1)
    }
  }
}
