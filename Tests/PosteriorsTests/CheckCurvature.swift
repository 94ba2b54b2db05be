import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport
import Foundation
import Testing

/// The unit of relative rounding of rows in this precision.
func rounding<Scalar: BLASScalar>(of type: Scalar.Type) -> Double { Double(Scalar.ulpOfOne) }

/// Every operation of a curvature against its dense twin.
///
/// - Parameter sums: how many products an entry of the twin is a sum of; rounding is that many units of the rows'
///   precision at most, relative to the norm of the matrix, and the condition number magnifies it in what is solved.
func checkCurvature<Scalar: BLASScalar>(
  _ curvature: AnyCurvature, dense: Matrix, prior: PriorPrecision, rows type: Scalar.Type, sums: Int, gen: inout Gen,
  _ here: Comment
) throws {
  let p = dense.rows
  let unit = rounding(of: type)
  let forward = 4 * Double(sums + p) * unit
  var columns: [Double] = []
  for j in 0..<p { columns += curvature.times(Matrix.identity(p).column(j)) }
  #expect(relativeDifference(columns, dense.storage) <= forward, here)
  let x = gen.normals(p)
  let error = euclideanNorm(zip(curvature.times(x), Naive.times(dense, x)).map { $0 - $1 })
  #expect(error <= forward * euclideanNorm(dense.storage) * euclideanNorm(x), here)
  #expect(relativeDifference(curvature.diagonal, Naive.diagonal(of: dense)) <= forward, here)

  let precision = Naive.sum(dense, .diagonal(prior.expanded(curvature.layers)))
  let tolerance = 8 * Double(sums + p) * unit * Naive.condition(precision)
  // A test whose tolerance is no number at all would be none.
  #expect(tolerance < 0.1, here)
  let (covariance, logDeterminant) = Naive.inverse(precision)
  try checkFactor(curvature.factored(prior: prior), covariance, logDeterminant, tolerance, rows: type, gen: &gen, here)
  try checkSweep(
    curvature.sweep(), layers: curvature.layers, prior: prior, covariance, logDeterminant, tolerance, here)

  let restored = try AnyCurvature(
    curvature.structure, layers: curvature.layers, rank: testRank, tensors: curvature.tensors)
  #expect(restored == curvature, here)
}

extension AnyCurvature {
  /// Rows of one batch, in as many passes as the structure needs.
  mutating func absorbBatch(_ pass: (inout AnyCurvature) -> Void) {
    pass(&self)
    guard var second = secondPass() else { return }
    pass(&second)
    self = second
  }
}

/// The rank of low-rank structures in tests.
let testRank = 4

private func checkFactor<Scalar: BLASScalar>(
  _ factor: any CurvatureFactor, _ covariance: Matrix, _ logDeterminant: Double, _ tolerance: Double,
  rows type: Scalar.Type, gen: inout Gen, _ here: Comment
) throws {
  let p = covariance.rows
  let b = gen.normals(p)
  #expect(relativeDifference(factor.solve(b), Naive.times(covariance, b)) <= tolerance, here)
  #expect((factor.logDeterminant - logDeterminant).magnitude <= tolerance * max(1, logDeterminant.magnitude), here)
  // L from its columns; LLᵀ must be the covariance.
  var root = Matrix(rows: p, columns: p)
  for j in 0..<p {
    for (i, entry) in factor.halfSolve(Matrix.identity(p).column(j)).enumerated() { root[i, j] = entry }
  }
  #expect(relativeDifference(Naive.product(root, root.transposed), covariance) <= tolerance, here)
  #expect(relativeDifference(factor.halfSolve(b), Naive.times(root, b)) <= tolerance, here)
  #expect(relativeDifference(factor.marginalVariances, Naive.diagonal(of: covariance)) <= tolerance, here)
}

/// JΛ⁻¹Jᵀ of random rows against the dense covariance.
func checkFunctionalCovariances<Scalar: BLASScalar>(
  _ factor: any CurvatureFactor, layers: [LayerShape], covariance: Matrix, tolerance: Double, rows type: Scalar.Type,
  count: Int, gen: inout Gen, _ here: Comment
) {
  let outputs = 3
  let jacobian = RandomFactors(&gen, layers: layers, rows: count, roots: outputs)
  let found = jacobian.with(type) { factor.functionalCovariances($0) }
  var expected = Matrix(rows: count, columns: outputs * outputs)
  for i in 0..<count {
    for c in 0..<outputs {
      let image = Naive.times(covariance, jacobian.row(root: c, i))
      for d in 0..<outputs { expected[i, c * outputs + d] = Naive.dot(image, jacobian.row(root: d, i)) }
    }
  }
  #expect(relativeDifference(found, expected) <= tolerance, here)
  let none = jacobian[0..<0].with(type) { factor.functionalCovariances($0) }
  #expect(none.rows == 0 && none.columns == outputs * outputs, here)
}

private func checkSweep(
  _ sweep: any PriorSweep, layers: [LayerShape], prior: PriorPrecision, _ covariance: Matrix, _ logDeterminant: Double,
  _ tolerance: Double, _ here: Comment
) throws {
  let scale = max(1, logDeterminant.magnitude)
  #expect((sweep.logDeterminant(prior) - logDeterminant).magnitude <= tolerance * scale, here)
  let determined = zip(prior.expanded(layers), Naive.diagonal(of: covariance)).map { 1 - $0 * $1 }
  let expected = layers.ranges.map { determined[$0].reduce(0, +) }
  let found = sweep.effectiveWeights(prior)
  #expect(found.count == layers.count, here)
  // Every δ(Λ⁻¹)ⱼⱼ ≤ 1 errs by the tolerance at most.
  for (l, (a, b)) in zip(found, expected).enumerated() {
    #expect((a - b).magnitude <= tolerance * Double(layers[l].parameterCount), here)
  }
  guard case .layers(let values) = prior else { return }
  // γ_l = P_l − ∂log det/∂log δ_l by central differences: h² of the third derivative, at most P_l, and rounding over h.
  let h = 1e-3
  for l in layers.indices {
    func at(_ step: Double) -> Double {
      var moved = values
      moved[l] *= exp(step)
      return sweep.logDeterminant(.layers(moved))
    }
    let slope = (at(h) - at(-h)) / (2 * h)
    let weights = Double(layers[l].parameterCount)
    #expect((weights - slope - found[l]).magnitude <= h * h * weights + 64 * epsilon * scale * weights / h, here)
  }
}
