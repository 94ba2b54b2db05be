/// Rows of features and targets side by side, in memory that is used again for the next ones: nothing is allocated or
/// copied twice on the way from a file to the products of its rows.
///
///     var buffer = RowBuffer()
///     while try reader.read(maxRows: 3840, into: &buffer) { digest.add(buffer); … buffer.removeAll() }
public struct RowBuffer: Sendable {
  public private(set) var rows = 0
  /// Features, then targets.
  public private(set) var columns = 0
  private var storage: [Double] = []

  public init() {}

  /// Forgets the rows and keeps the memory.
  public mutating func removeAll() { rows = 0 }

  /// The numbers, [rows × columns], row-major: finite, none of them −0.
  public func withUnsafeValues<R>(_ body: (UnsafeBufferPointer<Double>) throws -> R) rethrows -> R {
    try storage.withUnsafeBufferPointer { try body(UnsafeBufferPointer(rebasing: $0.prefix(rows * columns))) }
  }

  /// Appends the rows that `fill` writes and counts; nil, and nothing appended, if one of their numbers is not finite or
  /// too large: then `rejected` gets them.
  mutating func append(
    atMost maxRows: Int, columns width: Int,
    fill: (UnsafeMutableBufferPointer<Double>) throws(DataError) -> Int,
    rejected: (UnsafeBufferPointer<Double>) -> Void
  ) throws(DataError) -> Int? {
    precondition(rows == 0 || width == columns, "all rows of a buffer have the same columns")
    columns = width
    let start = rows * width
    let end = start + maxRows * width
    if storage.count < end {
      storage.append(contentsOf: repeatElement(0, count: end - storage.count))
    }
    let added = try storage.withUnsafeMutableBufferPointer { target throws(DataError) -> Int? in
      let own = UnsafeMutableBufferPointer(rebasing: target[start..<end])
      let count = try fill(own)
      let written = UnsafeMutableBufferPointer(rebasing: own.prefix(count * width))
      if written.canonicalise() { return count }
      rejected(UnsafeBufferPointer(written))
      return nil
    }
    rows += added ?? 0
    return added
  }

  /// Appends rows that are known to be finite and not too large.
  mutating func append(_ values: [Double], rows count: Int) throws(DataError) {
    _ = try append(atMost: count, columns: values.count / max(1, count)) { target throws(DataError) in
      _ = target.update(fromContentsOf: values)
      return count
    } rejected: { _ in
    }
  }
}

extension UnsafeMutableBufferPointer<Double> {
  /// Turns −0 into +0; false if a number is not finite or larger than `DatasetReader.largest`. One pass.
  fileprivate func canonicalise() -> Bool {
    let limit = SIMD8<Double>(repeating: DatasetReader.largest)
    var isClean = SIMDMask<SIMD8<Double>.MaskStorage>(repeating: true)
    var i = 0
    let size = MemoryLayout<Double>.size
    let bytes = UnsafeMutableRawBufferPointer(self)
    while i + 8 <= count {
      let v = bytes.loadUnaligned(fromByteOffset: i * size, as: SIMD8<Double>.self) + 0
      bytes.storeBytes(of: v, toByteOffset: i * size, as: SIMD8<Double>.self)
      // NaN is not within the limits either.
      let magnitude = unsafeBitCast(v, to: SIMD8<UInt64>.self) & (UInt64.max >> 1)
      isClean .&= unsafeBitCast(magnitude, to: SIMD8<Double>.self) .<= limit
      i += 8
    }
    var allClean = all(isClean)
    while i < count {
      self[i] += 0
      if !(abs(self[i]) <= DatasetReader.largest) { allClean = false }
      i += 1
    }
    return allClean
  }
}

extension DatasetReader {
  /// Whether every row is the table's own numbers, features and targets, and nothing else.
  public var isPlain: Bool {
    keptCount == 0 && columns.weights == nil && columns.time == nil && !tellsHeads && schema.targetKind == .number
      && schema.featureColumns.allSatisfy { $0.levels == nil }
  }

  /// Appends the next rows of a plain reader, at most `maxRows` > 0 of them; false, and nothing appended, at the end.
  ///
  /// - Throws: as `nextBlock`.
  public func read(maxRows: Int, into buffer: inout RowBuffer) throws(DataError) -> Bool {
    precondition(isPlain, "rows with more than numbers are read as data sets")
    if let count = try readDirectly(maxRows: maxRows, into: &buffer) { return count > 0 }
    guard let block = try nextBlock(maxRows: maxRows) else { return false }
    try buffer.append(block.sideBySide, rows: block.rows)
    return true
  }
}

extension Dataset {
  /// [features targets].
  fileprivate var sideBySide: [Double] {
    if targetCount == 0 { return features }
    let width = featureCount + targetCount
    return [Double](unsafeUninitializedCapacity: rows * width) { target, count in
      features.withUnsafeBufferPointer { features in
        targets.withUnsafeBufferPointer { targets in
          for i in 0..<rows {
            let place = target.baseAddress! + i * width
            for j in 0..<featureCount { (place + j).initialize(to: features[i * featureCount + j]) }
            for j in 0..<targetCount { (place + featureCount + j).initialize(to: targets[i * targetCount + j]) }
          }
        }
      }
      count = rows * width
    }
  }
}
