import CGSL

/// The root of a continuous function inside a bracket.
public enum RootFinding {
  /// x in [lower, upper] with f(x) = 0, by Brent's method (GSL) until the bracket is a few ulps
  /// of the root, or one ulp of the larger end, wide.
  ///
  /// - Throws: `GSLError` if f has the same sign at both ends or does not converge in 200 steps.
  public static func brent(_ lower: Double, _ upper: Double, _ f: (Double) -> Double) throws(GSLError) -> Double {
    GSL.prepare()
    return try withGSLFunction(f) { solve(lower, upper, $0) }.get()
  }

  private static func solve(
    _ lower: Double, _ upper: Double, _ target: UnsafeMutablePointer<gsl_function>
  ) -> Result<Double, GSLError> {
    guard let solver = gsl_root_fsolver_alloc(bnn_gsl_brent()) else {
      return .failure(GSLError("brent", reason: "out of memory"))
    }
    defer { gsl_root_fsolver_free(solver) }
    // A root at 0 has ulps without end; the bracket's own ulp is the floor.
    let floor = max(abs(lower), abs(upper)).ulp
    var status = gsl_root_fsolver_set(solver, target, lower, upper)
    guard Int(status) == GSL_SUCCESS else { return .failure(GSLError("brent(\(lower), \(upper))", status: status)) }
    for _ in 0..<200 {
      status = gsl_root_fsolver_iterate(solver)
      guard Int(status) == GSL_SUCCESS else { return .failure(GSLError("brent", status: status)) }
      let low = gsl_root_fsolver_x_lower(solver)
      let high = gsl_root_fsolver_x_upper(solver)
      let root = gsl_root_fsolver_root(solver)
      let isThere = high - low <= max(4 * root.magnitude.ulp, floor)
      if isThere || target.pointee.function(root, target.pointee.params) == 0 { return .success(root) }
    }
    return .failure(GSLError("brent(\(lower), \(upper))", reason: "did not converge in 200 steps"))
  }
}
