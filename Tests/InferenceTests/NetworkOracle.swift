import BNNDatasets
import BNNInference
import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNTestSupport
import Foundation

/// One hidden layer of tanh units written out by hand: values, features and Jacobian rows in wide arithmetic, and with them
/// the linear model that `tangent`, `lastLayer` and `parallelBranch` stand for, in normalised units.
struct NetworkOracle {
  let method: Method
  let inputs: Int
  let hidden: Int
  let outputs: Int
  let theta: [Wide]
  let normalisation: Normalisation
  var outputRoot: Matrix?
  /// Sᵀ, row by row.
  var subspace: [[Wide]]?

  init(_ posterior: Posterior, hidden: Int, member: Int = 0) {
    let member = posterior.members[member]
    method = posterior.model.method
    inputs = posterior.model.schema.features.count
    outputs = posterior.model.schema.targets.count
    self.hidden = hidden
    theta = member.theta.map { Wide($0) }
    normalisation = posterior.normalisation
    outputRoot = member.outputRoot
    subspace = member.subspace.map { s in (0..<s.rows).map { s.row($0).map { Wide($0) } } }
  }

  /// w₀ of the prior N(w₀, σ²/κ I).
  var priorMean: [Wide]? { method == .tangent ? projected(theta).map { -$0 } : nil }

  /// Sᵀ of a vector of weights.
  private func projected(_ w: [Wide]) -> [Wide] {
    subspace?.map { zip($0, w).reduce(Wide(0)) { $0 + $1.0 * $1.1 } } ?? w
  }

  private func standardised(_ row: ArraySlice<Double>, _ center: [Double], _ scale: [Double]) -> [Wide] {
    zip(row, zip(center, scale)).map { (Wide($0) - Wide($1.0)) / Wide($1.1) }
  }

  /// tanh(W₁x + b₁).
  private func features(_ x: [Wide]) -> [Wide] {
    (0..<hidden).map { h in
      let z = (0..<inputs).reduce(theta[hidden * inputs + h]) { $0 + theta[h * inputs + $1] * x[$1] }
      return Wide(tanh(Double(z)))
    }
  }

  /// f(x; θ₁) and ∂f_c/∂θ for every output c.
  private func value(_ x: [Wide]) -> (f: [Wide], jacobian: [[Wide]]) {
    let h = features(x)
    let second = hidden * inputs + hidden
    let bias = second + outputs * hidden
    var f: [Wide] = []
    var jacobian: [[Wide]] = []
    for c in 0..<outputs {
      var row = [Wide](repeating: 0, count: theta.count)
      var sum = theta[bias + c]
      for k in 0..<hidden {
        let own = theta[second + c * hidden + k]
        sum += own * h[k]
        let slope = own * (1 - h[k] * h[k])
        for j in 0..<inputs { row[k * inputs + j] = slope * x[j] }
        row[hidden * inputs + k] = slope
        row[second + c * hidden + k] = h[k]
      }
      row[bias + c] = 1
      f.append(sum)
      jacobian.append(row)
    }
    return (f, jacobian)
  }

  /// [Φ y] of response c: n rows for the last layer; n·C whitened ones for the tangent.
  func rows(_ data: Rows, response c: Int) -> (phi: [[Wide]], y: [Wide]) {
    var phi: [[Wide]] = []
    var target: [Wide] = []
    for i in 0..<data.count {
      let x = standardised(data.x.row(i), normalisation.featureCenter, normalisation.featureScale)
      let y = standardised(data.y.row(i), normalisation.targetCenter, normalisation.targetScale)
      if method == .lastLayer || method == .parallelBranch {
        phi.append(features(x) + [1] + (method == .parallelBranch ? x : []))
        target.append(y[c])
        continue
      }
      let (f, jacobian) = value(x)
      var own = zip(jacobian, zip(y, f)).map { $0 + [$1.0 - $1.1] }
      if let root = outputRoot {
        for o in 0..<outputs {
          for k in 0..<o { own[o] = zip(own[o], own[k]).map { $0 - Wide(root[o, k]) * $1 } }
          own[o] = own[o].map { $0 / Wide(root[o, o]) }
        }
      }
      for row in own {
        phi.append(projected(Array(row.dropLast())))
        target.append(row[theta.count])
      }
    }
    return (phi, target)
  }

  /// Σ over whitened or plain responses of log of the unit of a data row: what a density in target units is lower by.
  func logUnit(response c: Int) -> Double {
    guard method == .tangent else { return log(normalisation.targetScale[c]) }
    return (0..<outputs).reduce(0) { $0 + log(normalisation.targetScale[$1] * (outputRoot?[$1, $1] ?? 1)) }
  }

