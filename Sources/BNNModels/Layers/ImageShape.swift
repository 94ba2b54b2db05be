/// Channels × height × width of an image. As a row it is these numbers one after the other, the width fastest: pixel (c, y, x) is
/// number (c·height + y)·width + x, as one image of PyTorch's NCHW. In JSON it is the list of the three.
public struct ImageShape: Hashable, Sendable, Codable {
  public var channels: Int
  public var height: Int
  public var width: Int

  public init(channels: Int, height: Int, width: Int) {
    (self.channels, self.height, self.width) = (channels, height, width)
  }

  /// Numbers of a row.
  public var count: Int { channels * height * width }
  /// Pixels of a channel.
  var area: Int { height * width }

  public init(from decoder: any Decoder) throws {
    let numbers = try decoder.singleValueContainer().decode([Int].self)
    guard numbers.count == 3, numbers.allSatisfy({ (1...65_536).contains($0) }) else {
      throw DecodingError.dataCorrupted(
        .init(
          codingPath: decoder.codingPath,
          debugDescription: "a shape is [channels, height, width], each between 1 and 65536; got \(numbers)"))
    }
    self.init(channels: numbers[0], height: numbers[1], width: numbers[2])
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode([channels, height, width])
  }
}

extension ImageShape: CustomStringConvertible {
  public var description: String { "\(channels) × \(height) × \(width)" }
}

/// What comes out of a layer, row by row.
enum RowLayout: Equatable {
  case vector(Int)
  case image(ImageShape)

  var count: Int {
    switch self {
    case .vector(let count): count
    case .image(let shape): shape.count
    }
  }
}

/// Square windows over an image: rows and columns at steps of `stride` from −`padding` on, as far as they fit.
struct Windows: Hashable, Sendable {
  let image: ImageShape
  let kernel: Int
  let stride: Int
  let padding: Int

  /// Windows on top of and beside each other.
  var rows: Int { (image.height + 2 * padding - kernel) / stride + 1 }
  var columns: Int { (image.width + 2 * padding - kernel) / stride + 1 }
  var count: Int { rows * columns }

  /// Whether there is one.
  var exist: Bool { kernel <= image.height + 2 * padding && kernel <= image.width + 2 * padding }

  /// The rows of windows that have their pixel row dy inside the image.
  @inline(__always) func tall(_ dy: Int) -> Range<Int> { inside(dy, image.height, rows) }

  /// The columns of windows that have their pixel column dx inside the image.
  @inline(__always) func wide(_ dx: Int) -> Range<Int> { inside(dx, image.width, columns) }

  /// 0 ≤ w·stride + d − padding < size
  @inline(__always) private func inside(_ d: Int, _ size: Int, _ windows: Int) -> Range<Int> {
    let first = min(windows, max(0, (padding - d + stride - 1) / stride))
    return first..<max(first, min(windows, max(0, (size + padding - d + stride - 1) / stride)))
  }

  /// What of window number w, of those over a side of this size, lies on it.
  @inline(__always) func span(_ w: Int, _ size: Int) -> (start: Int, end: Int) {
    let start = w &* stride &- padding
    return (max(0, start), min(size, start &+ kernel))
  }

  /// Calls `body` for the rows of windows that have the place (dy, dx) of the kernel inside the image, with a channel's pixel
  /// that the row's first window would have there (it may lie outside) and the columns that have it inside.
  @inline(__always) func forRows(
    _ dy: Int, _ dx: Int, _ body: (_ first: Int, _ pixel: Int, _ columns: Range<Int>) -> Void
  ) {
    let wide = wide(dx)
    for r in tall(dy) { body(r * columns, (r * stride + dy - padding) * image.width + dx - padding, wide) }
  }

  /// Calls `body` for neighbouring windows of a row with how far on their pixel is, in loops that the compiler can make
  /// vectors of.
  @inline(__always) func forColumns(_ range: Range<Int>, _ body: (_ column: Int, _ pixel: Int) -> Void) {
    if stride == 1 {
      for c in range { body(c, c) }
    } else {
      for c in range { body(c, stride &* c) }
    }
  }
}
