import CGSL

/// GSL's samplers drawing from a `RandomStream`: a `gsl_rng_type` of C functions over 32 bits of the stream at a time.
///
/// The box lives for one call of `withGSL`; it is confined to the calling thread.
extension RandomStream {
  private final class Box {
    var stream: RandomStream
    init(_ stream: RandomStream) { self.stream = stream }
  }

  /// The state GSL carries: a pointer to the box.
  private struct State { var box: Unmanaged<Box> }

  private static let name: StaticString = "philox4x32-10"

  private static func makeType() -> gsl_rng_type {
    var type = gsl_rng_type()
    type.name = UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
    type.max = UInt(UInt32.max)
    type.min = 0
    type.size = MemoryLayout<State>.size
    type.set = { _, _ in }
    type.get = { state in
      let box = state!.assumingMemoryBound(to: State.self).pointee.box.takeUnretainedValue()
      return UInt(box.stream.next() >> 32)
    }
    type.get_double = { state in
      let box = state!.assumingMemoryBound(to: State.self).pointee.box.takeUnretainedValue()
      return box.stream.uniform()
    }
    return type
  }

  /// Runs `body` with a GSL generator over this stream, which moves on by what was drawn.
  mutating func withGSL<Result>(_ body: (UnsafePointer<gsl_rng>) -> Result) -> Result {
    GSL.prepare()
    let box = Box(self)
    var type = Self.makeType()
    var state = State(box: .passUnretained(box))
    let result = withUnsafePointer(to: &type) { type in
      withUnsafeMutablePointer(to: &state) { state in
        var generator = gsl_rng(type: type, state: UnsafeMutableRawPointer(state))
        return withUnsafePointer(to: &generator) { body($0) }
      }
    }
    self = box.stream
    withExtendedLifetime(box) {}
    return result
  }
}

extension RandomStream {
  /// `count` independent draws from N(0, 1) (GSL's ziggurat, Marsaglia & Tsang 2000).
  public mutating func normals(_ count: Int) -> [Double] {
    withGSL { generator in (0..<count).map { _ in gsl_ran_gaussian_ziggurat(generator, 1) } }
  }

  /// A draw from the gamma distribution with shape a > 0 and rate b > 0 (density ∝ x^{a−1} e^{−bx}).
  public mutating func gamma(shape a: Double, rate b: Double) -> Double {
    precondition(a > 0 && b > 0, "shape and rate must be positive")
    return withGSL { gsl_ran_gamma($0, a, 1 / b) }
  }

  /// Counts from Poisson distributions with these means (GSL's reduction through gamma and binomial draws, Ahrens & Dieter
  /// 1974). Above 10⁹, where the distribution is normal but for a skewness below 3.2e-5 and GSL's 32-bit counts would
  /// overflow, a rounded normal draw.
  public mutating func poissons(means: [Double]) -> [Double] {
    withGSL { generator in
      means.map { mean in
        if mean <= 1e9 { return Double(gsl_ran_poisson(generator, mean)) }
        guard mean.isFinite else { return mean }
        return (mean + mean.squareRoot() * gsl_ran_gaussian_ziggurat(generator, 1)).rounded()
      }
    }
  }
}
