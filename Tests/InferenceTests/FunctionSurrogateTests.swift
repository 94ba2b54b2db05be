import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability
import BNNTestSupport
import Foundation
import Testing

@testable import BNNInference

/// A small store of rows that are still there, so that everything can be computed from them.
struct StoreOfRows {
  let network = Network(NetworkSpec(inputs: 2, hidden: [3], outputs: 1, activation: .tanh))
  let basis: StoreBasis
  /// Normalised rows.
  let x: Matrix
  let y: [Double]
  /// Φ of the rows.
  let phi: Matrix

  /// n rows, m random units.
  init(_ gen: inout Gen, rows n: Int, units m: Int = 4) {
    let x = gen.matrix(rows: n, columns: 2)
    let noise = gen.normals(n)
    self.x = x
    y = (0..<n).map { sin(2 * x[$0, 0]) + x[$0, 1] / 2 + 0.1 * noise[$0] }
    let anchor = gen.normals(network.parameterCount).map { 0.7 * $0 }
    var store = TangentStore(
      anchor: anchor, hiddenWeight: gen.matrix(rows: m, columns: 2), hiddenBias: gen.normals(m),
      statistics: LinearStatistics(weights: anchor.count + 2 + m, responses: 1))
    let identity = Normalisation.identity(features: 2, targets: 1)
    var rows = store.basis(network, identity).rows(features: x, targets: Matrix(rows: n, columns: 1, storage: y))
    store.statistics.absorb(&rows)
    basis = store.basis(network, identity)
    phi = basis.phi(x, spare: 0)
  }

  var width: Int { phi.columns }

  /// B as a penalised regression in wide arithmetic: columns scaled to unit mean square at the probes, penalty λ.
  struct Regression {
    let phi: [[Wide]]
    let scale: [Wide]
    let penalty: Wide

    init(_ probes: Matrix, ridge: Double) {
      let (m, w) = (probes.rows, probes.columns)
      let scale = (0..<w).map { j in
        ((0..<m).reduce(Wide(0)) { $0 + Wide(probes[$1, j]) * Wide(probes[$1, j]) } / Wide(m)).squareRoot()
      }
      self.scale = scale
      phi = (0..<m).map { i in (0..<w).map { Wide(probes[i, $0]) / scale[$0] } }
      // The scaled columns have squares m each.
      penalty = Wide(ridge) * Wide(m * w)
    }

    /// B f̃.
    func coefficients(_ values: [Double]) -> [Wide] {
      let penalties = [Wide](repeating: penalty, count: scale.count)
      return zip(Dense.ridge(phi, values.map { Wide($0) }, penalties: penalties).mean, scale).map { $0 / $1 }
    }

    /// f̃ − Φ̃Bf̃.
    func left(_ values: [Double]) -> [Wide] {
      let own = zip(coefficients(values), scale).map { $0 * $1 }
      return zip(phi, values).map { row, f in Wide(f) - zip(row, own).reduce(0) { $0 + $1.0 * $1.1 } }
    }
  }

  func apply(_ coefficients: [Wide]) -> [Wide] {
    (0..<phi.rows).map { i in coefficients.indices.reduce(0) { $0 + Wide(phi[i, $1]) * coefficients[$1] } }
  }
}

@Suite struct FunctionSurrogateTests {
  /// ε times the condition of the surrogate's normal equations, which the ridge holds below 1e8.
  private static let tolerance = 2e-8

  /// ‖y − ΦBf̃‖² + (n/M)‖f̃ − Φ̃Bf̃‖² from the rows, for any values at probes that are not the rows.
  @Test(arguments: Gen.seeds(6)) func lossIsItsDefinition(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    for n in [1, 7, 60] {
      let store = StoreOfRows(&gen, rows: n)
      let probes = gen.matrix(rows: 80, columns: 2)
      let surrogate = try FunctionSurrogate(store.basis, probes: probes)
      let oracle = StoreOfRows.Regression(store.basis.phi(probes, spare: 0), ridge: FunctionSurrogate.ridge)
      for values in [gen.normals(80), (0..<80).map { sin(probes[$0, 0]) }, [Double](repeating: 0, count: 80)] {
        let fitted = store.apply(oracle.coefficients(values))
        let onRows = zip(store.y, fitted).reduce(Wide(0)) { $0 + (Wide($1.0) - $1.1) * (Wide($1.0) - $1.1) }
        let left = oracle.left(values).reduce(Wide(0)) { $0 + $1 * $1 }
        let expected = Double(onRows + Wide(n) / 80 * left)
        // Terms of this size cancel.
        let size =
          fitted.reduce(0) { $0 + Double($1 * $1) } + store.y.reduce(0) { $0 + $1 * $1 }
          + Double(n) / 80 * values.reduce(0) { $0 + $1 * $1 }
        let value = surrogate.evaluate(values).value
        #expect(abs(value - expected) < Self.tolerance * size, "seed \(seed), \(n) rows")
      }
    }
  }

