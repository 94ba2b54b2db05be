import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNTestSupport
import Foundation
import Testing

@testable import BNNInference

/// How many digits thousands of rows leave, where the textbook's covariance form has lost them.
struct KalmanRoundingTests {
  /// N rows of P weights with singular values from √N to √N/condition and a weak prior, noise 1.
  private struct Problem {
    let x: Matrix
    let y: Matrix
    let delta: Double
    let p: Int

    init(condition: Double, delta: Double, rows: Int = 6000, inputs: Int = 7) {
      var gen = Gen(seed: 3)
      var design = gen.matrix(rows: rows, columns: inputs, condition: condition)
      for i in design.storage.indices { design.storage[i] *= Double(rows).squareRoot() }
      let w = gen.normals(inputs)
      x = design
      y = Matrix(
        rows: rows, columns: 1, storage: zip(design.multiplied(by: w), gen.normals(rows)).map { $0 + $1 })
      self.delta = delta
      p = inputs + 1
    }

    private var augmented: Matrix {
      var result = Matrix(rows: x.rows, columns: p, repeating: 1)
      for i in 0..<x.rows { for j in 0..<(p - 1) { result[i, j] = x[i, j] } }
      return result
    }

    /// By orthogonal transformations: the condition is never squared.
    func exact() throws -> (mean: [Double], root: TriangularFactor) {
      var array = InformationArray(width: p + 1)
      var prior = Matrix(rows: p, columns: p + 1)
      for j in 0..<p { prior[j, j] = delta.squareRoot() }
      array.absorb(&prior)
      var rows = Matrix(sideBySide: augmented, y)
      array.absorb(&rows)
      let (r, z) = array.leading(p)
      let factor = try TriangularFactor(upper: r)
      let signed = (0..<p).map { r[$0, $0] < 0 ? -z[0][$0] : z[0][$0] }
      return (factor.backSolve(signed), factor)
    }

    /// P ← P − vvᵀ/s, row after row.
    func textbook() -> [Double] {
      var covariance = Matrix.diagonal([Double](repeating: 1 / delta, count: p))
      var mean = [Double](repeating: 0, count: p)
      let rows = augmented
      for i in 0..<rows.rows {
        let h = Array(rows.row(i))
        let v = covariance.multiplied(by: h)
        let s = 1 + dot(h, v)
        let e = y[i, 0] - dot(h, mean)
        for a in 0..<p {
          mean[a] += v[a] * e / s
          for b in 0..<p { covariance[a, b] -= v[a] * v[b] / s }
        }
      }
      return mean
    }

    func filtered<B: FilterBelief>(_: B.Type) throws -> FilterOutcome {
      let network = Network(NetworkSpec(inputs: p - 1, hidden: [], outputs: 1, activation: .tanh))
      let state = LaplaceState(
        chosen: 0..<1, curvature: AnyCurvature(.full, layers: [LayerShape(inputs: p - 1, outputs: 1)]),
        prior: .layers([delta]), noiseVariance: 1, logEvidence: 0, distanceToOptimum: 0)
      var filter = try KalmanFilter<B>(
        network, [Double](repeating: 0, count: p), state, kind: .gaussian,
        likelihood: LikelihoodKind.gaussian.likelihood(), dynamics: .still)
      try filter.absorb(x, y, weights: nil)
      return try filter.outcome()
    }
  }

  /// |Δm|_Λ/|m|_Λ against 10·K·√P·ε·cond([R; √δ I]) with K = 24 blocks of pending rows, as the design promises of sums of blocks.
  /// The condition is the root of that of Λ.
  @Test(arguments: [(1.0, 1.0), (1e2, 1e-4), (1e4, 1e-4), (1e2, 1e-10)])
  func keepsItsDigits(_ condition: Double, _ delta: Double) throws {
    let own = Problem(condition: condition, delta: delta)
    let (mean, root) = try own.exact()
    let singular = try SymmetricEigen.values(of: root.precision)
    let bound =
      10 * 24 * Double(own.p).squareRoot() * Double.ulpOfOne
      * ((singular.last ?? 0) / (singular.first ?? 1)).squareRoot()
    func error(_ found: [Double]) -> Double {
      norm(root.multiplied(by: zip(found, mean).map { $0 - $1 })) / norm(root.multiplied(by: mean))
    }
    let outcome = try own.filtered(FullBelief<Double>.self)
    #expect(error(outcome.theta) < bound)
    let variances = try outcome.state.factored().marginalVariances
    // A variance follows the precision with its whole condition.
    #expect(relativeDifference(variances, root.marginalVariances()) < max(1e-11, bound * bound / Double.ulpOfOne))
    if delta < 1e-9 { #expect(error(own.textbook()) > 100 * error(outcome.theta)) }
    if ProcessInfo.processInfo.environment["BNN_MEASURE"] != nil {
      let single = try own.filtered(FullBelief<Float>.self)
      print(
        "condition", condition, "delta", delta, "ours", error(outcome.theta), "textbook", error(own.textbook()),
        "single", error(single.theta), "bound", bound)
    }
  }
}
