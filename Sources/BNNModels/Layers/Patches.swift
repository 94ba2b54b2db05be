import BNNLinearAlgebra

/// Windows of one image side by side, so that a convolution is a matrix product.
extension Windows {
  /// Numbers of a window over all channels, K = channels·kernel².
  var patch: Int { image.channels * kernel * kernel }

  /// Whether every pixel is a window of its own: the image is its own matrix of patches.
  var areThePixels: Bool { kernel == 1 && stride == 1 && padding == 0 }

  /// Whether there is a window around every pixel: a place of the kernel then sees the image shifted, in one piece.
  private var surroundPixels: Bool { stride == 1 && rows == image.height && columns == image.width }

  /// Windows as the columns of a K × T matrix; pixels beyond the border are 0.
  @inline(__always) func gather<Scalar: BLASScalar>(
    _ x: UnsafePointer<Scalar>, into columns: UnsafeMutablePointer<Scalar>
  ) {
    let shifts = surroundPixels
    var row = columns
    forKernel { plane, dy, dx, tall, wide in
      let pixels = x + plane * image.area
      if shifts {
        let shift = (dy - padding) * image.width + dx - padding
        let (first, last) = (max(0, -shift), min(count, count - shift))
        (row + first).update(from: pixels + first + shift, count: max(0, last - first))
        clear(row, outside: tall, wide)
        row += count
        return
      }
      for r in 0..<rows {
        let target = row + r * self.columns
        guard tall.contains(r) else {
          for c in 0..<self.columns { target[c] = 0 }
          continue
        }
        for c in 0..<wide.lowerBound { target[c] = 0 }
        let source = pixels + (r * stride + dy - padding) * image.width + dx - padding
        forColumns(wide) { target[$0] = source[$1] }
        for c in wide.upperBound..<self.columns { target[c] = 0 }
      }
      row += count
    }
  }

  /// x ← x + what `gather` takes from it: its transpose. What lies beyond the border is lost from `columns`.
  @inline(__always) func scatter<Scalar: BLASScalar>(
    _ columns: UnsafeMutablePointer<Scalar>, into x: UnsafeMutablePointer<Scalar>
  ) {
    let shifts = surroundPixels
    var row = columns
    forKernel { plane, dy, dx, tall, wide in
      let pixels = x + plane * image.area
      if shifts {
        let shift = (dy - padding) * image.width + dx - padding
        clear(row, outside: tall, wide)
        let first = max(0, -shift)
        let (source, target) = (row + first, pixels + first + shift)
        for q in 0..<max(0, min(count, count - shift) - first) { target[q] += source[q] }
        row += count
        return
      }
      forRows(dy, dx) { first, pixel, wide in forColumns(wide) { pixels[pixel + $1] += row[first + $0] } }
      row += count
    }
  }

  /// Sets the windows outside some rows and columns of one place of the kernel to 0.
  @inline(__always) private func clear<Scalar: BLASScalar>(
    _ row: UnsafeMutablePointer<Scalar>, outside tall: Range<Int>, _ wide: Range<Int>
  ) {
    for q in 0..<(tall.lowerBound * columns) { row[q] = 0 }
    for q in (tall.upperBound * columns)..<count { row[q] = 0 }
    for c in 0..<wide.lowerBound { for r in tall { row[r * columns + c] = 0 } }
    for c in wide.upperBound..<columns { for r in tall { row[r * columns + c] = 0 } }
  }

  /// Every channel and place of the kernel, with the rows and columns of windows that have it inside the image.
  @inline(__always) private func forKernel(
    _ body: (_ plane: Int, _ dy: Int, _ dx: Int, _ tall: Range<Int>, _ wide: Range<Int>) -> Void
  ) {
    for plane in 0..<image.channels {
      for dy in 0..<kernel {
        for dx in 0..<kernel {
          body(plane, dy, dx, tall(dy), wide(dx))
        }
      }
    }
  }
}

/// b (columns × rows) ← aᵀ, in tiles that stay in the cache.
@inline(__always) func transpose<Scalar: BLASScalar>(
  _ a: UnsafePointer<Scalar>, rows: Int, columns: Int, into b: UnsafeMutablePointer<Scalar>
) {
  for first in stride(from: 0, to: columns, by: 16) {
    let last = min(first + 16, columns)
    for i in 0..<rows {
      let (source, target) = (a + i * columns, b + i)
      for j in first..<last { target[j * rows] = source[j] }
    }
  }
}

/// Σ x in eight partial sums.
@inline(__always) func sum<Scalar: BLASScalar>(_ x: UnsafePointer<Scalar>, count: Int) -> Scalar {
  var sums = SIMD8<Scalar>.zero
  var j = 0
  while j + 8 <= count {
    sums += UnsafeRawPointer(x + j).loadUnaligned(as: SIMD8<Scalar>.self)
    j += 8
  }
  var sum = ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]))
  while j < count {
    sum += x[j]
    j += 1
  }
  return sum
}
