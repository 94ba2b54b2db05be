import BNNModels
import BNNTestSupport
import Foundation
import Testing

@Suite struct ActivationTests {
  private func value(_ activation: Activation, _ z: [Double]) -> [Double] {
    var h = z
    activation.apply(to: &h)
    return h
  }

  private func derivative(_ activation: Activation, _ z: [Double]) -> [Double] {
    var gradient = [Double](repeating: 1, count: z.count)
    activation.backward(preactivation: z, value: value(activation, z), gradient: &gradient)
    return gradient
  }

  @Test func everyActivationHasAReference() {
    #expect(Set(References.shared.activations.map(\.activation)) == Set(Activation.allCases))
    #expect(Set(References.shared.networks.map(\.activation)) == Set(Activation.allCases))
    #expect(!References.shared.tanh.z.isEmpty)
  }

  /// Both sides are a few roundings of numbers up to max(1, |z|) from the truth (PyTorch's gelu adds 1 + erf, absolute).
  @Test(arguments: References.shared.activations)
  func agreesWithPyTorch(_ reference: References.ActivationCase) {
    let h = value(reference.activation, reference.z)
    let slope = derivative(reference.activation, reference.z)
    for (i, z) in reference.z.enumerated() {
      let tolerance = 8 * epsilon * max(1, z.magnitude)
      #expect((h[i] - reference.value[i]).magnitude <= tolerance, "h(\(z))")
      #expect((slope[i] - reference.derivative[i]).magnitude <= tolerance, "h′(\(z))")
    }
  }

  @Test(arguments: Activation.allCases)
  func derivativeIsTheFiniteDifference(_ activation: Activation) {
    for z in stride(from: -7.003, through: 7, by: 0.17) {
      let expected = centralDifference(at: z, size: z.magnitude) { value(activation, [$0])[0] }
      #expect((derivative(activation, [z])[0] - expected.value).magnitude <= expected.tolerance, "h′(\(z))")
    }
  }

  @Test(arguments: Activation.allCases)
  func backwardMultipliesTheGradient(_ activation: Activation) {
    var gen = Gen(seed: 4)
    let (z, gradient) = (gen.normals(50), gen.normals(50))
    var product = gradient
    activation.backward(preactivation: z, value: value(activation, z), gradient: &product)
    for (i, slope) in derivative(activation, z).enumerated() {
      // One product on either side, perhaps in another order.
      #expect((product[i] - gradient[i] * slope).magnitude <= 4 * epsilon * (gradient[i] * slope).magnitude)
    }
  }

  /// The claim at `hyperbolicTangent`: never off by more than ε. The difference of close doubles is exact; half an ulp
  /// is the rounding of the reference.
  @Test func tanhIsWithinEpsilonOfMpmath() {
    let reference = References.shared.tanh
    for (sign, z) in [(1.0, reference.z), (-1, reference.z.map { -$0 })] {
      for (h, expected) in zip(value(.tanh, z), reference.value) {
        #expect((h - sign * expected).magnitude <= epsilon + expected.ulp / 2)
      }
    }
  }

  #if arch(x86_64)
    @Test func tanhIsWithinEpsilonOfLongDouble() {
      var gen = Gen(seed: 5)
      // Half of the points around 1/4, where the exponential identity is at its weakest; libm's range below.
      let z = (0..<300_000).map { 0.01 + ($0 % 2 == 0 ? 0.5 : 21) * gen.stream.uniform() }
      let errors = zip(value(.tanh, z), z).map { (Float80($0) - Foundation.tanh(Float80($1))).magnitude }
      #expect(errors.max() ?? 1 <= Float80(epsilon))
      // ε at tanh 1/4 is 8 ulps of the value.
      let ulps = zip(errors, z).map { Double($0) / Foundation.tanh($1).ulp }
      #expect(ulps.max() ?? 9 <= 8)
    }
  #endif

  @Test func tanhKeepsRelativeAccuracyNearZero() {
    for z in [1e-300, 1e-20, 1e-9, -1e-5] {
      // tanh z = z − z³/3 + …; below 1e-5 the next term is under ε z; libm's tanh is good to 2 ulps.
      let expected = z - z * z * z / 3
      #expect((value(.tanh, [z])[0] - expected).magnitude <= 3 * expected.ulp)
    }
  }

  @Test(arguments: Activation.allCases)
  func saturates(_ activation: Activation) {
    let z = [-800.0, 800, -1e300, 1e300, -0.0, 0.0]
    let (h, slope) = (value(activation, z), derivative(activation, z))
    #expect((h + slope).allSatisfy { $0.isFinite })
    let (left, right, slopes): (Double, Double, [Double]) =
      switch activation {
      case .identity: (-800, 800, [1, 1])
      case .tanh: (-1, 1, [0, 0])
      case .relu, .gelu, .softplus: (0, 800, [0, 1])
      case .sigmoid: (0, 1, [0, 0])
      }
    #expect(h[0] == left && h[1] == right)
    #expect(Array(slope[0..<2]) == slopes)
  }

  /// A diverged weight must be seen at the outputs.
  @Test(arguments: Activation.allCases)
  func keepsNaN(_ activation: Activation) {
    #expect(value(activation, [.nan])[0].isNaN)
    var gradient = [Double.nan]
    activation.backward(preactivation: [.nan], value: [.nan], gradient: &gradient)
    #expect(gradient[0].isNaN)
  }

  @Test func reluIsFlatAtItsKink() {
    #expect(derivative(.relu, [0, -0.0, .leastNonzeroMagnitude]) == [0, 0, 1])
  }
}
