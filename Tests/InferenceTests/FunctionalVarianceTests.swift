import BNNDatasets
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNTestSupport
import Testing

@testable import BNNInference

struct FunctionalVarianceTests {
  private static func fit(members: Int = 1) throws -> Posterior {
    var gen = Gen(seed: 9)
    let x = gen.matrix(rows: 60, columns: 2)
    let y = Matrix(
      rows: 60, columns: 1, storage: (0..<60).map { x[$0, 0] + 0.3 * gen.normal() > 0 ? 1 : x[$0, 1] > 0.5 ? 2 : 0 })
    return try Posterior.laplace(
      NetworkSpec(inputs: 2, hidden: [3], outputs: 3, activation: .tanh), settings: LaplaceSettings(structure: .full),
      likelihood: .categorical,
      schema: Schema(
        featureColumns: [FeatureColumn(name: "a"), FeatureColumn(name: "b")], targets: ["y"],
        targetKind: .classes(["u", "v", "w"])), features: x, targets: y,
      normalisation: .identity(features: 2, targets: 1), standardised: false,
      prior: PriorSettings(precision: .given(0.5)), members: members
    ).posterior
  }

  /// tr(J Λ⁻¹ Jᵀ)/C with J and Λ written out, dense; and for two members the variance of their means, by hand. Conditions are below 1e4.
  @Test(arguments: [1, 2]) func isTheTraceWrittenOut(members: Int) throws {
    let posterior = try Self.fit(members: members)
    var gen = Gen(seed: 2)
    let x = gen.matrix(rows: 7, columns: 2)
    let network = Network(posterior.model.networkOrEmpty)
    var (means, spread) = ([Matrix](), [Double](repeating: 0, count: 7))
    for member in posterior.members {
      let state = try #require(member.laplace)
      let p = member.theta.count
      let factor = try TriangularFactor(choleskyOf: Matrix(symmetric: p) { state.precisionTimes($0) })
      let jacobian = network.jacobian(x, member.theta)
      for i in 0..<7 {
        for c in 0..<3 {
          let row = Array(jacobian.row(3 * i + c))
          spread[i] += dot(row, factor.solve(row)) / Double(3 * members)
        }
      }
      means.append(network.forward(x, network.parameters(member.theta)))
    }
    if members == 2 {
      for i in 0..<7 {
        for c in 0..<3 {
          let half = (means[0][i, c] - means[1][i, c]) / 2
          spread[i] += half * half / 3
        }
      }
    }
    let found = try FunctionalVariance(posterior)(features: x, threads: 2)
    #expect(relativeDifference(found, spread) < 1e-10)
  }

  /// Far from the rows the outputs of a linearised network are free, however sure its classes are.
  @Test func growsFarAway() throws {
    let variance = try FunctionalVariance(try Self.fit())
    let found = try variance(features: Matrix([[0, 0], [40, 40]]))
    #expect(found[1] > found[0])
    #expect(throws: UpdateError.self) { try variance(features: Matrix([[0, 0, 0]])) }
    #expect(throws: UpdateError.self) { try variance(features: Matrix([[0, 0]]), heads: [0]) }
  }

  @Test func needsASpread() throws {
    let linear = Posterior.linear(schema: Schema(features: ["a"], targets: ["y"]))
    #expect(throws: UpdateError.self) { try FunctionalVariance(linear) }
  }
}
