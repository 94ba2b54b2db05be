import CGSL
import Testing

private final class Integrand {
  let f: (Double) -> Double
  init(_ f: @escaping (Double) -> Double) { self.f = f }
}

/// ∫ f by GSL's adaptive Gauss–Kronrod rule, to 1e-11.
func quadrature(_ lower: Double, _ upper: Double, _ f: @escaping (Double) -> Double) throws -> Double {
  let box = Integrand(f)
  let workspace = try #require(gsl_integration_workspace_alloc(2000))
  defer { gsl_integration_workspace_free(workspace) }
  var target = gsl_function(
    function: { x, box in Unmanaged<Integrand>.fromOpaque(box!).takeUnretainedValue().f(x) },
    params: Unmanaged.passUnretained(box).toOpaque())
  var result = 0.0
  var error = 0.0
  let status = withExtendedLifetime(box) {
    gsl_integration_qag(&target, lower, upper, 1e-12, 1e-11, 2000, 6, workspace, &result, &error)
  }
  try #require(Int(status) == GSL_SUCCESS || error < 1e-9)
  return result
}
