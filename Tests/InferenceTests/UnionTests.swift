import BNNInference
import BNNLinearAlgebra
import BNNPosteriors
import BNNTestSupport
import CGSL
import Foundation
import Testing

/// The posterior of all rows and its predictions against GSL and against normal equations written out.
@Suite struct UnionTests {
  /// Flat prior: means, standard errors and degrees of freedom of GSL's least squares.
  ///
  /// GSL's balanced singular value decomposition and the array are both backward stable: 10·√P·ε·cond.
  @Test(arguments: Gen.seeds(15), [true, false]) func flatIsLeastSquares(seed: UInt64, intercept: Bool) throws {
    for design in [Design.plain, .twoTargets, .badlyScaled] {
      var gen = Gen(seed: seed)
      let rows = design.rows(&gen)
      let prior = Posterior.linear(
        schema: rows.schema, intercept: intercept, prior: PriorSettings(precision: .given(0)))
      let posterior = try prior.updated(rows)
      let coefficients = posterior.coefficients()
      let p = rows.x.columns + (intercept ? 1 : 0)
      for c in 0..<rows.y.columns {
        let own = coefficients[(c * p)..<((c + 1) * p)]
        let (mean, deviation) = try gsl(rows, target: c, intercept: intercept)
        let oracle = try LinearOracle(
          rows, target: c, intercept: intercept, response: posterior.members[0].responses[c])
        let tolerance = 10 * Double(p).squareRoot() * epsilon * oracle.condition
        let scaled = try zip(own, zip(mean, deviation)).map { try abs(#require($0.mean) - $1.0) / $1.1 }
        // In standard errors: |m|/sd is at most |m|_Λ/s, some tens here.
        #expect(scaled.allSatisfy { $0 < 100 * tolerance }, "seed \(seed), \(design)")
        #expect(relativeWorst(try own.map { try #require($0.scale) }, deviation) < 10 * tolerance, "seed \(seed)")
        #expect(own.allSatisfy { $0.degreesOfFreedom == Double(rows.count - p) })
        #expect(own.map(\.target) == [String](repeating: "y\(c)", count: p))
      }
      #expect(coefficients.first?.name == (intercept ? "(intercept)" : "x0"))
    }
  }

  private func gsl(_ rows: Rows, target c: Int, intercept: Bool) throws -> (mean: [Double], deviation: [Double]) {
    let (n, p) = (rows.count, rows.x.columns + (intercept ? 1 : 0))
    let x = try #require(gsl_matrix_alloc(n, p))
    let y = try #require(gsl_vector_alloc(n))
    let weights = try #require(gsl_vector_alloc(p))
    let covariance = try #require(gsl_matrix_alloc(p, p))
    let work = try #require(gsl_multifit_linear_alloc(n, p))
    defer {
      gsl_multifit_linear_free(work)
      gsl_matrix_free(covariance)
      gsl_vector_free(weights)
      gsl_vector_free(y)
      gsl_matrix_free(x)
    }
    for i in 0..<n {
      gsl_vector_set(y, i, rows.y[i, c])
      for (j, value) in ((intercept ? [1] : []) + Array(rows.x.row(i))).enumerated() { gsl_matrix_set(x, i, j, value) }
    }
    var squares = 0.0
    try #require(Int(gsl_multifit_linear(x, y, weights, covariance, &squares, work)) == GSL_SUCCESS)
    return (
      (0..<p).map { gsl_vector_get(weights, $0) }, (0..<p).map { gsl_matrix_get(covariance, $0, $0).squareRoot() }
    )
  }

  /// Given α and given σ: ridge regression with (XᵀX/σ² + αI)⁻¹ on standardised columns, by normal equations.
  @Test(arguments: Gen.seeds(15), [0.01, 1.0, 30.0]) func ridgeAtGivenPrecision(seed: UInt64, alpha: Double) throws {
    var gen = Gen(seed: seed)
    let rows = Design.plain.rows(&gen)
    let (n, d) = (rows.count, rows.x.columns)
    let sigma = 0.4
    let posterior = try Posterior.linear(
      schema: rows.schema, prior: PriorSettings(precision: .given(alpha), noise: .given(sigma))
    ).updated(rows)
    let own = try #require(posterior.members[0].responses[0].posterior)

    let (x, centers, scales) = standardised(rows.x)
    let (y, centerY, scaleY) = standardised(rows.y)
    let variance = (Wide(sigma) / scaleY[0]) * (Wide(sigma) / scaleY[0])
    // Centred columns: the intercept decouples, with mean 0 and precision n.
    var lambda = [[Wide]](repeating: [Wide](repeating: 0, count: d), count: d)
    var right = [Wide](repeating: 0, count: d)
    for a in 0..<d {
      for b in 0..<d { lambda[a][b] = (0..<n).reduce(a == b ? Wide(alpha) : 0) { $0 + x[$1][a] * x[$1][b] / variance } }
      right[a] = (0..<n).reduce(0) { $0 + x[$1][a] * y[$1][0] / variance }
    }
    let mean = solve(lambda, right)
    let limit = 1e-11
    #expect(relativeDifference(Array(own.mean.dropFirst()), mean.map { Double($0) }) < limit, "seed \(seed)")
    #expect(abs(own.mean[0]) < limit)
    let variances = (0..<d).map { j in Double(solve(lambda, (0..<d).map { $0 == j ? 1 : 0 })[j]) }
    let found = own.marginalScales().map { $0 * $0 }
    #expect(relativeWorst(Array(found.dropFirst()), variances) < limit, "seed \(seed)")
    #expect(relativeWorst([found[0]], [Double(variance) / Double(n)]) < limit)
    #expect(relativeWorst(posterior.normalisation.featureCenter, centers.map { Double($0) }) < limit)
    #expect(relativeWorst(posterior.normalisation.featureScale, scales.map { Double($0) }) < limit)
    #expect(relativeWorst(posterior.normalisation.targetCenter, centerY.map { Double($0) }) < limit)
    #expect(try relativeWorst([#require(posterior.members[0].responses[0].priorPrecision)], [alpha]) < limit)
    #expect(own.noise.degreesOfFreedom == .infinity)
  }

  /// Student-t predictions: location φᵀm, scale² (b/a)(1 + φᵀΛ⁻¹φ), 2a degrees of freedom, in the target's units.
  @Test(arguments: Priors.allCases, [true, false]) func predictions(priors: Priors, intercept: Bool) throws {
    for seed in Gen.seeds(5) {
      var gen = Gen(seed: seed)
      let rows = Design.twoTargets.rows(&gen)
      let posterior = try Posterior.linear(
        schema: rows.schema, intercept: intercept, prior: priors.settings
      ).updated(rows)
      let inputs = gen.matrix(rows: 20, columns: rows.x.columns)
      let found = try posterior.predict(features: inputs)[0]
      #expect(found.count == 40)
      for c in 0..<2 {
        let oracle = try LinearOracle(
          rows, target: c, intercept: intercept, response: posterior.members[0].responses[c])
        for i in 0..<20 {
          let own = found[i * 2 + c]
          let phi = (intercept ? [1] : []) + inputs.row(i).map { Wide($0) }
          let location = Double(zip(phi, oracle.ridge.mean).reduce(0) { $0 + $1.0 * $1.1 })
          let epistemic = Double(oracle.ridge.leverage(phi)) * oracle.noise.scaleSquared
          let tolerance = 100 * oracle.condition * epsilon
          #expect(abs(own.location - location) < tolerance * max(1, own.scale), "seed \(seed)")
          #expect(relativeWorst([own.epistemicVariance], [epistemic]) < tolerance, "seed \(seed)")
          #expect(relativeWorst([own.aleatoricVariance], [oracle.noise.scaleSquared]) < tolerance, "seed \(seed)")
          #expect(
            relativeWorst([own.scale * own.scale], [epistemic + oracle.noise.scaleSquared]) < tolerance, "seed \(seed)")
          #expect(own.degreesOfFreedom == oracle.noise.degreesOfFreedom)
        }
      }
    }
  }

  /// The linearised network's predictions: f + Jw, outputs with their own share of the whitened noise.
  @Test(arguments: [Method.tangent, .lastLayer, .parallelBranch], [1, 2]) func networkPredictions(
    method: Method, outputs: Int
  ) throws {
    for seed in Gen.seeds(3) {
      var gen = Gen(seed: seed)
      let rows = NetworkData.rows(&gen, count: 40, inputs: 3, outputs: outputs)
      let hidden = outputs == 1 ? 6 : 4
      let posterior = try NetworkData.fit(method, rows, hidden: hidden, seed: seed).posterior
      var oracle = NetworkOracle(posterior, hidden: hidden)
      oracle.outputRoot = nil
      let whitened = NetworkOracle(posterior, hidden: hidden)
      let scales = posterior.normalisation.targetScale
      let centers = posterior.normalisation.targetCenter
      let inputs = gen.matrix(rows: 10, columns: 3)
      // Targets at the centre: y − f is −f in normalised units.
      let zero = Rows(x: inputs, y: Matrix((0..<10).map { _ in centers }))
      let found = try posterior.predict(features: inputs, threads: 2)[0]
      for c in 0..<outputs {
        let response = method == .tangent ? 0 : c
        let own = posterior.members[0].responses[response]
        let (ridge, count, condition) = try whitened.ridge(rows, response: response, ratio: own.ratio)
        let noise = NetworkSequenceTests.noise(ridge, count: count, own.noisePrior)
        let (phi, y) = oracle.rows(zero, response: c)
        let root = posterior.members[0].outputRoot
        let spread = root.map { root in (0..<outputs).reduce(0) { $0 + root[c, $1] * root[c, $1] } } ?? 1
        for i in 0..<10 {
          let row = method == .tangent ? i * outputs + c : i
          let location = Double(zip(phi[row], ridge.mean).reduce(-y[row]) { $0 + $1.0 * $1.1 })
          let epistemic = Double(ridge.leverage(phi[row])) * noise.scaleSquared
          let tolerance = 1000 * condition * epsilon
          let prediction = found[i * outputs + c]
          #expect(abs((prediction.location - centers[c]) / scales[c] - location) < tolerance, "seed \(seed)")
          let unit = scales[c] * scales[c]
          #expect(relativeWorst([prediction.epistemicVariance / unit], [epistemic]) < tolerance, "seed \(seed)")
          #expect(
            relativeWorst([prediction.aleatoricVariance / unit], [noise.scaleSquared * spread]) < tolerance,
            "seed \(seed)")
          #expect(prediction.degreesOfFreedom == noise.degreesOfFreedom)
        }
      }
    }
  }

