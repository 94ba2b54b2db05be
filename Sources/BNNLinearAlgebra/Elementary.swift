#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Natural logarithm, named so that it cannot be mistaken for a matrix's.
@inline(__always) func logarithm(_ x: Double) -> Double { log(x) }
@inline(__always) func squareRoot(_ x: Double) -> Double { x.squareRoot() }
