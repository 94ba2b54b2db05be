import BNNLinearAlgebra
import BNNModels
import BNNPosteriors
import BNNProbability

/// Weights drawn from a Laplace posterior and what the network itself, not linearised, says with them.
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

  /// - Parameters:
  ///   - samples: pairs θ̂ ± Lz.
  ///   - stream: z of pair s is of its child s.
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
    let (own, range) = (factor, moving)
    kept =
      samples * moving.count <= Self.held
      ? (0..<samples).map { Self.displacement(own, stream, $0, range.count) } : []
  }

  /// Rows that are evaluated at once: some four million outputs. Fixed, since it decides bits.
  var piece: Int { max(1, min(512, 4_000_000 / (count * network.outputs))) }

  /// Lz of a pair; seven digits are far below a draw's own scatter.
  private static func displacement(
    _ factor: any CurvatureFactor, _ stream: RandomStream, _ s: Int, _ width: Int
  ) -> [Float] {
    var own = stream.split(UInt64(s))
    return factor.halfSolve(own.normals(width)).map { Float($0) }
  }

  /// The outputs of normalised inputs (n × d) under every draw, n × C each; draws 2s and 2s + 1 are a pair.
  func outputs(_ x: Matrix) -> [Matrix] {
    network.parameterCount > LaplaceRows.doubleLimit ? outputs(x, as: Float.self) : outputs(x, as: Double.self)
  }

  private func outputs<Scalar: BLASScalar>(_ x: Matrix, as: Scalar.Type) -> [Matrix] {
    var pass = NetworkPass<Scalar>(network.spec)
    let rows = x.storage.map { Scalar($0) }
    var result: [Matrix] = []
    for s in 0..<(count / 2) {
      let step = kept.isEmpty ? Self.displacement(factor, stream, s, moving.count) : kept[s]
      for sign in [1.0, -1] {
        var own = theta
        for (place, d) in zip(moving, step) { own[place] += sign * Double(d) }
        let weights = own.map { Scalar($0) }
        rows.withUnsafeBufferPointer { pass.forward($0, rows: x.rows, weights) }
        result.append(pass.output())
      }
    }
    return result
  }
}
