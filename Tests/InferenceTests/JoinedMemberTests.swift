import BNNDatasets
import BNNInference
import BNNLinearAlgebra
import BNNModels
import BNNTestSupport
import Testing

/// Members as one network: its values, and its posterior as a Gaussian process whose kernel is the sum of the members'.
@Suite struct JoinedMemberTests {
  static func fit(_ rows: Rows, hidden: [Int], members: Int, isJoined: Bool, method: Method = .tangent) throws
    -> Posterior
  {
    let data = Dataset(
      features: rows.x.storage, featureCount: rows.x.columns, targets: rows.y.storage, targetCount: rows.y.columns,
      rows: rows.count)
    return try Posterior.network(
      NetworkSpec(inputs: rows.x.columns, hidden: hidden, outputs: rows.y.columns, activation: .tanh), method: method,
      schema: rows.schema, features: rows.x, targets: rows.y, normalisation: .fit(data),
      training: TrainingSettings(schedule: [15, 45], refinement: 0), members: members, isJoined: isJoined, seed: 5
    ).posterior
  }

  private static func standardised(_ x: Matrix, _ center: [Double], _ scale: [Double]) -> Matrix {
    var x = x
    for i in 0..<x.rows { for j in 0..<x.columns { x[i, j] = (x[i, j] - center[j]) / scale[j] } }
    return x
  }

  /// The mean of what the members say, of one and of two hidden layers and of one and of two outputs. Sums of some dozen products.
  @Test(arguments: [[4], [4, 3]], [1, 2]) func valuesAreTheMean(_ hidden: [Int], _ outputs: Int) throws {
    var gen = Gen(seed: 11)
    let rows = NetworkData.rows(&gen, count: 30, inputs: 3, outputs: outputs)
    let apart = try Self.fit(rows, hidden: hidden, members: 3, isJoined: false)
    let joined = try Self.fit(rows, hidden: hidden, members: 3, isJoined: true)
    #expect(joined.members.count == 1 && joined.model.joined == 3)
    let spec = try #require(joined.model.network)
    let network = Network(spec)
    let one = Network(try #require(apart.model.network))
    let x = gen.matrix(rows: 7, columns: 3)
    let own = network.forward(x, network.parameters(joined.members[0].theta)).storage
    let each = apart.members.map { one.forward(x, one.parameters($0.theta)).storage }
    let mean = own.indices.map { i in each.reduce(0) { $0 + $1[i] } / 3 }
    #expect(relativeDifference(own, mean) <= 1e-14)
  }

  /// Predictive means after D1 and two updates against kernel regression on all rows at the posterior's own κ, written with the
  /// members' derivatives alone:
  ///
  ///     m(x) = u(x) + k(x)ᵀ(K + κI)⁻¹(y − u(X)),  u = f̄ − (1/M) Σ J_m θ_m,  k = 1 + (1/M²) Σ J_m J_mᵀ without the output's bias
  ///
  /// Tolerance: rounding ε times the condition of K + κI, at most (tr K + κ)/κ, times the 70 rows' root.
  @Test func predictionsAreThoseOfTheSumOfKernels() throws {
    var gen = Gen(seed: 12)
    let rows = NetworkData.rows(&gen, count: 70, inputs: 3, outputs: 1)
    let first = rows.picking(0..<30)
    let apart = try Self.fit(first, hidden: [5], members: 3, isJoined: false)
    let joined = try Self.fit(first, hidden: [5], members: 3, isJoined: true)
      .updated(rows, [Array(30..<55), Array(55..<70)]).posterior
    let scales = joined.normalisation
    let one = Network(try #require(apart.model.network))
    let fresh = gen.matrix(rows: 6, columns: 3)
    let x = Self.standardised(
      Matrix(rows: 76, columns: 3, storage: rows.x.storage + fresh.storage), scales.featureCenter, scales.featureScale)
    let y = Self.standardised(rows.y, scales.targetCenter, scales.targetScale).storage
    var u = [Double](repeating: 0, count: 76)
    var kernel = Matrix(rows: 76, columns: 76)
    for i in kernel.storage.indices { kernel.storage[i] = 1 }
    for member in apart.members {
      let jacobian = one.jacobian(x, member.theta)
      let f = one.forward(x, one.parameters(member.theta)).storage
      let own = jacobian.multiplied(by: member.theta)
      for i in 0..<76 { u[i] += (f[i] - own[i]) / 3 }
      let bias = jacobian.columns - 1
      for i in 0..<76 {
        for j in 0..<76 {
          kernel[i, j] += (0..<bias).reduce(0) { $0 + jacobian[i, $1] * jacobian[j, $1] } / 9
        }
      }
    }
    let kappa = joined.members[0].responses[0].ratio
    var system = Matrix(rows: 70, columns: 70)
    for i in 0..<70 { for j in 0..<70 { system[i, j] = kernel[i, j] + (i == j ? kappa : 0) } }
    let weights = try TriangularFactor(choleskyOf: system).solve((0..<70).map { y[$0] - u[$0] })
    let expected = (70..<76).map { i in
      scales.targetCenter[0] + scales.targetScale[0] * (u[i] + (0..<70).reduce(0) { $0 + kernel[i, $1] * weights[$1] })
    }
    let found = try joined.predictMixture(features: fresh).map { $0.components[0].location }
    let condition = (0..<70).reduce(kappa) { $0 + kernel[$1, $1] } / kappa
    #expect(relativeDifference(found, expected) <= Double(70).squareRoot() * Double.ulpOfOne * condition)
    #expect(
      relativeDifference(found, try apart.predictMixture(features: fresh).map { $0.components[0].location }) > 1e-3)
  }

  /// A moving tangent moves the joined network as any other.
  @Test func movesAsOne() throws {
    var gen = Gen(seed: 13)
    let rows = NetworkData.rows(&gen, count: 80, inputs: 3, outputs: 1)
    let before = try Self.fit(
      rows.picking(0..<40), hidden: [4], members: 2, isJoined: true, method: .movingTangent)
    let after = try before.updated(rows, [Array(40..<80)]).posterior
    #expect(after.members[0].theta != before.members[0].theta && after.certificate.update == .approximate)
    #expect(after.members[0].store?.anchor == before.members[0].theta)
  }
}
