import CGSL

private final class Boxed {
  let body: (Double) -> Double
  init(_ body: @escaping (Double) -> Double) { self.body = body }
}

/// Calls `use` with `f` as GSL takes functions, for as long as the call lasts.
func withGSLFunction<T>(_ f: (Double) -> Double, _ use: (UnsafeMutablePointer<gsl_function>) -> T) -> T {
  withoutActuallyEscaping(f) { f in
    let boxed = Boxed(f)
    return withExtendedLifetime(boxed) {
      var function = gsl_function(
        function: { x, box in Unmanaged<Boxed>.fromOpaque(box!).takeUnretainedValue().body(x) },
        params: Unmanaged.passUnretained(boxed).toOpaque())
      return withUnsafeMutablePointer(to: &function, use)
    }
  }
}
