import BNNLinearAlgebra
import BNNModels
import BNNPosteriors

/// The negative log posterior of a batch under an earlier Gaussian, over the weights of neighbouring layers:
///
///     E(θ) = L(θ) + ½(θ − m)ᵀΛ(θ − m)
///
/// The other layers' weights stay as they are.
struct PenalisedLoss: Sendable {
  let loss: any BatchLoss
  /// All weights; those that move are replaced.
  let frame: [Double]
  /// Where the weights that move are in θ.
  let moving: Range<Int>
  /// m over them.
  let mean: [Double]
  /// Λ where it is diagonal, as at the first batch: minibatches need its pull thousands of times.
  var diagonal: [Double]?
  /// Λx.
  let precisionTimes: @Sendable ([Double]) -> [Double]

  /// All weights with these in the place of those that move.
  func whole(_ own: [Double]) -> [Double] {
    guard own.count < frame.count else { return own }
    var theta = frame
    theta.replaceSubrange(moving, with: own)
    return theta
  }

  /// E and ∇E at some weights.
  func evaluate(_ own: [Double]) -> (value: Double, gradient: [Double]) {
    let (value, all) = loss.evaluate(whole(own))
    var gradient = own.count < all.count ? Array(all[moving]) : all
    let difference = zip(own, mean).map { $0 - $1 }
    let pull = precisionTimes(difference)
    accumulate(1, pull, into: &gradient)
    return (value + 0.5 * dot(difference, pull), gradient)
  }
}
