import CGSL

/// Distribution functions and quantiles that predictives, intervals and tests need. GSL's `cdf` functions have no `_e`
/// form; arguments are checked here, so a domain error cannot reach them.
public enum Distributions {
  /// P(Z ≤ z) for a standard normal.
  public static func normalCDF(_ z: Double) -> Double {
    GSL.prepare()
    return gsl_cdf_ugaussian_P(z)
  }

  /// z with P(Z ≤ z) = p, 0 < p < 1.
  public static func normalQuantile(_ p: Double) throws(GSLError) -> Double {
    try check(p, "normalQuantile")
    return try finite(gsl_cdf_ugaussian_Pinv(p), "normalQuantile(\(p))")
  }

  /// P(T ≤ t) for Student's t with ν > 0 degrees of freedom (not necessarily whole).
  public static func studentCDF(_ t: Double, degreesOfFreedom nu: Double) throws(GSLError) -> Double {
    guard nu > 0 else { throw GSLError("studentCDF", reason: "degrees of freedom must be positive, got \(nu)") }
    GSL.prepare()
    return try finite(gsl_cdf_tdist_P(t, nu), "studentCDF(\(t), ν = \(nu))")
  }

  /// t with P(T ≤ t) = p, 0 < p < 1, ν > 0. Above 1e8 degrees of freedom it is
  /// the normal quantile z with the first term of the expansion in 1/ν; the next is of order z⁵/ν².
  public static func studentQuantile(_ p: Double, degreesOfFreedom nu: Double) throws(GSLError) -> Double {
    guard nu > 0 else { throw GSLError("studentQuantile", reason: "degrees of freedom must be positive, got \(nu)") }
    if nu > 1e8 {
      let z = try normalQuantile(p)
      return z + z * (z * z + 1) / (4 * nu)
    }
    try check(p, "studentQuantile")
    return try finite(gsl_cdf_tdist_Pinv(p, nu), "studentQuantile(\(p), ν = \(nu))")
  }

  /// P(X > x) for χ² with ν degrees of freedom.
  public static func chiSquaredUpperTail(_ x: Double, degreesOfFreedom nu: Double) throws(GSLError) -> Double {
    guard nu > 0, x >= 0 else { throw GSLError("chiSquaredUpperTail", reason: "needs x ≥ 0 and ν > 0") }
    GSL.prepare()
    return try finite(gsl_cdf_chisq_Q(x, nu), "chiSquaredUpperTail(\(x), ν = \(nu))")
  }

  /// x with P(X ≤ x) = p for χ² with ν degrees of freedom.
  public static func chiSquaredQuantile(_ p: Double, degreesOfFreedom nu: Double) throws(GSLError) -> Double {
    guard nu > 0 else { throw GSLError("chiSquaredQuantile", reason: "degrees of freedom must be positive, got \(nu)") }
    try check(p, "chiSquaredQuantile")
    let direct = gsl_cdf_chisq_Pinv(p, nu)
    let excess = { (x: Double) in p < 0.5 ? gsl_cdf_chisq_P(x, nu) - p : (1 - p) - gsl_cdf_chisq_Q(x, nu) }
    // GSL's Newton steps do not converge (p = 0.99, ν = 1e5) or end elsewhere (p = 1 − 1e-10, ν = 1e5) for large ν. The
    // bracket's upper end is Laurent & Massart's (2000, lemma 1): P(X ≥ ν + 2√(νL) + 2L) ≤ e^−L.
    if direct.isFinite, excess(direct).magnitude <= 1e-8 * min(p, 1 - p) { return direct }
    let logTail = -gsl_log1p(-p)
    return try RootFinding.brent(0, nu + 2 * (nu * logTail).squareRoot() + 2 * logTail, excess)
  }

  /// P(F > x) for the F distribution.
  public static func fUpperTail(_ x: Double, _ nu1: Double, _ nu2: Double) throws(GSLError) -> Double {
    guard nu1 > 0, nu2 > 0, x >= 0 else { throw GSLError("fUpperTail", reason: "needs x ≥ 0, ν1 > 0 and ν2 > 0") }
    GSL.prepare()
    return try finite(gsl_cdf_fdist_Q(x, nu1, nu2), "fUpperTail(\(x), \(nu1), \(nu2))")
  }

  /// P(G > x) for the gamma distribution of this shape a > 0 and rate 1; x ≥ 0, perhaps ∞. At a whole a it is P(Y < a)
  /// for a count with mean x.
  public static func gammaUpperTail(_ x: Double, shape a: Double) throws(GSLError) -> Double {
    guard a > 0, x >= 0 else { throw GSLError("gammaUpperTail(\(x))", reason: "needs x ≥ 0 and a shape above 0") }
    GSL.prepare()
    return x.isFinite ? try finite(gsl_cdf_gamma_Q(x, a, 1), "gammaUpperTail(\(x), shape \(a))") : 0
  }

  /// P(X ≥ k) of the hypergeometric distribution: how many of `draws` are marked, from a population of which `marked` are.
  public static func hypergeometricUpperTail(
    _ k: Int, draws: Int, marked: Int, population: Int
  ) throws(GSLError) -> Double {
    guard draws >= 0, marked >= 0, draws <= population, marked <= population, population < Int(UInt32.max) else {
      throw GSLError("hypergeometricUpperTail", reason: "draws and marked must be between 0 and the population")
    }
    guard k > max(0, draws + marked - population) else { return 1 }
    guard k <= min(draws, marked) else { return 0 }
    GSL.prepare()
    let tail = gsl_cdf_hypergeometric_Q(UInt32(k - 1), UInt32(marked), UInt32(population - marked), UInt32(draws))
    return try finite(min(1, tail), "hypergeometricUpperTail(\(k))")
  }

  private static func check(_ p: Double, _ name: String) throws(GSLError) {
    GSL.prepare()
    guard p > 0, p < 1 else { throw GSLError(name, reason: "the probability must lie between 0 and 1, got \(p)") }
  }

  private static func finite(_ x: Double, _ name: @autoclosure () -> String) throws(GSLError) -> Double {
    guard x.isFinite else { throw GSLError(name(), reason: "did not converge") }
    return x
  }
}
