import CVectorLoops

extension Double {
  public static func squares(of x: UnsafePointer<Double>, into y: UnsafeMutablePointer<Double>, count: Int) {
    bnn_squares_double(x, y, count)
  }

  public static func products(
    _ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, into y: UnsafeMutablePointer<Double>, count: Int
  ) {
    bnn_products_double(a, b, y, count)
  }

  public static func scaleByTwice(_ h: UnsafePointer<Double>, _ g: UnsafeMutablePointer<Double>, count: Int) {
    bnn_scale_by_twice_double(g, h, count)
  }

  public static func addNoise(
    to z: UnsafeMutablePointer<Double>, variance s: UnsafeMutablePointer<Double>, noise: UnsafePointer<Float>,
    sign: Double,
    count: Int
  ) {
    bnn_add_noise_double(z, s, noise, sign, count)
  }

  public static func variationalAdamStep(
    mean: UnsafeMutablePointer<Double>, logDeviation: UnsafeMutablePointer<Double>,
    variance: UnsafeMutablePointer<Double>,
    meanGradient: UnsafePointer<Double>, varianceGradient: UnsafePointer<Double>, pull: UnsafePointer<Double>,
    precision: UnsafePointer<Double>, moments: UnsafeMutablePointer<Double>, count: Int, length: Double, root: Double
  ) {
    bnn_variational_adam_double(
      mean, logDeviation, variance, meanGradient, varianceGradient, pull, precision, moments, count, length, root)
  }
}

extension Float {
  public static func squares(of x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, count: Int) {
    bnn_squares_float(x, y, count)
  }

  public static func products(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, count: Int
  ) {
    bnn_products_float(a, b, y, count)
  }

  public static func scaleByTwice(_ h: UnsafePointer<Float>, _ g: UnsafeMutablePointer<Float>, count: Int) {
    bnn_scale_by_twice_float(g, h, count)
  }

  public static func addNoise(
    to z: UnsafeMutablePointer<Float>, variance s: UnsafeMutablePointer<Float>, noise: UnsafePointer<Float>,
    sign: Float,
    count: Int
  ) {
    bnn_add_noise_float(z, s, noise, sign, count)
  }

  public static func variationalAdamStep(
    mean: UnsafeMutablePointer<Float>, logDeviation: UnsafeMutablePointer<Float>, variance: UnsafeMutablePointer<Float>,
    meanGradient: UnsafePointer<Float>, varianceGradient: UnsafePointer<Float>, pull: UnsafePointer<Float>,
    precision: UnsafePointer<Float>, moments: UnsafeMutablePointer<Float>, count: Int, length: Float, root: Float
  ) {
    bnn_variational_adam_float(
      mean, logDeviation, variance, meanGradient, varianceGradient, pull, precision, moments, count, length, root)
  }
}
