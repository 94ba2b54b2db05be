import BNNLinearAlgebra
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Testing

@Suite struct GaussianTests {
  @Test(arguments: Gen.seeds(6))
  func logDensityIsTheFormula(_ seed: UInt64) throws {
    func check<P: TestedPrecision>(_: P.Type) throws {
      var gen = Gen(seed: seed)
      for p in [1, 4, 9] {
        let (gaussian, dense) = Gaussian<P>.random(&gen, dimension: p)
        let x = gen.normals(p)
        let expected = Naive.logDensity(x, mean: gaussian.mean, precision: dense)
        let tolerance = Naive.tolerance(dense) * max(1, expected.magnitude)
        #expect(try (gaussian.logDensity(at: x) - expected).magnitude <= tolerance, "\(P.structure), seed \(seed)")
        let information = Naive.times(dense, gaussian.mean)
        #expect(relativeDifference(gaussian.informationVector, information) <= Naive.tolerance(dense))
      }
    }
    try check(FullPrecision.self)
    try check(DiagonalPrecision.self)
  }

  /// Means within 8√(Σ_jj/N), covariances within 8√((Σ_ii Σ_jj + Σ_ij²)/N): standard errors of normal samples.
  @Test func samplesHaveTheMoments() throws {
    func check<P: TestedPrecision>(_: P.Type) throws {
      var gen = Gen(seed: 21)
      let (gaussian, dense) = Gaussian<P>.random(&gen, dimension: 4)
      let count = 20_000
      let draws = try gaussian.samples(count, from: RandomStream(seed: 5))
      expectMoments(draws, mean: gaussian.mean, covariance: Naive.inverse(dense).inverse, "\(P.structure)")
    }
    try check(FullPrecision.self)
    try check(DiagonalPrecision.self)
  }

  @Test func drawDoesNotDependOnTheCount() throws {
    var gen = Gen(seed: 22)
    let gaussian = Gaussian<FullPrecision>.random(&gen, dimension: 3).gaussian
    let few = try gaussian.samples(3, from: RandomStream(seed: 5))
    #expect(try gaussian.samples(10, from: RandomStream(seed: 5)).rows(0..<3) == few)
    #expect(try gaussian.samples(3, from: RandomStream(seed: 6)) != few)
    #expect(few.row(0) != few.row(1))
  }

  @Test(arguments: Gen.seeds(6))
  func fullProductAddsPrecisions(_ seed: UInt64) throws {
    var gen = Gen(seed: seed)
    for p in [1, 3, 8] {
      let (a, denseA) = Gaussian<FullPrecision>.random(&gen, dimension: p)
      let (b, denseB) = Gaussian<FullPrecision>.random(&gen, dimension: p)
      try expectProduct(a.product(with: b), [(a.mean, denseA), (b.mean, denseB)], seed)
    }
  }

  /// ((ab)c) and (a(bc)) are the union of the three.
  @Test(arguments: Gen.seeds(6))
  func productOfProductIsTheUnion(_ seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let full = (0..<3).map { _ in Gaussian<FullPrecision>.random(&gen, dimension: 4) }
    let left = try full[0].gaussian.product(with: full[1].gaussian).product(with: full[2].gaussian)
    let right = try full[0].gaussian.product(with: full[1].gaussian.product(with: full[2].gaussian))
    for product in [left, right] { expectProduct(product, full.map { ($0.gaussian.mean, $0.dense) }, seed) }
    let diagonal = (0..<3).map { _ in Gaussian<DiagonalPrecision>.random(&gen, dimension: 4) }
    let product = diagonal[0].gaussian.product(with: diagonal[1].gaussian.product(with: diagonal[2].gaussian))
    expectProduct(product, diagonal.map { ($0.gaussian.mean, $0.dense) }, seed)
  }

  /// Two improper ones whose sum is proper; and two whose sum is not.
  @Test func improperFactorsMultiply() throws {
    var (a, b) = (FullPrecision.isotropic(0, dimension: 2), FullPrecision.isotropic(0, dimension: 2))
    a.absorb(Matrix([[2, 0]]))
    b.absorb(Matrix([[0, 0.5]]))
    let first = Gaussian(mean: [3, 100], precision: a)
    let product = try first.product(with: Gaussian(mean: [-50, 7], precision: b))
    #expect(relativeDifference(product.mean, [3, 7]) <= 8 * epsilon)
    #expect(throws: LinearAlgebraError.self) { try first.product(with: first) }
    #expect(throws: LinearAlgebraError.self) { try first.logDensity(at: [0, 0]) }
    #expect(throws: LinearAlgebraError.self) { try first.samples(1, from: RandomStream(seed: 1)) }
    let flat = Gaussian(mean: [0, 0], precision: FullPrecision.isotropic(0, dimension: 2))
    #expect(throws: LinearAlgebraError.self) { try flat.product(with: flat) }
  }

