#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Adam (Kingma & Ba 2015, algorithm 1). A value: its moments are the caller's to keep or to drop.
struct Adam: Sendable {
  var beta1 = 0.9
  var beta2 = 0.999
  var epsilon = 1e-8
  private var first: [Double]
  private var second: [Double]
  private var step = 0

  init(dimension: Int) {
    first = [Double](repeating: 0, count: dimension)
    second = first
  }

  /// θ ← θ − rate · m̂/(√v̂ + ε).
  mutating func update(_ theta: inout [Double], gradient: [Double], rate: Double) {
    precondition(theta.count == first.count && gradient.count == first.count, "one gradient entry per weight")
    step += 1
    let c1 = 1 - pow(beta1, Double(step))
    let c2 = 1 - pow(beta2, Double(step))
    for i in theta.indices {
      first[i] = beta1 * first[i] + (1 - beta1) * gradient[i]
      second[i] = beta2 * second[i] + (1 - beta2) * gradient[i] * gradient[i]
      theta[i] -= rate * (first[i] / c1) / ((second[i] / c2).squareRoot() + epsilon)
    }
  }
}
