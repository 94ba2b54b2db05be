import BNNLinearAlgebra
import BNNPosteriors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Adam (Kingma & Ba 2015, algorithm 1) with β₁ = 0.9, β₂ = 0.999. A value: its moments are the caller's to keep or to drop.
struct Adam<Scalar: BLASScalar>: Sendable {
  private(set) var first: [Scalar]
  private(set) var second: [Scalar]
  private(set) var step = 0

  init(dimension: Int) {
    first = [Scalar](repeating: 0, count: dimension)
    second = first
  }

  /// As it was when the state was kept.
  init(_ state: OptimiserState) {
    first = state.first.map { Scalar($0) }
    second = state.second.map { Scalar($0) }
    step = state.steps
  }

  /// θ ← θ − rate · m̂/(√v̂ + 10⁻⁸).
  mutating func update(_ theta: inout [Scalar], gradient: [Scalar], rate: Double) {
    let pull = [Scalar](repeating: 0, count: theta.count)
    update(&theta, gradient: gradient, pull: pull, over: theta.indices, rate: rate)
  }

  /// Λ(θ − m) for a diagonal Λ over the weights from `start` on.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  static func fill(_ pull: inout [Scalar], _ prior: [Scalar], _ theta: [Scalar], _ mean: [Scalar], from start: Int) {
    pull.withUnsafeMutableBufferPointer { pull in
      prior.withUnsafeBufferPointer { prior in
        theta.withUnsafeBufferPointer { theta in
          mean.withUnsafeBufferPointer { mean in
            for j in pull.indices { pull[j] = prior[j] * (theta[start &+ j] - mean[j]) }
          }
        }
      }
    }
  }

  /// θ ← θ − rate · m̂/(√v̂ + 10⁻⁸) over a range of θ, the gradient being gradient + pull.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  mutating func update(
    _ theta: inout [Scalar], gradient: [Scalar], pull: [Scalar], over range: Range<Int>, rate: Double
  ) {
    step += 1
    move(&theta, gradient: gradient, pull: pull, from: 0, over: range, rate: rate, step: step)
  }

  /// The same for groups of the weights in `range`, each with a rate of its own and its share of the steps.
  mutating func update(
    _ theta: inout [Scalar], gradient: [Scalar], pull: [Scalar], over range: Range<Int>, groups: [AdamGroup],
    rate: Double
  ) {
    step += 1
    for group in groups where step > group.idleSteps {
      move(
        &theta, gradient: gradient, pull: pull, from: group.range.lowerBound - range.lowerBound, over: group.range,
        rate: rate * group.factor, step: step - group.idleSteps)
    }
  }

  /// A step of the weights in `range`, whose pulls begin at `offset`.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  private mutating func move(
    _ theta: inout [Scalar], gradient: [Scalar], pull: [Scalar], from offset: Int, over range: Range<Int>,
    rate: Double, step: Int
  ) {
    precondition(theta.count == first.count && gradient.count == first.count, "one gradient entry per weight")
    let scales = AdamBias.scales(step: step, rate: rate)
    let (length, root) = (Scalar(scales.length), Scalar(scales.root))
    precondition(
      pull.count >= offset + range.count && range.upperBound <= theta.count, "a pull for every weight of the range")
    let start = range.lowerBound
    theta.withUnsafeMutableBufferPointer { theta in
      gradient.withUnsafeBufferPointer { gradient in
        first.withUnsafeMutableBufferPointer { first in
          second.withUnsafeMutableBufferPointer { second in
            pull.withUnsafeBufferPointer { pull in
              guard let theta = theta.baseAddress, let gradient = gradient.baseAddress, let pull = pull.baseAddress,
                let first = first.baseAddress, let second = second.baseAddress
              else { return }
              Scalar.adamStep(
                theta + start, gradient: gradient + start, pull: pull + offset, first: first + start,
                second: second + start, count: range.count, length: length, root: root)
            }
          }
        }
      }
    }
  }
}

/// Weights next to each other that move at a rate of their own.
struct AdamGroup: Sendable {
  let range: Range<Int>
  /// Of the rate.
  let factor: Double
  /// Steps before the weights begin to move; their running means begin then.
  let idleSteps: Int
}

/// What takes the start at zero out of Adam's running means: m̂ = m/(1 − 0.9^t), v̂ = v/(1 − 0.999^t).
enum AdamBias {
  /// The factors of m and of √v in step t.
  static func scales(step: Int, rate: Double) -> (length: Double, root: Double) {
    (rate / (1 - pow(0.9, Double(step))), 1 / (1 - pow(0.999, Double(step))).squareRoot())
  }
}
