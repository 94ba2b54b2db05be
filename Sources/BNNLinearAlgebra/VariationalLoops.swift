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

  public static func newtonDraw(
    _ theta: UnsafeMutablePointer<Double>, mean: UnsafePointer<Double>, deviation: UnsafePointer<Double>,
    noise: UnsafePointer<Float>, sign: Double, count: Int
  ) {
    bnn_newton_draw_double(theta, mean, deviation, noise, sign, count)
  }

  public static func newtonCollect(
    _ gradient: UnsafePointer<Double>, noise: UnsafePointer<Float>, sign: Double,
    gradients: UnsafeMutablePointer<Double>, products: UnsafeMutablePointer<Double>, count: Int
  ) {
    bnn_newton_collect_double(gradients, products, gradient, noise, sign, count)
  }

  public static func newtonStep(
    mean: UnsafeMutablePointer<Double>, deviation: UnsafeMutablePointer<Double>, average: UnsafeMutablePointer<Double>,
    gradients: UnsafeMutablePointer<Double>, products: UnsafeMutablePointer<Double>, pull: UnsafePointer<Double>,
    prior: UnsafePointer<Double>, count: Int, rate: Double, keep: Double, unbiased: Double, follow: Double
  ) {
    bnn_newton_move_double(
      mean, deviation, average, gradients, products, pull, prior, count, rate, keep, unbiased, follow)
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

  public static func newtonDraw(
    _ theta: UnsafeMutablePointer<Float>, mean: UnsafePointer<Float>, deviation: UnsafePointer<Float>,
    noise: UnsafePointer<Float>, sign: Float, count: Int
  ) {
    bnn_newton_draw_float(theta, mean, deviation, noise, sign, count)
  }

  public static func newtonCollect(
    _ gradient: UnsafePointer<Float>, noise: UnsafePointer<Float>, sign: Float,
    gradients: UnsafeMutablePointer<Float>, products: UnsafeMutablePointer<Float>, count: Int
  ) {
    bnn_newton_collect_float(gradients, products, gradient, noise, sign, count)
  }

  public static func newtonStep(
    mean: UnsafeMutablePointer<Float>, deviation: UnsafeMutablePointer<Float>, average: UnsafeMutablePointer<Float>,
    gradients: UnsafeMutablePointer<Float>, products: UnsafeMutablePointer<Float>, pull: UnsafePointer<Float>,
    prior: UnsafePointer<Float>, count: Int, rate: Float, keep: Float, unbiased: Float, follow: Float
  ) {
    bnn_newton_move_float(
      mean, deviation, average, gradients, products, pull, prior, count, rate, keep, unbiased, follow)
  }
}
