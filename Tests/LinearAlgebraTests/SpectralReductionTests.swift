import BNNLinearAlgebra
import BNNTestSupport
import Testing

@Suite struct SpectralReductionTests {
  struct Case: Sendable, CustomStringConvertible {
    var k: Int
    var p: Int
    var condition: Double
    var seed: UInt64

    var description: String { "\(k) × \(p), condition \(condition), seed \(seed)" }

    /// A k × p upper trapezoid with known singular values, and two right-hand sides.
    func made() -> (r: Matrix, singularValues: [Double], rightHandSides: [[Double]]) {
      var gen = Gen(seed: seed)
      var array = InformationArray(width: p)
      var rows = gen.matrix(rows: k, columns: p, condition: condition)
      array.absorb(&rows)
      return (array.array, Gen.logSpaced(k, condition: condition), [gen.normals(k), gen.normals(k)])
    }

    /// Bidiagonalising and the QR sweeps each err by a modest multiple of p·ε·‖R‖ (backward); ‖R‖ = 1.
    var rounding: Double { 10 * Double(p) * epsilon }
  }

  static let cases: [Case] = [
    (1, 1, 1.0), (1, 4, 1), (2, 2, 10), (5, 5, 1e3), (3, 9, 1e2), (20, 20, 1e4), (33, 70, 1e6), (90, 90, 1e8),
  ].flatMap { shape in Gen.seeds(3).map { Case(k: shape.0, p: shape.1, condition: shape.2, seed: $0) } }

  @Test(arguments: cases)
  func singularValuesAreTheOnesPutIn(of c: Case) throws {
    let (r, expected, z) = c.made()
    let reduction = try SpectralReduction(of: r, rightHandSides: z)
    #expect(reduction.singularValues.count == c.k)
    for (value, truth) in zip(reduction.singularValues, expected) {
      #expect((value - truth).magnitude <= c.rounding)
    }
    #expect(reduction.singularValues == reduction.singularValues.sorted(by: >))
  }

  /// Eigenvalues of RRᵀ err by rounding·‖R‖² absolutely, and so do squares of the singular values (twice that).
  @Test(arguments: cases)
  func squaresAreEigenvaluesOfTheOuterProduct(of c: Case) throws {
    let r = c.made().r
    let values = try SpectralReduction(of: r, rightHandSides: []).singularValues
    let outer = try SymmetricEigen(of: Naive.product(r, Naive.transposed(r))).values
    for (s, lambda) in zip(values, outer.reversed()) { #expect((s * s - lambda).magnitude <= 3 * c.rounding) }
  }

  @Test(arguments: cases)
  func projectionsKeepLengthsAndAngles(of c: Case) throws {
    let (r, _, z) = c.made()
    let projections = try SpectralReduction(of: r, rightHandSides: z).projections
    #expect(projections.map(\.count) == [c.k, c.k])
    for (i, j) in [(0, 0), (0, 1), (1, 1)] {
      let before = zip(z[i], z[j]).reduce(0) { $0 + $1.0 * $1.1 }
      let after = zip(projections[i], projections[j]).reduce(0) { $0 + $1.0 * $1.1 }
      // An orthogonal map applied with relative error `rounding` on each of two factors.
      #expect((before - after).magnitude <= 2 * c.rounding * euclideanNorm(z[i]) * euclideanNorm(z[j]))
    }
  }

  /// Σ κ z̃²/(s² + κ) = κ zᵀ(RRᵀ + κI)⁻¹z, the functional of the evidence, for every prior precision κ.
  @Test(arguments: cases, [1e-6, 1e-2, 1.0, 1e4])
  func evidenceFunctionalMatchesDenseSolve(of c: Case, kappa: Double) throws {
    let (r, _, z) = c.made()
    let reduction = try SpectralReduction(of: r, rightHandSides: z)
    var shifted = Naive.product(r, Naive.transposed(r))
    for i in 0..<c.k { shifted[i, i] += kappa }
    for (right, projection) in zip(z, reduction.projections) {
      let pairs = zip(reduction.singularValues, projection)
      let value = pairs.reduce(0) { $0 + kappa * $1.1 * $1.1 / ($1.0 * $1.0 + kappa) }
      let solved = Naive.solve(shifted, right)
      let expected = kappa * zip(right, solved).reduce(0) { $0 + $1.0 * $1.1 }
      // The matrix solved with has condition at most (1 + κ)/κ; both sides see errors of `rounding` in R.
      let size = zip(right, right).reduce(0) { $0 + $1.0 * $1.1 }
      #expect((value - expected).magnitude <= 4 * c.rounding * (1 + kappa) / kappa * size)
    }
  }

  /// Known by hand: for a diagonal R the projections are the entries themselves, up to sign and in order of size.
  @Test func diagonalByHand() throws {
    let reduction = try SpectralReduction(of: Matrix.diagonal([2, 5, 3]), rightHandSides: [[10, 20, 30]])
    #expect(zip(reduction.singularValues, [5.0, 3, 2]).allSatisfy { ($0 - $1).magnitude < 10 * 3 * epsilon * 5 })
    let sizes = reduction.projections[0].map(\.magnitude)
    #expect(relativeDifference(sizes, [20, 30, 10]) < 10 * 3 * epsilon)
  }

  @Test func nothingSeenYet() throws {
    let reduction = try SpectralReduction(of: Matrix(rows: 0, columns: 3), rightHandSides: [[], []])
    #expect(reduction.singularValues == [] && reduction.projections == [[], []])
  }

  @Test(arguments: [Double.nan, .infinity])
  func inputThatIsNotFiniteIsRefused(value: Double) {
    let r = Matrix([[1, value], [0, 1]])
    #expect(throws: LinearAlgebraError.self) { try SpectralReduction(of: r, rightHandSides: [[1, 1]]) }
  }

  @Test func sameInputSameBits() throws {
    let (r, _, z) = Case(k: 33, p: 70, condition: 1e3, seed: 5).made()
    let first = try SpectralReduction(of: r, rightHandSides: z)
    #expect(try SpectralReduction(of: r, rightHandSides: z) == first)
  }
}
