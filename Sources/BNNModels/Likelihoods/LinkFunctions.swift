import BNNLinearAlgebra

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// From a network's outputs to probabilities, without overflow and without the loss of digits that the textbook forms
/// have where a probability is close to 1. NaN stays NaN.
public enum LinkFunctions {
  /// σ(f) = 1/(1 + e^{−f}); σ(−f) is 1 − σ(f) to full relative accuracy.
  @inlinable public static func logistic<Scalar: BLASScalar>(_ f: Scalar) -> Scalar {
    let e = Scalar.exponential(-abs(f))
    return (f >= 0 ? 1 : e) / (1 + e)
  }

  /// √(σ(f)σ(−f)), the standard deviation of a Bernoulli variable; e^{−|f|/2} where σ(−|f|) itself would vanish.
  @inlinable public static func logisticDeviation(_ f: Double) -> Double {
    let root = exp(-0.5 * abs(f))
    return root / (1 + root * root)
  }

  /// log(1 + e^f) = −log σ(−f).
  @inlinable public static func logOnePlusExp<Scalar: BLASScalar>(_ f: Scalar) -> Scalar {
    (f > 0 ? f : 0) + Scalar.logOnePlus(Scalar.exponential(-abs(f)))
  }

  /// log Σ e^{f_c} as its two parts: the largest f and log(1 + Σ e^{f_k − max}) over the others, whose digits would be
  /// lost in the sum where one class is nearly certain.
  @inlinable public static func logSumExp(_ f: some Collection<Double>) -> (highest: Double, excess: Double) {
    var highest = -Double.infinity
    var others = 0.0
    for value in f {
      if value > highest {
        others = (others + 1) * exp(highest - value)
        highest = value
      } else {
        others += exp(value - highest)
      }
    }
    return (highest, log1p(others))
  }

  /// f ← softmax(f) = e^{f_c}/Σ e^{f_k}, in place.
  @inlinable public static func softmax(_ f: UnsafeMutableBufferPointer<Double>) {
    var highest = -Double.infinity
    for value in f where value > highest { highest = value }
    var sum = 0.0
    for c in f.indices {
      f[c] = exp(f[c] - highest)
      sum += f[c]
    }
    for c in f.indices { f[c] /= sum }
  }

  /// softmax of a list.
  public static func softmax(_ f: [Double]) -> [Double] {
    var result = f
    result.withUnsafeMutableBufferPointer { softmax($0) }
    return result
  }
}
