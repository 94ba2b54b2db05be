#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@inline(__always) func naturalLogarithm(_ x: Double) -> Double { log(x) }

/// log 2π.
let logTwoPi = 1.837_877_066_409_345_3