  private func standardised(_ m: Matrix) -> (values: [[Wide]], center: [Wide], scale: [Wide]) {
    let n = Wide(m.rows)
    let center = (0..<m.columns).map { j in (0..<m.rows).reduce(0) { $0 + Wide(m[$1, j]) } / n }
    let scale = (0..<m.columns).map { j in
      ((0..<m.rows).reduce(0) { $0 + (Wide(m[$1, j]) - center[j]) * (Wide(m[$1, j]) - center[j]) } / n).squareRoot()
    }
    return (
      (0..<m.rows).map { i in (0..<m.columns).map { (Wide(m[i, $0]) - center[$0]) / scale[$0] } }, center, scale
    )
  }

  /// Gaussian elimination with pivoting.
  private func solve(_ a: [[Wide]], _ b: [Wide]) -> [Wide] {
    var m = zip(a, b).map { $0 + [$1] }
    let p = b.count
    for k in 0..<p {
      let pivot = (k..<p).max { abs(m[$0][k]) < abs(m[$1][k]) } ?? k
      m.swapAt(k, pivot)
      for i in 0..<p where i != k {
        let factor = m[i][k] / m[k][k]
        for j in k...p { m[i][j] -= factor * m[k][j] }
      }
    }
    return (0..<p).map { m[$0][p] / m[$0][$0] }
  }
}
