import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

/// Whether what a batch says fits what all rows before it said, in a model that is linear in its weights.
///
/// Under the model the batch's residuals from the posterior mean before it are r | σ² ~ N(0, σ²V), V = I + ΦΛ⁻¹Φᵀ, and so
///
///     F = rᵀV⁻¹r/n ÷ b/a  ~  F(n, 2a)                    t = 1ᵀV⁻¹r/√(1ᵀV⁻¹1) ÷ √(b/a)  ~  t_{2a}
///
/// exactly, a and b of the posterior before and at its κ: F says whether the rows scatter more than they should, t whether all lie
/// above or below. rᵀV⁻¹r = 2(b₂ − b) is the square that is left when the batch's array [R z; 0 ρ] is rotated into [R_n 0], of
/// R_n'R_n = Λ and w counted from m: a sum of squares, no difference (Chow 1960 for new rows too few to fit a model of their own).
///
/// Rows are seldom normal, and a network has seen D1 before it was linearised. So both are judged by what D1's own rows have done
/// that were left out in turn: with c the mean of their e² and k = var(e²)/2c² (1 for normal rows), F/c has the distribution
/// F(n/k, N/k), N the rows that tell c and k, and t/√(c + β 1ᵀV⁻¹1) that of Student with N/k (degrees of freedom as in Box 1953,
/// "Non-normality and tests on variances"); β is what the square of their mean is more than chance, since each network lies a little to one
/// side (0 for a linear model with an intercept).
struct MisfitTest: Sendable {
  /// F, in units of what the model says it should be.
  let statistic: Double
  /// P(F > it) of the model.
  let modelPValue: Double
  /// The same, judged by D1's rows.
  let pValue: Double
  /// Of t, both tails; nil where no column of the model is constant.
  let levelPValue: Double?

  /// - Parameters:
  ///   - batch: what the batch said to the response, in the posterior's units.
  ///   - level: the column of Φ that is 1 in all rows, if there is one.
  ///   - reference: D1's rows; nil for the model's own distribution.
  /// - Throws: `GSLError`. O(P³), of which n is no part.
  init(
    _ batch: LinearSystem, before: LinearPosterior, level: Int?, reference: ScoreReference?
  ) throws {
    let p = batch.weights
    var array = Matrix(rows: p + 1, columns: p + 1)
    for i in 0..<p { for j in i..<p { array[i, j] = before.factor.upper[i, j] } }
    let residual = zip(batch.rightHandSide, batch.root.multiplied(by: before.mean)).map { $0 - $1 }
    var rows = Matrix(rows: batch.root.rows, columns: p + 1)
    for i in 0..<rows.rows {
      for j in i..<p { rows[i, j] = batch.root[i, j] }
      rows[i, p] = residual[i]
    }
    var information = InformationArray(array: array)
    information.absorb(&rows)
    let squares = information.residualSquares(beyond: p)[0] + batch.residualSquares
    let n = Double(batch.observations)
    let scale = before.noise.scaleSquared
    let nu = before.noise.degreesOfFreedom
    statistic = squares / n / scale
    modelPValue = try Self.upperTail(statistic, n, nu)
    let square = reference?.square.flatMap { $0.mean > 0 && $0.variance > 0 ? $0 : nil }
    let c = square?.mean ?? 1
    let k = square?.excessOfSquares ?? 1
    let known = square?.count ?? nu
    pValue = try square?.upperTail(ofMeanSquare: statistic, of: n) ?? modelPValue

    guard let level else {
      levelPValue = nil
      return
    }
    let (upper, z) = information.leading(p)
    let factor = try TriangularFactor(upper: upper)
    let signs = (0..<p).map { upper[$0, $0] < 0 ? -1.0 : 1.0 }
    let step = factor.backSolve(zip(signs, z[0]).map { $0 * $1 })
    let ones = batch.root.column(level)
    let left = zip(residual, batch.root.multiplied(by: step)).map { $0 - $1 }
    let products = batch.root.transposed.multiplied(by: ones)
    let explained = factor.forwardSolve(products)
    let spread = dot(ones, ones) - dot(explained, explained)
    guard spread > 1e-12 * dot(ones, ones) else {
      levelPValue = nil
      return
    }
    let bias = reference?.residual?.squaredBias ?? 0
    let t = dot(ones, left) / (spread * scale * (c + bias * spread)).squareRoot()
    let freedom = known / k
    levelPValue =
      2
      * (freedom.isFinite
        ? try Distributions.studentCDF(-abs(t), degreesOfFreedom: freedom) : Distributions.normalCDF(-abs(t)))
  }

  /// P(F > f), of χ²_n/n where the noise is known.
  private static func upperTail(_ f: Double, _ n: Double, _ nu: Double) throws -> Double {
    nu.isFinite
      ? try Distributions.fUpperTail(f, n, nu) : try Distributions.chiSquaredUpperTail(f * n, degreesOfFreedom: n)
  }
}

extension Posterior {
  /// The tests of every member and response, where the weights are identified, and the posterior's place in `DriftReference.scores`.
  func misfits(of batch: [LinearStatistics], threads: Int) throws -> [MisfitTest] {
    let level = levelColumn
    let reference = drift?.scores ?? []
    return try parallelMap(members.count, threads: threads) { m in
      let member = members[m]
      return try member.responses.indices.compactMap { c -> MisfitTest? in
        guard let own = member.responses[c].posterior, batch[m].observations > 0 else { return nil }
        let raw = batch[m].system(response: c)
        let system =
          model.method == .linear ? raw.normalised(normalisation, response: c, intercept: model.intercept) : raw
        let place = m * member.responses.count + c
        return try MisfitTest(
          system, before: own, level: level, reference: reference.indices.contains(place) ? reference[place] : nil)
      }
    }.flatMap { $0 }
  }

  /// The column of Φ that is 1 in every row (√w where rows are weighed); nil where there is none.
  private var levelColumn: Int? {
    switch model.method {
    case .linear: return model.intercept ? 0 : nil
    case .lastLayer, .parallelBranch: return LastLayerBasis.weights(of: Network(model.networkOrEmpty)) - 1
    case .tangent, .movingTangent:
      // The bias of the only output is the last weight.
      return model.schema.targets.count == 1 && model.subspace == nil ? members[0].statistics.weights - 1 : nil
    case .laplace, .kalman, .meanField, .point: return nil
    }
  }
}
