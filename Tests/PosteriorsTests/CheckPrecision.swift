import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport
import Testing

/// Every operation of a `Precision` against its dense twin: a new structure is one `project` and one line in
/// `PrecisionTests`.
func checkPrecision<P: TestedPrecision>(_ type: P.Type, dimension p: Int, seed: UInt64) throws {
  var gen = Gen(seed: seed)
  let here: Comment = "\(P.structure), P = \(p), seed \(seed)"
  checkIsotropic(type, dimension: p, here)

  // Adding: blocks of several sizes and weights, projected by the twin as by the structure.
  var precision = P.isotropic(0.3, dimension: p)
  var dense = Matrix.diagonal([Double](repeating: 0.3, count: p))
  for (count, weight) in [(1, 1.0), (p, 0.25), (0, 1), (3 * p + 5, 2), (2, 0)] {
    let rows = gen.matrix(rows: count, columns: p)
    precision.absorb(rows, weight: weight)
    dense = P.project(Naive.sum(dense, Naive.product(rows.transposed, rows), weight: weight))
  }
  #expect(precision.dimension == p, here)
  var columns: [Double] = []
  for j in 0..<p { columns += precision.times(Matrix.identity(p).column(j)) }
  // Sums of at most 4P + 6 squares: backward stable, no condition number.
  #expect(relativeDifference(columns, dense.storage) <= 4 * Double(4 * p + 6) * epsilon, here)
  let x = gen.normals(p)
  let bound = 4 * Double(4 * p + 6) * epsilon * euclideanNorm(dense.storage) * euclideanNorm(x)
  #expect(euclideanNorm(zip(precision.times(x), Naive.times(dense, x)).map { $0 - $1 }) <= bound, here)

  try checkFactor(precision.factored(), dense: dense, gen: &gen, here)
  let (other, otherDense) = P.random(&gen, dimension: p)
  let expected = Naive.trace(Naive.product(otherDense, Naive.inverse(dense).inverse))
  let ratio = try P.Factor.traceOfRatio(precision.factored(), other.factored())
  #expect(relativeDifference(ratio, expected) <= Naive.tolerance(dense, otherDense), here)
}

private func checkIsotropic<P: TestedPrecision>(_ type: P.Type, dimension p: Int, _ here: Comment) {
  var gen = Gen(seed: 1)
  let x = gen.normals(p)
  #expect(relativeDifference(P.isotropic(2.5, dimension: p).times(x), x.map { 2.5 * $0 }) <= 4 * epsilon, here)
  let flat = P.isotropic(0, dimension: p)
  #expect(flat.dimension == p && flat.times(x) == [Double](repeating: 0, count: p), here)
  #expect(throws: LinearAlgebraError.self, here) { try flat.factored() }
  let dense = Matrix.identity(p)
  let mixed = Naive.sum(dense, Matrix(rows: p, columns: p, repeating: 1))
  #expect(P.sumIsExact == (P.project(mixed) == mixed) || p == 1, here)
}

private func checkFactor(_ factor: some PrecisionFactor, dense: Matrix, gen: inout Gen, _ here: Comment) {
  let p = dense.rows
  let tolerance = Naive.tolerance(dense)
  let (covariance, logDeterminant) = Naive.inverse(dense)
  let b = gen.normals(p)
  #expect(relativeDifference(factor.solve(b), Naive.times(covariance, b)) <= tolerance, here)
  // The log of a determinant errs absolutely by its relative error; its size is that of the P logarithms.
  #expect((factor.logDeterminant - logDeterminant).magnitude <= tolerance * max(1, logDeterminant.magnitude), here)

  // L from its columns; LLᵀ must be the covariance (a transposed square root would give another).
  var root = Matrix(rows: p, columns: p)
  for j in 0..<p {
    for (i, entry) in factor.halfSolve(Matrix.identity(p).column(j)).enumerated() { root[i, j] = entry }
  }
  #expect(relativeDifference(Naive.product(root, root.transposed), covariance) <= tolerance, here)
  #expect(relativeDifference(factor.halfSolve(b), Naive.times(root, b)) <= tolerance, here)

  #expect(relativeDifference(factor.marginalVariances(), Naive.diagonal(of: covariance)) <= tolerance, here)
  let rows = gen.matrix(rows: 7, columns: p)
  let along = (0..<7).map { Naive.quadratic(covariance, Array(rows.row($0))) }
  #expect(relativeDifference(factor.variances(along: rows), along) <= tolerance, here)
  #expect(factor.variances(along: Matrix(rows: 0, columns: p)).isEmpty, here)
}