  /// Posterior of all rows at the response's κ, and the condition number of [Φ; √κ I].
  func ridge(_ data: Rows, response c: Int, ratio: Double) throws -> (ridge: Dense.Ridge, count: Int, condition: Double)
  {
    let (phi, y) = rows(data, response: c)
    let p = phi.first?.count ?? 0
    let ridge = Dense.ridge(
      phi, y, penalties: [Wide](repeating: Wide(ratio), count: p), priorMean: priorMean)
    let factor = Matrix(ridge.root.map { $0.map { Double($0) } })
    let values = try SingularValueDecomposition(of: factor).singularValues
    return (ridge, y.count, values[0] / values[values.count - 1])
  }

  /// Largest disagreement of a member-0 response with the posterior of all rows, in units of what rounding allows after `steps`
  /// orthogonal updates, 10·K·√P·ε·cond, and that.
  func disagreement(
    _ own: Posterior, _ rows: Rows, response c: Int, steps: Int, loss: Double = 0
  ) throws -> (ratio: Double, tolerance: Double) {
    let response = own.members[0].responses[c]
    guard let posterior = response.posterior else { return (.infinity, 0) }
    let (ridge, count, condition) = try ridge(rows, response: c, ratio: response.ratio)
    let p = Double(posterior.mean.count)
    let tolerance = 10 * Double(steps) * p.squareRoot() * epsilon * condition + loss
    let noise = NetworkSequenceTests.noise(ridge, count: count, response.noisePrior)
    let mean = zip(posterior.mean, ridge.mean).map { Wide($0) - $1 }
    let scales = ridge.mean.indices.map { j -> Double in
      let unit = ridge.mean.indices.map { Wide($0 == j ? 1 : 0) }
      return (Double(ridge.leverage(unit)) * noise.scaleSquared).squareRoot()
    }
    // The sum of squares left over is good to the rounding of the targets: δS/S = 2δρ/ρ with δρ of the order of ε‖y‖.
    let left = 20 * Double(steps) * p.squareRoot() * epsilon
    let explained = Double(ridge.length(ridge.mean)) / Double(ridge.squares).squareRoot()
    let noiseTolerance = tolerance + left * explained
    // Rounding is relative to the rows [Φ y]: to ‖y‖² = |m|²_Λ + S, which is more than |m|_Λ where little is explained.
    let meanTolerance = tolerance * (1 + 1 / (explained * explained)).squareRoot()
    guard posterior.noise.degreesOfFreedom == noise.degreesOfFreedom else { return (.infinity, tolerance) }
    let ratio = max(
      Double(ridge.length(mean) / ridge.length(ridge.mean)) / meanTolerance,
      relativeWorst(posterior.marginalScales(), scales) / noiseTolerance,
      relativeWorst([posterior.noise.scaleSquared], [noise.scaleSquared]) / noiseTolerance)
    return (ratio, tolerance)
  }
}

/// Smooth nonlinear data for small networks.
enum NetworkData {
  static func rows(_ gen: inout Gen, count n: Int, inputs d: Int, outputs c: Int) -> Rows {
    let x = gen.matrix(rows: n, columns: d)
    let noise = gen.normals(n * c)
    var y = Matrix(rows: n, columns: c)
    for i in 0..<n {
      for t in 0..<c {
        let s = (0..<d).reduce(0) { $0 + x[i, $1] * Double(1 + ($1 + t) % 3) / 3 }
        // Outputs of different size, with noise that they share.
        y[i, t] = (sin(s) + 0.1 * noise[i * c + t] + 0.1 * noise[i * c]) * Double(1 + 9 * t) + 5
      }
    }
    return Rows(x: x, y: y)
  }

  /// A network trained briefly on D1: what happens to its posterior afterwards does not depend on how good it is.
  static func fit(
    _ method: Method, _ first: Rows, hidden: Int, prior: PriorSettings = PriorSettings(), members: Int = 1,
    subspace: Int? = nil, isSketch: Bool = false, seed: UInt64
  ) throws -> (posterior: Posterior, report: UpdateReport) {
    let spec = NetworkSpec(inputs: first.x.columns, hidden: [hidden], outputs: first.y.columns, activation: .tanh)
    let data = Dataset(
      features: first.x.storage, featureCount: first.x.columns, targets: first.y.storage, targetCount: first.y.columns,
      rows: first.count)
    return try Posterior.network(
      spec, method: method, schema: first.schema, features: first.x, targets: first.y,
      normalisation: .fit(data), prior: prior, training: TrainingSettings(schedule: [15, 45], refinement: 0),
      members: members, subspace: subspace, isSketch: isSketch, seed: seed)
  }
}
