import BNNLinearAlgebra
import BNNModels
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

/// Outputs far out, targets that cannot be, and curvature from draws.
@Suite struct LikelihoodEdgeTests {
  private func one(_ likelihood: any Likelihood, _ f: [Double], _ y: [Double]) -> (log: Double, gradient: [Double]) {
    (
      likelihood.logDensities(outputs: Matrix([f]), targets: Matrix([y]))[0],
      likelihood.gradients(outputs: Matrix([f]), targets: Matrix([y])).storage
    )
  }

  @Test func bernoulliFarOut() {
    let own = BernoulliLikelihood()
    #expect(one(own, [800], [0]).log == -800)
    #expect(one(own, [-800], [1]).log == -800)
    #expect(one(own, [800], [1]).log == 0)
    #expect(one(own, [800], [0]).gradient == [1])
    #expect(one(own, [-800], [1]).gradient == [-1])
    // log(1 + e^{−40}) = e^{−40} to double precision; the gradient is not 1 − 1.
    #expect((one(own, [40], [1]).log + exp(-40)).magnitude <= 2 * epsilon * exp(-40))
    #expect((one(own, [40], [1]).gradient[0] + exp(-40)).magnitude <= 2 * epsilon * exp(-40))
    // √(σ(800)σ(−800)) = e^{−400}, though σ(−800) = e^{−800} is below every double.
    for f in [-800.0, 800] {
      #expect(
        (own.curvatureRoots(outputs: Matrix([[f]]), targets: Matrix([[0]]))[0].storage[0] / exp(-400) - 1).magnitude < 4
          * epsilon)
    }
  }

  @Test func categoricalFarOut() {
    let own = CategoricalLikelihood(classes: 3)
    #expect(one(own, [800, -800, 0], [0]).log == 0)
    #expect(one(own, [800, -800, 0], [1]).log == -1600)
    #expect(one(own, [800, -800, 0], [1]).gradient == [1, -1, 0])
    #expect(one(own, [-800, -800, -800], [2]).log == -log1p(2))
    // As far as the other classes' probability goes: log p = −(e^{−50} + e^{−60}).
    let expected = exp(-50.0) + exp(-60)
    #expect((one(own, [750, 700, 690], [0]).log + expected).magnitude <= 8 * epsilon * expected)
    #expect((one(own, [750, 700, 690], [0]).gradient[0] + expected).magnitude <= 8 * epsilon * expected)
    for f in [[800, -800, 0], [-800, 800, 0], [0, 0, 800], [-800, -800, -800], [800, 800, -800.0]] {
      let roots = own.curvatureRoots(outputs: Matrix([f]), targets: Matrix([[0]]))
      #expect(roots.allSatisfy { $0.isFinite })
      let p = LinkFunctions.softmax(f)
      for a in 0..<3 {
        for b in 0..<3 {
          let curvature = roots.reduce(0) { $0 + $1[0, a] * $1[0, b] }
          #expect((curvature - (a == b ? p[a] * (1 - p[a]) : -p[a] * p[b])).magnitude <= 4 * epsilon)
        }
      }
    }
    var stream = RandomStream(seed: 2)
    let drawn = own.sample(
      outputs: Matrix([[800, -800, 0], [-800, 0, 800]]), like: Matrix([[1], [1]]), using: &stream)
    #expect(drawn.storage == [0, 2])
  }

  @Test func countsAndNoiseFarOut() {
    let counts = PoissonLikelihood()
    #expect(one(counts, [-800], [0]).log == 0)
    #expect(one(counts, [-800], [1]).log == -800)
    #expect(one(counts, [-800], [0]).gradient == [0])
    #expect(one(counts, [800], [0]).log == -.infinity)
    #expect(one(counts, [800], [5]).gradient == [.infinity])
    #expect(counts.curvatureRoots(outputs: Matrix([[800]]), targets: Matrix([[0]]))[0].storage == [exp(400)])
    // log p(10⁶ | λ = 10⁶) = −½ log 2πλ − 1/12λ + …; the terms are of size 10⁷.
    let large = one(counts, [log(1e6)], [1e6]).log
    #expect((large + 0.5 * log(2 * Double.pi * 1e6) + 1 / 12e6).magnitude < 16 * epsilon * 1.4e7)

    let noisy = HeteroscedasticLikelihood()
    #expect(one(noisy, [1, 800], [3]).log == -0.5 * (800 + log(2 * Double.pi)))
    #expect(one(noisy, [1, 800], [3]).gradient[1] == 0.5)
    #expect(one(noisy, [1, -800], [1]).log == -0.5 * (-800 + log(2 * Double.pi)))
    #expect(one(noisy, [1, -800], [1]).gradient == [0, 0.5])
    #expect(one(noisy, [1, -800], [3]).log == -.infinity)
    #expect(one(noisy, [1, -800], [3]).gradient == [-.infinity, -.infinity])
    #expect(noisy.curvatureRoots(outputs: Matrix([[1, -800]]), targets: Matrix([[0]]))[0].storage == [exp(400), 0])
  }

  @Test func invalidTargetsAreFoundAndExplained() throws {
    let cases: [(any Likelihood, [Double], [Double], String)] = [
      (GaussianLikelihood(variance: 1), [0, -3], [.infinity, .nan], "a finite number"),
      (HeteroscedasticLikelihood(), [0, -3], [-.infinity, .nan], "a finite number"),
      (BernoulliLikelihood(), [0, 1], [2, 0.5, -1, .nan, .infinity], "0 or 1"),
      (CategoricalLikelihood(classes: 3), [0, 2], [3, -1, 1.5, .nan, 1e300], "a class from 0 to 2"),
      (PoissonLikelihood(), [0, 1e15], [-1, 0.5, .nan, .infinity], "a count (0, 1, 2, …)"),
    ]
    for (likelihood, good, bad, expected) in cases {
      let fine = good.map { [$0] }
      #expect(likelihood.firstInvalid(targets: Matrix(fine)) == nil)
      for value in bad {
        let found = try #require(likelihood.firstInvalid(targets: Matrix(fine + [[value]])))
        #expect(found.row == 2 && found.column == 0 && found.expected == expected)
        #expect("\(found)".contains(expected))
        guard likelihood.outputs == 1 || likelihood.outputs == 3, value.isFinite else { continue }
        let f = [Double](repeating: 0.1, count: likelihood.outputs)
        #expect(one(likelihood, f, [value]).log == -.infinity)
        #expect(one(likelihood, f, [value]).gradient.contains { $0.isNaN })
      }
    }
  }

  /// Draws' roots average to the exact curvature (7 standard errors of the mean over rows that are all the same); the
  /// number of draws scales them, and the stream moves only for them.
  @Test(arguments: LikelihoodCase.all)
  func monteCarloFisherIsUnbiased(_ own: LikelihoodCase) {
    var gen = Gen(seed: 8)
    let f = own.outputs(&gen)
    let n = 20_000
    let outputs = Matrix(rows: n, columns: f.count, storage: (0..<n).flatMap { _ in f })
    let one = own.expectation(f)[0].y
    let like = Matrix(rows: n, columns: one.count, storage: (0..<n).flatMap { _ in one })
    let drawn = CurvatureKind.monteCarloFisher(samples: 2)
      .roots(of: own.likelihood, outputs: outputs, targets: like, using: &gen.stream)
    #expect(drawn.count == 2)
    let before = gen.stream
    let exact = CurvatureKind.ggn.roots(
      of: own.likelihood, outputs: Matrix([f]), targets: like.rows(0..<1), using: &gen.stream)
    #expect(gen.stream == before)
    for a in f.indices {
      for b in f.indices {
        let products = (0..<n).map { i in drawn.reduce(0) { $0 + $1[i, a] * $1[i, b] } }
        let mean = products.reduce(0, +) / Double(n)
        let variance = products.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(n)
        let expected = exact.reduce(0) { $0 + $1[0, a] * $1[0, b] }
        #expect((mean - expected).magnitude <= 7 * (variance / Double(n)).squareRoot() + 100 * epsilon, "\(a), \(b)")
      }
    }
  }

  @Test func empiricalFisherIsTheGradientAtTheTargets() {
    let own = CategoricalLikelihood(classes: 4)
    var gen = Gen(seed: 4)
    let f = gen.matrix(rows: 6, columns: 4)
    let y = Matrix(rows: 6, columns: 1, storage: [0, 3, 1, 2, 2, 0])
    let roots = CurvatureKind.empiricalFisher.roots(of: own, outputs: f, targets: y, using: &gen.stream)
    #expect(roots == [own.gradients(outputs: f, targets: y)])
  }

  @Test func kindsMakeTheirLikelihoods() throws {
    for kind in LikelihoodKind.allCases {
      let targets = kind == .categorical ? 1 : 3
      let own = try kind.likelihood(targets: targets, classes: 5)
      #expect(own.targets == targets)
      #expect(own.outputs == kind.outputs(targets: targets, classes: 5))
    }
    let noise = try LikelihoodKind.gaussian.likelihood(targets: 2, variances: [0.5, 2]) as? GaussianLikelihood
    #expect(noise?.variances == [0.5, 2])
    #expect(throws: LikelihoodError.self) { try LikelihoodKind.gaussian.likelihood(targets: 3, variances: [1, 2]) }
    #expect(throws: LikelihoodError.self) { try LikelihoodKind.gaussian.likelihood(variances: [0]) }
    #expect(throws: LikelihoodError.self) { try LikelihoodKind.categorical.likelihood(targets: 2) }
    #expect(throws: LikelihoodError.self) { try LikelihoodKind.categorical.likelihood(classes: 1) }
    #expect(throws: LikelihoodError.self) { try LikelihoodKind.poisson.likelihood(targets: 0) }
  }
}
