import CVectorLoops

extension Double {
  public static func rectify(_ z: UnsafeMutableBufferPointer<Double>) {
    if let base = z.baseAddress { bnn_relu_double(base, z.count) }
  }

  public static func rectify(_ g: UnsafeMutableBufferPointer<Double>, where h: UnsafeBufferPointer<Double>) {
    precondition(h.count >= g.count, "a value for every gradient entry")
    if let g0 = g.baseAddress, let h0 = h.baseAddress { bnn_relu_backward_double(h0, g0, g.count) }
  }

  public static func hyperbolicTangents(_ z: UnsafeMutableBufferPointer<Double>) {
    if let base = z.baseAddress { bnn_tanh_double(base, z.count) }
  }

  public static func scaleByTanhSlope(_ g: UnsafeMutableBufferPointer<Double>, at h: UnsafeBufferPointer<Double>) {
    precondition(h.count >= g.count, "a value for every gradient entry")
    if let g0 = g.baseAddress, let h0 = h.baseAddress { bnn_tanh_backward_double(h0, g0, g.count) }
  }

  public static func adamStep(
    _ theta: UnsafeMutablePointer<Double>, gradient: UnsafePointer<Double>, pull: UnsafePointer<Double>,
    first: UnsafeMutablePointer<Double>, second: UnsafeMutablePointer<Double>, count: Int, length: Double, root: Double
  ) {
    bnn_adam_double(theta, gradient, pull, first, second, count, length, root)
  }
}

extension Float {
  public static func rectify(_ z: UnsafeMutableBufferPointer<Float>) {
    if let base = z.baseAddress { bnn_relu_float(base, z.count) }
  }

  public static func rectify(_ g: UnsafeMutableBufferPointer<Float>, where h: UnsafeBufferPointer<Float>) {
    precondition(h.count >= g.count, "a value for every gradient entry")
    if let g0 = g.baseAddress, let h0 = h.baseAddress { bnn_relu_backward_float(h0, g0, g.count) }
  }

  public static func hyperbolicTangents(_ z: UnsafeMutableBufferPointer<Float>) {
    if let base = z.baseAddress { bnn_tanh_float(base, z.count) }
  }

  public static func scaleByTanhSlope(_ g: UnsafeMutableBufferPointer<Float>, at h: UnsafeBufferPointer<Float>) {
    precondition(h.count >= g.count, "a value for every gradient entry")
    if let g0 = g.baseAddress, let h0 = h.baseAddress { bnn_tanh_backward_float(h0, g0, g.count) }
  }

  public static func adamStep(
    _ theta: UnsafeMutablePointer<Float>, gradient: UnsafePointer<Float>, pull: UnsafePointer<Float>,
    first: UnsafeMutablePointer<Float>, second: UnsafeMutablePointer<Float>, count: Int, length: Float, root: Float
  ) {
    bnn_adam_float(theta, gradient, pull, first, second, count, length, root)
  }
}