  /// Probes that are the rows, f = Φβ: L = ‖y − f‖² but for the ridge λ. With β′ the coefficients of the scaled columns and
  /// s their singular values it moves f by max λ/(s + λ/s)‖β′‖ at most: by ½√λ‖β′‖, or λ‖β′‖/s_min if that is less.
  @Test(arguments: Gen.seeds(6)) func exactInTheSpanAtTheRows(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let n = 150
    let store = StoreOfRows(&gen, rows: n)
    let surrogate = try FunctionSurrogate(store.basis, probes: store.x)
    let scale = (0..<store.width).map { euclideanNorm(store.phi.column($0)) / Double(n).squareRoot() }
    var scaled = store.phi
    for i in 0..<n { for j in 0..<store.width { scaled[i, j] /= scale[j] } }
    let least = try #require(try SingularValueDecomposition(of: scaled).singularValues.last)
    let lambda = FunctionSurrogate.ridge * Double(n * store.width)
    for _ in 0..<3 {
      let beta = gen.normals(store.width)
      let f = store.phi.multiplied(by: beta)
      let exact = zip(store.y, f).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
      let moved = min(lambda / least, lambda.squareRoot() / 2) * euclideanNorm(zip(beta, scale).map { $0 * $1 })
      let bound = 2 * exact.squareRoot() * moved + 2 * moved * moved
      let value = surrogate.evaluate(f).value
      #expect(abs(value - exact) < bound + 1e-12 * exact, "seed \(seed): \(bound)")
      #expect(bound < 1e-2 * exact, "the test says something")
    }
  }

  /// L is quadratic: central differences of any step are exact but for rounding, and so is the second difference.
  @Test(arguments: Gen.seeds(5)) func gradientAndCurvature(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    for n in [2, 70] {
      let store = StoreOfRows(&gen, rows: n)
      let probes = gen.matrix(rows: 60, columns: 2)
      let surrogate = try FunctionSurrogate(store.basis, probes: probes)
      let (f, step) = (gen.normals(60), gen.normals(60))
      let gradient = surrogate.evaluate(f).gradient
      let values = [-1.0, 0, 1].map { t in surrogate.evaluate(zip(f, step).map { $0 + t * $1 }).value }
      let size = values.map(abs).reduce(1, +)
      let slope = zip(gradient, step).reduce(0) { $0 + $1.0 * $1.1 }
      #expect(abs((values[2] - values[0]) / 2 - slope) < 1e-10 * size, "seed \(seed)")
      // Through a Jacobian: (J̃v)ᵀ(∂²L)(J̃v) = 2 vᵀCv.
      let theta = gen.normals(store.network.parameterCount)
      let jacobian = store.network.jacobian(probes, theta)
      let c = surrogate.curvature(along: jacobian)
      let v = gen.normals(theta.count)
      let along = jacobian.multiplied(by: v)
      let bent = [-1.0, 0, 1].map { t in surrogate.evaluate(zip(f, along).map { $0 + t * $1 }).value }
      let second = bent[0] - 2 * bent[1] + bent[2]
      let expected = 2 * zip(c.multiplied(by: v), v).reduce(0) { $0 + $1.0 * $1.1 }
      #expect(abs(second - expected) < 1e-10 * bent.map(abs).reduce(1, +), "seed \(seed)")
    }
  }

