import CXXHash

/// XXH3-128 of a row: of its features (a category as its inputs of 0 and 1), then its targets, in the order of the schema, then its
/// weight if there are weights, each a little-endian double; −0 counts as +0.
public struct RowHash: Sendable, Equatable {
  public let high: UInt64
  public let low: UInt64

  @inline(__always) init(_ hash: XXH128_hash_t) { (high, low) = (hash.high64, hash.low64) }
}

extension Dataset {
  /// Hands over the hash of every row, in their order. O(rows × columns).
  @inline(__always) public func forEachRowHash(_ body: (RowHash) -> Void) {
    let (inputs, outputs) = (featureCount, targetCount)
    let weights = weights ?? []
    var row = [Double](repeating: 0, count: inputs + outputs + (self.weights == nil ? 0 : 1))
    features.withUnsafeBufferPointer { features in
      targets.withUnsafeBufferPointer { targets in
        for index in 0..<rows {
          let hash = row.withUnsafeMutableBufferPointer { row in
            for column in 0..<inputs { row[column] = canonical(features[index * inputs + column]) }
            for column in 0..<outputs { row[inputs + column] = canonical(targets[index * outputs + column]) }
            if index < weights.count { row[inputs + outputs] = canonical(weights[index]) }
            return XXH3_128bits(row.baseAddress, row.count * MemoryLayout<Double>.size)
          }
          body(RowHash(hash))
        }
      }
    }
  }

  /// Adding zero turns −0 into +0 and leaves every other number as it is; bytes in little-endian order.
  @inline(__always) private func canonical(_ value: Double) -> Double {
    Double(bitPattern: (value + 0).bitPattern.littleEndian)
  }
}

extension RowBuffer {
  /// Hands over the hash of every row from one on, in their order. O(rows × columns).
  @inline(__always) public func forEachRowHash(from first: Int = 0, _ body: (RowHash) -> Void) {
    let size = columns * MemoryLayout<Double>.size
    withUnsafeValues { values in
      var row = [UInt64](repeating: 0, count: columns)
      let bytes = UnsafeRawBufferPointer(values)
      for index in first..<max(first, rows) {
        let own = bytes.baseAddress.map { $0 + index * size }
        let hash =
          UInt16(littleEndian: 1) == 1
          ? XXH3_128bits(own, size)
          : row.withUnsafeMutableBufferPointer { row in
            for j in row.indices { row[j] = values[index * row.count + j].bitPattern.littleEndian }
            return XXH3_128bits(row.baseAddress, size)
          }
        body(RowHash(hash))
      }
    }
  }
}
