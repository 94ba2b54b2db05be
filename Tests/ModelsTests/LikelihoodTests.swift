import BNNLinearAlgebra
import BNNModels
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@Suite struct LikelihoodTests {
  @Test(arguments: LikelihoodCase.all)
  func gradientIsTheFiniteDifference(_ own: LikelihoodCase) throws {
    try forSeeds(8) { seed in
      var gen = Gen(seed: seed)
      let f = own.outputs(&gen)
      for (y, _) in own.expectation(f).prefix(40) {
        let gradient = own.gradient(f, y)
        for c in f.indices {
          let size = own.logDensity(f, y).magnitude + y.reduce(0) { $0 + $1.magnitude * 4 }
          let expected = centralDifference(at: f[c], size: size) { x in
            var moved = f
            moved[c] = x
            return -own.logDensity(moved, y)
          }
          #expect((gradient[c] - expected.value).magnitude <= expected.tolerance, "seed \(seed), y = \(y), output \(c)")
        }
      }
    }
  }

  /// Σ_s b_s b_sᵀ = E_y ∂g/∂f: the expected Hessian; for canonical links the one observed at any y.
  @Test(arguments: LikelihoodCase.all)
  func rootsAreThoseOfTheExpectedHessian(_ own: LikelihoodCase) throws {
    try forSeeds(8) { seed in
      var gen = Gen(seed: seed)
      let f = own.outputs(&gen)
      let roots = own.roots(f)
      let points = own.expectation(f)
      let sets = own.isCanonical ? points.prefix(3).map { [(y: $0.y, weight: 1.0)] } : [points]
      for a in f.indices {
        for b in f.indices {
          let found = roots.reduce(0) { $0 + $1[0, a] * $1[0, b] }
          for set in sets {
            let size = set.reduce(0) { $0 + $1.weight * own.gradient(f, $1.y)[a].magnitude }
            let expected = centralDifference(at: f[b], size: size) { x in
              var moved = f
              moved[b] = x
              return set.reduce(0) { $0 + $1.weight * own.gradient(moved, $1.y)[a] }
            }
            #expect((found - expected.value).magnitude <= expected.tolerance, "seed \(seed), entry \(a), \(b)")
          }
        }
      }
    }
  }

  /// E_y g = 0 and E_y g gᵀ = Σ b bᵀ (the information equality), both by the points' exact sums: rounding only.
  @Test(arguments: LikelihoodCase.all)
  func scoresHaveMeanZeroAndTheCurvatureAsVariance(_ own: LikelihoodCase) throws {
    try forSeeds(8) { seed in
      var gen = Gen(seed: seed)
      let f = own.outputs(&gen)
      let points = own.expectation(f).map { (gradient: own.gradient(f, $0.y), weight: $0.weight) }
      let roots = own.roots(f)
      for a in f.indices {
        let size = points.reduce(0) { $0 + $1.weight * $1.gradient[a].magnitude }
        let mean = points.reduce(0) { $0 + $1.weight * $1.gradient[a] }
        #expect(mean.magnitude <= 400 * epsilon * max(1, size), "seed \(seed), output \(a)")
        for b in f.indices {
          // Three points give E r⁴ = 3σ⁴ exactly, which the variance of the log variance's score needs.
          let expected = points.reduce(0) { $0 + $1.weight * $1.gradient[a] * $1.gradient[b] }
          let scale = points.reduce(1) { $0 + $1.weight * ($1.gradient[a] * $1.gradient[b]).magnitude }
          let found = roots.reduce(0) { $0 + $1[0, a] * $1[0, b] }
          #expect((found - expected).magnitude <= 400 * epsilon * scale, "seed \(seed), entry \(a), \(b)")
        }
      }
    }
  }

  /// Densities sum to 1: discrete ones by the sum over all y, the others by GSL's quadrature (asked for 1e-11).
  @Test(arguments: LikelihoodCase.all)
  func densitiesAreNormalised(_ own: LikelihoodCase) throws {
    try forSeeds(8) { seed in
      var gen = Gen(seed: seed)
      let f = own.outputs(&gen)
      switch own.likelihood {
      case is BernoulliLikelihood, is CategoricalLikelihood, is PoissonLikelihood:
        let sum = own.expectation(f).reduce(0) { $0 + exp(own.logDensity(f, $1.y)) }
        #expect((sum - 1).magnitude < 1e-12, "seed \(seed)")
      default:
        guard own.likelihood.targets == 1 else {
          // The rows' densities are products: one target at a time, at the centre of the others.
          return
        }
        let spread = own.expectation(f).map { ($0.y[0] - f[0]).magnitude }.max() ?? 1
        let knots = [-8.0, -2, 0, 2, 8].map { f[0] + $0 * spread }
        let sum = try Integration.overReals(knots: knots, tolerance: 1e-11) { exp(own.logDensity(f, [$0])) }
        #expect((sum - 1).magnitude < 1e-9, "seed \(seed)")
      }
    }
  }

  /// Rows and targets are independent: many rows are the single rows, and the density of two targets the product.
  @Test(arguments: LikelihoodCase.all)
  func rowsAreIndependent(_ own: LikelihoodCase) {
    var gen = Gen(seed: 3)
    let rows = (0..<9).map { _ in own.outputs(&gen) }
    let y = rows.enumerated().map { i, f in
      let points = own.expectation(f)
      return points[i * 5 % min(points.count, 11)].y
    }
    let f = Matrix(rows)
    let all = own.likelihood.logDensities(outputs: f, targets: Matrix(y))
    let gradients = own.likelihood.gradients(outputs: f, targets: Matrix(y))
    let roots = own.likelihood.curvatureRoots(outputs: f, targets: Matrix(y))
    for i in rows.indices {
      #expect(all[i] == own.logDensity(rows[i], y[i]))
      #expect(Array(gradients.row(i)) == own.gradient(rows[i], y[i]))
      let single = own.roots(rows[i])
      #expect(roots.map { Array($0.row(i)) } == single.map(\.storage))
    }
    #expect(own.likelihood.firstInvalid(targets: Matrix(y)) == nil)
    #expect(all.allSatisfy { $0.isFinite })
  }

  @Test func severalTargetsAreAProduct() {
    let (f, y) = ([0.3, -1.2], [1.0, 0])
    let single = [0, 1].map { LikelihoodCase.all[4].logDensity([f[$0]], [y[$0]]) }
    #expect(LikelihoodCase.all[5].logDensity(f, y) == single[0] + single[1])
    let noisy = HeteroscedasticLikelihood(targets: 2)
    let both = noisy.logDensities(outputs: Matrix([[0.1, 0.4, -1, 2]]), targets: Matrix([[0.7, -2]]))[0]
    let one = HeteroscedasticLikelihood().logDensities(
      outputs: Matrix([[0.1, -1], [0.4, 2]]), targets: Matrix([[0.7], [-2]]))
    #expect((both - one[0] - one[1]).magnitude < 8 * epsilon * both.magnitude)
  }

  /// Means of y and of the gradient's square within 7 standard errors (chance 3e-12 each): E g² is the curvature, and
  /// its own spread is taken from the sample.
  @Test(arguments: LikelihoodCase.all)
  func samplesHaveTheMomentsOfTheDensity(_ own: LikelihoodCase) {
    var gen = Gen(seed: 5)
    let f = own.outputs(&gen)
    let n = 40_000
    let outputs = Matrix(rows: n, columns: f.count, storage: (0..<n).flatMap { _ in f })
    let one = own.expectation(f)[0].y
    let like = Matrix(rows: n, columns: one.count, storage: (0..<n).flatMap { _ in one })
    let sample = own.likelihood.sample(outputs: outputs, like: like, using: &gen.stream)
    #expect(own.likelihood.firstInvalid(targets: sample) == nil)
    for t in 0..<own.likelihood.targets {
      let points = own.points(f, t)
      let mean = points.reduce(0) { $0 + $1.weight * $1.y }
      let variance = points.reduce(0) { $0 + $1.weight * ($1.y - mean) * ($1.y - mean) }
      #expect(standardErrors(sample.column(t), from: mean, variance: variance) < 7, "target \(t)")
    }
    let gradients = own.likelihood.gradients(outputs: outputs, targets: sample)
    let roots = own.roots(f)
    for a in f.indices {
      let squares = gradients.column(a).map { $0 * $0 }
      let center = squares.reduce(0, +) / Double(n)
      let spread = squares.reduce(0) { $0 + ($1 - center) * ($1 - center) } / Double(n)
      // An output of another head.
      if spread == 0 {
        #expect(center == 0 && roots.allSatisfy { $0[0, a] == 0 }, "output \(a)")
        continue
      }
      #expect(
        standardErrors(squares, from: roots.reduce(0) { $0 + $1[0, a] * $1[0, a] }, variance: spread) < 7, "output \(a)"
      )
    }
  }

  /// Counts at small, large and very large means, the last by the rounded normal.
  @Test(arguments: [0.05, 3, 11.5, 4e4, 9e8, 1e13])
  func countsHaveTheirMoments(mean: Double) {
    var stream = RandomStream(seed: 17)
    let sample = stream.poissons(means: [Double](repeating: mean, count: 50_000))
    #expect(sample.allSatisfy { $0 >= 0 && $0.rounded() == $0 })
    #expect(standardErrors(sample, from: mean, variance: mean) < 7)
    // The fourth central moment of a count is λ + 3λ².
    let squares = sample.map { ($0 - mean) * ($0 - mean) }
    #expect(standardErrors(squares, from: mean, variance: mean + 2 * mean * mean) < 7)
  }

  @Test func countsOfImpossibleMeans() {
    var stream = RandomStream(seed: 1)
    let drawn = stream.poissons(means: [0, .infinity, .nan])
    #expect(drawn[0] == 0 && drawn[1] == .infinity && drawn[2].isNaN)
  }
}
