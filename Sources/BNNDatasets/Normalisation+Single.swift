extension Normalisation {
  /// Features in normalised units, in single precision: what a large network takes.
  ///
  ///     (value − center) / scale,   computed in double, rounded once
  ///
  /// - Parameter features: [rows × featureCenter.count], row-major.
  /// - Complexity: O(rows × columns).
  public func singlePrecision(_ features: [Double]) -> [Float] {
    [Float](unsafeUninitializedCapacity: features.count) { target, count in
      features.withUnsafeBufferPointer { normalise($0, into: target.baseAddress) }
      count = features.count
    }
  }

  /// The same from numbers in single precision, in their place.
  func normalise(_ features: inout [Float]) {
    features.withUnsafeMutableBufferPointer { normalise(UnsafeBufferPointer($0), into: $0.baseAddress) }
  }

  private func normalise<T: BinaryFloatingPoint>(
    _ values: UnsafeBufferPointer<T>, into target: UnsafeMutablePointer<Float>?
  ) {
    let columns = featureCenter.count
    guard columns > 0, let target, let source = values.baseAddress else { return }
    precondition(values.count % columns == 0, "features are rows × columns")
    featureCenter.withUnsafeBufferPointer { center in
      featureScale.withUnsafeBufferPointer { scale in
        for row in 0..<values.count / columns {
          let (from, to) = (source + row * columns, target + row * columns)
          for column in 0..<columns { to[column] = Float((Double(from[column]) - center[column]) / scale[column]) }
        }
      }
    }
  }

  /// One mean and one population standard deviation of all values, for each column; values that are all equal have the
  /// scale 1. Two passes over sums of short pieces, which are themselves added with compensation.
  static func pooledMoments<T: BinaryFloatingPoint>(
    of values: [T], columns: Int
  ) -> (center: [Double], scale: [Double]) {
    let count = Double(values.count)
    var (least, most) = (Double.infinity, -Double.infinity)
    var sums = CompensatedSums(count: 3)
    values.forEachPiece { piece in
      var (low, high, total) = (SIMD8(repeating: piece[0]), SIMD8(repeating: piece[0]), SIMD8<Double>.zero)
      piece.forEachLanes { lanes in
        low.replace(with: lanes, where: lanes .< low)
        high.replace(with: lanes, where: lanes .> high)
        total += lanes
      } rest: { value in
        low[0] = min(low[0], value)
        high[0] = max(high[0], value)
        total[0] += value
      }
      least = min(least, low.min())
      most = max(most, high.max())
      sums.add(total.sum(), to: 0)
    }
    var (center, scale) = (least, 1.0)
    if least < most {
      center = sums[0] / count
      // A power of two, so that changing the unit rounds nothing that matters.
      let largest = max(abs(least), abs(most))
      let unit = largest < .leastNormalMagnitude ? .leastNormalMagnitude : largest.binade
      values.forEachPiece { piece in
        var (squares, rests) = (SIMD8<Double>.zero, SIMD8<Double>.zero)
        piece.forEachLanes { lanes in
          let deviations = (lanes - center) / unit
          squares += deviations * deviations
          rests += deviations
        } rest: { value in
          let deviation = (value - center) / unit
          squares[0] += deviation * deviation
          rests[0] += deviation
        }
        sums.add(squares.sum(), to: 1)
        sums.add(rests.sum(), to: 2)
      }
      // What the rounding of the mean left over is taken out again.
      let deviation = (max(sums[1] - sums[2] * sums[2] / count, 0) / count).squareRoot() * unit
      if deviation > 0 { scale = deviation }
    }
    return (Array(repeating: center, count: columns), Array(repeating: scale, count: columns))
  }
}

extension Array where Element: BinaryFloatingPoint {
  /// The elements as doubles, some thousand at a time, at least one.
  fileprivate func forEachPiece(_ body: (UnsafeBufferPointer<Double>) -> Void) {
    let size = 4096
    var piece = [Double](repeating: 0, count: Swift.min(size, count))
    withUnsafeBufferPointer { values in
      piece.withUnsafeMutableBufferPointer { piece in
        for start in stride(from: 0, to: values.count, by: size) {
          let length = Swift.min(size, values.count - start)
          for i in 0..<length { piece[i] = Double(values[start + i]) }
          body(UnsafeBufferPointer(rebasing: piece[..<length]))
        }
      }
    }
  }
}

extension UnsafeBufferPointer<Double> {
  /// The elements eight at a time, then those left over.
  @inline(__always)
  fileprivate func forEachLanes(_ body: (SIMD8<Double>) -> Void, rest: (Double) -> Void) {
    let bytes = UnsafeRawBufferPointer(self)
    let whole = count / 8 * 8
    for i in stride(from: 0, to: whole, by: 8) {
      body(bytes.loadUnaligned(fromByteOffset: i * MemoryLayout<Double>.stride, as: SIMD8<Double>.self))
    }
    for i in whole..<count { rest(self[i]) }
  }
}
