import CGSL

/// The root of a continuous function inside a bracket.
public enum RootFinding {
  private final class Function {
    let body: (Double) -> Double
    init(_ body: @escaping (Double) -> Double) { self.body = body }
  }

  /// x in [lower, upper] with f(x) = 0, by Brent's method (GSL) until the bracket is a few ulps
  /// of the root, or one ulp of the larger end, wide.
  ///
  /// - Throws: `GSLError` if f has the same sign at both ends or does not converge in 200 steps.
  public static func brent(_ lower: Double, _ upper: Double, _ f: (Double) -> Double) throws(GSLError) -> Double {
    GSL.prepare()
    let result: Result<Double, GSLError> = withoutActuallyEscaping(f) { f in
      let function = Function(f)
      return withExtendedLifetime(function) { solve(lower, upper, function) }
    }
    return try result.get()
  }

  private static func solve(_ lower: Double, _ upper: Double, _ function: Function) -> Result<Double, GSLError> {
    guard let solver = gsl_root_fsolver_alloc(bnn_gsl_brent()) else {
      return .failure(GSLError("brent", reason: "out of memory"))
    }
    defer { gsl_root_fsolver_free(solver) }
    var target = gsl_function(
      function: { x, box in Unmanaged<Function>.fromOpaque(box!).takeUnretainedValue().body(x) },
      params: Unmanaged.passUnretained(function).toOpaque())
    // A root at 0 has ulps without end; the bracket's own ulp is the floor.
    let floor = max(abs(lower), abs(upper)).ulp
    return withUnsafeMutablePointer(to: &target) { target in
      var status = gsl_root_fsolver_set(solver, target, lower, upper)
      guard Int(status) == GSL_SUCCESS else { return .failure(GSLError("brent(\(lower), \(upper))", status: status)) }
      for _ in 0..<200 {
        status = gsl_root_fsolver_iterate(solver)
        guard Int(status) == GSL_SUCCESS else { return .failure(GSLError("brent", status: status)) }
        let low = gsl_root_fsolver_x_lower(solver)
        let high = gsl_root_fsolver_x_upper(solver)
        let root = gsl_root_fsolver_root(solver)
        if high - low <= max(4 * root.magnitude.ulp, floor) || function.body(root) == 0 { return .success(root) }
      }
      return .failure(GSLError("brent(\(lower), \(upper))", reason: "did not converge in 200 steps"))
    }
  }
}
