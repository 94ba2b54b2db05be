import CVectorLoops

extension RandomStream {
  /// Fills the buffer with independent draws from N(0, 1), about a nanosecond each: Box & Muller 1958, four numbers from
  /// each block of the stream, by vectors whose width does not decide the bits.
  ///
  /// A block is never used twice: the stream moves on by ⌈count/4⌉ blocks, so that fills and `next()` in any order are
  /// independent, and a fill of a + b numbers is a fill of a and one of b if a is a multiple of 4. The uniform numbers
  /// behind them are multiples of 2⁻³²: |z| ≤ √(64 log 2) = 6.66, beyond which N(0, 1) has a probability of 2.7e-11.
  public mutating func fillNormals(_ buffer: UnsafeMutableBufferPointer<Float>) {
    guard let base = buffer.baseAddress else { return }
    bnn_normals(seed, substream, takeBlocks((buffer.count + 3) / 4), base, buffer.count)
  }
}
