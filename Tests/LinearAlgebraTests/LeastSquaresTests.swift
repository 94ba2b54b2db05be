import BNNLinearAlgebra
import BNNTestSupport
import CGSL
import Testing

/// The weights that an information array yields against GSL's least squares (a singular value decomposition).
///
/// Both are backward stable; Wedin's bound (Higham 2002, theorem 20.1) turns relative perturbations δ of the data into
/// changes of the weights of at most δ·c·(2 + (c + 1)·‖residual‖ / (‖Φ‖·‖weights‖)) for condition number c, and
/// δ = 10·K·√w·ε for K batches.
@Suite struct LeastSquaresTests {
  @Test(arguments: [10.0, 1e3, 1e6], [1, 4, 25, 200])
  func weightsAgreeWithGSL(condition: Double, largest: Int) throws {
    for seed in Gen.seeds(4) {
      var gen = Gen(seed: seed)
      let (n, p) = (gen.integer(in: 30...200), gen.integer(in: 2...20))
      let features = gen.matrix(rows: n, columns: p, condition: condition)
      let truth = gen.normals(p)
      let noise = gen.normals(n)
      let targets = zip(features.multiplied(by: truth), noise).map { $0 + 0.01 * $1 / Double(n).squareRoot() }

      let parts = gen.partition(n, largest: largest)
      let weights = try sequentialWeights(features, targets, parts)
      let oracle = try gslWeights(features, targets)

      let delta = 10 * Double(parts.count) * Double(p + 1).squareRoot() * epsilon
      // ‖Φ‖ = 1 by construction.
      let ratio = oracle.residualSumOfSquares.squareRoot() / euclideanNorm(oracle.weights)
      let bound = delta * condition * (2 + (condition + 1) * ratio)
      #expect(relativeDifference(weights, oracle.weights) < bound, "seed \(seed), \(n) × \(p)")
      #expect(bound < 0.01, "the bound says something")
    }
  }

  @Test func residualSumOfSquaresIsTheLastEntrySquared() throws {
    for seed in Gen.seeds(5) {
      var gen = Gen(seed: seed)
      let features = gen.matrix(rows: 50, columns: 4)
      let targets = gen.normals(50)
      let array = absorbed(features, targets, gen.partition(50, largest: 9)).array
      let residual = array[4, 4] * array[4, 4]
      // A perturbation of 10·K·√w·ε of the data (K ≤ 50) changes a residual as large as the targets by as much.
      let expected = try gslWeights(features, targets).residualSumOfSquares
      #expect(relativeDifference(residual, expected) < 2 * 10 * 50 * 5.0.squareRoot() * epsilon, "seed \(seed)")
    }
  }

  private func absorbed(_ features: Matrix, _ targets: [Double], _ parts: [Range<Int>]) -> InformationArray {
    var array = InformationArray(width: features.columns + 1)
    for part in parts {
      var rows = Matrix(part.map { Array(features.row($0)) + [targets[$0]] })
      array.absorb(&rows)
    }
    return array
  }

  private func sequentialWeights(
    _ features: Matrix, _ targets: [Double], _ parts: [Range<Int>]
  ) throws -> [Double] {
    let p = features.columns
    var information = absorbed(features, targets, parts)
    // A triangular factor flips rows of R, and the right-hand side has to follow.
    information.makeDiagonalPositive()
    let array = information.array
    let upper = Matrix((0..<p).map { i in (0..<p).map { array[i, $0] } })
    return try TriangularFactor(upper: upper).backSolve((0..<p).map { array[$0, p] })
  }

  private func gslWeights(
    _ features: Matrix, _ targets: [Double]
  ) throws -> (weights: [Double], residualSumOfSquares: Double) {
    let (n, p) = (features.rows, features.columns)
    let x = try #require(gsl_matrix_alloc(n, p))
    let y = try #require(gsl_vector_alloc(n))
    let c = try #require(gsl_vector_alloc(p))
    let covariance = try #require(gsl_matrix_alloc(p, p))
    let work = try #require(gsl_multifit_linear_alloc(n, p))
    defer {
      gsl_multifit_linear_free(work)
      gsl_matrix_free(covariance)
      gsl_vector_free(c)
      gsl_vector_free(y)
      gsl_matrix_free(x)
    }
    for i in 0..<n {
      gsl_vector_set(y, i, targets[i])
      for j in 0..<p { gsl_matrix_set(x, i, j, features[i, j]) }
    }
    var sum = 0.0
    let status = gsl_multifit_linear(x, y, c, covariance, &sum, work)
    try #require(Int(status) == GSL_SUCCESS)
    return ((0..<p).map { gsl_vector_get(c, $0) }, sum)
  }
}
