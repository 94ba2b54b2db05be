import BNNLinearAlgebra
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@testable import BNNPosteriors

@Suite struct GaussianMixtureTests {
  /// Weights, means and covariances drawn at random, and the covariances in the clear.
  private func random(_ gen: inout Gen, components k: Int, dimension d: Int) throws -> (GaussianMixture, [Matrix]) {
    let raw = (0..<k).map { _ in 0.2 + gen.stream.uniform() }
    let covariances = (0..<k).map { _ in gen.positiveDefinite(d, condition: 30) }
    let mixture = GaussianMixture(
      weights: raw.map { $0 / raw.reduce(0, +) }, means: gen.matrix(rows: k, columns: d),
      factors: try covariances.map { try TriangularFactor(choleskyOf: $0) })
    return (mixture, covariances)
  }

  /// log π + log N(x; μ, C) with C⁻¹ by Gauss–Jordan elimination.
  @Test(arguments: Gen.seeds(5)) func logJointIsTheFormula(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    for (k, d) in [(1, 1), (3, 2), (2, 6)] {
      let (mixture, covariances) = try random(&gen, components: k, dimension: d)
      let rows = gen.matrix(rows: 7, columns: d)
      let joint = mixture.logJoint(rows)
      for i in 0..<7 {
        for c in 0..<k {
          let precision = Naive.inverse(covariances[c]).inverse
          let expected =
            log(mixture.weights[c])
            + Naive.logDensity(Array(rows.row(i)), mean: Array(mixture.means.row(c)), precision: precision)
          let tolerance = Naive.tolerance(covariances[c]) * max(1, expected.magnitude)
          #expect((joint[i, c] - expected).magnitude <= tolerance, "seed \(seed)")
        }
      }
    }
  }

  /// E[x] = Σπμ, Cov = Σπ(C + μμᵀ) − E[x]E[x]ᵀ. A mixture's fourth moments are taken from the draws themselves.
  @Test func samplesHaveTheMoments() throws {
    var gen = Gen(seed: 3)
    let (mixture, covariances) = try random(&gen, components: 4, dimension: 3)
    let n = 40_000
    let draws = mixture.samples(n, from: RandomStream(seed: 5))
    let mean = (0..<3).map { j in mixture.weights.indices.reduce(0) { $0 + mixture.weights[$1] * mixture.means[$1, j] }
    }
    for i in 0..<3 {
      for j in 0...i {
        let products = (0..<n).map { (draws[$0, i] - mean[i]) * (draws[$0, j] - mean[j]) }
        let average = products.reduce(0, +) / Double(n)
        let spread = (products.reduce(0) { $0 + ($1 - average) * ($1 - average) } / Double(n)).squareRoot()
        let expected = mixture.weights.indices.reduce(0) { sum, k in
          let between = (mixture.means[k, i] - mean[i]) * (mixture.means[k, j] - mean[j])
          return sum + mixture.weights[k] * (covariances[k][i, j] + between)
        }
        #expect((average - expected).magnitude <= 8 * spread / Double(n).squareRoot(), "covariance \(i), \(j)")
      }
      let column = draws.column(i)
      let average = column.reduce(0, +) / Double(n)
      let variance = column.reduce(0) { $0 + ($1 - average) * ($1 - average) } / Double(n)
      #expect((average - mean[i]).magnitude <= 8 * (variance / Double(n)).squareRoot(), "mean \(i)")
    }
    #expect(mixture.samples(3, from: RandomStream(seed: 5)) == draws.rows(0..<3), "draw i does not depend on the count")
  }

  /// A step maximises a bound on the likelihood of which S, not S + ε, is the maximiser: with s an eigenvalue of S the ridge
  /// costs at most ½N Σ_s [log(1 + ε/s) − ε/(s + ε)], and the likelihood falls by no more.
  @Test(arguments: Gen.seeds(6)) func stepsNeverLowerTheLikelihood(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let (truth, _) = try random(&gen, components: 3, dimension: 3)
    let rows = truth.samples(300, from: RandomStream(seed: seed))
    let weights = (0..<300).map { _ in 0.5 + gen.stream.uniform() }
    let total = weights.reduce(0, +)
    let ridge = GaussianMixture.ridge(rows, weights, total: total)
    var mixture = try random(&gen, components: 4, dimension: 3).0
    var before: (value: Double, components: Int, allowed: Double)?
    for step in 0..<40 {
      let (next, value) = try #require(try mixture.improved(on: rows, weights, ridge: ridge))
      #expect(value.isFinite)
      if let before, before.components == mixture.components {
        #expect(value >= before.value - before.allowed - 1e-11 * value.magnitude, "seed \(seed), step \(step)")
      }
      var allowed = 0.0
      for (k, factor) in next.factors.enumerated() {
        let largest = ridge.max() ?? 0
        for own in try SingularValueDecomposition(of: factor.upper).singularValues {
          let s = max(own * own - largest, 1e-12)
          allowed += 0.5 * total * next.weights[k] * (log1p(largest / s) - largest / (s + largest))
        }
      }
      before = (value, mixture.components, allowed)
      mixture = next
    }
  }

