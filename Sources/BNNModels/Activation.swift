import BNNLinearAlgebra

/// A function applied to every unit of a layer, with its derivative.
public enum Activation: String, Codable, CaseIterable, Sendable {
  case identity, tanh, relu, gelu, sigmoid, softplus

  /// Whether h′ is a function of h alone, so that a pass need not keep z.
  public var derivativeNeedsPreactivation: Bool { self == .gelu || self == .softplus }

  /// h(z) for every entry, in place.
  ///
  ///     identity z   tanh tanh z   relu max(0, z)   gelu z Φ(z)   sigmoid 1/(1 + e^{−z})   softplus log(1 + e^z)
  ///
  /// `gelu` is the exact form with the normal distribution function Φ (PyTorch's default), not the tanh approximation.
  /// NaN stays NaN.
  @inline(__always) public func apply<Scalar: BLASScalar>(to z: UnsafeMutableBufferPointer<Scalar>) {
    switch self {
    case .identity: break
    case .tanh: Scalar.hyperbolicTangents(z)
    case .relu: Scalar.rectify(z)
    case .gelu: for i in z.indices { z[i] *= normalCDF(z[i]) }
    case .sigmoid: for i in z.indices { z[i] = LinkFunctions.logistic(z[i]) }
    case .softplus:
      for i in z.indices { z[i] = LinkFunctions.logOnePlusExp(z[i]) }
    }
  }

  /// gradient ← gradient · h′(z), entry by entry, from the pre-activation z and the value h = h(z); z is read only where
  /// `derivativeNeedsPreactivation`. At the kink of `relu` the derivative is 0.
  @inline(__always) public func backward<Scalar: BLASScalar>(
    preactivation z: UnsafeBufferPointer<Scalar>, value h: UnsafeBufferPointer<Scalar>,
    gradient g: UnsafeMutableBufferPointer<Scalar>
  ) {
    switch self {
    case .identity: break
    case .tanh: Scalar.scaleByTanhSlope(g, at: h)
    case .relu: Scalar.rectify(g, where: h)
    case .gelu: for i in g.indices { g[i] *= normalCDF(z[i]) + z[i] * normalDensity(z[i]) }
    case .sigmoid: for i in g.indices { g[i] *= h[i] * (1 - h[i]) }
    case .softplus: for i in g.indices { g[i] *= LinkFunctions.logistic(z[i]) }
    }
  }

  /// `apply` to an array.
  public func apply(to z: inout [Double]) { z.withUnsafeMutableBufferPointer { apply(to: $0) } }

  /// `backward` on arrays of one length.
  public func backward(preactivation z: [Double], value h: [Double], gradient: inout [Double]) {
    precondition(z.count == h.count && z.count == gradient.count, "one gradient entry per unit")
    gradient.withUnsafeMutableBufferPointer { g in
      z.withUnsafeBufferPointer { z in
        h.withUnsafeBufferPointer { backward(preactivation: z, value: $0, gradient: g) }
      }
    }
  }
}

@inline(__always) private func normalCDF<Scalar: BLASScalar>(_ z: Scalar) -> Scalar {
  0.5 * Scalar.complementaryErrorFunction(-z * 0.707_106_781_186_547_6)
}

@inline(__always) private func normalDensity<Scalar: BLASScalar>(_ z: Scalar) -> Scalar {
  0.398_942_280_401_432_7 * Scalar.exponential(-0.5 * z * z)
}