  /// [RT z; √(n/M) E 0; 0 ρ] and z ← z − Rθ_out at another point, from the rows and wide regressions of every column of J̃.
  @Test(arguments: Gen.seeds(4)) func statisticsAreTheirDefinition(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    for n in [5, 60] {
      let store = StoreOfRows(&gen, rows: n)
      let probes = gen.matrix(rows: 80, columns: 2)
      let surrogate = try FunctionSurrogate(store.basis, probes: probes)
      let theta = zip(store.basis.store.anchor, gen.normals(store.network.parameterCount)).map { $0 + 0.3 * $1 }
      let (statistics, misfit) = surrogate.statistics(of: store.network, at: theta)
      let p = theta.count
      let oracle = StoreOfRows.Regression(store.basis.phi(probes, spare: 0), ridge: FunctionSurrogate.ridge)
      let jacobian = store.network.jacobian(probes, theta)
      let mapped = (0..<p).map { store.apply(oracle.coefficients(jacobian.column($0))) }
      let left = (0..<p).map { oracle.left(jacobian.column($0)) }
      // The last layer is linear: its own part of θ gives f(x; θ) = Jθ_out, weights and bias of three units here.
      let out = (0..<p).map { Wide($0 >= p - 4 ? theta[$0] : 0) }
      let target = (0..<n).map { i in Wide(store.y[i]) - (0..<p).reduce(Wide(0)) { $0 + mapped[$1][i] * out[$1] } }
      let missed = (0..<80).map { i in (0..<p).reduce(Wide(0)) { $0 - left[$1][i] * out[$1] } }
      func inner(_ a: [Wide], _ b: [Wide]) -> Wide { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
      let share = Wide(n) / 80
      let columns = mapped + [target]
      let rest = left + [missed]
      let gram = statistics.array.array.gram
      for j in 0...p {
        for k in 0...p {
          let expected = Double(inner(columns[j], columns[k]) + share * inner(rest[j], rest[k]))
          let size = Double((inner(columns[j], columns[j]) * inner(columns[k], columns[k])).squareRoot())
          let allowed = Self.tolerance * (size + Double(share) * euclideanNorm(jacobian.storage))
          #expect(abs(gram[j, k] - expected) < allowed, "seed \(seed), entry \(j), \(k)")
        }
      }
      let lost = left.reduce(Wide(0)) { $0 + inner($1, $1) }
      let all = jacobian.storage.reduce(0) { $0 + $1 * $1 }
      #expect(abs(misfit - Double(lost) / all) < Self.tolerance)
      #expect(misfit > 0 && misfit < 1)
      #expect(statistics.observations == n && statistics.weights == p)
      // The same numbers on two ways: RᵀR is the curvature, and its value at w = 0 is L of the network itself.
      let c = surrogate.curvature(along: jacobian)
      for j in 0..<p { for k in 0..<p { #expect(abs(c[j, k] - gram[j, k]) < 1e-9 * (1 + gram[j, j] + gram[k, k])) } }
      let values = store.network.forward(probes, store.network.parameters(theta)).storage
      #expect(abs(surrogate.evaluate(values).value - gram[p, p]) < 1e-9 * (1 + gram[p, p]))
    }
  }

  /// At the anchor J is in the basis: the statistics are those of the rows themselves but for the ridge, whose bound is that of
  /// `exactInTheSpanAtTheRows` column by column.
  @Test(arguments: Gen.seeds(5)) func exactAtTheAnchor(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    let n = 150
    let store = StoreOfRows(&gen, rows: n)
    let surrogate = try FunctionSurrogate(store.basis, probes: store.x)
    let anchor = store.basis.store.anchor
    let (statistics, misfit) = surrogate.statistics(of: store.network, at: anchor)
    var exact = LinearStatistics(weights: anchor.count, responses: 1)
    var rows = TangentBasis(
      network: store.network, theta: anchor, normalisation: .identity(features: 2, targets: 1), outputRoot: nil
    ).rows(features: store.x, targets: Matrix(rows: n, columns: 1, storage: store.y))
    exact.absorb(&rows)
    let (own, expected) = (statistics.array.array.gram, exact.array.array.gram)
    let scale = (0..<store.width).map { euclideanNorm(store.phi.column($0)) / Double(n).squareRoot() }
    var scaled = store.phi
    for i in 0..<n { for j in 0..<store.width { scaled[i, j] /= scale[j] } }
    let least = try #require(try SingularValueDecomposition(of: scaled).singularValues.last)
    let lambda = FunctionSurrogate.ridge * Double(n * store.width)
    // δ_j of every column of J; y − f = y − Jθ_out moves by the sum of those of the last layer.
    var moved = (0..<anchor.count).map { min(lambda / least, lambda.squareRoot() / 2) * scale[$0] }
    moved.append((anchor.count - 4..<anchor.count).reduce(0) { $0 + abs(anchor[$1]) * moved[$1] })
    for j in 0...anchor.count {
      for k in 0...anchor.count {
        let (a, b) = (expected[j, j].squareRoot(), expected[k, k].squareRoot())
        let bound = a * moved[k] + b * moved[j] + 2 * moved[j] * moved[k]
        #expect(abs(own[j, k] - expected[j, k]) < bound + 1e-12 * a * b, "seed \(seed), entry \(j), \(k)")
      }
    }
    #expect(misfit < 1e-6)
  }

  /// Positive semidefinite whatever the rows, the probes and the network: one row, equal probes, fewer probes than columns.
  @Test(arguments: Gen.seeds(5)) func neverIndefinite(seed: UInt64) throws {
    var gen = Gen(seed: seed)
    for (n, m) in [(1, 40), (3, 5), (90, 40), (90, 1)] {
      let store = StoreOfRows(&gen, rows: n)
      var probes = gen.matrix(rows: m, columns: 2)
      if m == 40 { for i in 1..<20 { (probes[i, 0], probes[i, 1]) = (probes[0, 0], probes[0, 1]) } }
      let surrogate = try FunctionSurrogate(store.basis, probes: probes)
      let theta = gen.normals(store.network.parameterCount).map { 3 * $0 }
      let (statistics, misfit) = surrogate.statistics(of: store.network, at: theta)
      #expect(statistics.array.array.isFinite && misfit.isFinite && misfit >= 0)
      let c = surrogate.curvature(along: store.network.jacobian(probes, theta))
      let trace = (0..<theta.count).reduce(0) { $0 + c[$1, $1] }
      var shifted = c
      for j in 0..<theta.count { shifted[j, j] += 1e-9 * trace }
      #expect(throws: Never.self) { _ = try TriangularFactor(choleskyOf: shifted) }
      for _ in 0..<5 {
        let f = gen.normals(m).map { 10 * $0 }
        let size = Double(n) / Double(m) * f.reduce(0) { $0 + $1 * $1 }
        #expect(surrogate.evaluate(f).value > -1e-8 * size)
      }
    }
  }

  /// The negative log posterior against its definition and central differences; the curvature against JᵀJ/σ² and the store's.
  @Test(arguments: Gen.seeds(4), [1, 3]) func objective(seed: UInt64, threads: Int) throws {
    var gen = Gen(seed: seed)
    let store = StoreOfRows(&gen, rows: 40)
    let probes = gen.matrix(rows: 700, columns: 2)
    let surrogate = try FunctionSurrogate(store.basis, probes: probes)
    let (x, y) = (gen.matrix(rows: 600, columns: 2), gen.matrix(rows: 600, columns: 1))
    let objective = MovingObjective(
      network: store.network, surrogate: surrogate, x: x, y: y, noiseVariance: 0.3, priorPrecision: 0.7,
      threads: threads)
    let theta = gen.normals(store.network.parameterCount)
    let (value, gradient) = objective.evaluate(theta)
    let parameters = store.network.parameters(theta)
    let squares = zip(y.storage, store.network.forward(x, parameters).storage).reduce(0) {
      $0 + ($1.0 - $1.1) * ($1.0 - $1.1)
    }
    let earlier = surrogate.evaluate(store.network.forward(probes, parameters).storage).value
    let penalty = theta.reduce(0) { $0 + $1 * $1 }
    #expect(relativeDifference(value, (squares + earlier) / 0.6 + 0.35 * penalty) < 1e-12)
    let h = 1e-5
    for i in theta.indices {
      var (up, down) = (theta, theta)
      up[i] += h
      down[i] -= h
      let slope = (objective.evaluate(up).value - objective.evaluate(down).value) / (2 * h)
      // h²|E‴|/6 and rounding εE/h, E some 10³ here.
      #expect(abs(slope - gradient[i]) < 1e-5 * max(10, abs(slope)), "seed \(seed), weight \(i)")
    }
    let curvature = objective.curvature(theta)
    let new = store.network.jacobian(x, theta).gram
    let old = surrogate.curvature(along: store.network.jacobian(probes, theta))
    for j in theta.indices {
      for k in theta.indices {
        let expected = (new[j, k] + old[j, k]) / 0.3 + (j == k ? 0.7 : 0)
        #expect(abs(curvature[j, k] - expected) < 1e-11 * (1 + curvature[j, j] + curvature[k, k]))
      }
    }
    let alone = MovingObjective(
      network: store.network, surrogate: surrogate, x: x, y: y, noiseVariance: 0.3, priorPrecision: 0.7, threads: 1)
    #expect(alone.evaluate(theta) == (value, gradient) && alone.curvature(theta) == curvature)
  }
}
