import CGSL

/// ∫ f over the whole line by GSL's adaptive quadrature (QAGI).
func integral(relativeError: Double = 1e-11, _ f: @escaping (Double) -> Double) -> (value: Double, error: Double) {
  bnn_gsl_disable_abort()
  final class Box {
    let f: (Double) -> Double
    init(_ f: @escaping (Double) -> Double) { self.f = f }
  }
  let box = Box(f)
  guard let workspace = gsl_integration_workspace_alloc(500) else { return (.nan, .infinity) }
  defer { gsl_integration_workspace_free(workspace) }
  var function = gsl_function(
    function: { x, box in Unmanaged<Box>.fromOpaque(box!).takeUnretainedValue().f(x) },
    params: Unmanaged.passUnretained(box).toOpaque())
  var (value, error) = (0.0, 0.0)
  let status = withExtendedLifetime(box) {
    gsl_integration_qagi(&function, 1e-12, relativeError, 500, workspace, &value, &error)
  }
  return status == 0 ? (value, error) : (.nan, .infinity)
}
