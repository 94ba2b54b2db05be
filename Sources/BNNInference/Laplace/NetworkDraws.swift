import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

/// Weights drawn from a posterior over them and what the network itself, not linearised, says with them. Where weights are
/// independent the first dense layer's sums are drawn in place of its weights (`FirstLayerSums`): every row has the same
/// distribution, at two products with the inputs for all draws together instead of one for each.
struct NetworkDraws: Sendable {
  /// Numbers of drawn weights that are kept between calls; beyond, they are drawn anew for every piece of rows.
  private static let held = 50_000_000

  let network: Network
  /// Networks drawn: two a pair.
  let count: Int
  private let theta: [Double]
  private let moving: Range<Int>
  private let factor: any CurvatureFactor
  private let stream: RandomStream
  private let kept: [[Float]]
  /// Of the first layer, where its weights are independent: its sums are drawn in place of its weights.
  private let sums: Sums?

  private enum Sums {
    case single(FirstLayerSums<Float>)
    case double(FirstLayerSums<Double>)

    var parameterCount: Int {
      switch self {
      case .single(let own): own.parameterCount
      case .double(let own): own.parameterCount
      }
    }
  }

  /// - Parameters:
  ///   - samples: pairs θ̂ ± Lz.
  ///   - stream: z of pair s is of its child s; ζ of the first layer's sums is of that one's child 1.
  /// - Throws: `UpdateError.unsuitable` for a posterior of the linearised network, to which the network itself is another
  ///   model; `LinearAlgebraError` for a precision that is not positive definite.
  init(_ network: Network, _ theta: [Double], _ state: LaplaceState, samples: Int, stream: RandomStream) throws {
    precondition(samples > 0, "there is a draw")
    guard state.displacement == nil else {
      throw UpdateError.unsuitable(
        "the posterior is that of the linearised network, and its weights are none of the network itself: draws of them "
          + "belong into the linearised one")
    }
    self.network = network
    self.theta = theta
    self.stream = stream
    count = 2 * samples
    moving = network.parameterRange(ofLayers: state.chosen)
    factor = try state.factored()
    var found: Sums?
    if case .diagonal = state.curvature, moving.lowerBound == 0 {
      let variance = factor.marginalVariances
      found =
        network.parameterCount > LaplaceRows.doubleLimit
        ? FirstLayerSums<Float>(network.spec, mean: theta, variance: variance).map(Sums.single)
        : FirstLayerSums<Double>(network.spec, mean: theta, variance: variance).map(Sums.double)
    }
    sums = found
    let (own, width, dropped) = (factor, moving.count, sums?.parameterCount ?? 0)
    kept =
      samples * (width - dropped) <= Self.held
      ? (0..<samples).map { Self.displacement(own, stream, $0, width, dropped) } : []
  }

  /// Rows that are evaluated at once: some four million outputs. Fixed, since it decides bits.
  var piece: Int { max(1, min(512, 4_000_000 / (count * network.outputs))) }

  /// Lz of a pair, without its first entries; seven digits are far below a draw's own scatter.
  private static func displacement(
    _ factor: any CurvatureFactor, _ stream: RandomStream, _ s: Int, _ width: Int, _ dropped: Int
  ) -> [Float] {
    var own = stream.split(UInt64(s))
    return factor.halfSolve(own.normals(width)).dropFirst(dropped).map { Float($0) }
  }

  private func displacement(_ s: Int) -> [Float] {
    kept.isEmpty ? Self.displacement(factor, stream, s, moving.count, sums?.parameterCount ?? 0) : kept[s]
  }

  /// The outputs of normalised inputs (n × d) under every draw, n × C each; draws 2s and 2s + 1 are a pair.
  func outputs(_ x: Matrix) -> [Matrix] {
    switch sums {
    case .single(let sums): outputs(x, sums)
    case .double(let sums): outputs(x, sums)
    case nil where network.parameterCount > LaplaceRows.doubleLimit: outputs(x, as: Float.self)
    case nil: outputs(x, as: Double.self)
    }
  }

  private func outputs<Scalar: BLASScalar>(_ x: Matrix, as: Scalar.Type) -> [Matrix] {
    var pass = NetworkPass<Scalar>(network.spec)
    let rows = x.storage.map { Scalar($0) }
    return drawn(theta, moving) { (weights: [Scalar], _, _) in
      rows.withUnsafeBufferPointer { pass.forward($0, rows: x.rows, weights) }
      return pass.output()
    }
  }

  private func outputs<Scalar: BLASScalar>(_ x: Matrix, _ sums: FirstLayerSums<Scalar>) -> [Matrix] {
    var pass = NetworkPass<Scalar>(sums.rest)
    let moments = sums.moments(x)
    let first = sums.parameterCount
    var (noise, last) = ([Scalar](), -1)
    return drawn(Array(theta[first...]), 0..<(moving.count - first)) { (weights: [Scalar], s, sign) in
      if s != last {
        var own = stream.split(UInt64(s)).split(1)
        (noise, last) = (own.normals(sums.units).map { Scalar($0) }, s)
      }
      pass.forward(rows: x.rows, weights) { z in
        for i in stride(from: 0, to: z.count, by: sums.units) {
          for j in 0..<sums.units {
            z[i + j] = moments.mean[i + j] + Scalar(sign) * moments.deviation[i + j] * noise[j]
          }
        }
      }
      return pass.output()
    }
  }

  /// Both weights of every pair, given with its number and sign, and what they give.
  private func drawn<Scalar: BLASScalar>(
    _ center: [Double], _ moving: Range<Int>, _ evaluated: ([Scalar], Int, Double) -> Matrix
  ) -> [Matrix] {
    var result: [Matrix] = []
    for s in 0..<(count / 2) {
      let step = displacement(s)
      for sign in [1.0, -1] {
        var own = center
        for (place, d) in zip(moving, step) { own[place] += sign * Double(d) }
        result.append(evaluated(own.map { Scalar($0) }, s, sign))
      }
    }
    return result
  }
}
