import BNNLinearAlgebra

/// c·x for a constant c that is no weight: the mean of M networks as one has c = 1/M before its last layer.
public struct Scale: WeightlessLayer {
  public let inputs: Int
  /// c.
  public let factor: Double
  public let offset: Int

  public init(inputs: Int, factor: Double, offset: Int = 0) {
    (self.inputs, self.factor, self.offset) = (inputs, factor, offset)
  }

  public var outputs: Int { inputs }

  public func forward<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, _ theta: UnsafePointer<Scalar>, into z: UnsafeMutablePointer<Scalar>
  ) {
    multiply(m, x, into: z)
  }

  public func inputGradient<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, values h: UnsafePointer<Scalar>, _ delta: UnsafePointer<Scalar>,
    _ theta: UnsafePointer<Scalar>, into g: UnsafeMutablePointer<Scalar>
  ) {
    multiply(m, delta, into: g)
  }

  @inline(__always) private func multiply<Scalar: BLASScalar>(
    _ m: Int, _ x: UnsafePointer<Scalar>, into z: UnsafeMutablePointer<Scalar>
  ) {
    let c = Scalar(factor)
    for i in 0..<(m * inputs) { z[i] = c * x[i] }
  }
}
