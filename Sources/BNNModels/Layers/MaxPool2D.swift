import BNNLinearAlgebra

/// The largest pixel of every window, channel by channel, as PyTorch's `MaxPool2d`: padding never wins. Of equal pixels the
/// first, row by row, has the derivative.
public struct MaxPool2D: WeightlessLayer {
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
    let (windows, image) = (windows, windows.image)
    for plane in 0..<(m * image.channels) {
      let (pixels, target) = (x + plane * image.area, z + plane * windows.count)
      for r in 0..<windows.rows {
        let (top, bottom) = windows.span(r, image.height)
        let row = target + r * windows.columns
        for c in 0..<windows.columns {
          let (left, right) = windows.span(c, image.width)
          var best = pixels[top &* image.width &+ left]
          var y = top
          while y < bottom {
            var place = y &* image.width &+ left
            let end = y &* image.width &+ right
            while place < end {
              best = Self.larger(best, pixels[place])
              place &+= 1
            }
            y &+= 1
          }
          row[c] = best
        }
      }
    }
  }

  /// The larger, or what is no number.
  @inline(__always) private static func larger<Scalar: BLASScalar>(_ a: Scalar, _ b: Scalar) -> Scalar {
    b > a || b != b ? b : a
  }

  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func inputGradient<Scalar: BLASScalar>(
    rows m: Int, _ x: UnsafePointer<Scalar>, values h: UnsafePointer<Scalar>, _ delta: UnsafePointer<Scalar>,
    _ theta: UnsafePointer<Scalar>, into g: UnsafeMutablePointer<Scalar>
  ) {
    let (windows, image) = (windows, windows.image)
    g.update(repeating: 0, count: m * inputs)
    for plane in 0..<(m * image.channels) {
      let (pixels, target) = (x + plane * image.area, g + plane * image.area)
      let (own, slopes) = (h + plane * windows.count, delta + plane * windows.count)
      for r in 0..<windows.rows {
        let (top, bottom) = windows.span(r, image.height)
        for c in 0..<windows.columns {
          let (left, right) = windows.span(c, image.width)
          let value = own[r &* windows.columns &+ c]
          // Backwards, without a branch that cannot be foreseen: what is found last is the first.
          var found = top &* image.width &+ left
          var y = bottom &- 1
          while y >= top {
            let start = y &* image.width &+ left
            var place = y &* image.width &+ right &- 1
            while place >= start {
              found = pixels[place] == value ? place : found
              place &-= 1
            }
            y &-= 1
          }
          target[found] += slopes[r &* windows.columns &+ c]
        }
      }
    }
  }
}
