import CGSL

/// Integrals of smooth functions of one variable.
public enum Integration {
  /// ∫ f over the real line, piece by piece between the `knots` (ascending), by GSL's adaptive Gauss–Kronrod rules.
  ///
  /// The rule sees a piece at 15 points before it decides what to refine: knots belong where f has its features, so that
  /// none is narrow against its piece. f must vanish at both ends faster than 1/|x|.
  ///
  /// - Parameter tolerance: of each piece, absolute or relative, whichever is easier.
  /// - Throws: `GSLError` where a piece does not converge.
  public static func overReals(
    knots: [Double], tolerance: Double, _ f: (Double) -> Double
  ) throws(GSLError) -> Double {
    GSL.prepare()
    return try withGSLFunction(f) { sum(knots, tolerance, $0) }.get()
  }

  private static let intervals = 200

  private static func sum(
    _ knots: [Double], _ tolerance: Double, _ f: UnsafeMutablePointer<gsl_function>
  ) -> Result<Double, GSLError> {
    guard let first = knots.first, let last = knots.last else {
      return .failure(GSLError("overReals", reason: "there are no knots"))
    }
    guard let workspace = gsl_integration_workspace_alloc(intervals) else {
      return .failure(GSLError("overReals", reason: "out of memory"))
    }
    defer { gsl_integration_workspace_free(workspace) }
    var total = 0.0
    var piece = 0.0
    var error = 0.0
    var status = gsl_integration_qagil(f, first, tolerance, tolerance, intervals, workspace, &piece, &error)
    total += piece
    for (a, b) in zip(knots, knots.dropFirst()) where Int(status) == GSL_SUCCESS && a < b {
      // 1: the 15-point rule.
      status = gsl_integration_qag(f, a, b, tolerance, tolerance, intervals, 1, workspace, &piece, &error)
      total += piece
    }
    if Int(status) == GSL_SUCCESS {
      status = gsl_integration_qagiu(f, last, tolerance, tolerance, intervals, workspace, &piece, &error)
      total += piece
    }
    guard Int(status) == GSL_SUCCESS else { return .failure(GSLError("overReals", status: status)) }
    guard total.isFinite else { return .failure(GSLError("overReals", reason: "the integral is not finite")) }
    return .success(total)
  }
}