  @Test(arguments: Gen.seeds(6))
  func diagonalQuotientUndoesTheProduct(_ seed: UInt64) {
    var gen = Gen(seed: seed)
    let (a, dense) = Gaussian<DiagonalPrecision>.random(&gen, dimension: 5)
    let (b, denseB) = Gaussian<DiagonalPrecision>.random(&gen, dimension: 5)
    let back = a.product(with: b).quotient(by: b)
    // λ₁ + λ₂ − λ₂ loses what the sum is larger by.
    let loss = zip(Naive.diagonal(of: dense), Naive.diagonal(of: denseB)).map { ($0 + $1) / $0 }.max() ?? 1
    #expect(relativeDifference(back.precision.values, Naive.diagonal(of: dense)) <= 16 * epsilon * loss, "seed \(seed)")
    #expect(relativeDifference(back.mean, a.mean) <= 64 * epsilon * loss, "seed \(seed)")
  }

  @Test func quotientKeepsTheMeanWhereNothingIsLeft() {
    let a = Gaussian(mean: [1, 2, 3], precision: DiagonalPrecision([1, 2, 4]))
    let b = Gaussian(mean: [7, 8, 9], precision: DiagonalPrecision([1, 3, 1]))
    let quotient = a.quotient(by: b)
    #expect(quotient.precision.values == [0, 0, 3])
    #expect(quotient.mean == [1, 2, 1])  // (4 · 3 − 1 · 9) / 3
  }

  private func expectProduct<P: TestedPrecision>(
    _ product: Gaussian<P>, _ factors: [(mean: [Double], dense: Matrix)], _ seed: UInt64
  ) {
    let zero = Matrix(rows: product.dimension, columns: product.dimension)
    let dense = factors.reduce(zero) { Naive.sum($0, $1.dense) }
    let information = factors.map { Naive.times($0.dense, $0.mean) }
    let h = (0..<product.dimension).map { j in information.reduce(0) { $0 + $1[j] } }
    let tolerance = Naive.tolerance(dense)
    let columns = (0..<product.dimension).flatMap { product.precision.times(Matrix.identity(dense.rows).column($0)) }
    #expect(relativeDifference(columns, dense.storage) <= tolerance, "\(P.structure), seed \(seed)")
    // Cancellation in h: the error is relative to the sizes that were added.
    let sizes = information.map(euclideanNorm).reduce(0, +) * euclideanNorm(Naive.inverse(dense).inverse.storage)
    let error = zip(product.mean, Naive.times(Naive.inverse(dense).inverse, h)).map { $0 - $1 }
    #expect(euclideanNorm(error) <= tolerance * sizes, "\(P.structure), seed \(seed)")
  }
}

/// Sample means and covariances of the rows of `draws` within 8 standard errors; `fourth` is E[x⁴]/3Var² of a marginal, 1
/// for normals.
func expectMoments(_ draws: Matrix, mean: [Double], covariance: Matrix, fourth: Double = 1, _ here: Comment) {
  let count = Double(draws.rows)
  for i in mean.indices {
    let x = draws.column(i).map { $0 - mean[i] }
    let average = x.reduce(0, +) / count
    #expect(average.magnitude <= 8 * (covariance[i, i] / count).squareRoot(), here)
    for j in 0...i {
      let y = draws.column(j).map { $0 - mean[j] }
      let (vi, vj, c) = (covariance[i, i], covariance[j, j], covariance[i, j])
      // E[x²y²] − c² = Σ_ii Σ_jj + 2Σ_ij² − Σ_ij² for normals; a common scale multiplies the first part.
      let variance = fourth * (vi * vj + 2 * c * c) - c * c
      #expect((Naive.dot(x, y) / count - c).magnitude <= 8 * (variance / count).squareRoot(), here)
    }
  }
}
