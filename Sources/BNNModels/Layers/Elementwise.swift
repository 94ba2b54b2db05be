import BNNLinearAlgebra

/// A layer that hands its inputs on as they are.
public protocol PassingLayer: WeightlessLayer {}

extension PassingLayer {
  public var outputs: Int { inputs }

  public func forward<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, _ theta: UnsafePointer<Scalar>, into z: UnsafeMutablePointer<Scalar>
  ) {
    z.update(from: x, count: m * inputs)
  }

  public func inputGradient<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, values h: UnsafePointer<Scalar>, _ delta: UnsafePointer<Scalar>,
    _ theta: UnsafePointer<Scalar>, into g: UnsafeMutablePointer<Scalar>
  ) {
    g.update(from: delta, count: m * inputs)
  }
}

/// An image as a vector, in the order it lies in: as PyTorch's `Flatten`.
public struct Flatten: PassingLayer {
  public let inputs: Int
  public let offset: Int

  public init(inputs: Int, offset: Int = 0) { (self.inputs, self.offset) = (inputs, offset) }
}

/// An activation that stands by itself.
public struct Elementwise: PassingLayer {
  public let inputs: Int
  public let activation: Activation
  public let offset: Int

  public init(inputs: Int, activation: Activation, offset: Int = 0) {
    (self.inputs, self.activation, self.offset) = (inputs, activation, offset)
  }
}

/// x + what went into the layer `bypassed` places before it (He et al. 2016): the layers between learn a residual.
public struct Residual: PassingLayer {
  public let inputs: Int
  public let bypassed: Int
  public let offset: Int

  public init(inputs: Int, bypassed: Int, offset: Int = 0) {
    (self.inputs, self.bypassed, self.offset) = (inputs, bypassed, offset)
  }

  public var bypass: Int? { bypassed }
}
