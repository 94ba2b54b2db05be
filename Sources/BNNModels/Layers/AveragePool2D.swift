import BNNLinearAlgebra

/// The mean of every window, channel by channel, as PyTorch's `AvgPool2d`: padding counts as zeros.
public struct AveragePool2D: WeightlessLayer {
  let windows: Windows
  public let offset: Int

  public init(image: ImageShape, kernel: Int, stride: Int, padding: Int = 0, offset: Int = 0) {
    windows = Windows(image: image, kernel: kernel, stride: stride, padding: padding)
    self.offset = offset
  }

  public var inputs: Int { windows.image.count }
  public var outputs: Int { windows.image.channels * windows.count }

  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func forward<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, _ theta: UnsafePointer<Scalar>, into z: UnsafeMutablePointer<Scalar>
  ) {
    let share = 1 / Scalar(windows.kernel * windows.kernel)
    for plane in 0..<(m * windows.image.channels) {
      let (pixels, target) = (x + plane * windows.image.area, z + plane * windows.count)
      target.update(repeating: 0, count: windows.count)
      for dy in 0..<windows.kernel {
        for dx in 0..<windows.kernel {
          windows.forRows(dy, dx) { first, pixel, wide in
            windows.forColumns(wide) { target[first + $0] += share * pixels[pixel + $1] }
          }
        }
      }
    }
  }

  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func inputGradient<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, values h: UnsafePointer<Scalar>, _ delta: UnsafePointer<Scalar>,
    _ theta: UnsafePointer<Scalar>, into g: UnsafeMutablePointer<Scalar>
  ) {
    let share = 1 / Scalar(windows.kernel * windows.kernel)
    g.update(repeating: 0, count: m * inputs)
    for plane in 0..<(m * windows.image.channels) {
      let (target, slopes) = (g + plane * windows.image.area, delta + plane * windows.count)
      for dy in 0..<windows.kernel {
        for dx in 0..<windows.kernel {
          windows.forRows(dy, dx) { first, pixel, wide in
            windows.forColumns(wide) { target[pixel + $1] += share * slopes[first + $0] }
          }
        }
      }
    }
  }
}
