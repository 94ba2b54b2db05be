import CGSL

/// Special functions through GSL's checked forms.
public enum SpecialFunctions {
  /// ln Γ(x), x > 0.
  public static func logGamma(_ x: Double) throws(GSLError) -> Double {
    guard x > 0 else { throw GSLError("logGamma(\(x))", reason: "the argument must be positive") }
    return try GSL.value("logGamma(\(x))") { gsl_sf_lngamma_e(x, $0) }
  }

  /// ψ(x) = d ln Γ(x)/dx, x > 0.
  public static func digamma(_ x: Double) throws(GSLError) -> Double {
    guard x > 0 else { throw GSLError("digamma(\(x))", reason: "the argument must be positive") }
    return try GSL.value("digamma(\(x))") { gsl_sf_psi_e(x, $0) }
  }

  /// ln(1 + x), accurate near 0, x > −1.
  public static func logOnePlus(_ x: Double) throws(GSLError) -> Double {
    try GSL.value("logOnePlus(\(x))") { gsl_sf_log_1plusx_e(x, $0) }
  }

  /// ln Φ(z), the log of the standard normal distribution function, accurate in the far tail.
  public static func logNormalCDF(_ z: Double) throws(GSLError) -> Double {
    // Φ(z) = erfc(−z/√2)/2.
    try GSL.value("logNormalCDF(\(z))") { gsl_sf_log_erfc_e(-z * 0.5.squareRoot(), $0) } - 0.693_147_180_559_945_3
  }
}