  /// Three components many standard deviations apart: every row's component is certain, so that the fit is the sample moments
  /// of each, S + ridge. With these seeds a start has a row of each; one that has not may end in a local maximum.
  @Test(arguments: [0, 1, 3, 4] as [UInt64]) func separatedComponentsAreFound(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let centres = [[-40.0, 0], [40, 5], [0, 60]]
    let counts = [200, 100, 50]
    let groups = zip(centres, counts).map { centre, n in
      let z = gen.matrix(rows: n, columns: 2)
      return (0..<n).map { [centre[0] + z[$0, 0], centre[1] + 0.5 * z[$0, 0] + z[$0, 1]] }
    }
    let rows = Matrix(groups.flatMap { $0 })
    let fitted = try GaussianMixture(fitting: rows, components: 3, from: RandomStream(seed: seed))
    try #require(fitted.components == 3, "seed \(seed)")
    let ridge = GaussianMixture.ridge(rows, [Double](repeating: 1, count: rows.rows), total: Double(rows.rows))
    for (group, centre) in zip(groups, centres) {
      let k = try #require(
        (0..<3).min { (a: Int, b: Int) in
          abs(fitted.means[a, 0] - centre[0]) < abs(fitted.means[b, 0] - centre[0])
        })
      let n = Double(group.count)
      #expect(relativeDifference(fitted.weights[k], n / Double(rows.rows)) < 1e-12)
      let mean = (0..<2).map { j in group.reduce(0) { $0 + $1[j] } / n }
      let covariance = fitted.factors[k].precision
      for i in 0..<2 {
        // Responsibilities beyond exp(−40²/2) are 0 in double; what is left is rounding of coordinates of size 60.
        #expect((fitted.means[k, i] - mean[i]).magnitude < 1e-11)
        for j in 0..<2 {
          let expected = group.reduce(0) { $0 + ($1[i] - mean[i]) * ($1[j] - mean[j]) } / n + (i == j ? ridge[i] : 0)
          #expect((covariance[i, j] - expected).magnitude < 1e-10, "seed \(seed)")
        }
      }
    }
  }

  /// A row of weight w counts as w rows: with one component, whose fit has a closed form.
  @Test func weightsCountRows() throws {
    let rows = Matrix([[0, 1], [2, 5], [4, 0]])
    let repeated = Matrix([[0, 1], [0, 1], [0, 1], [2, 5], [4, 0], [4, 0]])
    let a = try GaussianMixture(fitting: rows, rowWeights: [3, 1, 2], components: 1, from: RandomStream(seed: 1))
    let b = try GaussianMixture(fitting: repeated, components: 1, from: RandomStream(seed: 2))
    #expect(a.weights == [1] && relativeDifference(a.means, b.means) < 8 * epsilon)
    #expect(relativeDifference(a.factors[0].upper, b.factors[0].upper) < 32 * epsilon)
    #expect(relativeDifference(a.means.storage, [10.0 / 6, 8.0 / 6]) < 8 * epsilon)
  }

  /// Constant and collinear columns at any scale, one row, equal rows, and more components than rows.
  @Test func degenerateRows() throws {
    var gen = Gen(seed: 9)
    for scale in [1e-90, 1e-6, 1, 1e9, 1e100] {
      let x = gen.normals(60)
      let rows = Matrix(x.map { [scale * $0, scale * 3 * $0, 7.3, scale * (1 - $0)] })
      let mixture = try GaussianMixture(fitting: rows, components: 5, from: RandomStream(seed: 1))
      let draws = mixture.samples(50, from: RandomStream(seed: 2))
      #expect(draws.isFinite && mixture.logJoint(rows).isFinite)
      for i in 0..<50 {
        // The ridge is a hundredth of a column's deviation (of 1 for the constant one); eight of them.
        #expect(abs(draws[i, 2] - 7.3) < 0.08, "\(scale)")
        #expect(abs(draws[i, 1] - 3 * draws[i, 0]) < 8 * 0.01 * scale * 6, "\(scale)")
      }
    }
    let one = try GaussianMixture(fitting: Matrix([[2, -1]]), components: 7, from: RandomStream(seed: 1))
    #expect(one.components == 1 && one.means == Matrix([[2, -1]]))
    let equal = Matrix([[Double]](repeating: [0.1, 0.2, 0.3], count: 25))
    let same = try GaussianMixture(fitting: equal, components: 4, from: RandomStream(seed: 1))
    #expect(same.components == 1 && relativeDifference(same.means.storage, [0.1, 0.2, 0.3]) < 32 * epsilon)
    #expect(throws: LinearAlgebraError.self) {
      _ = try GaussianMixture(fitting: Matrix([[1], [.nan]]), components: 1, from: RandomStream(seed: 1))
    }
    #expect(throws: LinearAlgebraError.self) {
      _ = try GaussianMixture(fitting: Matrix([[1], [1e200]]), components: 1, from: RandomStream(seed: 1))
    }
  }

  @Test func fittingIsAFunctionOfRowsAndSeed() throws {
    var gen = Gen(seed: 4)
    let rows = gen.matrix(rows: 200, columns: 3)
    let fits = try [1, 1, 2].map { try GaussianMixture(fitting: rows, components: 5, from: RandomStream(seed: $0)) }
    #expect(fits[0] == fits[1] && fits[0] != fits[2])
    #expect(abs(fits[0].weights.reduce(0, +) - 1) < 8 * epsilon && fits[0].weights.allSatisfy { $0 > 0 })
  }
}
