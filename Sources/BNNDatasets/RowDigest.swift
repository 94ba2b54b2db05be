import CXXHash

/// A fingerprint of a set of rows that does not depend on their order.
///
///     digest = Σ over rows of XXH3-128(bytes of the row)   modulo 2^128
///
/// The bytes of a row are its features (a category as its inputs of 0 and 1), then its targets, in the order of the schema,
/// then its weight if there are weights, each a little-endian double; −0 counts as +0. A row that comes twice counts twice. Digests of disjoint parts add up to the digest of the union.
/// It finds accidents, as a file absorbed twice; it does not resist forgery.
public struct RowDigest: Hashable, Sendable, Codable, CustomStringConvertible {
  private var high: UInt64 = 0
  private var low: UInt64 = 0

  /// The digest of no rows.
  public init() {}

  /// The digest of the rows of a data set.
  public init(of data: Dataset) {
    self.init()
    add(data)
  }

  /// The digest written as 32 hexadecimal digits, the most significant first, in either case; nil for any other text.
  public init?(hex: String) {
    let digits = Array(hex.utf8)
    guard digits.count == 32, digits.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }),
      let high = UInt64(String(decoding: digits[..<16], as: UTF8.self), radix: 16),
      let low = UInt64(String(decoding: digits[16...], as: UTF8.self), radix: 16)
    else { return nil }
    self.high = high
    self.low = low
  }

  /// 32 hexadecimal digits in lower case, the most significant first.
  public var description: String {
    [high, low].map { part in
      let digits = String(part, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
  }

  /// Adds the rows of a data set.
  ///
  /// - Complexity: O(rows × columns).
  public mutating func add(_ data: Dataset) {
    let (inputs, outputs) = (data.featureCount, data.targetCount)
    let weights = data.weights ?? []
    var row = [Double](repeating: 0, count: inputs + outputs + (data.weights == nil ? 0 : 1))
    data.features.withUnsafeBufferPointer { features in
      data.targets.withUnsafeBufferPointer { targets in
        for index in 0..<data.rows {
          let hash = row.withUnsafeMutableBufferPointer { row in
            for column in 0..<inputs { row[column] = canonical(features[index * inputs + column]) }
            for column in 0..<outputs { row[inputs + column] = canonical(targets[index * outputs + column]) }
            if index < weights.count { row[inputs + outputs] = canonical(weights[index]) }
            return XXH3_128bits(row.baseAddress, row.count * MemoryLayout<Double>.size)
          }
          add(high: hash.high64, low: hash.low64)
        }
      }
    }
  }

  /// Adds the rows of a buffer from one on. O(rows × columns).
  public mutating func add(_ buffer: RowBuffer, from first: Int = 0) {
    let size = buffer.columns * MemoryLayout<Double>.size
    buffer.withUnsafeValues { values in
      var row = [UInt64](repeating: 0, count: buffer.columns)
      let bytes = UnsafeRawBufferPointer(values)
      for index in first..<max(first, buffer.rows) {
        let own = bytes.baseAddress.map { $0 + index * size }
        let hash =
          UInt16(littleEndian: 1) == 1
          ? XXH3_128bits(own, size)
          : row.withUnsafeMutableBufferPointer { row in
            for j in row.indices { row[j] = values[index * row.count + j].bitPattern.littleEndian }
            return XXH3_128bits(row.baseAddress, size)
          }
        add(high: hash.high64, low: hash.low64)
      }
    }
  }

  /// Adds the rows another digest was made of.
  public mutating func add(_ other: RowDigest) {
    add(high: other.high, low: other.low)
  }

  private mutating func add(high otherHigh: UInt64, low otherLow: UInt64) {
    let (sum, carry) = low.addingReportingOverflow(otherLow)
    low = sum
    high = high &+ otherHigh &+ (carry ? 1 : 0)
  }

  /// Adding zero turns −0 into +0 and leaves every other number as it is; bytes in little-endian order.
  @inline(__always) private func canonical(_ value: Double) -> Double {
    Double(bitPattern: (value + 0).bitPattern.littleEndian)
  }

  // MARK: Codable

  /// Decodes the hexadecimal text.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let digest = RowDigest(hex: try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "a digest of rows is 32 hexadecimal digits")
    }
    self = digest
  }

  /// Encodes the hexadecimal text.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
